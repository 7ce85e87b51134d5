// SPDX-License-Identifier: GPL-2.0-only
/*
 * The two sides of a terminal relay: what they say, and moving bytes from one to the other
 *
 * Nothing here sleeps on either side. Sockets are asked with MSG_DONTWAIT, files that know it (pipes, from 6.5 on) with
 * IOCB_NOWAIT. The only way to ask others likewise is O_NONBLOCK in the file's flags. Whoever else holds the file might take it
 * away again: it is set again before each call, and then the loser of that race is the relay of him who does so.
 */
#include <linux/major.h>
#include <linux/net.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/socket.h>
#include <linux/uio.h>
#include <net/sock.h>

#include "internal.h"
#include "tty.h"
#include "trace.h"

/* Bytes in one run of the work item, each way; other terminals want the worker too. */
#define GCS_TTY_SLICE	SZ_64K

struct kmem_cache *gcs_tty_buffers;

/* --- what the sides say -------------------------------------------------------------------- */

/* Called under the lock of a wait queue, possibly in an interrupt: it only passes the news on. */
static void tty_event(struct gcs_tty *t, u32 events)
{
	if (!events)
		return;
	/* Pairs with that of the exchange in tty_work(): who takes the news finds what it is about. */
	smp_mb__before_atomic();
	atomic_or(events, &t->events);
	/* Pairs with the barrier in gcs_tty_want(). */
	smp_mb__after_atomic();
	if (atomic_read(&t->want) & events)
		gcs_tty_kick(t, 0);
}

/* The work item is to be queued for @want from now on; what has come since it began counts. */
void gcs_tty_want(struct gcs_tty *t, u32 want)
{
	atomic_or(want, &t->want);
	/* Pairs with the barrier in tty_event(). */
	smp_mb__after_atomic();
	if (atomic_read(&t->events) & want)
		gcs_tty_kick(t, 0);
}

static int file_wake(wait_queue_entry_t *entry, unsigned int mode, int sync, void *key)
{
	struct gcs_tty_end *end = container_of(entry, struct gcs_tty_end, entry);
	__poll_t what = key_to_poll(key);
	u32 events = 0;

	/* No key says nothing: a tty wakes so when the other side is closed. */
	if (!what || what & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP))
		events |= GCS_TTY_FILE_READ;
	if (!what || what & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		events |= GCS_TTY_FILE_WRITE;
	tty_event(end->tty, events);
	return 0;
}

/* A connection's change of state comes without a key. */
static int in_wake(wait_queue_entry_t *entry, unsigned int mode, int sync, void *key)
{
	struct gcs_tty_end *end = container_of(entry, struct gcs_tty_end, entry);
	__poll_t what = key_to_poll(key);
	u32 events = 0;

	if (!what || what & EPOLLERR)
		events = GCS_TTY_CHANGE | GCS_TTY_IN_READ;
	else if (what & EPOLLIN)
		events = GCS_TTY_IN_READ;
	tty_event(end->tty, events);
	return 0;
}

static int out_wake(wait_queue_entry_t *entry, unsigned int mode, int sync, void *key)
{
	struct gcs_tty_end *end = container_of(entry, struct gcs_tty_end, entry);
	__poll_t what = key_to_poll(key);
	u32 events = 0;

	if (!what || what & EPOLLERR)
		events = GCS_TTY_CHANGE;
	if (what & EPOLLOUT)
		events |= GCS_TTY_OUT_WRITE;
	if (what & EPOLLIN)
		events |= GCS_TTY_OUT_READ;
	tty_event(end->tty, events);
	return 0;
}

static void watch(struct gcs_tty *t, struct gcs_tty_end *end, wait_queue_head_t *head,
		  wait_queue_func_t wake)
{
	end->tty = t;
	end->head = head;
	init_waitqueue_func_entry(&end->entry, wake);
	add_wait_queue(head, &end->entry);
}

static void unwatch(struct gcs_tty_end *end)
{
	if (end->head)
		remove_wait_queue(end->head, &end->entry);
	end->head = NULL;
}

struct file_table {
	poll_table table;
	struct gcs_tty *tty;
	int err;
};

