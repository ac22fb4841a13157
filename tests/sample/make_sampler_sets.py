#!/usr/bin/env python3
"""Writes sampler_sets.txt: candidates that chains of samplers must leave, computed with numpy in double precision.

Each case is a few lines: `case NAME`, `logits SEED N POWER SCALE` (the generator below, repeated in test_chain_sets.c),
`set FIELD VALUE`, `chain LETTERS`, `bias ID VALUE`, `allow MODULUS` (mask: multiples only), `accept IDS`,
`breaker IDS`, and `keep COUNT SUM-OF-IDS ID:P …` (the most probable first, at most 24).
A case whose outcome hangs on less than 1e-6 is made again with another seed, so that rounding does not decide it.

    python3 tests/sample/make_sampler_sets.py > tests/sample/sampler_sets.txt
"""
import numpy as np

F = np.float32


class Close(Exception):
    """A threshold is too near a value."""


def generate(seed, n, power, scale):
    """Logits scale * u^power - scale / 2 with u from a linear congruential generator, so that C makes the same."""
    x, out = seed, []
    for _ in range(n):
        x = (1664525 * x + 1013904223) & 0xFFFFFFFF
        u = (x >> 8) / 16777216.0
        v = 1.0
        for _ in range(power):
            v *= u
        out.append(scale * v - scale / 2)
    return np.array(out, dtype=F)


def apart(a, b):
    if np.any(np.abs(np.asarray(a, dtype=np.float64) - b) < 1e-6):
        raise Close


def softmax(l):
    e = np.exp(l.astype(np.float64) - l.max())
    return e / e.sum()


def order(l, ids):
    return np.lexsort((ids, -l))


class State:
    def __init__(self, logits, p, accepted, breakers):
        keep = np.isfinite(logits)
        self.ids = np.arange(len(logits))[keep]
        self.l = logits[keep].astype(np.float64)
        self.p, self.accepted, self.breakers = p, accepted, breakers

    def cut(self, mask):
        self.ids, self.l = self.ids[mask], self.l[mask]

    def cut_order(self, idx):
        mask = np.zeros(len(self.l), bool)
        mask[idx] = True
        self.cut(mask)

    def e(self):
        n = int(self.p["penalty_last_n"])
        seen = self.accepted[-n:] if n else []
        for i, t in enumerate(self.ids):
            c = seen.count(t)
            if c:
                r = self.p["penalty_repeat"]
                self.l[i] = self.l[i] * r if self.l[i] <= 0 else self.l[i] / r
                self.l[i] -= c * self.p["penalty_frequency"] + self.p["penalty_presence"]

    def d(self):
        """Quadratic on purpose: every earlier position, every length, compared token by token."""
        mult, base = self.p["dry_multiplier"], self.p["dry_base"]
        allowed, n = int(self.p["dry_allowed_length"]), int(self.p["dry_penalty_last_n"])
        w = self.accepted[-n:] if n else []
        if mult == 0 or len(w) <= allowed:
            return
        limit = len(w)
        for start in range(len(w) - 1, -1, -1):
            runs = [len(b) for b in self.breakers if w[start:start + len(b)] == b]
            if runs:
                limit = len(w) - start - max(runs)
                break
        if limit < allowed:
            return
        best = {}
        for end in range(1, len(w)):  # the match ends before position `end`, w[end] continued it
            m = 0
            while m < end and w[end - 1 - m] == w[len(w) - 1 - m]:
                m += 1
            m = min(m, limit)
            if m >= allowed and [w[end]] not in self.breakers:
                best[w[end]] = max(best.get(w[end], 0), m)
        cap = int(88.7228391 / np.log(base)) if base > 1.000001 else 1 << 30
        for i, t in enumerate(self.ids):
            if t in best:
                self.l[i] -= mult * base ** min(best[t] - allowed, cap)

    def s(self):
        if self.p["top_n_sigma"] > 0:
            lowest = self.l.max() - self.p["top_n_sigma"] * self.l.std()
            apart(self.l, lowest)
            self.cut(self.l >= lowest)

    def k(self):
        if self.p["top_k"] > 0:
            self.cut_order(order(self.l, self.ids)[: int(self.p["top_k"])])

    def y(self):
        if self.p["typical_p"] < 1:
            q = softmax(self.l)
            lq = np.log(np.maximum(q, 1e-300))
            h = -(q * lq).sum()
            idx = np.argsort(np.abs(-lq - h), kind="stable")
            c = np.cumsum(q[idx])
            apart(c, self.p["typical_p"])
            n = max(int((c <= self.p["typical_p"]).sum()) + 1, int(self.p["min_keep"]))
            d = np.abs(-lq - h)[idx]
            if n < len(d):
                apart(d[n] - d[n - 1], 0)
            self.cut_order(idx[:n])

    def top_prefix(self, c, bound):
        return max(int((c < bound).sum()) + 1, int(self.p["min_keep"]))

    def p_(self):
        if self.p["top_p"] < 1:
            idx = order(self.l, self.ids)
            c = np.cumsum(softmax(self.l)[idx])
            apart(c, self.p["top_p"])
            self.cut_order(idx[: self.top_prefix(c, self.p["top_p"])])

    def m(self):
        if self.p["min_p"] > 0:
            lowest = self.l.max() + np.log(self.p["min_p"])
            apart(self.l, lowest)
            n = max(int((self.l >= lowest).sum()), int(self.p["min_keep"]))
            self.cut_order(order(self.l, self.ids)[:n])

    def x(self):
        if self.p["xtc_probability"] >= 1 and self.p["xtc_threshold"] <= 0.5 and len(self.l) >= 2:
            q = softmax(self.l)
            apart(q, self.p["xtc_threshold"])
            idx = order(self.l, self.ids)
            last = int((q >= self.p["xtc_threshold"]).sum()) - 1
            if last > 0 and len(q) - last >= self.p["min_keep"]:
                self.cut_order(idx[last:])

    def t(self):
        t, r = self.p["temperature"], self.p["dynatemp_range"]
        if r > 0:
            if len(self.l) < 2:
                return
            q = softmax(self.l)
            h = -(q * np.log(np.maximum(q, 1e-300))).sum() / np.log(len(q))
            lo = max(0.0, t - r)
            t = lo + (t + r - lo) * h ** self.p["dynatemp_exponent"]
        if t <= 0:
            self.cut_order(order(self.l, self.ids)[:1])
        else:
            self.l = self.l / t


