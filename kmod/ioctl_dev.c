// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of the device map
 */
#include "internal.h"
#include "ioctl.h"

#define GCS_DEV_WAIT_SIZE_VER0	176
#define GCS_DEV_EJECT_SIZE_VER0	72

static_assert(sizeof(struct gcs_dev_addr) == 64);
static_assert(sizeof(struct gcs_dev_wait) == GCS_DEV_WAIT_SIZE_VER0);
static_assert(sizeof(struct gcs_dev_eject) == GCS_DEV_EJECT_SIZE_VER0);

long gcs_ioctl_dev_wait(struct gcs_dev_wait __user *uarg)
{
	struct gcs_dev_wait arg, in;
	u32 usize;
	int err;

	err = gcs_get_arg(&in, sizeof(in), GCS_DEV_WAIT_SIZE_VER0, uarg, &usize);
	if (err)
		return err;
	if (in.flags & ~GCS_WAIT_CONTROLLER || in.reserved)
		return -EINVAL;
	if (in.flags && in.addr.bus != GCS_BUS_SCSI)
		return -EINVAL;

	arg = (struct gcs_dev_wait) {
		.size = in.size, .flags = in.flags, .addr = in.addr, .timeout_ms = in.timeout_ms,
	};
	err = gcs_dev_wait(&arg);
	if (err)
		return err;
	return copy_to_user(uarg, &arg, min_t(size_t, usize, sizeof(arg))) ? -EFAULT : 0;
}

long gcs_ioctl_dev_eject(const struct gcs_dev_eject __user *uarg)
{
	struct gcs_dev_eject arg;
	u32 usize;
	int err;

	err = gcs_get_arg(&arg, sizeof(arg), GCS_DEV_EJECT_SIZE_VER0, uarg, &usize);
	if (err)
		return err;
	if (arg.flags)
		return -EINVAL;
	return gcs_dev_eject(&arg.addr);
}
