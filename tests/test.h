/* test.h: the whole test harness. A test binary defines tests as functions and lists them in main:
 *
 *     TEST(adds) { CHECK_EQ(1 + 1, 2); }
 *     int main(int argc, char **argv) { return RUN(argc, argv, T(adds)); }
 *
 * A failed CHECK prints where and what, and the test goes on; REQUIRE ends the test. `binary NAME…`
 * runs only those tests; `binary --list` prints them. Exit status 1 when a check failed, 77 when
 * every chosen test was skipped. */
#ifndef IG_TESTS_TEST_H
#define IG_TESTS_TEST_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct test_case {
    const char *name;
    void (*body)(void);
} test_case;

static int test_failures, test_skips;
static const char *test_name = "";

#define TEST(name) static void test_##name(void)
#define T(name)                                                                                    \
    { #name, test_##name }
#define RUN(argc, argv, ...)                                                                       \
    test_run(argc, argv, (const test_case[]){__VA_ARGS__},                                         \
             sizeof((const test_case[]){__VA_ARGS__}) / sizeof(test_case))

#define TEST_FAIL(...)                                                                             \
    do {                                                                                           \
        test_failures++;                                                                           \
        fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, test_name);                             \
        fprintf(stderr, __VA_ARGS__);                                                              \
        fputc('\n', stderr);                                                                       \
    } while (0)
#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond))                                                                               \
            TEST_FAIL("%s is false", #cond);                                                       \
    } while (0)
#define REQUIRE(cond)                                                                              \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            TEST_FAIL("%s is false", #cond);                                                       \
            return;                                                                                \
        }                                                                                          \
    } while (0)
#define CHECK_EQ(a, b)                                                                             \
    do {                                                                                           \
        long long test_a_ = (long long)(a), test_b_ = (long long)(b);                              \
        if (test_a_ != test_b_)                                                                    \
            TEST_FAIL("%s is %lld, %s is %lld", #a, test_a_, #b, test_b_);                         \
    } while (0)
#define CHECK_STR(a, b)                                                                            \
    do {                                                                                           \
        const char *test_a_ = (a), *test_b_ = (b);                                                 \
        if (strcmp(test_a_, test_b_) != 0)                                                         \
            TEST_FAIL("%s is \"%s\", not \"%s\"", #a, test_a_, test_b_);                           \
    } while (0)
#define CHECK_NEAR(a, b, tolerance)                                                                \
    do {                                                                                           \
        double test_a_ = (a), test_b_ = (b);                                                       \
        if (!(fabs(test_a_ - test_b_) <= (tolerance)))                                             \
            TEST_FAIL("%s is %.9g, %s is %.9g", #a, test_a_, #b, test_b_);                         \
    } while (0)
/* The status must be ok; prints the message otherwise. `err` must be in scope. */
#define CHECK_OK(expr)                                                                             \
    do {                                                                                           \
        if ((expr) != IG_OK)                                                                       \
            TEST_FAIL("%s: %s", #expr, err.message);                                               \
    } while (0)
#define REQUIRE_OK(expr)                                                                           \
    do {                                                                                           \
        if ((expr) != IG_OK) {                                                                     \
            TEST_FAIL("%s: %s", #expr, err.message);                                               \
            return;                                                                                \
        }                                                                                          \
    } while (0)
#define SKIP(...)                                                                                  \
    do {                                                                                           \
        test_skips++;                                                                              \
        fprintf(stderr, "SKIPPED %s: ", test_name);                                                \
        fprintf(stderr, __VA_ARGS__);                                                              \
        fputc('\n', stderr);                                                                       \
        return;                                                                                    \
    } while (0)

static inline int test_run(int argc, char **argv, const test_case *cases, size_t n) {
    size_t ran = 0;
    for (size_t i = 0; i < n; i++) {
        if (argc > 1 && strcmp(argv[1], "--list") == 0) {
            puts(cases[i].name);
            continue;
        }
        bool chosen = argc <= 1;
        for (int j = 1; j < argc; j++)
            chosen = chosen || strcmp(argv[j], cases[i].name) == 0;
        if (!chosen)
            continue;
        test_name = cases[i].name;
        int before = test_failures;
        cases[i].body();
        ran++;
        if (test_failures != before)
            fprintf(stderr, "FAILED %s\n", test_name);
    }
    fprintf(stderr, "%zu tests, %d failed checks, %d skipped\n", ran, test_failures, test_skips);
    return test_failures ? 1 : ran > 0 && (size_t)test_skips == ran ? 77 : 0;
}

#endif
