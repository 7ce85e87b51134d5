/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How an ioctl takes its argument: a struct whose first member is its size
 */
#ifndef _GCS_IOCTL_H
#define _GCS_IOCTL_H

#include <linux/mm.h>
#include <linux/uaccess.h>

/* @min_size is that of the struct when it was first published: no caller can know a smaller one. */
static inline int gcs_get_arg(void *arg, size_t ksize, size_t min_size, const void __user *uarg,
			      u32 *usize)
{
	if (get_user(*usize, (const u32 __user *)uarg))
		return -EFAULT;
	if (*usize < min_size)
		return -EINVAL;
	if (*usize > PAGE_SIZE)
		return -E2BIG;
	return copy_struct_from_user(arg, ksize, uarg, *usize);
}

#endif /* _GCS_IOCTL_H */
