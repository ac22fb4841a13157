/* cancel.c: the flag of cancel.h. */
#include "base/cancel.h"

void ig_cancel_raise(ig_cancel *c) {
    __atomic_store_n(&c->raised, 1, __ATOMIC_RELAXED);
}

bool ig_cancel_take(ig_cancel *c) {
    return __atomic_load_n(&c->raised, __ATOMIC_RELAXED) &&
           __atomic_exchange_n(&c->raised, 0, __ATOMIC_RELAXED);
}
