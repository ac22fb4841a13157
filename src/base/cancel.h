/* cancel.h: a flag that any thread may raise and one thread looks at between steps of its work. */
#ifndef IG_BASE_CANCEL_H
#define IG_BASE_CANCEL_H

#include <stdbool.h>
#include <stdint.h>

typedef struct ig_cancel {
    uint32_t raised;
} ig_cancel;

/* Raising publishes nothing but the flag itself, so relaxed order is enough. */
void ig_cancel_raise(ig_cancel *c);
/* True once per raise: looking takes the flag down. */
bool ig_cancel_take(ig_cancel *c);

#endif
