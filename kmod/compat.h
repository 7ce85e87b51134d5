/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Differences between kernel versions; nothing else tests LINUX_VERSION_CODE
 */
#ifndef _GCS_COMPAT_H
#define _GCS_COMPAT_H

#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/net.h>
#include <linux/splice.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
#define copy_splice_read generic_file_splice_read
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
static inline void simple_inode_init_ts(struct inode *inode)
{
	inode->i_atime = current_time(inode);
	inode->i_mtime = inode->i_atime;
	inode->i_ctime = inode->i_atime;
}
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
static inline void hrtimer_setup(struct hrtimer *timer,
				 enum hrtimer_restart (*function)(struct hrtimer *),
				 clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = function;
}
#endif

#endif /* _GCS_COMPAT_H */
