#!/usr/bin/env python3
"""Makes the fixtures of tests/tokenizer/data (and, with --complete, a folder for INGOT_TEST_TOKENIZERS).

Needs the Python packages gguf and tokenizers, peer_ids (see peer_ids.cpp), the peer's folder models/ with
ggml-vocab-*.gguf, and a folder NAME/tokenizer.json.
  make_tokenizer_fixtures.py --peer ./peer_ids --models LLAMA/models --json DIR [--complete OUT]

Formats, all numbers little-endian u32 unless said otherwise, strings as length and bytes:
  NAME.vocab   model, pre, name, architecture; n tokens; flag and f32 scores; flag and i32 types; i32 n merges (-1 =
               none) and merges; 16 i32 roles in the order of ig_token_role; 7 tri-states in the order of TRI
  strings.bin  n, strings
  NAME.ids     for each string twice (special tokens added and parsed; neither, or for JSON parsed only): n ids, ids;
               text length and text
  splits.txt   pre TAB string in hex TAB lengths of its words in bytes
"""
import argparse, json, os, random, struct, subprocess, tempfile

import gguf
from tokenizers import Tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
ROLES = ['bos', 'eos', 'eot', 'eom', 'unknown', 'seperator', 'padding', 'cls', 'mask', 'fim_pre', 'fim_suf', 'fim_mid',
         'fim_pad', 'fim_rep', 'fim_sep', None]
TRI = ['add_bos_token', 'add_eos_token', 'add_sep_token', 'add_space_prefix', 'clean_spaces',
       'remove_extra_whitespaces', 'normalizer.lowercase']
COMPLETE = ['aquila', 'baichuan', 'command-r', 'deepseek-coder', 'deepseek-llm', 'falcon', 'gemma-4', 'gpt-2',
            'gpt-neox', 'llama-bpe', 'llama-spm', 'mpt', 'phi-3', 'qwen2', 'qwen35', 'refact', 'starcoder']
PRES = ['default', 'llama3', 'dbrx', 'jais-2', 'chatglm-bpe', 'glm4', 'minicpm5', 'deepseek-llm', 'deepseek-coder',
        'deepseek-v3', 'spark2_5', 'youtu', 'falcon', 'starcoder', 'command-r', 'gpt-2', 'olmo', 'trillion',
        'roberta-bpe', 'stablelm2', 'qwen2', 'qwen35', 'ufakzeka', 'seed-coder', 'laguna', 'bailingmoe', 'exaone-moe',
        'bloom', 'poro-chat', 'viking', 'tekken', 'gpt-4o', 'granite-embed-multi-97m', 'tiny_aya', 'chameleon',
        'kimi-k2', 'superbpe', 'afmoe']
TRICKY = ["I'll we've DON'T it's'x", "Hello  world\n\n  end ", "a1b22c333d4444e55555", "12345678 9,876", "x  \t\n \r\n y",
          "camelCaseHTTPServer", "ÉCOLEÉcoleéÉ", "$100.00+[a]_b/c//d\n", "don’t “quote”…", "你好，世界。abc日本カナ",
          "한국어 안녕ㄱ", "e\u0301a\u0308 \u0301x", "नमस्ते दुनिया", "  \u3000\u00a0x\u2003\u2028y", "😀👍🏽 ok!!!\n",
          "'S 'ſ 're'VE''", "<sentinel:12>IMGIMGABZ    a", "٣٤٥１２３Ⅷ½²x", "a\u200db\u200cc", "\x01\x7f\u200b z",
          "中文abc中A1", "ǅungla ªº", "word word2 \"x\"\n/\n", "\n\n\n a\n", "   ", "x" + " " * 9 + "y" + " " * 7,
          "ไทย ລາວ ខ្មែរ မြန်", "1a22b 333c", "=== --- <|x|>", "“。”！？"]


def text(s):
    b = s if isinstance(s, bytes) else (s or '').encode()
    return struct.pack('<I', len(b)) + b


def write_strings(path, strings):
    with open(path, 'wb') as f:
        f.write(struct.pack('<I', len(strings)) + b''.join(text(s) for s in strings))