DEFAULTS = dict(temperature=0.8, dynatemp_range=0, dynatemp_exponent=1, top_k=40, top_p=0.95, min_p=0.05, typical_p=1,
                top_n_sigma=-1, xtc_probability=0, xtc_threshold=0.1, min_keep=0, penalty_last_n=64, penalty_repeat=1,
                penalty_frequency=0, penalty_presence=0, dry_multiplier=0, dry_base=1.75, dry_allowed_length=2,
                dry_penalty_last_n=64)
REPEATING = [5, 9, 3, 8, 1, 2, 3, 4, 9, 1, 2, 3, 4, 7, 1, 2, 3]
LOOP = [1, 2, 3, 4] * 30
ALL_ON = dict(penalty_repeat=1.2, penalty_frequency=0.3, penalty_presence=0.2, dry_multiplier=0.8, top_n_sigma=6,
              typical_p=0.97, xtc_probability=1, dynatemp_range=0.4, min_keep=2)

# name, (n, power, scale), chain, parameters, further lines
CASES = [
    ("nothing", (300, 3, 12), "", {}, {}),
    ("top_k", (300, 3, 12), "k", dict(top_k=7), {}),
    ("top_k_one", (300, 3, 12), "k", dict(top_k=1), {}),
    ("top_k_beyond", (300, 3, 12), "k", dict(top_k=1000), {}),
    ("top_k_wide", (70001, 3, 12), "k", dict(top_k=500), {}),
    ("top_k_very_wide", (70001, 3, 12), "k", dict(top_k=9000), {}),
    ("top_k_twice", (70001, 3, 12), "kk", dict(top_k=64), {}),
    ("top_p", (300, 3, 12), "p", dict(top_p=0.5), {}),
    ("top_p_sharp", (70001, 6, 40), "p", dict(top_p=0.9), {}),
    ("top_p_some", (70001, 6, 30), "p", dict(top_p=0.5), {}),
    ("top_p_flat", (70001, 3, 12), "p", dict(top_p=0.9), {}),
    ("top_p_min_keep", (300, 6, 40), "p", dict(top_p=0.1, min_keep=9), {}),
    ("top_p_flat_min_keep", (70001, 3, 2), "p", dict(top_p=0.01, min_keep=9000), {}),
    ("top_p_zero", (300, 3, 12), "p", dict(top_p=0), {}),
    ("min_p", (300, 3, 12), "m", dict(min_p=0.1), {}),
    ("min_p_wide", (70001, 3, 12), "m", dict(min_p=0.02), {}),
    ("min_p_min_keep", (300, 6, 40), "m", dict(min_p=0.9, min_keep=5), {}),
    ("min_p_list", (70001, 3, 12), "km", dict(min_p=0.9), {}),
    ("min_p_list_min_keep", (70001, 6, 40), "km", dict(min_p=0.99, min_keep=11), {}),
    ("sigma", (300, 3, 12), "s", dict(top_n_sigma=1), {}),
    ("sigma_wide", (70001, 3, 12), "s", dict(top_n_sigma=1.7), {}),
    ("sigma_list", (70001, 3, 12), "ks", dict(top_n_sigma=1), {}),
    ("sigma_biased", (300, 3, 12), "s", dict(top_n_sigma=1), dict(bias=[(4, "-inf"), (70, 3.5), (70, 1.0)])),
    ("typical", (300, 3, 12), "y", dict(typical_p=0.3), {}),
    ("typical_wide", (5001, 6, 30), "y", dict(typical_p=0.6), {}),
    ("typical_min_keep", (300, 6, 40), "y", dict(typical_p=0.05, min_keep=12), {}),
    ("typical_list", (70001, 6, 30), "ky", dict(typical_p=0.5), {}),
    ("xtc", (300, 6, 20), "x", dict(xtc_probability=1, xtc_threshold=0.05), {}),
    ("xtc_list", (70001, 6, 12), "kx", dict(xtc_probability=1, xtc_threshold=0.02), {}),
    ("xtc_min_keep", (300, 6, 20), "kx", dict(top_k=5, xtc_probability=1, xtc_threshold=0.1, min_keep=5), {}),
    ("xtc_off_above_half", (300, 6, 20), "kx", dict(xtc_probability=1, xtc_threshold=0.51), {}),
    ("temperature", (300, 3, 12), "t", dict(temperature=1.7), {}),
    ("temperature_zero", (300, 3, 12), "t", dict(temperature=0), {}),
    ("temperature_negative", (300, 3, 12), "kt", dict(temperature=-1), {}),
    ("temperature_first", (5001, 3, 12), "tp", dict(temperature=0.3, top_p=0.4), {}),
    ("temperature_last", (5001, 3, 12), "pt", dict(temperature=0.3, top_p=0.4), {}),
    ("dynatemp", (300, 6, 20), "kt", dict(dynatemp_range=0.5), {}),
    ("dynatemp_exponent", (300, 6, 20), "kt", dict(temperature=0.5, dynatemp_range=0.7, dynatemp_exponent=2.5), {}),
    ("dynatemp_dense", (300, 6, 20), "t", dict(temperature=0, dynatemp_range=1.3), {}),
    ("penalties", (40, 1, 6), "e", dict(penalty_repeat=1.3), dict(accept=REPEATING)),
    ("penalties_counts", (40, 1, 6), "e", dict(penalty_frequency=0.4, penalty_presence=0.7), dict(accept=REPEATING)),
    ("penalties_window", (40, 1, 6), "e", dict(penalty_repeat=1.3, penalty_frequency=0.4, penalty_last_n=5),
     dict(accept=REPEATING)),
    ("penalties_negative", (40, 1, 6), "e", dict(penalty_repeat=0.7, penalty_presence=-0.5), dict(accept=REPEATING)),
    ("penalties_after_top_k", (40, 1, 6), "ke", dict(top_k=12, penalty_repeat=1.5, penalty_frequency=1),
     dict(accept=list(range(0, 40, 3)) * 2)),
    ("penalties_after_temperature", (300, 1, 6), "tek", dict(top_k=9, penalty_repeat=1.5), dict(accept=list(range(0, 300, 3)))),
    ("penalties_off", (40, 1, 6), "e", dict(penalty_repeat=1.3, penalty_last_n=0), dict(accept=REPEATING)),
    ("dry", (40, 1, 6), "d", dict(dry_multiplier=0.8), dict(accept=REPEATING)),
    ("dry_short", (40, 1, 6), "d", dict(dry_multiplier=0.8, dry_allowed_length=0), dict(accept=REPEATING)),
    ("dry_too_short", (40, 1, 6), "d", dict(dry_multiplier=0.8, dry_allowed_length=17), dict(accept=REPEATING)),
    ("dry_window", (40, 1, 6), "d", dict(dry_multiplier=0.8, dry_penalty_last_n=9), dict(accept=REPEATING)),
    ("dry_breaker", (40, 1, 6), "d", dict(dry_multiplier=0.8), dict(accept=REPEATING, breaker=[[1]])),
    ("dry_breaker_single", (40, 1, 6), "d", dict(dry_multiplier=0.8), dict(accept=REPEATING, breaker=[[4], [7]])),
    ("dry_breaker_run", (40, 1, 6), "d", dict(dry_multiplier=0.8, dry_allowed_length=1),
     dict(accept=REPEATING, breaker=[[7, 1], [7], [7, 1, 9], [30]])),
    ("dry_breaker_end", (40, 1, 6), "d", dict(dry_multiplier=0.8), dict(accept=REPEATING, breaker=[[3]])),
    ("dry_loop", (40, 1, 6), "d", dict(dry_multiplier=0.05, dry_base=1.05, dry_penalty_last_n=120), dict(accept=LOOP)),
    ("dry_cap", (40, 1, 6), "d", dict(dry_multiplier=1e-37, dry_base=4, dry_penalty_last_n=120), dict(accept=LOOP)),
    ("dry_penalties", (300, 1, 6), "edk", dict(dry_multiplier=0.8, penalty_repeat=1.2), dict(accept=REPEATING)),
    ("bias", (300, 3, 12), "k", dict(top_k=5), dict(bias=[(7, 30.0), (200, 29.0), (299, 28.0)])),
    ("mask", (300, 3, 12), "k", dict(top_k=5), dict(allow=7)),
    ("mask_sparse", (70001, 3, 12), "kp", dict(), dict(allow=1000)),
    ("mask_bias", (70001, 3, 12), "p", dict(top_p=0.3), dict(allow=33, bias=[(66, 9.0), (67, 99.0)])),
    ("default", (70001, 6, 30), "edskypmxt", {}, {}),
    ("default_greedy", (70001, 6, 30), "edskypmxt", dict(temperature=0), {}),
    ("greedy_penalised", (70001, 1, 3), "edskypmxt", dict(temperature=0, penalty_repeat=2), dict(accept=list(range(64)))),
    ("greedy_xtc", (300, 6, 20), "kxt", dict(temperature=0, xtc_probability=1, xtc_threshold=0.05), {}),
    ("all_on", (70001, 6, 25), "edskypmxt", ALL_ON, dict(accept=REPEATING)),
    ("all_on_reversed", (3001, 6, 25), "txmpyksde", ALL_ON, dict(accept=REPEATING)),
]


