// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pseudo file system that streams live on, and the file operations that are not data
 *
 * An inode stands for one stream, so that a container can chown it and open it again through
 * /proc/self/fd/N. The mount is pinned while there are streams: it holds the module, also for a
 * descriptor opened with O_PATH, which holds nothing else of ours.
 */
#include <linux/mount.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/pseudo_fs.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include <asm/ioctls.h>

#include "compat.h"
#include "internal.h"

#define GCS_FS_MAGIC	0x67637366	/* "gcsf" */

static struct vfsmount *gcs_mnt;
static int gcs_mnt_count;

static int gcs_file_open(struct inode *inode, struct file *file)
{
	struct gcs_stream *s = inode->i_private;
	fmode_t way = s->flags & GCS_STREAM_READ ? FMODE_READ : FMODE_WRITE;
	int err;

	if (!(file->f_mode & way))
		return -EACCES;
	err = gcs_stream_opened(s);
	if (err)
		return err;
	file->private_data = s;
	return stream_open(inode, file);
}

static int gcs_file_release(struct inode *inode, struct file *file)
{
	gcs_stream_closed(file->private_data);
	return 0;
}

static __poll_t gcs_file_poll(struct file *file, poll_table *wait)
{
	struct gcs_stream *s = file->private_data;

	gcs_stream_watch(s);
	poll_wait(file, &s->wait, wait);
	if (s->flags & GCS_STREAM_READ)
		return gcs_stream_read_poll(s);
	return gcs_stream_write_poll(s);
}

/* As a pipe's: O_ASYNC. */
static int gcs_file_fasync(int fd, struct file *file, int on)
{
	struct gcs_stream *s = file->private_data;

	gcs_stream_watch(s);
	return fasync_helper(fd, file, on, &s->fasync);
}

static int gcs_fionread(struct gcs_stream *s)
{
	struct file *sock;
	size_t n = 0;

	if (s->flags & GCS_STREAM_WRITE) {
		spin_lock(&s->lock);
		n = gcs_stream_queued(s);
		spin_unlock(&s->lock);
		return n;
	}
	sock = gcs_stream_get_sock(s);
	if (sock) {
		n = gcs_sock_readable(sock_from_file(sock));
		fput(sock);
	}
	return min_t(size_t, n, INT_MAX);
}

static long gcs_file_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	if (cmd != FIONREAD)
		return -ENOTTY;
	return put_user(gcs_fionread(file->private_data), (int __user *)arg);
}

static void gcs_file_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct gcs_stream *s = file->private_data;

	seq_printf(m, "gcs-stream:\t%llu\n", s->id);
}

/* As a pipe takes it; what reads does not hear of the flag. */
static ssize_t gcs_file_splice_read(struct file *file, loff_t *ppos, struct pipe_inode_info *pipe,
				    size_t len, unsigned int flags)
{
	struct gcs_stream *s = file->private_data;

	if (!(s->flags & GCS_STREAM_READ))
		return -EBADF;
	if (flags & SPLICE_F_NONBLOCK && !gcs_stream_read_poll(s))
		return -EAGAIN;
	return copy_splice_read(file, ppos, pipe, len, flags);
}

static const struct file_operations gcs_file_fops = {
	.owner = THIS_MODULE,
	.open = gcs_file_open,
	.release = gcs_file_release,
	.read_iter = gcs_stream_read_iter,
	.write_iter = gcs_stream_write_iter,
	.poll = gcs_file_poll,
	.fasync = gcs_file_fasync,
	.unlocked_ioctl = gcs_file_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.splice_read = gcs_file_splice_read,
	.splice_write = iter_file_splice_write,
	.show_fdinfo = gcs_file_show_fdinfo,
};

bool gcs_fs_owns(const struct file *file)
{
	return file->f_op == &gcs_file_fops;
}

static void gcs_evict_inode(struct inode *inode)
{
	clear_inode(inode);
	if (inode->i_private)
		gcs_stream_put(inode->i_private);
}

static const struct super_operations gcs_super_ops = {
	.statfs = simple_statfs,
	.drop_inode = inode_just_drop,
	.evict_inode = gcs_evict_inode,
};

/* What readlink shows in /proc/<pid>/fd: "gcs-stream:[<id>]", as "pipe:[<inode>]". */
static char *gcs_dname(struct dentry *dentry, char *buf, int len)
{
	char name[sizeof("gcs-stream:[18446744073709551615]")];
	int n;

	n = scnprintf(name, sizeof(name), "gcs-stream:[%llu]", (u64)d_inode(dentry)->i_ino) + 1;
	if (n > len)
		return ERR_PTR(-ENAMETOOLONG);
	return memcpy(buf + len - n, name, n);
}

static const struct dentry_operations gcs_dentry_ops = {
	.d_dname = gcs_dname,
};

static int gcs_init_fs_context(struct fs_context *fc)
{
	struct pseudo_fs_context *ctx = init_pseudo(fc, GCS_FS_MAGIC);

	if (!ctx)
		return -ENOMEM;
	ctx->ops = &gcs_super_ops;
	ctx->dops = &gcs_dentry_ops;
	return 0;
}

static struct file_system_type gcs_fs_type = {
	.owner = THIS_MODULE,
	.name = "gcs",
	.init_fs_context = gcs_init_fs_context,
	.kill_sb = kill_anon_super,
};

int gcs_fs_pin(void)
{
	return simple_pin_fs(&gcs_fs_type, &gcs_mnt, &gcs_mnt_count);
}

void gcs_fs_unpin(void)
{
	simple_release_fs(&gcs_mnt, &gcs_mnt_count);
}

/* The stream's first file. It takes over the caller's reference on @s. The file system is pinned. */
struct file *gcs_fs_new_file(struct gcs_stream *s, int flags)
{
	struct inode *inode;
	struct file *file;

	inode = new_inode(gcs_mnt->mnt_sb);
	if (!inode) {
		gcs_stream_put(s);
		return ERR_PTR(-ENOMEM);
	}
	inode->i_ino = s->id;
	inode->i_mode = S_IFIFO | 0600;
	inode->i_uid = current_fsuid();
	inode->i_gid = current_fsgid();
	inode->i_fop = &gcs_file_fops;
	inode->i_private = s;
	simple_inode_init_ts(inode);

	/* Given back when the file is freed. */
	__module_get(THIS_MODULE);
	file = alloc_file_pseudo(inode, gcs_mnt, "", flags, &gcs_file_fops);
	if (IS_ERR(file)) {
		module_put(THIS_MODULE);
		iput(inode);
		return file;
	}
	file->private_data = s;
	stream_open(inode, file);
	return file;
}