static void file_queue(struct file *file, wait_queue_head_t *head, poll_table *table)
{
	struct file_table *f = container_of(table, struct file_table, table);
	int i;

	for (i = 0; i < ARRAY_SIZE(f->tty->file_ends); i++) {
		if (!f->tty->file_ends[i].head) {
			watch(f->tty, &f->tty->file_ends[i], head, file_wake);
			return;
		}
	}
	f->err = -EINVAL;
}

int gcs_tty_watch_file(struct gcs_tty *t)
{
	struct file_table f = { .tty = t };

	init_poll_funcptr(&f.table, file_queue);
	vfs_poll(t->file, &f.table);
	return f.err;
}

void gcs_tty_watch_sock(struct gcs_tty *t, struct gcs_tty_way *w, struct file *sock)
{
	watch(t, &w->sock, sk_sleep(sock_from_file(sock)->sk), w == &t->in ? in_wake : out_wake);
}

/* When it returns, no callback runs or will run. */
void gcs_tty_unwatch(struct gcs_tty *t)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(t->file_ends); i++)
		unwatch(&t->file_ends[i]);
	unwatch(&t->in.sock);
	unwatch(&t->out.sock);
}

/* --- the file ------------------------------------------------------------------------------ */

/* A pty's master is known by the device it was opened with, which is the same in every devpts. */
struct file *gcs_tty_get_file(int fd, bool *pty)
{
	struct file *file = fget(fd);
	struct socket *sock;
	umode_t mode;
	int err = 0;

	if (!file)
		return ERR_PTR(-EBADF);
	mode = file_inode(file)->i_mode;
	sock = sock_from_file(file);
	*pty = S_ISCHR(mode) && file_inode(file)->i_rdev == MKDEV(TTYAUX_MAJOR, 2);
	if (sock) {
		if (sock->type != SOCK_STREAM)
			err = -EINVAL;
		else if (sock->state != SS_CONNECTED && sock->state != SS_DISCONNECTING)
			err = -ENOTCONN;
	} else if (!*pty && (!S_ISFIFO(mode) || gcs_fs_owns(file))) {
		/* A stream looks like a pipe, and its description's flags are the container's. */
		err = -EINVAL;
	}
	if (!err)
		return file;
	fput(file);
	return ERR_PTR(err);
}

/* What is asked with it does not wait. */
static void init_nowait_kiocb(struct kiocb *iocb, struct file *file)
{
	init_sync_kiocb(iocb, file);
	if (file->f_mode & FMODE_NOWAIT) {
		iocb->ki_flags |= IOCB_NOWAIT;
		return;
	}
	/* The flags are everybody's: who changes them at the same time loses this one, or gets it again. */
	if (data_race(file->f_flags) & O_NONBLOCK)
		return;
	spin_lock(&file->f_lock);
	/* Readers of the flags take no lock. */
	data_race(file->f_flags |= O_NONBLOCK);
	spin_unlock(&file->f_lock);
}

static ssize_t end_read(struct file *file, void *buf, size_t len)
{
	struct kvec vec = { .iov_base = buf, .iov_len = len };
	struct socket *sock = sock_from_file(file);
	struct msghdr msg = {};
	struct kiocb iocb;

	iov_iter_kvec(&msg.msg_iter, ITER_DEST, &vec, 1, len);
	if (sock)
		return sock_recvmsg(sock, &msg, MSG_DONTWAIT);
	init_nowait_kiocb(&iocb, file);
	return file->f_op->read_iter(&iocb, &msg.msg_iter);
}

static ssize_t end_write(struct file *file, void *buf, size_t len)
{
	struct kvec vec = { .iov_base = buf, .iov_len = len };
	struct socket *sock = sock_from_file(file);
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL };
	struct kiocb iocb;

	iov_iter_kvec(&msg.msg_iter, ITER_SOURCE, &vec, 1, len);
	if (sock)
		return sock_sendmsg(sock, &msg);
	init_nowait_kiocb(&iocb, file);
	return file->f_op->write_iter(&iocb, &msg.msg_iter);
}

/* --- moving -------------------------------------------------------------------------------- */

