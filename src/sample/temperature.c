/* temperature.c: divides logits by a temperature; 0 or less keeps the most probable token only;
 * with a range, the temperature follows the entropy of the candidates ("dynamic temperature"). */
#include "sample/sampler_int.h"

bool ig_temperature_greedy(const ig_sample_params *p) {
    return p->temperature <= 0.0f && !(p->dynatemp_range > 0.0f);
}

bool ig_temperature_off(const ig_sample_params *p) {
    bool is_one = !(p->temperature > 1.0f) && !(p->temperature < 1.0f);
    return is_one && !(p->dynatemp_range > 0.0f);
}

static double entropy_of(ig_candidates *c) {
    double mass = ig_candidates_mass(c), max = (double)ig_candidates_max(c), entropy = ig_ln(mass);
    for (uint32_t i = 0; i < c->n; i++)
        if (c->s->w[i] > 0.0f)
            entropy -= (double)c->s->w[i] / mass * ((double)ig_key_logit(c->s->keys[i]) - max);
    return entropy;
}

void ig_temperature_apply(ig_sampler *s, ig_candidates *c, uint32_t stream) {
    (void)stream;
    double temperature = (double)s->p.temperature, range = (double)s->p.dynatemp_range;
    if (range > 0.0) {
        ig_candidates_list(c);
        if (c->n <= 1)
            return;
        double lo = temperature > range ? temperature - range : 0.0, hi = temperature + range;
        double share = entropy_of(c) / ig_ln((double)c->n);
        share = share < 0.0 ? 0.0 : share > 1.0 ? 1.0 : share;
        temperature = lo + (hi - lo) * ig_pow(share, (double)s->p.dynatemp_exponent);
    }
    if (temperature <= 0.0)
        ig_candidates_best(c);
    else
        ig_candidates_scale(c, temperature);
}
