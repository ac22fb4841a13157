"""chat_cases.py INGOT MAKE_TINY: talks to `ingot run` through a pseudo terminal, as a person would."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import time

INGOT, MAKE_TINY = sys.argv[1:3]
SLOW = 20.0  # seconds that an expected text may take, sanitizers and busy machines included
ENDLESS = "{% for m in messages %}{{ m.content }}|{% endfor %}A"  # the tiny model goes on with B C D for ever
failures = 0


class Terminal:
    """A program on a pseudo terminal of 100 columns."""

    def __init__(self, args, **env):
        self.seen = ""  # without escape sequences
        self.raw = ""
        self.half = ""  # of an escape sequence
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            names = dict(os.environ, TERM="xterm", LC_ALL="C.UTF-8", **env)
            os.execve(args[0], args, {k: v for k, v in names.items() if v is not None})

    def read(self, seconds):
        ready, _, _ = select.select([self.fd], [], [], seconds)
        if not ready:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # the other side is closed
            return False
        text = data.decode("utf-8", "replace")
        self.raw += text
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.half + text)
        cut = re.search(r"\x1b(\[[0-9;?]*)?$", text)
        self.half = cut.group() if cut else ""
        self.seen += text[: cut.start()] if cut else text
        return bool(data)

    def expect(self, text, what=""):
        """Waits for text in what came since the last expect; gives what stands before it."""
        end = time.time() + SLOW
        while text not in self.seen:
            if time.time() > end or not self.read(0.2):
                fail(f"{what or text!r}: not seen; the terminal shows {self.seen!r}")
                return ""
        before, self.seen = self.seen.split(text, 1)
        return before

    def send(self, text):
        os.write(self.fd, text.encode())

    def say(self, text, answer="xyz."):
        self.send(text + "\n")
        return self.expect(answer, f"answer to {text!r}") + self.expect("> ")

    def end(self):
        end = time.time() + SLOW
        while self.read(0.2):
            if time.time() > end:
                fail(f"the program does not end; the terminal shows {self.seen!r}")
                os.kill(self.pid, signal.SIGKILL)
                break
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return status


def fail(message):
    global failures
    failures += 1
    print("FAILED", message, file=sys.stderr)


def check(condition, message):
    if not condition:
        fail(message)


def start(folder, *args, model="tiny.gguf", **env):
    t = Terminal([INGOT, "run", f"{folder}/{model}", *args], XDG_STATE_HOME=f"{folder}/state", **env)
    t.expect("> ", "the first prompt")
    return t


def commands(folder):
    t = start(folder)
    t.say("hello")
    check("\x1b[1;32m>" in t.raw, "no colours on a terminal")
    t.say("/stats", "2 messages; ")
    t.say("/help", "/regen")
    t.say("hello")
    t.say("/undo", "2 messages left")
    t.say("/regen")
    t.say("/system be brief", "system message set")
    t.say("/set temp 0.5", "0.5")
    t.say("/set", "temp             0.5")
    t.say("/set temp hot", "--temp takes a number, not \"hot\"")
    t.say("/set top-p 2", "--top-p takes a number from 0 to 1")
    t.send("   \n")
    t.expect("> ")
    t.say("/stats", "3 messages; ")
    t.say("/?", "/regen")
    t.say(f"/load {folder}/tiny.gguf", "is no saved conversation")
    t.say(f"/read {folder}/tiny.gguf", "is no text")
    t.say("/set prompt x", "no number \"prompt\"")
    t.say("/nonsense", "unknown command /nonsense")
    t.say("/read /nonexistent", "No such file")
    with open(f"{folder}/note", "w") as f:
        f.write("a note")
    t.say(f"/read {folder}/note", "6 bytes of")
    t.say("what is it?")
    t.say(f"/save {folder}/tiny.gguf", "and it is read")
    t.say(f"/save {folder}/chat.json", "5 messages saved")
    want = [("system", "be brief"), ("user", "hello"), ("assistant", "xyz."), ("user", "a note\nwhat is it?"),
            ("assistant", "xyz.")]
    with open(f"{folder}/chat.json") as f:
        got = [(m["role"], m["content"]) for m in json.load(f)]
    check(got == want, f"saved conversation {got}")
    t.say("/clear", "new conversation")
    t.say(f"/load {folder}/chat.json", "5 messages loaded")
    with open(f"{folder}/bad.json", "w") as f:
        f.write('[{"content": "x"}]')
    t.say(f"/load {folder}/bad.json", "message 0 has no role")
    t.say("/stats", "5 messages; ")
    t.send("/bye\n")
    check(t.end() == 0, "/bye is not 0")


def lines(folder):
    t = start(folder, NO_COLOR="1")
    t.send("one\\\n")
    t.expect(". ", "second prompt")
    t.say("two")
    t.send('"""first\n')
    t.expect(". ")
    t.say('sec"ond"""')
    t.say("\x1b[200~pasted\rtext\x1b[201~ and typed")
    t.say("gr\u00fc\u00dfe \u4f60\u597d")
    t.say(f"/save {folder}/lines.json", "8 messages saved")
    with open(f"{folder}/lines.json") as f:
        got = [m["content"] for m in json.load(f)[::2]]
    check(got == ["one\ntwo", 'first\nsec"ond', "pasted\ntext and typed", "gr\u00fc\u00dfe \u4f60\u597d"], f"lines {got}")
    t.send("\x04")
    check(t.end() == 0, "Ctrl-D is not 0")
    check("\x1b[1;32m" not in t.raw, "NO_COLOR is not respected")