def write_vocab(path, v):
    n = len(v['tokens'])
    with open(path, 'wb') as f:
        for k in ('model', 'pre', 'name', 'arch'):
            f.write(text(v[k]))
        f.write(struct.pack('<I', n) + b''.join(text(t) for t in v['tokens']))
        f.write(struct.pack('<I', bool(v['scores'])) + struct.pack('<%df' % len(v['scores']), *v['scores']))
        f.write(struct.pack('<I', bool(v['types'])) + struct.pack('<%di' % len(v['types']), *v['types']))
        m = v['merges']
        f.write(struct.pack('<i', -1 if m is None else len(m)) + b''.join(text(x) for x in m or []))
        f.write(struct.pack('<16i', *v['roles']) + struct.pack('<7i', *v['tri']))


def read_gguf(path):
    r = gguf.GGUFReader(path)

    def get(k):
        f = r.fields.get(k)
        return None if f is None else f.contents()

    def array(k):
        f = r.fields.get('tokenizer.ggml.' + k)
        return None if f is None else [bytes(f.parts[i]) for i in f.data]

    g = lambda k: get('tokenizer.ggml.' + k)
    tri = [g(k) for k in TRI]
    return dict(model=g('model'), pre=g('pre') or '', name=get('general.name') or '',
                arch=get('general.architecture') or '', tokens=array('tokens'), scores=list(g('scores') or []),
                types=list(g('token_type') or []), merges=array('merges'),
                roles=[-1 if not k or g(k + '_token_id') is None else g(k + '_token_id') for k in ROLES],
                tri=[0 if x is None else 2 if x else 1 for x in tri])


def write_gguf(path, v):
    w = gguf.GGUFWriter(path, v['arch'] or 'llama')
    w.add_name(v['name'])
    w.add_tokenizer_model(v['model'])
    if v['pre']:
        w.add_tokenizer_pre(v['pre'])
    w.add_token_list(v['tokens'])
    if v['scores']:
        w.add_token_scores(v['scores'])
    if v['types']:
        w.add_token_types(v['types'])
    if v['merges'] is not None:
        w.add_token_merges([m.decode() if isinstance(m, bytes) else m for m in v['merges']])
    for k, x in zip(ROLES, v['roles']):
        if k and x >= 0:
            w.add_uint32('tokenizer.ggml.%s_token_id' % k, x)
    for k, x in zip(TRI, v['tri']):
        if x:
            w.add_bool('tokenizer.ggml.' + k, x == 2)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.close()


def peer(args, gguf_path, strings, out, pre=None):
    subprocess.run([args.peer, gguf_path, strings, out] + ([pre] if pre else []), check=True, stderr=subprocess.DEVNULL)


def hf_ids(tokenizer_json, strings, out):
    t = Tokenizer.from_file(tokenizer_json)
    with open(out, 'wb') as f:
        for b in strings:
            for special in (True, False):
                e = t.encode(b.decode(), add_special_tokens=special).ids
                d = t.decode(e, skip_special_tokens=not special)
                f.write(struct.pack('<I', len(e)) + struct.pack('<%di' % len(e), *e) + text(d))


# ---- random strings ----

def random_strings(seed, n, specials, invalid):
    r = random.Random(seed)
    words = ("the of and Hello World don't I'll we've THEY'RE it's John'S camelCase HTTPServer snake_case naïve Über École "
             "ÉCOLE straße ΑΒΓ αβγ Привет МИР 你好世界 日本語 カタカナ 한국어 สวัสดี नमस्ते عربى שלום ខ្មែរ Việt ǅ ª ſ 'ſ 𝒜𝔅 ﬁ").split()
    space = [" ", "  ", "   ", "\n", "\n\n", "\r\n", "\t", " \n", "\u00a0", "\u3000", "\u2003", "\u0085", "\v", "\r", "\u2028"]
    punct = list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~") + ["...", "—", "“", "”", "。", "，", "¿", "€", "→", "//", "=="]
    digits = ["0", "12", "123", "1234", "1234567", "3.14", "²", "½", "٣٤٥", "１２３", "1,234", "0x1F"]
    other = ["😀", "👨‍👩‍👧‍👦", "🇩🇪", "👍🏽", "\u0301", "e\u0301", "\u094d", "\u200d", "\x00", "\x01", "\x7f", "\u200b", "\ue000", "▁", "Ġ"]
    bad = [b"\xff", b"\xfe\xff", b"\xc3", b"\xe4\xbd", b"\xf0\x9f\x98", b"\x80", b"\xc0\x80", b"\xed\xa0\x80", b"\xe0\x80\x80"]

    def piece(allow):
        k = r.random()
        if k < .34: return r.choice(words).encode()
        if k < .58: return r.choice(space).encode()
        if k < .70: return r.choice(punct).encode()
        if k < .78: return r.choice(digits).encode()
        if k < .86: return r.choice(other).encode()
        if k < .93: return r.choice(specials).encode()
        if k < .96: return (r.choice(["a", "A", " ", "\n", "1", "é", "中"]) * r.randint(2, 60)).encode()
        if k < .98 and allow: return r.choice(bad)
        return ''.join(r.choice("abcdefghijABCDE ") for _ in range(r.randint(1, 70))).encode()

    return [b''] + [b''.join(piece(invalid and i % 3 == 0) for _ in range(r.randint(1, 14))) for i in range(n - 1)]