def run(case, seed):
    name, (n, power, scale), chain, changes, more = case
    p = {f: float(F(v)) for f, v in {**DEFAULTS, **changes}.items()}
    logits = generate(seed, n, power, scale)
    if "allow" in more:
        logits[np.arange(n) % more["allow"] != 0] = -np.inf
    for i, b in more.get("bias", []):
        logits[i] = F(logits[i] + F(b))
    s = State(logits, p, more.get("accept", []), more.get("breaker", []))
    for letter in chain:
        getattr(s, "p_" if letter == "p" else letter)()
    q = softmax(s.l)
    idx = np.lexsort((s.ids, -q))
    lines = [f"case {name}", f"logits {seed} {n} {power} {scale}", f"chain {chain or '-'}"]
    lines += [f"set {f} {v}" for f, v in changes.items()]
    lines += [f"bias {i} {b}" for i, b in more.get("bias", [])]
    lines += [f"breaker {' '.join(map(str, b))}" for b in more.get("breaker", [])]
    lines += [f"allow {more['allow']}"] if "allow" in more else []
    lines += ["accept " + " ".join(map(str, more["accept"]))] if "accept" in more else []
    best = " ".join(f"{s.ids[i]}:{q[i]:.8g}" for i in idx[:24])
    lines.append(f"keep {len(s.ids)} {int(s.ids.sum())} {best}")
    return lines


def main():
    for number, case in enumerate(CASES):
        for seed in range(1000 * number + 1, 1000 * number + 1000):
            try:
                print("\n".join(run(case, seed)))
                break
            except Close:
                pass
        else:
            raise SystemExit(f"{case[0]}: no seed will do")


main()
