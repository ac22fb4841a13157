/* random_draw.c: the plain end of a chain: a draw by softmax of what is left. */
#include "sample/sampler_int.h"

ig_pick ig_random_draw(ig_sampler *s, ig_candidates *c) {
    return ig_candidates_draw(c, ig_sampler_uniform(s, IG_STREAM_DRAW));
}
