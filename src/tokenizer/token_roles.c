/* token_roles.c: which tokens have a role. Files name some; the others are known by their text.
 * Lists and order are facts about vocabularies in the field, taken from the peer; where several
 * texts of one role are present, the first of the list wins. */
#include "tokenizer/tokenizer_int.h"

static const char *const role_names[] = {
    [IG_ROLE_BOS] = "bos",         [IG_ROLE_EOS] = "eos",         [IG_ROLE_EOT] = "eot",
    [IG_ROLE_EOM] = "eom",         [IG_ROLE_UNK] = "unknown",     [IG_ROLE_SEP] = "seperator",
    [IG_ROLE_PAD] = "padding",     [IG_ROLE_CLS] = "cls",         [IG_ROLE_MASK] = "mask",
    [IG_ROLE_FIM_PRE] = "fim_pre", [IG_ROLE_FIM_SUF] = "fim_suf", [IG_ROLE_FIM_MID] = "fim_mid",
    [IG_ROLE_FIM_PAD] = "fim_pad", [IG_ROLE_FIM_REP] = "fim_rep", [IG_ROLE_FIM_SEP] = "fim_sep",
    [IG_ROLE_NEWLINE] = "newline",
};
_Static_assert(IG_COUNT(role_names) == IG_ROLE_COUNT, "a name for each role");

static const struct {
    ig_token_role role;
    const char *texts[12];
} by_text[] = {
    {IG_ROLE_EOT,
     {"<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>",
      "<EOT>", "_<EOT>", "[EOT]", "<｜end▁of▁sentence｜>", "<end_of_utterance>"}},
    {IG_ROLE_EOM, {"<|eom_id|>"}},
    {IG_ROLE_FIM_PRE,
     {"<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<｜fim▁begin｜>", "<PRE>", "▁<PRE>",
      "<|code_prefix|>", "<|prefix|>"}},
    {IG_ROLE_FIM_SUF,
     {"<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<｜fim▁hole｜>", "<SUF>", "▁<SUF>",
      "<|code_suffix|>", "<|suffix|>"}},
    {IG_ROLE_FIM_MID,
     {"<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<｜fim▁end｜>", "<MID>", "▁<MID>",
      "<|code_middle|>", "<|middle|>"}},
    {IG_ROLE_FIM_PAD, {"<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"}},
    {IG_ROLE_FIM_REP, {"<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"}},
    {IG_ROLE_FIM_SEP, {"<|file_sep|>"}},
};

static const char *const end_texts[] = {"<|eot_id|>",
                                        "<|im_end|>",
                                        "<|end|>",
                                        "<|return|>",
                                        "<|call|>",
                                        "<|flush|>",
                                        "<|calls|>",
                                        "<end_of_turn>",
                                        "<|endoftext|>",
                                        "</s>",
                                        "<|eom_id|>",
                                        "<EOT>",
                                        "_<EOT>",
                                        "[EOT]",
                                        "[EOS]",
                                        "<|end_of_text|>",
                                        "<end_of_utterance>",
                                        "<eos>",
                                        "<turn|>",
                                        "<|tool_response>",
                                        "<｜end▁of▁sentence｜>",
                                        "[e~["};

static const ig_token_role end_roles[] = {IG_ROLE_FIM_PAD, IG_ROLE_FIM_REP, IG_ROLE_FIM_SEP,
                                          IG_ROLE_EOS,     IG_ROLE_EOT,     IG_ROLE_EOM};

/* Harmony's channel marks must reach the caller as text. */
static const char *const shown_texts[] = {"<|channel|>", "<|message|>", "<|start|>",
                                          "<|constrain|>"};

/* When all of `given` end a generation, `text` does not after all. */
static const struct {
    const char *given[2];
    const char *text;
    ig_token_attr attr;
} end_exceptions[] = {
    {{"<|return|>", "<|call|>"}, "<|end|>", IG_ATTR_USER},
    {{"<|return|>", "<|calls|>"}, "<|end|>", IG_ATTR_USER},
    {{"<|call|>", "<|flush|>"}, "<|end|>", IG_ATTR_USER},
    {{"<|calls|>", "<|flush|>"}, "<|end|>", IG_ATTR_USER},
    {{"<|tool_response>", NULL}, "</s>", IG_ATTR_NORMAL},
    {{"<|plamo:eos|>", NULL}, "</s>", IG_ATTR_NORMAL},
};

const char *ig_role_name(ig_token_role role) {
    return role_names[role];
}

static int32_t find(const ig_tokenizer *tok, const char *text) {
    return ig_tokenizer_find(tok, ig_str_of(text));
}

