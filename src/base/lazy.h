/* lazy.h: a byte that many threads may find out and store, every one the same value. Relaxed order
 * is enough, because the byte is the whole answer and publishes nothing else; whoever still sees
 * the old value finds it out again. */
#ifndef IG_BASE_LAZY_H
#define IG_BASE_LAZY_H

#include <stdint.h>

static inline uint8_t ig_lazy_load(const uint8_t *byte) {
    return __atomic_load_n(byte, __ATOMIC_RELAXED);
}
static inline void ig_lazy_store(uint8_t *byte, uint8_t value) {
    __atomic_store_n(byte, value, __ATOMIC_RELAXED);
}

#endif
