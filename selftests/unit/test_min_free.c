// SPDX-License-Identifier: MIT
/* How much memory the kernel is to keep free. */
#include "container/internal.h"

#include "kselftest_harness.h"

TEST(it_is_what_the_kernel_computes_without_huge_pages)
{
	/* KiB of memory, and what the kernel's own formula gives for them. */
	static const uint64_t rows[][2] = {
		{ 0, 128 }, { 1, 128 }, { 1024, 128 }, { 1089, 132 }, { 65536, 1024 }, { 262144, 2048 }, { 1009856, 4019 },
		{ 4194304, 8192 }, { 1ull << 32, 262144 }, { 1ull << 40, 262144 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		EXPECT_EQ(rows[i][1], min_free_for(rows[i][0]));
}

TEST_HARNESS_MAIN
