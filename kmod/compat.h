/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Differences between kernel versions; nothing else tests LINUX_VERSION_CODE
 */
#ifndef _GCS_COMPAT_H
#define _GCS_COMPAT_H

#include <linux/blkdev.h>
#include <linux/device/class.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/net.h>
#include <linux/splice.h>
#include <linux/version.h>
#include <scsi/scsi_host.h>

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

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 18, 0)
#define inode_just_drop generic_delete_inode
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

/* What a class_interface calls. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
#define GCS_CLASS_ADD(fn, dev) static int fn(struct device *(dev), struct class_interface *intf)
#define GCS_CLASS_REMOVE(fn, dev) \
	static void fn(struct device *(dev), struct class_interface *intf)
#else
#define GCS_CLASS_ADD(fn, dev) static int fn(struct device *(dev))
#define GCS_CLASS_REMOVE(fn, dev) static void fn(struct device *(dev))
#endif

static inline struct Scsi_Host *gcs_scsi_host_alloc(const struct scsi_host_template *template)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
	return scsi_host_alloc((struct scsi_host_template *)template, 0);
#else
	return scsi_host_alloc(template, 0);
#endif
}

static inline struct gendisk *gcs_alloc_disk(void)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)
	return blk_alloc_disk(NUMA_NO_NODE);
#else
	struct gendisk *disk = blk_alloc_disk(NULL, NUMA_NO_NODE);

	return IS_ERR(disk) ? NULL : disk;
#endif
}

static inline int gcs_bdev_claim(struct block_device *bdev, void *holder)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
	return bd_prepare_to_claim(bdev, holder);
#else
	return bd_prepare_to_claim(bdev, holder, NULL);
#endif
}

#endif /* _GCS_COMPAT_H */
