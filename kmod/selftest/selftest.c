// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which tests there are
 */
#include <linux/errno.h>
#include <linux/init.h>
#include <linux/kernel.h>

#include "../internal.h"
#include "selftest.h"

static const struct {
	const char *name;
	bool (*run)(void);
} tests[] = {
	{ "ring", gcs_selftest_ring },
	{ "compat", gcs_selftest_compat },
	{ "guid", gcs_selftest_guid },
	{ "eof", gcs_selftest_eof },
};

int __init gcs_selftest(void)
{
	unsigned int failed = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		if (tests[i].run())
			continue;
		pr_err("gcs: selftest %s failed\n", tests[i].name);
		failed++;
	}
	if (!failed) {
		pr_info("gcs: %zu selftests passed\n", ARRAY_SIZE(tests));
		return 0;
	}
	pr_err("gcs: not loaded, because %u of %zu selftests failed\n", failed, ARRAY_SIZE(tests));
	return -ENOEXEC;
}
