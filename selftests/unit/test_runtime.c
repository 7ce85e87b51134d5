// SPDX-License-Identifier: MIT
/* What OCI runtimes say when they fail, and the code that the host gets for it (lifecycle.md 6.3). */
#include "container/internal.h"

#include "kselftest_harness.h"

TEST(messages_of_the_runtimes_have_their_codes)
{
	static const struct {
		const char *message;
		uint32_t code;
	} cases[] = {
		{ "container \"c\" does not exist", HR_SYSTEM_NOT_FOUND },
		/* As it stands in raw output. */
		{ "time=\"2026-01-01T00:00:00Z\" level=error msg=\"container does not exist\"\n", HR_SYSTEM_NOT_FOUND },
		{ "container with id exists: c", HR_SYSTEM_EXISTS },
		{ "container with given ID already exists", HR_SYSTEM_EXISTS },
		{ "container `c` already exists", HR_SYSTEM_EXISTS },
		{ "invalid id format: a/b", HR_INVALID_ARG },
		{ "invalid container ID format: a/b", HR_INVALID_ARG },
		{ "cannot delete container c that is not stopped: running\n", HR_INVALID_STATE },
		{ "container still running", HR_INVALID_STATE },
		{ "container `c` is not in `created` or `stopped` state", HR_INVALID_STATE },
		{ "container not running\n", HR_ALREADY_STOPPED },
		{ "container `c` is not running", HR_ALREADY_STOPPED },
		{ "exec: \"nothing\": executable file not found in $PATH", HR_FAIL },
		{ "", HR_FAIL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		EXPECT_EQ(cases[i].code, runtime_error_code(cases[i].message)) {
			TH_LOG("%s", cases[i].message);
		}
	}
}

TEST_HARNESS_MAIN
