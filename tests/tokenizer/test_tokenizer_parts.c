/* test_tokenizer_parts.c: special tokens against a plain search in the peer's order, and maps that
 * were made to collide. */
#include <time.h>

#include "tokenizer/tokenizer_int.h"

#include "test.h"

/* ---- special tokens ---- */

enum { TOKENS = 40, TEXT = 64, PIECES = 2 * TEXT };

static uint32_t next_random(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static bool blank(char c) {
    return c == ' ' || c == '\n';
}

/* What the peer does: every token in turn is searched for in every piece of text that is left. */
typedef struct pieces {
    ig_fragment at[PIECES];
    size_t n;
} pieces;

static void add(pieces *p, size_t start, size_t end, int32_t id) {
    if (start < end)
        p->at[p->n++] = (ig_fragment){start, end, id};
}

static void cut(pieces *out, const ig_tokenizer *tok, ig_str text, ig_fragment f, uint32_t id) {
    const ig_str what = ig_tokenizer_token(tok, (int32_t)id);
    for (size_t at = f.start; at + what.n <= f.end; at++) {
        size_t left = at;
        if (memcmp(text.p + at, what.p, what.n) != 0)
            continue;
        while ((tok->attr[id] & IG_ATTR_LSTRIP) && left > f.start && blank(text.p[left - 1]))
            left--;
        add(out, f.start, left, -1);
        add(out, at, at + what.n, (int32_t)id);
        f.start = at + what.n;
        while ((tok->attr[id] & IG_ATTR_RSTRIP) && f.start < f.end && blank(text.p[f.start]))
            f.start++;
        at = f.start - 1;
    }
    add(out, f.start, f.end, -1);
}

static pieces plain_partition(const ig_tokenizer *tok, ig_str text, bool parse_special) {
    pieces have = {{{0, text.n, -1}}, text.n > 0};
    for (size_t n = TEXT; n > 0; n--) {
        for (uint32_t id = 0; id < tok->n_tokens; id++) {
            if (ig_tokenizer_token(tok, (int32_t)id).n != n ||
                !(tok->attr[id] & (IG_ATTR_CONTROL | IG_ATTR_USER)) ||
                (!parse_special && (tok->attr[id] & IG_ATTR_SPECIAL)))
                continue;
            pieces next = {.n = 0};
            for (size_t i = 0; i < have.n; i++) {
                if (have.at[i].id >= 0)
                    next.at[next.n++] = have.at[i];
                else
                    cut(&next, tok, text, have.at[i], id);
            }
            have = next;
        }
    }
    return have;
}

static ig_tokenizer *random_specials(uint32_t *random) {
    static const char letters[] = "<a> \n";
    static const unsigned types[] = {IG_TOKEN_NORMAL, IG_TOKEN_CONTROL, IG_TOKEN_USER_DEFINED,
                                     IG_TOKEN_USER_DEFINED};
    char bytes[TOKENS][8];
    ig_str tokens[TOKENS];
    int32_t kinds[TOKENS];
    uint32_t n = 0;
    for (uint32_t i = 0; i < TOKENS; i++) {
        ig_str t = {bytes[n], 1 + next_random(random) % 6};
        bool repeats = false;
        for (size_t k = 0; k < t.n; k++)
            bytes[n][k] = letters[next_random(random) % (sizeof letters - 1)];
        for (uint32_t k = 0; k < n; k++)
            repeats = repeats || ig_str_eq(tokens[k], t);
        if (repeats)
            continue;
        kinds[n] = (int32_t)types[next_random(random) % IG_COUNT(types)];
        tokens[n++] = t;
    }
    ig_vocab v;
    ig_err err = {0};
    ig_tokenizer *tok = NULL;
    ig_vocab_init(&v);
    v.model = IG_STR("llama");
    v.add_bos = IG_NO;
    v.tokens = tokens;
    v.types = kinds;
    v.n_tokens = n;
    CHECK_OK(ig_tokenizer_create(&tok, &v, NULL, &err));
    for (uint32_t id = 0; tok && id < n; id++)
        tok->attr[id] |= (uint16_t)(next_random(random) & (IG_ATTR_LSTRIP | IG_ATTR_RSTRIP));
    return tok;
}

static void compare_partition(const ig_tokenizer *tok, ig_str text, bool parse_special) {
    ig_err err = {0};
    ig_work w = {.tok = tok, .err = &err};
    const pieces want = plain_partition(tok, text, parse_special);
    CHECK_OK(ig_partition(&w, text, parse_special));
    bool same = w.n_fragments == want.n;
    for (size_t i = 0; same && i < want.n; i++) {
        const ig_fragment *a = &w.fragments[i], *b = &want.at[i];
        same = a->id == b->id && (a->id >= 0 || (a->start == b->start && a->end == b->end));
    }
    if (!same)
        TEST_FAIL("\"%.*s\" is cut in another way", (int)text.n, text.p);
    ig_free(w.fragments);
    ig_free(w.pairs);
    ig_free(w.taken);
}

TEST(specials_take_their_places_in_the_peers_order) {
    static const char letters[] = "<<aa>  \nx";
    uint32_t random = 1;
    for (int round = 0; round < 300; round++) {
        ig_tokenizer *tok = random_specials(&random);
        REQUIRE(tok);
        for (int i = 0; i < 100; i++) {
            char text[TEXT];
            const size_t n = next_random(&random) % (TEXT + 1);
            for (size_t k = 0; k < n; k++)
                text[k] = letters[next_random(&random) % (sizeof letters - 1)];
            compare_partition(tok, (ig_str){text, n}, i % 2);
        }
        ig_tokenizer_destroy(&tok);
    }
}

/* A megabyte that names each of 6,000 tokens and is full of what they begin with. */
TEST(many_specials_in_one_text_are_one_pass) {
    enum { N = 6000, BYTES = 1 << 20 };
    static char names[N][16], text[BYTES];
    static ig_str tokens[N];
    static int32_t kinds[N];
    size_t at = 0;
    memset(text, '<', sizeof text);
    for (size_t i = 0; i < N; i++) {
        const int n = snprintf(names[i], sizeof names[i], "<unused%zu>", i);
        tokens[i] = (ig_str){names[i], (size_t)n};
        kinds[i] = IG_TOKEN_CONTROL;
        memcpy(text + at, names[i], (size_t)n);
        at += BYTES / N;
    }
    ig_vocab v;
    ig_err err = {0};
    ig_tokenizer *tok = NULL;
    ig_vocab_init(&v);
    v.model = IG_STR("llama");
    v.tokens = tokens;
    v.types = kinds;
    v.n_tokens = N;
    REQUIRE_OK(ig_tokenizer_create(&tok, &v, NULL, &err));
    ig_work w = {.tok = tok, .err = &err};
    const clock_t start = clock();
    CHECK_OK(ig_partition(&w, (ig_str){text, BYTES}, true));
    CHECK((double)(clock() - start) / CLOCKS_PER_SEC < 5); /* 0.01 s, or minutes */
    CHECK_EQ(w.n_fragments, 2 * N);
    ig_free(w.fragments);
    ig_free(w.pairs);
    ig_free(w.taken);
    ig_tokenizer_destroy(&tok);
}

TEST(long_specials_are_refused) {
    static char name[600];
    memset(name, 'a', sizeof name);
    const ig_str token = {name, sizeof name};
    const int32_t kind = IG_TOKEN_CONTROL;
    ig_vocab v;
    ig_err err = {0};
    ig_tokenizer *tok = NULL;
    ig_vocab_init(&v);
    v.model = IG_STR("llama");
    v.add_bos = IG_NO;
    v.tokens = &token;
    v.types = &kind;
    v.n_tokens = 1;
    CHECK_EQ(ig_tokenizer_create(&tok, &v, NULL, &err), IG_ELIMIT);
    CHECK(strstr(err.message, "special token 0 has 600 bytes"));
}

/* ---- maps ---- */

/* The 8 bytes whose place in a map with this seed begins with `place`: the hash backwards. */
static uint64_t string_at(uint64_t place, uint64_t seed) {
    uint64_t inverse = IG_HASH_FACTOR;
    for (int i = 0; i < 6; i++) /* Newton */
        inverse *= 2 - IG_HASH_FACTOR * inverse;
    uint64_t h = place * inverse;
    h = (h ^ h >> 32) * inverse ^ seed ^ (uint64_t)8 << 56;
    return h ^ h >> 32;
}

TEST(strings_made_to_collide_are_refused) {
    enum { N = IG_NAME_PROBES_MAX + 2 };
    ig_arena arena;
    ig_token_map map = {0};
    ig_err err = {0};
    ig_status status = IG_OK;
    uint32_t id, n = 0;
    ig_arena_init(&arena, 1 << 20);
    REQUIRE_OK(ig_token_map_init(&map, &arena, N, 8 * N, &err));
    for (; n < N && !status; n++) {
        const uint64_t s = string_at((uint64_t)1 << 63 | n, map.seed);
        status = ig_token_map_add(&map, (ig_str){(const char *)&s, 8}, &id, &err);
        CHECK(status || id == n);
    }
    CHECK_EQ(status, IG_EFORMAT);
    CHECK_EQ(n, IG_NAME_PROBES_MAX + 1);
    CHECK(strstr(err.message, "made to collide"));
    ig_arena_fini(&arena);
}

/* Tokens that share a place in a map without a seed do not share it in this one. */
TEST(forged_vocabularies_open_quickly) {
    enum { N = 100000 };
    static uint64_t strings[N];
    static ig_str tokens[N];
    for (size_t i = 0; i < N; i++) {
        strings[i] = string_at((uint64_t)1 << 63 | i, 0);
        tokens[i] = (ig_str){(const char *)&strings[i], 8};
    }
    ig_vocab v;
    ig_err err = {0};
    ig_tokenizer *tok = NULL;
    ig_vocab_init(&v);
    v.model = IG_STR("llama");
    v.tokens = tokens;
    v.n_tokens = N;
    const clock_t start = clock();
    CHECK_OK(ig_tokenizer_create(&tok, &v, NULL, &err));
    CHECK((double)(clock() - start) / CLOCKS_PER_SEC < 3); /* 0.02 s, or 10 s and more */
    CHECK_EQ(ig_tokenizer_find(tok, tokens[N - 1]), N - 1);
    ig_tokenizer_destroy(&tok);
}

int main(int argc, char **argv) {
    return RUN(argc, argv, T(specials_take_their_places_in_the_peers_order),
               T(many_specials_in_one_text_are_one_pass), T(long_specials_are_refused),
               T(strings_made_to_collide_are_refused), T(forged_vocabularies_open_quickly));
}
