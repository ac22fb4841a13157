/* option_table.c: commands and options as data; parsing, help, man pages and completion all read
 * these rows. */
#include "cli/cli.h"

#include <float.h>

#define RUN (1u << CMD_RUN)
#define INFO (1u << CMD_INFO)
#define BENCH (1u << CMD_BENCH)
#define PPL (1u << CMD_PERPLEXITY)
#define TOK (1u << CMD_TOKENIZE)
#define DETOK (1u << CMD_DETOKENIZE)
#define TMPL (1u << CMD_TEMPLATE)
#define LOGITS (1u << CMD_LOGITS)
#define MODEL (RUN | INFO | BENCH | PPL | LOGITS)
#define ALL (MODEL | TOK | DETOK | TMPL)

#define AT(field) offsetof(cli_options, field)
#define S(field) offsetof(cli_options, sampling.field)
#define U32_MAX 4294967295.0
#define ANY -FLT_MAX, FLT_MAX

/* clang-format off */
const opt_row CLI_OPTIONS[] = {
    {"-h, --help", NULL, OPT_FLAG, AT(help), ALL, 0, 0, "show this help"},
    {"-m, --model", "FILE", OPT_STR, AT(model), ALL, 0, 0,
     "the model, instead of the first argument"},
    {"-t, --threads", "N", OPT_U32, AT(threads), MODEL, -1, 256,
     "threads; -1 or 0 = physical cores (default: -1)"},
    {"-c, --ctx-size", "N", OPT_U32, AT(context), RUN | INFO | LOGITS | PPL, 0, IG_CONTEXT_MAX,
     "tokens of context (default: the model's, at most 8192; perplexity: 512)"},
    {"-b, --batch-size", "N", OPT_U32, AT(batch), MODEL, 0, 65536,
     "tokens of one step (default: 512)"},
    {"-ctk, --cache-type-k", "f32|f16|bf16|q8_0|q4_0", OPT_STR, AT(cache_k), MODEL, 0, 0,
     "type of cached keys (default: f16; logits: f32)"},
    {"-ctv, --cache-type-v", "f32|f16|bf16|q8_0|q4_0", OPT_STR, AT(cache_v), MODEL, 0, 0,
     "type of cached values (default as for keys)"},
    {"--device", "cpu|ref", OPT_STR, AT(device), MODEL, 0, 0,
     "ref is the slow scalar reference (default: cpu)"},
    {"--cpu-isa", "avx512|avx2|neon|scalar", OPT_STR, AT(cpu_isa), MODEL, 0, 0,
     "instructions to use (default: the best)"},
    {"--pin", NULL, OPT_FLAG, AT(pin), MODEL, 0, 0, "bind each thread to a core"},
    {"--rope-freq-base", "X", OPT_F64, AT(rope_freq_base), MODEL, 0, DBL_MAX,
     "rope base (default: the model's)"},
    {"--rope-freq-scale", "X", OPT_F64, AT(rope_freq_scale), MODEL, 0, DBL_MAX,
     "rope scale (default: the model's)"},
    {"--rope-scaling", "none|linear|yarn", OPT_STR, AT(rope_scaling), MODEL, 0, 0,
     "kind of rope scaling (default: the model's)"},
    {"-v, --verbose", NULL, OPT_FLAG, AT(verbose), ALL, 0, 0, "log to standard error"},
    {"--log-disable", NULL, OPT_FLAG, AT(no_log), ALL, 0, 0, "log nothing (the default)"},

    {"-p, --prompt", "TEXT", OPT_STR, AT(prompt), RUN | TOK, 0, 0, "the text"},
    {"-f, --file", "FILE", OPT_STR, AT(file), RUN | PPL | TOK, 0, 0,
     "read the text from a file; - is standard input (run: without one newline at its end)"},
    {"--stdin", NULL, OPT_FLAG, AT(from_stdin), TOK, 0, 0, "read the text from standard input"},
    {"-n, --predict, --n-predict", "N", OPT_I64, AT(predict), RUN, -2, 1e15,
     "tokens to generate; -1 = until the model ends (default: -1)"},
    {"-sys, --system-prompt", "TEXT", OPT_STR, AT(system), RUN, 0, 0, "system message of a chat"},
    {"-sysf, --system-prompt-file", "FILE", OPT_STR, AT(system_file), RUN, 0, 0,
     "the same from a file"},
    {"-cnv, --conversation", NULL, OPT_FLAG, AT(chat), RUN, 0, 0,
     "chat through the model's template; -p or -f is the first message "
     "(default: on a terminal without -p and -f, when the model has a template, "
     "and with options that only a chat has)"},
    {"-no-cnv, --no-conversation", NULL, OPT_FLAG, AT(no_chat), RUN, 0, 0,
     "complete the text as it is"},
    {"-st, --single-turn", NULL, OPT_FLAG, AT(single_turn), RUN, 0, 0,
     "end a chat after the first answer; the message is -p, -f or all of standard input"},
    {"-r, --reverse-prompt", "TEXT", OPT_LIST, AT(stop), RUN, 0, 0,
     "stop where this text would appear; may be repeated"},
    {"--chat-template", "TEMPLATE", OPT_STR, AT(template_text), RUN, 0, 0,
     "a Jinja template instead of the model's"},
    {"--chat-template-file, --template-file", "FILE", OPT_STR, AT(template_file), RUN | TMPL, 0, 0,
     "a file with a Jinja template instead of the model's"},
    {"--chat-template-kwargs", "JSON", OPT_STR, AT(template_args), RUN | TMPL, 0, 0,
     "object with further template variables"},
    {"-e, --escape", NULL, OPT_FLAG, AT(escape), RUN | TOK, 0, 0,
     "read \\n, \\t, \\x41 and the like in texts that are given as escapes (the default)"},
    {"--no-escape", NULL, OPT_FLAG, AT(no_escape), RUN | TOK, 0, 0, "take texts as they are"},
    {"--special", NULL, OPT_FLAG, AT(special), RUN | DETOK, 0, 0, "print control tokens too"},
    {"--no-display-prompt", NULL, OPT_FLAG, AT(no_display_prompt), RUN, 0, 0,
     "do not repeat the prompt"},
    {"-q, --quiet", NULL, OPT_FLAG, AT(quiet), RUN, 0, 0, "no line about speed at the end"},

    {"-s, --seed", "N", OPT_U64, S(seed), RUN, -1, 1.8e19, "seed; -1 = random (default: random)"},
    {"--temp, --temperature", "X", OPT_F32, S(temperature), RUN, ANY,
     "temperature; 0 = always the most probable (default: 0.8)"},
    {"--top-k", "N", OPT_I32, S(top_k), RUN, -2147483647.0, 2147483647.0,
     "keep the N most probable; 0 = all (default: 40)"},
    {"--top-p", "X", OPT_F32, S(top_p), RUN, 0, 1,
     "keep a share of the probability; 1 = all (default: 0.95)"},
    {"--min-p", "X", OPT_F32, S(min_p), RUN, 0, 1,
     "drop below this share of the best; 0 = off (default: 0.05)"},
    {"--top-nsigma, --top-n-sigma", "X", OPT_F32, S(top_n_sigma), RUN, ANY,
     "keep within N deviations; -1 = off (default: -1)"},
    {"--typical, --typical-p", "X", OPT_F32, S(typical_p), RUN, 0, 1,
     "locally typical; 1 = off (default: 1)"},
    {"--xtc-probability", "X", OPT_F32, S(xtc_probability), RUN, 0, 1,
     "chance to exclude top choices (default: 0)"},
    {"--xtc-threshold", "X", OPT_F32, S(xtc_threshold), RUN, 0, 1,
     "what counts as a top choice (default: 0.1)"},
    {"--repeat-last-n", "N", OPT_I32, S(repeat_last_n), RUN, -1, IG_CONTEXT_MAX,
     "tokens looked back for penalties; -1 = context (default: 64)"},
    {"--repeat-penalty", "X", OPT_F32, S(repeat_penalty), RUN, FLT_MIN, FLT_MAX, "1 = off (default: 1)"},
    {"--presence-penalty", "X", OPT_F32, S(presence_penalty), RUN, ANY, "0 = off (default: 0)"},
    {"--frequency-penalty", "X", OPT_F32, S(frequency_penalty), RUN, ANY, "0 = off (default: 0)"},
    {"--dry-multiplier", "X", OPT_F32, S(dry_multiplier), RUN, 0, FLT_MAX, "0 = off (default: 0)"},
    {"--dry-base", "X", OPT_F32, S(dry_base), RUN, 1, FLT_MAX, "(default: 1.75)"},
    {"--dry-allowed-length", "N", OPT_I32, S(dry_allowed_length), RUN, 0, 2147483647.0,
     "(default: 2)"},
    {"--dry-penalty-last-n", "N", OPT_I32, S(dry_penalty_last_n), RUN, -1, IG_CONTEXT_MAX,
     "-1 = context (default: 64)"},
    {"--dry-sequence-breaker", "TEXT", OPT_LIST, AT(dry_breakers), RUN, 0, 0,
     "replaces the default breakers; may be repeated"},
    {"--dynatemp-range", "X", OPT_F32, S(dynatemp_range), RUN, 0, FLT_MAX, "0 = off (default: 0)"},
    {"--dynatemp-exp", "X", OPT_F32, S(dynatemp_exponent), RUN, 0, FLT_MAX, "(default: 1)"},
    {"--mirostat", "N", OPT_I32, S(mirostat), RUN, 0, 2, "0 off, 1 or 2 (default: 0)"},
    {"--mirostat-ent", "X", OPT_F32, S(mirostat_tau), RUN, 0, FLT_MAX, "target entropy (default: 5)"},
    {"--mirostat-lr", "X", OPT_F32, S(mirostat_eta), RUN, 0, FLT_MAX, "learning rate (default: 0.1)"},
    {"--adaptive-target", "X", OPT_F32, S(adaptive_target), RUN, -FLT_MAX, 1,
     "adaptive-p; negative = off (default: -1)"},
    {"--adaptive-decay", "X", OPT_F32, S(adaptive_decay), RUN, 0, 0.99, "(default: 0.9)"},
    {"--samplers", "NAMES", OPT_STR, S(samplers), RUN, 0, 0,
     "chain, names joined by ; "
     "(default: penalties;dry;top_n_sigma;top_k;typ_p;top_p;min_p;xtc;temperature)"},
    {"--sampler-seq, --sampling-seq", "LETTERS", OPT_STR, AT(sampler_letters), RUN, 0, 0,
     "chain as letters (default: edskypmxt)"},
    {"-l, --logit-bias", "ID(+/-)X", OPT_LIST, AT(logit_bias), RUN, 0, 0,
     "add X to a token's logit, e.g. 15043+1; may be repeated"},
    {"--ignore-eos", NULL, OPT_FLAG, S(ignore_eos), RUN, 0, 0, "go on after an end token"},

    {"--json", NULL, OPT_FLAG, AT(json), RUN | INFO | BENCH | PPL | TOK, 0, 0, "print JSON"},
    {"--archs", NULL, OPT_FLAG, AT(archs), INFO, 0, 0,
     "the architectures that can be run; needs no model"},
    {"--metadata", NULL, OPT_FLAG, AT(metadata), INFO, 0, 0, "every key"},
    {"--tensors", NULL, OPT_FLAG, AT(tensors), INFO, 0, 0, "every tensor"},
    {"--plan", NULL, OPT_FLAG, AT(plan), INFO, 0, 0, "the plan that would run"},
    {"--fit", NULL, OPT_FLAG, AT(fit), INFO, 0, 0,
     "memory that the model would take, and what would fit beside it"},
    {"-np, --parallel", "N", OPT_U32, AT(sequences), INFO, 1, IG_EXEC_SEQS_MAX,
     "with --fit: sequences at once, of -c tokens each (default: 1)"},

    {"--ids", NULL, OPT_FLAG, AT(ids), TOK, 0, 0, "print [1, 2, 3] and nothing else"},
    {"--ids", "FILE", OPT_STR, AT(file), LOGITS | DETOK, 0, 0,
     "file with ids separated by blanks; - is standard input"},
    {"--show-count", NULL, OPT_FLAG, AT(count), TOK, 0, 0, "print the number of tokens too"},
    {"--no-bos", NULL, OPT_FLAG, AT(no_bos), TOK, 0, 0, "do not add the begin token"},
    {"--no-parse-special", NULL, OPT_FLAG, AT(no_parse_special), TOK, 0, 0,
     "text of control tokens is plain text"},

    {"--messages", "FILE", OPT_STR, AT(messages), TMPL, 0, 0,
     "JSON array of messages; - is standard input"},
    {"--tools", "FILE", OPT_STR, AT(tools), TMPL, 0, 0, "JSON array of tools"},
    {"--bos", "TEXT", OPT_STR, AT(bos), TMPL, 0, 0, "begin token (default: the model's)"},
    {"--eos", "TEXT", OPT_STR, AT(eos), TMPL, 0, 0, "end token (default: the model's)"},
    {"--now", "TIME", OPT_STR, AT(now), TMPL, 0, 0,
     "2024-07-26T12:00:00 for strftime_now (default: now)"},
    {"--no-generation-prompt", NULL, OPT_FLAG, AT(no_generation_prompt), TMPL, 0, 0,
     "do not open the assistant's turn"},

    {"--out", "FILE", OPT_STR, AT(out), LOGITS, 0, 0, "int32 rows, int32 width, float32 rows"},

    {"-p, --n-prompt", "N", OPT_STR, AT(bench_prompt), BENCH, 0, 0,
     "prompt lengths, e.g. 512,1024; 0 = none (default: 512)"},
    {"-n, --n-gen", "N", OPT_STR, AT(bench_predict), BENCH, 0, 0,
     "tokens to generate; 0 = none (default: 128)"},
    {"-d, --n-depth", "N", OPT_STR, AT(bench_depth), BENCH, 0, 0,
     "tokens already in the context (default: 0)"},
    {"-r, --repetitions", "N", OPT_U32, AT(repeats), BENCH, 1, 1000,
     "repetitions of each test (default: 5)"},
    {"-o, --output", "md|csv|json", OPT_STR, AT(output_format), BENCH, 0, 0,
     "form of the table (default: md)"},
    {"--ops", NULL, OPT_FLAG, AT(ops), BENCH, 0, 0, "seconds per op, after the table"},
    {"--batch", NULL, OPT_FLAG, AT(batches), BENCH, 0, 0,
     "many sequences at once: -npp, -ntg and -npl say how long and how many"},
    {"-npp, --npp", "N", OPT_STR, AT(npp), BENCH, 0, 0,
     "tokens of each prompt, e.g. 128,512; with --serve-sim: their mean, behind --shared-prefix "
     "(default: 128)"},
    {"-ntg, --ntg", "N", OPT_STR, AT(ntg), BENCH, 0, 0,
     "tokens that each sequence generates after its first; with --serve-sim: the mean of all that "
     "it generates (default: 128)"},
    {"-npl, --npl", "N", OPT_STR, AT(npl), BENCH, 0, 0,
     "sequences at once, at most 4096 (default: 1,2,4,8,16,32; with --serve-sim: 32)"},
    {"-pps, --pps", NULL, OPT_FLAG, AT(shared_prompt), BENCH, 0, 0,
     "with --batch: the sequences share one prompt, which is computed once"},
    {"--serve-sim", NULL, OPT_FLAG, AT(serve_sim), BENCH, 0, 0,
     "requests that come and go, as a server would see them; the options below belong to it"},
    {"--requests", "N", OPT_U32, AT(requests), BENCH, 1, IG_EXEC_REQUESTS_MAX,
     "requests that arrive (default: 100)"},
    {"--rate", "X", OPT_F64, AT(rate), BENCH, 0, 1e6,
     "arrivals per second, as a Poisson process; 0 = all at once (default: 0)"},
    {"--spread", "X", OPT_F64, AT(spread), BENCH, 0, 1,
     "lengths are drawn evenly within this share of -npp and -ntg (default: 0.5)"},
    {"--trace", "FILE", OPT_STR, AT(trace), BENCH, 0, 0,
     "arrivals instead, a JSON object a line: t (seconds), pp, tg, and perhaps prefix, a number; "
     "- is standard input"},
    {"--shared-prefix", "N", OPT_U32, AT(shared_prefix), BENCH, 1, 67108864,
     "N tokens that all prompts begin with, before those of -npp; of a trace, where pp counts them: "
     "those with the same prefix"},
    {"--ttft-slo", "MS", OPT_F64, AT(ttft_slo), BENCH, FLT_MIN, 1e9,
     "goodput counts requests whose first token came within MS milliseconds (default: any)"},
    {"--itl-slo", "MS", OPT_F64, AT(itl_slo), BENCH, FLT_MIN, 1e9,
     "and whose further tokens took MS milliseconds each in the mean (default: any)"},
    {"--kv-tokens", "N", OPT_U64, AT(kv_tokens), BENCH, 1, 1e12,
     "memory for so many tokens of keys and values (default: all sequences at their longest, in half of the free "
     "memory)"},
    {"-s, --seed", "N", OPT_U32, AT(load_seed), BENCH, 1, U32_MAX,
     "seed of arrivals, lengths and tokens (default: 42)"},

    {"--kl-divergence-base", "FILE", OPT_STR, AT(base_file), PPL, 0, 0,
     "file of base log-probabilities: written, or read with --kl-divergence"},
    {"--kl-divergence", NULL, OPT_FLAG, AT(kl), PPL, 0, 0,
     "compare with the base instead of writing it"},
    {"--chunks", "N", OPT_U32, AT(chunks), PPL, 0, U32_MAX,
     "chunks of the text to use; 0 = all (default: 0)"},
};
const size_t CLI_OPTION_COUNT = IG_COUNT(CLI_OPTIONS);