static void make_control(ig_tokenizer *tok, int32_t id, const ig_logger *logger) {
    if (tok->attr[id] & IG_ATTR_CONTROL)
        return;
    ig_log(logger, IG_LOG_WARN,
           "tokenizer: token=%d text=\"%.*s\" taken for a control token, although the file does "
           "not mark it",
           (int)id, IG_STR_ARG(ig_tokenizer_token(tok, id)));
    tok->attr[id] |= IG_ATTR_CONTROL;
}

static bool ends(const ig_tokenizer *tok, const char *text) {
    int32_t id = text ? find(tok, text) : -1;
    return id >= 0 && tok->eog[id];
}

void ig_roles_detect(ig_tokenizer *tok, const ig_logger *logger) {
    for (size_t i = 0; i < IG_COUNT(by_text); i++) {
        int32_t *role = &tok->roles[by_text[i].role];
        for (size_t j = 0; *role < 0 && j < IG_COUNT(by_text[i].texts) && by_text[i].texts[j];
             j++) {
            *role = find(tok, by_text[i].texts[j]);
            if (*role >= 0)
                make_control(tok, *role, logger);
        }
    }
    for (uint32_t id = 0; id < tok->n_tokens; id++) {
        ig_str s = ig_token_map_str(&tok->text, id);
        for (size_t i = 0; (tok->attr[id] & IG_ATTR_CONTROL) && i + 6 <= s.n; i++)
            if (memcmp(s.p + i, "unused", 6) == 0)
                tok->attr[id] |= IG_ATTR_UNUSED;
    }
    for (size_t i = 0; i < IG_COUNT(end_texts); i++) {
        int32_t id = find(tok, end_texts[i]);
        if (id < 0)
            continue;
        make_control(tok, id, logger);
        tok->eog[id] = 1;
    }
    for (size_t i = 0; i < IG_COUNT(shown_texts); i++) {
        int32_t id = find(tok, shown_texts[i]);
        if (id >= 0)
            tok->attr[id] = IG_ATTR_USER;
    }
    for (size_t i = 0; i < IG_COUNT(end_roles); i++) {
        int32_t id = tok->roles[end_roles[i]];
        if (id >= 0)
            tok->eog[id] = 1;
    }
    for (size_t i = 0; i < IG_COUNT(end_exceptions); i++) {
        bool given = ends(tok, end_exceptions[i].given[0]) &&
                     (!end_exceptions[i].given[1] || ends(tok, end_exceptions[i].given[1]));
        if (!given || !ends(tok, end_exceptions[i].text))
            continue;
        int32_t id = find(tok, end_exceptions[i].text);
        tok->eog[id] = 0;
        tok->attr[id] = (uint16_t)end_exceptions[i].attr;
    }
}

/* ---- attributes that files do not carry ---- */

static bool contains_folded(ig_str s, const char *part) {
    size_t n = strlen(part);
    for (size_t i = 0; i + n <= s.n; i++) {
        size_t j = 0;
        while (j < n && (char)ig_utf_lower((unsigned char)s.p[i + j]) == part[j])
            j++;
        if (j == n)
            return true;
    }
    return false;
}

static void set(ig_tokenizer *tok, const char *text, unsigned attr, bool on) {
    int32_t id = find(tok, text);
    if (id >= 0)
        tok->attr[id] = (uint16_t)(on ? tok->attr[id] | attr : tok->attr[id] & ~attr);
}

void ig_attributes_by_name(ig_tokenizer *tok, ig_str pre, ig_str name, ig_str arch) {
    static const char *const mask_pre[] = {"jina-v2-de", "jina-v2-es", "jina-v2-code", "mmbert"};
    static const char *const mask_arch[] = {"nomic-bert-moe", "jina-bert-v3"};
    bool mask = false;
    for (size_t i = 0; i < IG_COUNT(mask_pre); i++)
        mask = mask || contains_folded(pre, mask_pre[i]);
    for (size_t i = 0; i < IG_COUNT(mask_arch); i++)
        mask = mask || contains_folded(arch, mask_arch[i]);
    if (mask) {
        set(tok, "<mask>", IG_ATTR_LSTRIP, true);
    } else if (contains_folded(name, "phi-3") || contains_folded(name, "phi3")) {
        for (uint32_t id = 0; id < tok->n_tokens; id++)
            if (tok->attr[id] & (IG_ATTR_CONTROL | IG_ATTR_USER | IG_ATTR_UNKNOWN))
                tok->attr[id] |= IG_ATTR_RSTRIP;
        set(tok, "</s>", IG_ATTR_RSTRIP, true);
        set(tok, "<unk>", IG_ATTR_RSTRIP, false);
        set(tok, "<s>", IG_ATTR_RSTRIP, false);
        set(tok, "<|endoftext|>", IG_ATTR_RSTRIP, false);
    } else if (contains_folded(name, "modern-bert")) {
        set(tok, "[MASK]", IG_ATTR_LSTRIP, true);
    }
}