SPECIALS = ["<s>", "</s>", "<unk>", "<|im_end|>", "<|endoftext|>", "<|user|>", "<mask>", "<0x41>", "<user>", "<|end|>"]


# ---- small vocabularies ----

def small_spm(models):
    v = read_gguf(os.path.join(models, 'ggml-vocab-llama-spm.gguf'))
    keep = list(range(0, 700)) + list(range(29871, 30100))
    for k in ('tokens', 'scores', 'types'):
        v[k] = [v[k][i] for i in keep]
    v['tokens'] += [b'<user>', b'<|end|>']
    v['scores'] += [0.0, 0.0]
    v['types'] += [4, 3]
    v['name'] = 'small'
    return v


def small_bpe(models, pre):
    v = read_gguf(os.path.join(models, 'ggml-vocab-gpt-2.gguf'))
    v['merges'] = v['merges'][:800]
    made = [m.replace(b' ', b'') for m in v['merges']]
    v['tokens'] = v['tokens'][:256] + made + [b'<|endoftext|>', b'<user>', b'<|end|>']
    v['types'] = [1] * (256 + len(made)) + [3, 4, 3]
    v['roles'] = [256 + len(made)] * 2 + [-1] * 14
    v['pre'] = pre
    v['name'] = 'small'
    return v


def small_json(v, byte_level, out):
    vocab = {t.decode(): i for i, t in enumerate(v['tokens'])}
    split = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
    added = [dict(id=vocab[c], content=c, single_word=c == '<user>', lstrip=c == '<|end|>', rstrip=c == '<|end|>',
                  normalized=False, special=c != '<user>') for c in ('<|endoftext|>', '<user>', '<|end|>')]
    j = dict(version='1.0', truncation=None, padding=None, added_tokens=added, normalizer=dict(type='NFC'),
             pre_tokenizer=dict(type='Sequence', pretokenizers=[
                 dict(type='Split', pattern=dict(Regex=split), behavior='Isolated', invert=False),
                 dict(type='ByteLevel', add_prefix_space=False, trim_offsets=True, use_regex=False)]),
             post_processor=dict(type='TemplateProcessing', single=[
                 dict(SpecialToken=dict(id='<|endoftext|>', type_id=0)), dict(Sequence=dict(id='A', type_id=0))],
                 pair=[], special_tokens={'<|endoftext|>': dict(id='<|endoftext|>', ids=[vocab['<|endoftext|>']],
                                                                  tokens=['<|endoftext|>'])}),
             decoder=dict(type='ByteLevel', add_prefix_space=True, trim_offsets=True, use_regex=True),
             model=dict(type='BPE', dropout=None, unk_token=None, continuing_subword_prefix=None, end_of_word_suffix=None,
                        fuse_unk=False, byte_fallback=False, ignore_merges=False, vocab=vocab,
                        merges=[m.decode() for m in v['merges']]))
    json.dump(j, open(out, 'w'), ensure_ascii=False, separators=(',', ':'))


def fallback_json(source, out):
    """The first tokens of a SentencePiece-like BPE with byte fallback."""
    j = json.load(open(source))
    vocab = {t: i for t, i in j['model']['vocab'].items() if i < 700 or len(t) == 1}
    ids = {t: i for i, (t, _) in enumerate(sorted(vocab.items(), key=lambda x: x[1]))}
    pairs = [m if isinstance(m, list) else m.split(' ') for m in j['model']['merges']]
    j['model']['vocab'] = ids
    j['model']['merges'] = [p for p in pairs if p[0] in ids and p[1] in ids and p[0] + p[1] in ids]
    json.dump(j, open(out, 'w'), ensure_ascii=False, separators=(',', ':'))


