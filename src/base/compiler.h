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

/* A function compiled for wider vectors than the build's, to be called only where the processor has
 * them; nothing on other architectures. */
#if defined(__x86_64__)
#define IG_TARGET_AVX2 __attribute__((target("avx2")))
#if defined(__clang__)
#define IG_TARGET_AVX512 __attribute__((target("avx512f,avx512vl,avx512dq")))
#else /* gcc would use half of their width */
#define IG_TARGET_AVX512                                                                           \
    __attribute__((target("avx512f,avx512vl,avx512dq,prefer-vector-width=512")))
#endif
#define ig_cpu_has_avx2() __builtin_cpu_supports("avx2")
#define ig_cpu_has_avx512()                                                                        \
    (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&                    \
     __builtin_cpu_supports("avx512dq"))
#else
#define IG_TARGET_AVX2
#define IG_TARGET_AVX512
#define ig_cpu_has_avx2() 0
#define ig_cpu_has_avx512() 0
#endif

#define IG_CACHE_LINE 64

/* Number of elements of an array (not of a pointer). */
#define IG_COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define IG_MIN(a, b) ((a) < (b) ? (a) : (b))
#define IG_MAX(a, b) ((a) > (b) ? (a) : (b))

#endif
