/* compiler.h: every compiler extension the project uses, spelled once.
 * Owns nothing; included by everybody through base/base.h. */
#ifndef IG_BASE_COMPILER_H
#define IG_BASE_COMPILER_H

#define IG_MUST_USE __attribute__((warn_unused_result))
#define IG_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define IG_COLD __attribute__((cold))
#define IG_NOINLINE __attribute__((noinline))
#define IG_INLINE static inline __attribute__((always_inline))
#define IG_ALIGNED(n) __attribute__((aligned(n)))
#define IG_EXPORT __attribute__((visibility("default")))
#define IG_UNUSED __attribute__((unused))
#define ig_likely(x) __builtin_expect(!!(x), 1)
#define ig_unlikely(x) __builtin_expect(!!(x), 0)
#define ig_prefetch(p) __builtin_prefetch((p), 0, 3)
/* For data that is some microseconds away. */
#define ig_prefetch_l2(p) __builtin_prefetch((p), 0, 2)
#define ig_unreachable() __builtin_unreachable()

#define IG_CACHE_LINE 64

/* Number of elements of an array (not of a pointer). */
#define IG_COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define IG_MIN(a, b) ((a) < (b) ? (a) : (b))
#define IG_MAX(a, b) ((a) > (b) ? (a) : (b))

#endif
