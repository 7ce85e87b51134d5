// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device map: block devices, which are SCSI disks and PMEM
 *
 * A driver adds its disk while it probes the disk's parent. The partitions are scanned before that
 * returns, so the end of the probe is the end of that, too.
 */
#include <linux/anon_inodes.h>
#include <linux/blkdev.h>
#include <linux/completion.h>
#include <linux/file.h>
#include <linux/kref.h>
#include <linux/numa.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <scsi/scsi_device.h>
#include <scsi/scsi_host.h>

#include "compat.h"
#include "devmap.h"

GCS_CLASS_ADD(block_add, dev)
{
	struct device *parent = dev->parent;
	struct scsi_device *sdev;
	struct gcs_dev *d;
	unsigned int n;
	char more;

	if (bdev_is_partition(dev_to_bdev(dev)) || !parent)
		return 0;
	if (scsi_is_sdev_device(parent)) {
		sdev = to_scsi_device(parent);
		/* The address has no channel. */
		if (sdev_channel(sdev))
			return 0;
		d = gcs_dev_alloc(GCS_BUS_SCSI, parent, dev_name(dev));
		if (!d)
			return -ENOMEM;
		d->host_no = sdev->host->host_no;
		d->addr.target = sdev_id(sdev);
		d->addr.lun = sdev->lun;
	} else if (parent->bus && !strcmp(parent->bus->name, "nd") &&
		   sscanf(dev_name(dev), "pmem%u%c", &n, &more) == 1) {
		d = gcs_dev_alloc(GCS_BUS_PMEM, parent, dev_name(dev));
		if (!d)
			return -ENOMEM;
		d->addr.index = n;
	} else {
		return 0;
	}
	d->dev = get_device(dev);
	gcs_dev_add(d);
	return 0;
}

GCS_CLASS_REMOVE(block_remove, dev)
{
	struct gcs_dev *d;

	mutex_lock(&gcs_devs_lock);
	d = gcs_dev_of(dev);
	if (d)
		gcs_dev_remove(d);
	mutex_unlock(&gcs_devs_lock);
}

static struct class_interface block_interface = {
	.add_dev = block_add,
	.remove_dev = block_remove,
};

/* As things are now: a disk may change its size and become read-only. Called with the lock. */
int gcs_block_fill(const struct gcs_dev *d, u32 partition, struct gcs_dev_wait *out)
{
	struct gendisk *disk = dev_to_disk(d->dev);
	struct block_device *bdev;
	int err = 0;

	rcu_read_lock();
	bdev = xa_load(&disk->part_tbl, partition);
	if (!get_capacity(disk))
		err = -ENOMEDIUM;
	else if (!bdev)
		err = -ENOENT;
	if (bdev) {
		out->major = MAJOR(bdev->bd_dev);
		out->minor = MINOR(bdev->bd_dev);
		out->bytes = bdev_nr_bytes(bdev);
		out->dev_flags = bdev_read_only(bdev) ? GCS_DEV_READONLY : 0;
		if (d->addr.bus == GCS_BUS_PMEM && blk_queue_dax(disk->queue))
			out->dev_flags |= GCS_DEV_DAX;
		snprintf(out->name, sizeof(out->name), "%pg", bdev);
	}
	rcu_read_unlock();
	return err;
}

/* Tells when the kernel has closed a file that a kernel thread let go. Held by who waits, and by the file. */
struct fence {
	struct kref ref;
	struct work_struct work;
	struct completion closed;
	struct file *file;
};

static void fence_free(struct kref *ref)
{
	kfree(container_of(ref, struct fence, ref));
}

static int fence_release(struct inode *inode, struct file *file)
{
	struct fence *fence = file->private_data;

	complete(&fence->closed);
	kref_put(&fence->ref, fence_free);
	return 0;
}

static const struct file_operations fence_fops = {
	.owner = THIS_MODULE,
	.release = fence_release,
};

static void fence_work(struct work_struct *work)
{
	fput(container_of(work, struct fence, work)->file);
}

/* Lets a file go in a kernel thread, and waits until it is closed. */
static int fence_pass(void)
{
	struct fence *fence = kmalloc(sizeof(*fence), GFP_KERNEL);
	int err = 0;

	if (!fence)
		return -ENOMEM;
	kref_init(&fence->ref);
	init_completion(&fence->closed);
	INIT_WORK(&fence->work, fence_work);
	fence->file = anon_inode_getfile("gcs-fence", &fence_fops, fence, O_RDONLY);
	if (IS_ERR(fence->file)) {
		err = PTR_ERR(fence->file);
		goto out;
	}
	kref_get(&fence->ref);
	queue_work(gcs_devs_wq, &fence->work);
	if (wait_for_completion_interruptible(&fence->closed))
		err = -EINTR;
out:
	kref_put(&fence->ref, fence_free);
	return err;
}

/*
 * Newer kernels close the file with which they have scanned for partitions some time later, as all that kernel threads let
 * go: one work item closes what has gathered, the last first. So the first fence may be closed before what it came
 * with; the second comes with what was let go later. One of those files may take for ever: the wait can be interrupted.
 */
static int await_delayed_close(void)
{
	return fence_pass() ?: fence_pass();
}

/* -EBUSY: somebody has claimed it, or is about to. -EAGAIN: it is open. */
static int claim_unopened(struct gendisk *disk, void *holder)
{
	int err = gcs_bdev_claim(disk->part0, holder);

	if (err || !disk_openers(disk))
		return err;
	bd_abort_claiming(disk->part0, holder);
	return -EAGAIN;
}

/*
 * Claims the disk for @holder, so that it cannot be mounted, and brings what is cached to it. Who
 * opens it without claiming it is refused by nobody: it must not be open now.
 */
int gcs_block_take(struct device *dev, void *holder)
{
	struct gendisk *disk = dev_to_disk(dev);
	int err;

	err = claim_unopened(disk, holder);
	if (err == -EAGAIN) {
		/* Without the claim, for which others would wait. */
		err = await_delayed_close();
		if (!err)
			err = claim_unopened(disk, holder);
	}
	if (err)
		return err == -EAGAIN ? -EBUSY : err;
	err = sync_blockdev(disk->part0);
	if (!err && get_capacity(disk))
		err = blkdev_issue_flush(disk->part0);
	if (!err)
		return 0;
	bd_abort_claiming(disk->part0, holder);
	return -EIO;
}

void gcs_block_release(struct device *dev, void *holder)
{
	bd_abort_claiming(dev_to_disk(dev)->part0, holder);
}

int __init gcs_block_init(void)
{
	/* The class is not exported, but every disk knows it. */
	struct gendisk *disk = gcs_alloc_disk();

	if (!disk)
		return -ENOMEM;
	block_interface.class = disk_to_dev(disk)->class;
	put_disk(disk);
	return class_interface_register(&block_interface);
}

void gcs_block_exit(void)
{
	class_interface_unregister(&block_interface);
}
