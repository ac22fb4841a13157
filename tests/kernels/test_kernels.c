/* test_kernels.c: every backend of this build against ref, op by op. */
#include "backend/ref/ref.h"
#include "kernels/op_cases.h"
#include "test.h"

static void failed(const char *line) {
    TEST_FAIL("%s", line);
}

TEST(ref_does_not_depend_on_steps) {
    op_report report;
    op_cases_check(&ig_backend_ref, NULL, NULL, failed, &report);
    CHECK_EQ(report.unsupported, 0);
    CHECK(report.run > 100);
}

int main(int argc, char **argv) {
    return RUN(argc, argv, T(ref_does_not_depend_on_steps));
}