/* What the way holds will not be put any more. What nobody wants is not lost. */
void gcs_tty_lose(struct gcs_tty *t, struct gcs_tty_way *w)
{
	spin_lock(&t->lock);
	if (w->from != t->file || !(t->flags & GCS_TTY_DISCARD))
		w->lost += gcs_tty_queued(w);
	w->at = 0;
	w->end = 0;
	spin_unlock(&t->lock);
}

/* Takes what there is. Returns whether any byte came. */
static bool take(struct gcs_tty *t, struct gcs_tty_way *w)
{
	bool vsock = w == &t->in;
	bool closed = false;
	bool any = false;
	ssize_t n;

	while (w->end < GCS_TTY_BUFFER) {
		n = end_read(w->from, w->buf + w->end, GCS_TTY_BUFFER - w->end);
		trace_gcs_tty_take(t, w == &t->out, GCS_TTY_BUFFER - w->end, n);
		if (n > 0) {
			spin_lock(&t->lock);
			w->end += n;
			if (!vsock)
				t->last = get_jiffies_64();
			spin_unlock(&t->lock);
			any = true;
			closed = false;
			continue;
		}
		/* What was written just before the close may have come after the tty looked for it: asked again, it looks again. */
		if (n == -EIO && !vsock && t->pty && !closed) {
			closed = true;
			continue;
		}
		if (n == -EAGAIN) {
			w->dry = true;
			w->want |= w->from_event;
		} else if (n == -ENOMEM && (!vsock || !gcs_sock_is_eof(sock_from_file(w->from), n))) {
			t->retry = true;
		} else {
			/* A tty whose last slave was closed says -EIO, which is its end of file. */
			w->ended = true;
			w->error = n == -ECONNRESET;
		}
		break;
	}
	return any;
}

/*
 * The file took no more. A terminal wakes its writers after every write, also after one that found no room, and so
 * this one: it would run for ever. What was heard is replaced by what is so; room that comes from here on is heard.
 */
static void file_full(struct gcs_tty *t)
{
	if (!t->pty)
		return;
	atomic_andnot(GCS_TTY_FILE_WRITE, &t->events);
	/* Room is made before it is told. */
	smp_mb__after_atomic();
	if (vfs_poll(t->file, NULL) & EPOLLOUT)
		atomic_or(GCS_TTY_FILE_WRITE, &t->events);
}

/* Puts what the way holds. Returns whether all of it was put. */
static bool put(struct gcs_tty *t, struct gcs_tty_way *w)
{
	ssize_t n;

	while (gcs_tty_queued(w)) {
		n = end_write(w->to, w->buf + w->at, gcs_tty_queued(w));
		trace_gcs_tty_put(t, w == &t->out, gcs_tty_queued(w), n);
		if (n > 0) {
			spin_lock(&t->lock);
			w->at += n;
			w->moved += n;
			if (w->at == w->end) {
				w->at = 0;
				w->end = 0;
			}
			spin_unlock(&t->lock);
			continue;
		}
		if (w == &t->out && gcs_sock_gone(sock_from_file(w->to))) {
			w->dead = true;
		} else if (n == -EAGAIN || n == 0) {
			if (w == &t->in)
				file_full(t);
			w->want |= w->to_event;
		} else if (n == -ENOMEM || n == -ENOBUFS || w == &t->out) {
			t->retry = true;
		} else {
			w->dead = true;
		}
		return false;
	}
	return true;
}

/*
 * Moves what can be moved now, but not more than a slice. Returns true when there may be more; else what the way waits
 * for is in its want.
 */
bool gcs_tty_move(struct gcs_tty *t, struct gcs_tty_way *w)
{
	size_t done = 0;
	bool any = true;

	w->dry = false;
	w->want = 0;
	if (!w->from || w->dead || (!w->to && !w->drop))
		return false;

	while (done < GCS_TTY_SLICE) {
		if (gcs_tty_queued(w) && !w->drop && !put(t, w))
			return false;
		if (w->ended || w->dry || !any || t->retry)
			return false;
		if (!w->buf)
			w->buf = kmem_cache_alloc(gcs_tty_buffers, GFP_KERNEL);
		if (!w->buf) {
			t->retry = true;
			return false;
		}
		any = take(t, w);
		done += w->end;
		if (w->drop)
			gcs_tty_lose(t, w);
	}
	return true;
}
