/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests inside the module: in DEBUG builds they run before anything is registered, and refuse the load
 */
#ifndef _GCS_SELFTEST_H
#define _GCS_SELFTEST_H

#include <linux/printk.h>
#include <linux/types.h>

/* True, or says what is not. */
#define EXPECT(condition) ({								\
	bool __true = (condition);							\
	if (!__true)									\
		pr_err("gcs: selftest: %s:%d: %s\n", __func__, __LINE__, #condition);	\
	__true;										\
})

bool gcs_selftest_ring(void);
bool gcs_selftest_compat(void);
bool gcs_selftest_guid(void);
bool gcs_selftest_eof(void);

#endif /* _GCS_SELFTEST_H */