const foreign_row CLI_FOREIGN[] = {
    {"-ngl, --gpu-layers, --n-gpu-layers, -sm, --split-mode, -ts, --tensor-split, -mg, --main-gpu",
     "this version has no GPU backend"},
    {"-fa, --flash-attn", "attention is always done in one pass"},
    {"-ub, --ubatch-size", "-b is the number of tokens that are computed at once"},
    {"-tb, --threads-batch", "-t holds for prompts too"},
    {"-tgs, -kvu, --kv-unified",
     "sequences always generate together, over pages that they can share"},
    {"--mmap, --no-mmap, --mlock, --numa", "weights are mapped or packed as the device needs it"},
    {"-hf, -hfr, --hf-repo, -mu, --model-url", "models are files here; download it first"},
    {"--lora, --control-vector", "adapters cannot be added; merge them into the model"},
    {"--grammar, --grammar-file, -j, --json-schema", "output cannot be constrained yet"},
    {"--jinja, --no-jinja", "chat templates are always rendered as Jinja"},
    {"--no-warmup, --warmup, --no-perf, --perf", "there is nothing to switch off"},
    {"--color, --simple-io", "what a terminal can do is found out; NO_COLOR turns colours off"},
    {"-i, --interactive, -if, --interactive-first", "-cnv chats"},
    {"--keep", "the context is not shifted; a full one ends the text"},
    {"--list-devices", "the devices are cpu and ref"},
};
const size_t CLI_FOREIGN_COUNT = IG_COUNT(CLI_FOREIGN);