def history(folder):
    t = start(folder)
    t.say("remember me")
    t.send("\x04")
    t.end()
    mode = os.stat(f"{folder}/state/ingot/history").st_mode & 0o777
    check(mode == 0o600, f"history has mode {mode:o}")
    t = start(folder)
    t.send("\x1b[A")
    t.expect("remember me", "the line of the last run")
    t.send("\n")
    t.expect("xyz.")
    t.expect("> ")
    t.send("\x04")
    t.end()
    with open(f"{folder}/state/ingot/history") as f:
        check(f.read().count("remember\\040me") == 2, "history has other lines than were typed")


def interrupt(folder):
    t = start(folder, "--chat-template", ENDLESS, "-c", "100000")
    t.send("go\n")
    t.expect("BCDEFGH")
    t.send("\x03")
    t.expect("what was said is kept")
    t.expect("> ")
    t.say("/stats", "2 messages")
    t.say(f"/save {folder}/stopped.json", "saved")
    with open(f"{folder}/stopped.json") as f:
        check(json.load(f)[1]["content"].startswith("BCDEFGH"), "the stopped answer is not kept")
    t.send("half a line\x03")
    t.expect("^C")
    t.expect("> ")
    t.send("/set n 3\n")
    t.expect("> ")
    t.say("again", "stopped after 3 tokens")
    os.kill(t.pid, signal.SIGTERM)
    check(os.WIFEXITED(t.end()), "SIGTERM at the prompt leaves the terminal raw")


def reuse(folder):
    """A second message evaluates what is new, and nothing of what was there."""
    t = start(folder)
    t.say("hello")
    t.say("/stats", "last answer: 0 tokens of the prompt were kept, 20 evaluated")
    t.say("hello")
    t.say("/stats", "last answer: 24 tokens of the prompt were kept, 21 evaluated")
    t.say("/regen")
    t.say("/stats", "last answer: 44 tokens of the prompt were kept, 1 evaluated")
    t.send("\x04")
    t.end()


def typed_ahead(folder):
    """Lines and the end, typed while an answer is still being made."""
    t = start(folder, "-n", "300", "--chat-template", ENDLESS, "-c", "4096")
    t.send("one\n")
    t.expect("BCD")
    t.send("two\n\x04")
    t.expect("stopped after 300 tokens")
    t.expect("stopped after 300 tokens")
    check(t.end() == 0, "Ctrl-D typed ahead is not 0")


def full_context(folder):
    t = start(folder, "-c", "64")
    t.send("x" * 100 + "\n")
    t.expect("/undo takes the last exchange back")
    t.expect("> ")
    t.say("hi")
    t.say("/stats", "2 messages")
    t.send("\x04")
    t.end()
    t = start(folder, "-c", "64", "--chat-template", ENDLESS)
    t.send("go\n")
    t.expect("the context of 64 tokens is full")
    t.expect("> ")
    t.say("/stats", "2 messages; 64 of 64")
    t.send("\x04")
    t.end()


def broken_template(folder):
    t = Terminal([INGOT, "run", f"{folder}/broken.gguf", "-n", "3"], XDG_STATE_HOME=f"{folder}/state")
    t.expect("no chat: the model's chat template cannot be used")
    t.send("uvw\n\x04")
    t.expect("uvw", "completion of a typed text")
    t.expect("xyz")
    t.end()


def wrong_role(folder):
    t = start(folder)
    with open(f"{folder}/roles.json", "w") as f:
        f.write('[{"role": "oracle", "content": "x"}]')
    t.say(f"/load {folder}/roles.json", "1 messages loaded")
    t.say("hi", "role oracle is not known")
    t.say("/clear", "new conversation")
    t.say("hi")
    t.send("\x04")
    t.end()


def suspended(folder):
    """Ctrl-Z where nobody could start the program again: this one has no shell around it."""
    t = start(folder)
    t.send("\x1a")
    t.expect("> ", "a prompt after Ctrl-Z")
    t.say("hello")
    t.send("\x04")
    check(t.end() == 0, "Ctrl-D after Ctrl-Z is not 0")


def names(folder):
    """A model's name must not command the terminal."""
    t = start(folder, model="nasty.gguf")
    t.say("hi")
    t.send("/stats\n")
    t.expect("GB/s")
    t.send("\x04")
    t.end()
    check("evil" in t.raw and "\x1b]" not in t.raw and "\x9b" not in t.raw and "\a" not in t.raw, f"raw name in {t.raw!r}")


def main():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([MAKE_TINY, folder], check=True)
        for case in (commands, lines, history, interrupt, reuse, typed_ahead, full_context, broken_template, wrong_role, suspended,
                     names):
            case(folder)
            print("chat:", case.__name__)
    return 1 if failures else 0


sys.exit(main())
