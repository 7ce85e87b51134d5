// SPDX-License-Identifier: MIT
/* gcs.ko's device map as its client sees it. */
#include <errno.h>
#include <sys/ioctl.h>

#include "module.h"

bool module_has_devices(void)
{
	return module_device(GCS_FEATURE_DEV) >= 0;
}

int module_dev_wait(const struct gcs_dev_addr *addr, uint32_t flags, uint32_t timeout_ms, struct gcs_dev_wait *w)
{
	*w = (struct gcs_dev_wait){ .size = sizeof(*w), .flags = flags, .addr = *addr, .timeout_ms = timeout_ms };
	return ioctl(module_device(GCS_FEATURE_DEV), GCS_DEV_WAIT, w) < 0 ? errno : 0;
}

int module_dev_eject(const struct gcs_dev_addr *addr)
{
	struct gcs_dev_eject e = { .size = sizeof(e), .addr = *addr };

	return ioctl(module_device(GCS_FEATURE_DEV), GCS_DEV_EJECT, &e) < 0 ? errno : 0;
}