const cli_command CLI_COMMANDS[CMD_COUNT] = {
    [CMD_RUN] = {
        "run", "MODEL [MESSAGE | -p TEXT | -f FILE]", "generate text, or chat on a terminal",
        "Completes the prompt given by -p, -f or standard input. A message after the model is "
        "answered as in a chat,\n"
        "once, when the model has a chat template. On a terminal without any text it chats: "
        "/help lists the commands\n"
        "there, Ctrl-C stops an answer and keeps its text.\n"
        "Lines typed there are kept in $XDG_STATE_HOME/ingot/history "
        "(~/.local/state/ingot/history). With -cnv and\n"
        "no terminal every line of standard input is a message.",
        "ingot run gemma-3-270m-q4_k_m.gguf -p \"The capital of France is\" -n 32 --temp 0",
        .run = cmd_run, .takes_message = true},
    [CMD_INFO] = {
        "info", "(MODEL [--metadata] [--tensors] [--plan] [--fit] | --archs)",
        "what a model file is and whether it fits",
        "Works on any GGUF file, also of an architecture that cannot be run.",
        "ingot info model.gguf --plan", .run = cmd_info, .model_optional = true},
    [CMD_BENCH] = {
        "bench",
        "MODEL [-p N] [-n N] [-d N] [-r N] | MODEL --batch [-npp N] [-ntg N] [-npl N] [-pps]"
        " | MODEL --serve-sim [--requests N --rate X | --trace FILE]",
        "prompt and generation speed, with the share of the roof",
        "Every test runs once to warm up and -r times measured. "
        "The share of the roof compares prompt processing with\n"
        "the measured dot-product rate of the machine "
        "and generation with its measured read bandwidth.\n"
        "--batch runs many sequences through the executor, in llama-batched-bench's columns: "
        "T_PP ends with the last\n"
        "prompt's first token, T_TG holds the -ntg steps after it. In JSON, one line a row, "
        "\"host\" is the percentage\n"
        "of the -ntg steps' time that was not the device's.\n"
        "--serve-sim sends requests from one client thread and times what it receives: "
        "TTFT from the moment when a\n"
        "request was due, ITL between tokens, goodput as requests a second that kept both limits.",
        "ingot bench model.gguf -p 512 -n 128 -r 5 --json", .run = cmd_bench},
    [CMD_PERPLEXITY] = {
        "perplexity", "MODEL -f TEXT", "perplexity of a text, or divergence from a saved base",
        "The text is cut into chunks of the context; "
        "the second half of each chunk is scored. With\n"
        "--kl-divergence-base FILE the log-probabilities are saved in llama-perplexity's format; "
        "with --kl-divergence\n"
        "they are compared with it.",
        "ingot perplexity model.gguf -f wiki.txt -c 512", .run = cmd_perplexity},
    [CMD_TOKENIZE] = {
        "tokenize", "MODEL (-p TEXT | -f FILE | --stdin) [--ids]", "text to token ids",
        "Adds the begin token when the vocabulary says so, and reads control tokens in the text.",
        "ingot tokenize model.gguf -p \"Hello world\" --ids", .run = cmd_tokenize},
    [CMD_DETOKENIZE] = {
        "detokenize", "MODEL --ids FILE", "token ids to text",
        "Ids are separated by blanks or commas.",
        "echo 9259 1902 | ingot detokenize model.gguf --ids -", .run = cmd_detokenize},
    [CMD_TEMPLATE] = {
        "template", "(MODEL | --template-file F) --messages FILE", "render a chat template",
        "Prints exactly the rendered bytes. "
        "A template that raises: its message on standard error, exit code 1.",
        "ingot template model.gguf --messages chat.json --tools tools.json", .run = cmd_template, .model_optional = true},
    [CMD_LOGITS] = {
        "logits", "MODEL --ids FILE --out FILE", "logits of every position",
        "The file holds int32 rows, int32 width, then float32 rows. "
        "The bytes do not depend on -t or -b.",
        "ingot logits model.gguf --ids ids.txt --out logits.bin", .run = cmd_logits},
};
/* clang-format on */
