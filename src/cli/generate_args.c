/* generate_args.c: options → generation, and what is said about a finished one. Shared
 * by completion and chat. */
#include "cli/cli.h"

#include <math.h>
#include <stdlib.h>

static bool parse_bias(const char *text, ingot_logit_bias *out) {
    char *end;
    long id = strtol(text, &end, 10);
    const char *number = end;
    if (end == text || id < 0 || id > INT32_MAX || (*number != '+' && *number != '-'))
        return false;
    out->id = (int32_t)id;
    out->bias = strtof(number, &end);
    return end != number && !*end && !isnan(out->bias);
}

bool cli_generate_options(const cli_options *o, ingot_generate_options *g, ingot_logit_bias *bias) {
    *g = (ingot_generate_options){.sampling = o->sampling,
                                  .max_tokens = o->predict < 0    ? 0
                                                : o->predict == 0 ? -1
                                                                  : o->predict,
                                  .stop = o->stop.items,
                                  .n_stop = o->stop.n,
                                  .special = o->special};
    for (uint32_t i = 0; i < o->logit_bias.n; i++) {
        if (!parse_bias(o->logit_bias.items[i], &bias[i])) {
            cli_fail("--logit-bias takes ID+X or ID-X, as in 15043+1 or 15043-inf, not \"%s\"",
                     o->logit_bias.items[i]);
            return false;
        }
    }
    g->sampling.logit_bias = bias;
    g->sampling.n_logit_bias = o->logit_bias.n;
    g->sampling.dry_breakers = o->dry_breakers.n ? o->dry_breakers.items : NULL;
    g->sampling.n_dry_breakers = o->dry_breakers.n;
    if (o->sampler_letters)
        g->sampling.samplers = o->sampler_letters;
    return true;
}

void cli_print_generated(const char *text, size_t n, const ingot_generate_result *r) {
    static const char *const reasons[] = {"none", "eos",      "length",   "context",
                                          "stop", "callback", "cancelled"};
    printf("{\"text\": ");
    cli_put_json_string(stdout, text, n);
    printf(", \"stop\": \"%s\", \"prompt_tokens\": %llu, \"generated_tokens\": %llu, "
           "\"prompt_seconds\": %.6f, \"generate_seconds\": %.6f, \"seed\": %llu}\n",
           reasons[r->reason], (unsigned long long)r->prompt_tokens,
           (unsigned long long)r->generated_tokens, r->prompt_seconds, r->generate_seconds,
           (unsigned long long)r->seed);
}

void cli_print_speed(const ingot_model_facts *facts, const ingot_generate_result *r) {
    double pp = r->prompt_seconds > 0 ? (double)r->prompt_tokens / r->prompt_seconds : 0;
    double n = r->generated_tokens > 1 ? (double)(r->generated_tokens - 1) : 0;
    double tg = r->generate_seconds > 0 ? n / r->generate_seconds : 0;
    cli_print_visible(
        stderr,
        "[%s, %s, %u threads: prompt %llu tokens at %.1f/s, generated %llu at %.1f/s, "
        "%.1f GB/s of weights]\n",
        facts->name[0] ? facts->name : facts->architecture, facts->device, facts->threads,
        (unsigned long long)r->prompt_tokens, pp, (unsigned long long)r->generated_tokens, tg,
        tg * (double)facts->step_bytes * 1e-9);
}