def byte_chars():
    keep = list(range(0x21, 0x7F)) + list(range(0xA1, 0xAD)) + list(range(0xAE, 0x100))
    m = {b: chr(b) for b in keep}
    n = 0
    for b in range(256):
        if b not in m:
            m[b] = chr(256 + n)
            n += 1
    return m


def splits(args, tmp, out):
    """A vocabulary in which every part of every tricky string is a token that all its merges lead to: ids show words."""
    m = byte_chars()
    tokens, merges = {m[b]: None for b in range(256)}, {}
    for s in TRICKY:
        t = ''.join(m[b] for b in s.encode())
        for n in range(2, len(t) + 1):
            for i in range(len(t) - n + 1):
                part = t[i:i + n]
                tokens[part] = None
                for k in range(1, n):
                    merges[part[:k] + ' ' + part[k:]] = None
    tokens = list(tokens)
    back = {c: b for b, c in m.items()}
    v = dict(model='gpt2', pre='gpt-2', name='splits', arch='llama', tokens=[t.encode() for t in tokens], scores=[],
             types=[1] * len(tokens), merges=list(merges), roles=[0, 0] + [-1] * 14, tri=[1, 1] + [0] * 5)
    path, strings, ids = (os.path.join(tmp, x) for x in ('splits.gguf', 'splits.bin', 'splits.ids'))
    write_gguf(path, v)
    write_strings(strings, TRICKY)
    with open(out, 'w') as f:
        for pre in PRES:
            peer(args, path, strings, ids, pre)
            b, at = open(ids, 'rb').read(), 0
            for s in TRICKY:
                for mode in range(2):
                    n, = struct.unpack_from('<I', b, at)
                    got = struct.unpack_from('<%di' % n, b, at + 4)
                    k, = struct.unpack_from('<I', b, at + 4 + 4 * n)
                    at += 8 + 4 * n + k
                assert ''.join(tokens[i] for i in got) == ''.join(m[x] for x in s.encode()), (pre, s)
                f.write('%s\t%s\t%s\n' % (pre, s.encode().hex(), ' '.join(str(len(tokens[i])) for i in got)))


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--peer', required=True)
    p.add_argument('--models', required=True)
    p.add_argument('--json', required=True)
    p.add_argument('--complete')
    args = p.parse_args()
    data = os.path.join(HERE, 'data')
    with tempfile.TemporaryDirectory() as tmp:
        if args.complete:
            os.makedirs(args.complete, exist_ok=True)
            raw = random_strings(1, 2000, SPECIALS, True)
            valid = random_strings(2, 2000, SPECIALS, False)
            write_strings(os.path.join(args.complete, 'strings.bin'), raw)
            write_strings(os.path.join(args.complete, 'valid.bin'), valid)
            for name in COMPLETE:
                source = os.path.join(args.models, 'ggml-vocab-%s.gguf' % name)
                write_vocab(os.path.join(args.complete, name + '.vocab'), read_gguf(source))
                peer(args, source, os.path.join(args.complete, 'strings.bin'),
                     os.path.join(args.complete, name + '.vocab.ids'))
            for name in sorted(os.listdir(args.json)):
                source = os.path.join(args.json, name, 'tokenizer.json')
                if os.path.exists(source):
                    target = os.path.join(args.complete, name + '.json')
                    open(target, 'wb').write(open(source, 'rb').read())
                    hf_ids(source, valid, target + '.ids')
            return
        splits(args, tmp, os.path.join(data, 'splits.txt'))
        raw = random_strings(3, 120, SPECIALS, True)
        valid = random_strings(4, 120, SPECIALS, False)
        write_strings(os.path.join(data, 'strings.bin'), raw)
        write_strings(os.path.join(data, 'valid.bin'), valid)
        bpe = small_bpe(args.models, 'llama3')
        for name, v in (('spm', small_spm(args.models)), ('bpe', bpe)):
            path = os.path.join(tmp, name + '.gguf')
            write_gguf(path, v)
            write_vocab(os.path.join(data, name + '.vocab'), v)
            peer(args, path, os.path.join(data, 'strings.bin'), os.path.join(data, name + '.vocab.ids'))
        small_json(bpe, True, os.path.join(data, 'byte_level.json'))
        fallback_json(os.path.join(args.json, 'llama2', 'tokenizer.json'), os.path.join(data, 'fallback.json'))
        for name in ('byte_level', 'fallback'):
            hf_ids(os.path.join(data, name + '.json'), valid, os.path.join(data, name + '.json.ids'))


if __name__ == '__main__':
    main()
