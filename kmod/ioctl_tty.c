// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of terminals: their arguments
 */
#include "internal.h"
#include "ioctl.h"
#include "tty.h"

/* The size of each struct when it was first published. */
#define GCS_TTY_OPEN_SIZE_VER0		40
#define GCS_TTY_ATTACH_SIZE_VER0	24
#define GCS_TTY_FINISH_SIZE_VER0	24

static_assert(sizeof(struct gcs_tty_open) == GCS_TTY_OPEN_SIZE_VER0);
static_assert(sizeof(struct gcs_tty_attach) == GCS_TTY_ATTACH_SIZE_VER0);
static_assert(sizeof(struct gcs_tty_finish) == GCS_TTY_FINISH_SIZE_VER0);

long gcs_ioctl_tty_open(struct gcs_tty_open __user *uarg)
{
	struct gcs_tty_open arg;
	u32 usize;
	u64 id;
	int err;

	err = gcs_get_arg(&arg, sizeof(arg), GCS_TTY_OPEN_SIZE_VER0, uarg, &usize);
	if (err)
		return err;
	/* First what can fail: a tty that exists is one that the caller was told about. */
	id = gcs_stream_new_id();
	if (put_user(id, &uarg->id))
		return -EFAULT;
	return gcs_tty_open(&arg, id);
}

long gcs_ioctl_tty_attach(const struct gcs_tty_attach __user *uarg)
{
	struct gcs_tty_attach arg;
	struct gcs_tty *t;
	u32 usize;
	int err;

	err = gcs_get_arg(&arg, sizeof(arg), GCS_TTY_ATTACH_SIZE_VER0, uarg, &usize);
	if (err)
		return err;
	if (arg.flags & ~GCS_TTY_DISCARD || (arg.flags & GCS_TTY_DISCARD && arg.out_fd != -1))
		return -EINVAL;
	t = gcs_tty_find(arg.id);
	if (!t)
		return -ENOENT;
	err = gcs_tty_attach(t, arg.flags, arg.in_fd, arg.out_fd);
	gcs_tty_put(t);
	return err;
}

long gcs_ioctl_tty_finish(const struct gcs_tty_finish __user *uarg)
{
	struct gcs_tty_finish arg;
	struct gcs_tty *t;
	u32 usize;
	int err;

	err = gcs_get_arg(&arg, sizeof(arg), GCS_TTY_FINISH_SIZE_VER0, uarg, &usize);
	if (err)
		return err;
	if (arg.flags)
		return -EINVAL;
	t = gcs_tty_find(arg.id);
	if (!t)
		return -ENOENT;
	err = gcs_tty_finish(t, arg.idle_ms, arg.deadline_ms);
	gcs_tty_put(t);
	return err;
}
