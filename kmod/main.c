// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module's start and end, /dev/gcs and its ioctls
 */
#include <linux/capability.h>
#include <linux/file.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/stringify.h>
#include <net/genetlink.h>

#include "internal.h"
#include "ioctl.h"
#include "tty.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/* The size of each struct when it was first published: no caller can know a smaller one. */
#define GCS_INFO_SIZE_VER0		16
#define GCS_STREAM_OPEN_SIZE_VER0	40
#define GCS_STREAM_ATTACH_SIZE_VER0	32
#define GCS_STREAM_FINISH_SIZE_VER0	24

static_assert(sizeof(struct gcs_info) == GCS_INFO_SIZE_VER0);
static_assert(sizeof(struct gcs_stream_open) == GCS_STREAM_OPEN_SIZE_VER0);
static_assert(sizeof(struct gcs_stream_attach) == GCS_STREAM_ATTACH_SIZE_VER0);
static_assert(sizeof(struct gcs_stream_finish) == GCS_STREAM_FINISH_SIZE_VER0);
/* Ids are 64 bits wide and index an xarray. */
static_assert(sizeof(unsigned long) == sizeof(u64));

static long gcs_ioctl_info(struct gcs_info __user *uarg)
{
	struct gcs_info arg;
	u32 usize;
	int err;

	err = gcs_get_arg(&arg, sizeof(arg), GCS_INFO_SIZE_VER0, uarg, &usize);
	if (err)
		return err;

	arg.size = sizeof(arg);
	arg.version = GCS_INTERFACE_VERSION;
	arg.features = GCS_FEATURE_STREAM | GCS_FEATURE_TTY | GCS_FEATURE_DEV;
	return copy_to_user(uarg, &arg, min_t(size_t, usize, sizeof(arg))) ? -EFAULT : 0;
}

static long gcs_ioctl_stream_open(struct gcs_stream_open __user *uarg)
{
	struct gcs_stream_open arg;
	struct file *file;
	u32 usize;
	u64 id;
	int err;
	int fd;

	err = gcs_get_arg(&arg, sizeof(arg), GCS_STREAM_OPEN_SIZE_VER0, uarg, &usize);
	if (err)
		return err;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	/* First what can fail: a stream that exists is one that the caller was told about. */
	id = gcs_stream_new_id();
	if (put_user(id, &uarg->id)) {
		err = -EFAULT;
		goto err_id;
	}
	file = gcs_stream_open(&arg, id);
	if (IS_ERR(file)) {
		err = PTR_ERR(file);
		goto err_id;
	}
	fd_install(fd, file);
	return fd;

err_id:
	put_unused_fd(fd);
	return err;
}

static long gcs_ioctl_stream_attach(const struct gcs_stream_attach __user *uarg)
{
	struct gcs_stream_attach arg;
	struct gcs_stream *s;
	u32 usize;
	int err;

	err = gcs_get_arg(&arg, sizeof(arg), GCS_STREAM_ATTACH_SIZE_VER0, uarg, &usize);
	if (err)
		return err;

	if (arg.flags & ~(GCS_ATTACH_REPLACE | GCS_ATTACH_OFFSET) || arg.reserved ||
	    (arg.offset && !(arg.flags & GCS_ATTACH_OFFSET)))
		return -EINVAL;

	s = gcs_stream_find(arg.id);
	if (!s)
		return -ENOENT;
	err = gcs_stream_attach(s, &arg);
	gcs_stream_put(s);
	return err;
}

static long gcs_ioctl_stream_finish(const struct gcs_stream_finish __user *uarg)
{
	struct gcs_stream_finish arg;
	struct gcs_stream *s;
	u32 usize;
	int err;

	err = gcs_get_arg(&arg, sizeof(arg), GCS_STREAM_FINISH_SIZE_VER0, uarg, &usize);
	if (err)
		return err;
	if (arg.flags & ~GCS_FINISH_DISCARD)
		return -EINVAL;

	s = gcs_stream_find(arg.id);
	if (!s)
		return -ENOENT;
	err = gcs_stream_finish(s, arg.flags, arg.idle_ms, arg.deadline_ms);
	gcs_stream_put(s);
	return err;
}

static long gcs_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *uarg = (void __user *)arg;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;

	switch (cmd) {
	case GCS_INFO:
		return gcs_ioctl_info(uarg);
	case GCS_STREAM_OPEN:
		return gcs_ioctl_stream_open(uarg);
	case GCS_STREAM_ATTACH:
		return gcs_ioctl_stream_attach(uarg);
	case GCS_STREAM_FINISH:
		return gcs_ioctl_stream_finish(uarg);
	case GCS_TTY_OPEN:
		return gcs_ioctl_tty_open(uarg);
	case GCS_TTY_ATTACH:
		return gcs_ioctl_tty_attach(uarg);
	case GCS_TTY_FINISH:
		return gcs_ioctl_tty_finish(uarg);
	case GCS_DEV_WAIT:
		return gcs_ioctl_dev_wait(uarg);
	case GCS_DEV_EJECT:
		return gcs_ioctl_dev_eject(uarg);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations gcs_device_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = gcs_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice gcs_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = GCS_DEVICE_NAME,
	.fops = &gcs_device_fops,
	.mode = 0600,
};

static int __init gcs_init(void)
{
	int err;

	err = gcs_selftest();
	if (err)
		return err;
	err = gcs_netlink_init();
	if (err)
		return err;
	err = gcs_stream_init();
	if (err)
		goto err_stream;
	err = gcs_tty_init();
	if (err)
		goto err_tty;
	err = gcs_devmap_init();
	if (err)
		goto err_devmap;
	err = misc_register(&gcs_device);
	if (err)
		goto err_device;
	return 0;

err_device:
	gcs_devmap_exit();
err_devmap:
	gcs_tty_exit();
err_tty:
	gcs_stream_exit();
err_stream:
	gcs_netlink_exit();
	return err;
}

static void __exit gcs_exit(void)
{
	misc_deregister(&gcs_device);
	/* These wait for the last events to be sent. */
	gcs_devmap_exit();
	gcs_tty_exit();
	gcs_stream_exit();
	gcs_netlink_exit();
}

module_init(gcs_init);
module_exit(gcs_exit);

MODULE_DESCRIPTION("Guest Compute Service: container stdio over vsock");
MODULE_AUTHOR("opengcs");
MODULE_LICENSE("GPL");
MODULE_VERSION(__stringify(GCS_VERSION));
MODULE_ALIAS_GENL_FAMILY(GCS_GENL_NAME);
