// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a terminal relay: opening, sockets, finishing
 *
 * One work item a tty does everything: it moves bytes both ways until neither side has or takes any, goes on to the next
 * state if it can, and leaves behind what it waits for. The wait queues of both sides queue it again.
 */
#include <linux/file.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <net/sock.h>

#include "compat.h"
#include "internal.h"
#include "tty.h"
#include "trace.h"

/* Jiffies before trying again when memory was short, of which nobody tells us. */
#define GCS_TTY_RETRY	(HZ / 50)

/*
 * A terminal wakes its reader for every line, even for parts of one. After output that answers no input the next is left
 * to gather for a while, and more lines are one packet; what comes after a pause, or after input, goes out at once. A pty
 * holds about 12 KiB until its writer has to wait: the while is adapted to the writer so that less is found.
 */
#define GCS_TTY_GATHER_MIN	(50 * NSEC_PER_USEC)
#define GCS_TTY_GATHER_MAX	(1000 * NSEC_PER_USEC)
#define GCS_TTY_LITTLE		SZ_4K
#define GCS_TTY_MUCH		SZ_8K

DEFINE_XARRAY(gcs_ttys);
/* Counts arrivals and departures, for consistent dumps. */
atomic_t gcs_ttys_generation;

static struct workqueue_struct *gcs_tty_workqueue;
/*
 * A pipe's lock is held by who copies from or to his own memory, which may fault for ever: all others wait for him, O_NONBLOCK or
 * not. They are kept from those of ptys and sockets.
 */
static struct workqueue_struct *gcs_pipe_workqueue;

static void tty_free(struct kref *ref)
{
	struct gcs_tty *t = container_of(ref, struct gcs_tty, ref);

	WARN_ON_ONCE(t->in.buf || t->out.buf);
	kfree(t);
	/* The caller may be the work item: the module waits for the workqueue on its way out. */
	module_put(THIS_MODULE);
}

void gcs_tty_put(struct gcs_tty *t)
{
	kref_put(&t->ref, tty_free);
}

/* The tty's own reference is dropped after it has left the array: what is in it has one. */
struct gcs_tty *gcs_tty_find(u64 id)
{
	struct gcs_tty *t;

	xa_lock(&gcs_ttys);
	t = xa_load(&gcs_ttys, id);
	if (t)
		kref_get(&t->ref);
	xa_unlock(&gcs_ttys);
	return t;
}

/* The first tty with an id of at least *@id, which becomes its id. */
struct gcs_tty *gcs_tty_next(u64 *id)
{
	unsigned long index = *id;
	struct gcs_tty *t;

	xa_lock(&gcs_ttys);
	t = xa_find(&gcs_ttys, &index, ULONG_MAX, XA_PRESENT);
	if (t)
		kref_get(&t->ref);
	xa_unlock(&gcs_ttys);
	*id = index;
	return t;
}

/* Called under the lock while the tty has not finished, or from a wait queue or a timer. */
void gcs_tty_kick(struct gcs_tty *t, u32 events)
{
	atomic_or(events, &t->events);
	kref_get(&t->ref);
	if (!queue_work(t->queue, &t->work))
		gcs_tty_put(t);
}

static void tty_timer(struct timer_list *timer)
{
	gcs_tty_kick(container_of(timer, struct gcs_tty, timer), GCS_TTY_KICK);
}

static enum hrtimer_restart tty_gather(struct hrtimer *timer)
{
	gcs_tty_want(container_of(timer, struct gcs_tty, gather), GCS_TTY_FILE_READ);
	return HRTIMER_NORESTART;
}

/* Whether the file is left alone for a while after @found bytes of output, so that more gather. */
static bool gather(struct gcs_tty *t, u64 found)
{
	bool answer = t->answered != t->in.moved;

	if (!found)
		return false;
	t->answered = t->in.moved;
	if (answer)
		return false;
	if (found >= GCS_TTY_MUCH)
		t->gather_ns = max_t(u32, t->gather_ns / 2, GCS_TTY_GATHER_MIN);
	else if (found < GCS_TTY_LITTLE)
		t->gather_ns = min_t(u32, t->gather_ns * 2, GCS_TTY_GATHER_MAX);
	hrtimer_start(&t->gather, ns_to_ktime(t->gather_ns), HRTIMER_MODE_REL_SOFT);
	return true;
}

/* Called under the lock. */
static void tty_set_state(struct gcs_tty *t, enum gcs_tty_state state)
{
	trace_gcs_tty_state(t, state);
	WRITE_ONCE(t->state, state);
}

static bool one_socket(const struct gcs_tty *t)
{
	return t->in.from == t->out.to;
}

/* The way whose end is the tty's end. */
static struct gcs_tty_way *main_way(struct gcs_tty *t)
{
	return t->out.from ? &t->out : &t->in;
}

/*
 * The file takes no more: what has come for it is lost, and what comes. If the way has a socket of its own the peer is
 * told; else the connection's end is still awaited on it.
 */
static void stop_input(struct gcs_tty *t)
{
	struct gcs_tty_way *w = &t->in;

	if (w->drop || !w->from)
		return;
	gcs_tty_lose(t, w);
	w->drop = true;
	w->dead = false;
	if (one_socket(t)) {
		/* It no longer waits for the file. */
		w->want = w->from_event;
		atomic_or(w->want, &t->events);
		return;
	}
	w->ended = true;
	kernel_sock_shutdown(sock_from_file(w->from), SHUT_RD);
}

/* The peer has ended the way in, and the file has everything. A pty is left as it is: there is no hangup in a half-close. */
static void end_input(struct gcs_tty *t)
{
	struct gcs_tty_way *w = &t->in;
	struct socket *sock = sock_from_file(t->file);

	if (!w->ended || w->drop || gcs_tty_queued(w))
		return;
	w->drop = true;
	if (sock)
		kernel_sock_shutdown(sock, SHUT_WR);
}

/* Whether the peer has ended the connection, which is awaited after everything was sent. */
static bool peer_ended(struct gcs_tty *t)
{
	int err;

	if (t->in.from && !(t->in.ended && t->in.drop))
		return false;
	if (one_socket(t))
		return true;
	err = gcs_sock_skip_to_eof(sock_from_file(t->out.to));
	if (err == -EINPROGRESS)
		atomic_or(GCS_TTY_OUT_READ, &t->events);
	return !err;
}

/*
 * What others have told the tty since the last run, for this one to go by: whoever tells later queues another. Returns
 * whether it was told to finish.
 */
static bool tty_hear(struct gcs_tty *t)
{
	bool finish;

	spin_lock(&t->lock);
	t->in.from = t->in_sock;
	if (t->out.from) {
		t->out.to = t->out_sock;
		t->out.drop = t->flags & GCS_TTY_DISCARD;
	}
	finish = t->finish;
	spin_unlock(&t->lock);
	return finish;
}

/* Where the tty goes from here, after moving: the reason when it is over, or -1. */
static int tty_advance(struct gcs_tty *t, bool finish, u64 now, u32 *want)
{
	struct gcs_tty_way *w = main_way(t);
	u8 state = READ_ONCE(t->state);

	if (!w->from || (!w->to && !w->drop))
		return finish ? GCS_REASON_DETACHED : -1;
	if (t->out.to && state != GCS_TTY_STATE_CLOSING && gcs_sock_gone(sock_from_file(t->out.to)))
		return GCS_REASON_PEER;

	if (t->in.dead || (finish && w == &t->out))
		stop_input(t);
	end_input(t);

	if (state == GCS_TTY_STATE_OPEN) {
		/* Idle is what has nothing to read; and what the peer has not taken yet is not idle. */
		spin_lock(&t->lock);
		if (finish && w->dry && !gcs_tty_queued(w) && now >= t->last + t->idle)
			w->ended = true;
		spin_unlock(&t->lock);
		if (!w->ended)
			return -1;
		state = GCS_TTY_STATE_DRAINING;
	}
	/* A socket's other way goes on until the peer ends it. */
	if (w == &t->out && !sock_from_file(t->file))
		stop_input(t);
	spin_lock(&t->lock);
	if (t->state != state)
		tty_set_state(t, state);
	spin_unlock(&t->lock);

	if (state == GCS_TTY_STATE_DRAINING) {
		if (gcs_tty_queued(w))
			return -1;
		if (!t->out.to)
			return w->error ? GCS_REASON_PEER : GCS_REASON_EOF;
		kernel_sock_shutdown(sock_from_file(t->out.to), SHUT_WR);
		spin_lock(&t->lock);
		tty_set_state(t, GCS_TTY_STATE_CLOSING);
		spin_unlock(&t->lock);
	}

	*want |= GCS_TTY_OUT_READ;
	if (peer_ended(t))
		return GCS_REASON_EOF;
	/* While the file still gets bytes, there is no hurry. */
	if (!t->eof && (t->in.drop || !t->in.from))
		t->eof = now + msecs_to_jiffies(GCS_PEER_EOF_MS);
	return t->eof && now >= t->eof ? GCS_REASON_DEADLINE : -1;
}

/* Called under the lock. A timer that is too early does no harm. */
static void arm_timer(struct gcs_tty *t, u64 now)
{
	struct gcs_tty_way *w = main_way(t);
	u64 next = U64_MAX;

	if (t->deadline)
		next = t->deadline;
	if (t->eof)
		next = min(next, t->eof);
	if (t->finish && t->state == GCS_TTY_STATE_OPEN && w->dry && !gcs_tty_queued(w))
		next = min(next, t->last + t->idle);
	if (t->retry)
		next = min_t(u64, next, now + GCS_TTY_RETRY);
	if (next != U64_MAX)
		mod_timer(&t->timer, jiffies + (next > now ? next - now : 1));
}

static void put_socks(struct file *in, struct file *out)
{
	if (in)
		fput(in);
	if (out)
		fput(out);
}

/*
 * Called under the lock: the sockets are the tty's until it has finished. One may serve both ways, and may come for each
 * by itself.
 */
static int claim_socks(struct gcs_tty *t, struct file *in, struct file *out)
{
	bool claim_in = in && in != t->out_sock;
	int err = 0;

	if (claim_in)
		err = gcs_sock_claim(in, t);
	if (!err && out && out != in && out != t->in_sock) {
		err = gcs_sock_claim(out, t);
		if (err && claim_in)
			gcs_sock_release(in);
	}
	return err;
}

static void free_buffer(struct gcs_tty_way *w)
{
	if (w->buf)
		kmem_cache_free(gcs_tty_buffers, w->buf);
	w->buf = NULL;
}

/* The end. Returns the event that says so, to be sent when nothing is left of the tty but the reference on its file. */
static struct sk_buff *tty_finished(struct gcs_tty *t, enum gcs_stream_reason reason)
{
	struct file *in, *out;
	struct sk_buff *event;

	/* First this: no attach comes any more. */
	spin_lock(&t->lock);
	tty_set_state(t, GCS_TTY_STATE_FINISHED);
	in = t->in_sock;
	out = t->out_sock;
	t->in.from = in;
	t->out.to = out;
	spin_unlock(&t->lock);
	stop_input(t);
	gcs_tty_lose(t, &t->in);
	gcs_tty_lose(t, &t->out);
	trace_gcs_tty_finished(t, reason);

	/* Nobody runs the work item again: neither these nor, in this state, those who open it. */
	gcs_tty_unwatch(t);
	timer_delete_sync(&t->timer);
	hrtimer_cancel(&t->gather);
	if (cancel_work(&t->work))
		gcs_tty_put(t);

	free_buffer(&t->in);
	free_buffer(&t->out);
	if (in && in == out)
		fput(in);
	else if (in)
		gcs_sock_close(in, -1);
	if (out)
		gcs_sock_close(out, reason == GCS_REASON_EOF ? -1 : SHUT_RDWR);
	if (sock_from_file(t->file))
		gcs_sock_release(t->file);
	xa_erase(&gcs_ttys, t->id);
	atomic_inc(&gcs_ttys_generation);
	event = gcs_netlink_tty_event(t, reason);
	gcs_tty_put(t);
	return event;
}

static void tty_work(struct work_struct *work)
{
	struct gcs_tty *t = container_of(work, struct gcs_tty, work);
	struct file *file = t->file;
	u32 events, want;
	struct sk_buff *event;
	int reason = -1;
	u64 moved, now;
	bool finish, more = false;

	atomic_set(&t->want, 0);
	/* What happens from here on counts. */
	events = atomic_xchg(&t->events, 0);
	finish = tty_hear(t);
	/* Who was short of memory waits for nothing that happens; and the timer may be needed for something else now. */
	if (t->retry)
		events |= GCS_TTY_KICK;
	t->retry = false;

	/* A way for which nothing has happened waits for the same as before. */
	moved = t->out.moved;
	if (events & (t->out.want | GCS_TTY_KICK))
		more |= gcs_tty_move(t, &t->out);
	if (events & (t->in.want | GCS_TTY_KICK))
		more |= gcs_tty_move(t, &t->in);
	want = GCS_TTY_CHANGE;
	now = get_jiffies_64();
	reason = tty_advance(t, finish, now, &want);
	spin_lock(&t->lock);
	if (reason < 0 && t->deadline && now >= t->deadline)
		reason = GCS_REASON_DEADLINE;
	if (reason < 0)
		arm_timer(t, now);
	spin_unlock(&t->lock);
	if (reason >= 0) {
		event = tty_finished(t, reason);
		goto out;
	}

	if (!gcs_tty_queued(&t->in))
		free_buffer(&t->in);
	if (!gcs_tty_queued(&t->out))
		free_buffer(&t->out);
	want |= t->out.want | t->in.want;
	if (gather(t, t->out.moved - moved) && !finish)
		want &= ~GCS_TTY_FILE_READ;
	gcs_tty_want(t, want);
	if (more)
		gcs_tty_kick(t, GCS_TTY_KICK);
out:
	gcs_tty_put(t);
	/* The module may be on its way out from here; it waits for the workqueue. */
	if (reason >= 0) {
		gcs_netlink_send_event(event);
		/*
		 * Last: the hangup of a master's slave waits for who is in a write there, whose memory may be on a FUSE
		 * mount. And here: fput() would leave it to the one work item that closes all files of kernel threads.
		 */
		__fput_sync(file);
	}
}

/* Called under the lock. Takes over the references of both, which may be NULL: no change. */
static void tty_set_socks(struct gcs_tty *t, u32 flags, struct file *in, struct file *out)
{
	if (in) {
		t->in_sock = in;
		gcs_tty_watch_sock(t, &t->in, in);
	}
	if (out) {
		t->out_sock = out;
		gcs_tty_watch_sock(t, &t->out, out);
	}
	t->flags |= flags;
	if (t->state == GCS_TTY_STATE_DETACHED &&
	    (t->file->f_mode & FMODE_READ ? t->out_sock || t->flags & GCS_TTY_DISCARD : !!t->in_sock))
		tty_set_state(t, GCS_TTY_STATE_OPEN);
	/* What the sockets' state was before they could wake us. */
	gcs_tty_kick(t, GCS_TTY_KICK);
}

/* The sockets of an open or attach: NULL for -1. */
static int get_socks(int in_fd, int out_fd, struct file **in, struct file **out)
{
	*in = NULL;
	*out = NULL;
	if (in_fd != -1) {
		*in = gcs_sock_get(in_fd);
		if (IS_ERR(*in))
			return PTR_ERR(*in);
	}
	if (out_fd != -1) {
		*out = gcs_sock_get(out_fd);
		if (IS_ERR(*out)) {
			if (*in)
				fput(*in);
			return PTR_ERR(*out);
		}
	}
	return 0;
}

/* Whether the file has the ways that are asked for. */
static bool has_ways(const struct file *file, u32 flags, int in_fd, int out_fd)
{
	return (in_fd == -1 || file->f_mode & FMODE_WRITE) &&
	       ((out_fd == -1 && !(flags & GCS_TTY_DISCARD)) || file->f_mode & FMODE_READ);
}

int gcs_tty_open(const struct gcs_tty_open *arg, u64 id)
{
	struct file *in, *out;
	struct gcs_tty *t;
	int err;

	if (arg->flags & ~GCS_TTY_DISCARD || arg->reserved ||
	    (arg->flags & GCS_TTY_DISCARD && arg->out_fd != -1))
		return -EINVAL;

	t = kzalloc(sizeof(*t), GFP_KERNEL_ACCOUNT);
	if (!t)
		return -ENOMEM;
	__module_get(THIS_MODULE);
	kref_init(&t->ref);
	spin_lock_init(&t->lock);
	INIT_WORK(&t->work, tty_work);
	timer_setup(&t->timer, tty_timer, 0);
	hrtimer_setup(&t->gather, tty_gather, CLOCK_MONOTONIC, HRTIMER_MODE_REL_SOFT);
	t->gather_ns = GCS_TTY_GATHER_MIN;
	t->id = id;
	t->cookie = arg->cookie;
	t->in.from_event = GCS_TTY_IN_READ;
	t->in.to_event = GCS_TTY_FILE_WRITE;
	t->out.from_event = GCS_TTY_FILE_READ;
	t->out.to_event = GCS_TTY_OUT_WRITE;

	t->file = gcs_tty_get_file(arg->fd, &t->pty);
	if (IS_ERR(t->file)) {
		err = PTR_ERR(t->file);
		goto err_file;
	}
	err = -EBADF;
	if (!has_ways(t->file, arg->flags, arg->in_fd, arg->out_fd))
		goto err_socks;
	t->queue = t->pty || sock_from_file(t->file) ? gcs_tty_workqueue : gcs_pipe_workqueue;
	if (t->file->f_mode & FMODE_WRITE)
		t->in.to = t->file;
	if (t->file->f_mode & FMODE_READ)
		t->out.from = t->file;
	err = get_socks(arg->in_fd, arg->out_fd, &in, &out);
	if (err)
		goto err_socks;
	err = xa_reserve(&gcs_ttys, id, GFP_KERNEL_ACCOUNT);
	if (err)
		goto err_reserve;
	err = gcs_tty_watch_file(t);
	if (err)
		goto err_watch;
	err = sock_from_file(t->file) ? gcs_sock_claim(t->file, t) : 0;
	if (err)
		goto err_watch;

	trace_gcs_tty_open(t);
	/* Under the lock, because it may finish at once. The place was reserved: nothing is allocated. */
	spin_lock(&t->lock);
	err = claim_socks(t, in, out);
	if (err) {
		spin_unlock(&t->lock);
		goto err_claim;
	}
	tty_set_socks(t, arg->flags, in, out);
	xa_store(&gcs_ttys, id, t, GFP_ATOMIC);
	atomic_inc(&gcs_ttys_generation);
	spin_unlock(&t->lock);
	return 0;

err_claim:
	if (sock_from_file(t->file))
		gcs_sock_release(t->file);
err_watch:
	gcs_tty_unwatch(t);
	xa_release(&gcs_ttys, id);
err_reserve:
	put_socks(in, out);
err_socks:
	fput(t->file);
err_file:
	gcs_tty_put(t);
	return err;
}

int gcs_tty_attach(struct gcs_tty *t, u32 flags, int in_fd, int out_fd)
{
	struct file *in, *out;
	int err;

	err = get_socks(in_fd, out_fd, &in, &out);
	if (err)
		return err;

	spin_lock(&t->lock);
	if (t->state == GCS_TTY_STATE_FINISHED)
		err = -ENOENT;
	else if (t->finish || t->state > GCS_TTY_STATE_OPEN)
		err = -EPIPE;
	else if (!has_ways(t->file, flags, in_fd, out_fd))
		err = -EBADF;
	else if ((in && t->in_sock) ||
		 ((out || flags) && (t->out_sock || t->flags & GCS_TTY_DISCARD)))
		err = -EISCONN;
	else
		err = claim_socks(t, in, out);
	if (!err)
		tty_set_socks(t, flags, in, out);
	spin_unlock(&t->lock);

	if (err)
		put_socks(in, out);
	return err;
}

int gcs_tty_finish(struct gcs_tty *t, u32 idle_ms, u32 deadline_ms)
{
	u64 now = get_jiffies_64();
	int err = 0;

	spin_lock(&t->lock);
	if (t->state == GCS_TTY_STATE_FINISHED) {
		err = -ENOENT;
	} else {
		t->finish = true;
		t->idle = idle_ms ? gcs_jiffies(idle_ms) : 0;
		t->deadline = deadline_ms ? now + gcs_jiffies(deadline_ms) : 0;
		t->last = now;
		gcs_tty_kick(t, GCS_TTY_KICK);
	}
	spin_unlock(&t->lock);
	return err;
}

/*
 * Buffers come and go with every run. With a constructor they are cleared once, when their memory comes from others;
 * without one, at each allocation (CONFIG_INIT_ON_ALLOC_DEFAULT_ON), which costs more than all else in the echo of a byte.
 */
static void init_buffer(void *buffer)
{
	memset(buffer, 0, GCS_TTY_BUFFER);
}

int __init gcs_tty_init(void)
{
	gcs_tty_buffers = kmem_cache_create("gcs_tty_buffer", GCS_TTY_BUFFER, 0, 0, init_buffer);
	if (!gcs_tty_buffers)
		return -ENOMEM;
	/*
	 * Without WQ_MEM_RECLAIM: reading a tty waits for a work item of the tty layer's, whose
	 * workqueue has not that flag either.
	 */
	gcs_tty_workqueue = alloc_workqueue("gcs_ttys", WQ_UNBOUND, 0);
	if (!gcs_tty_workqueue)
		goto err_ttys;
	gcs_pipe_workqueue = alloc_workqueue("gcs_pipes", WQ_UNBOUND, WQ_MAX_ACTIVE);
	if (!gcs_pipe_workqueue)
		goto err_pipes;
	return 0;

err_pipes:
	destroy_workqueue(gcs_tty_workqueue);
err_ttys:
	kmem_cache_destroy(gcs_tty_buffers);
	return -ENOMEM;
}

/* There is no tty: each holds the module. */
void gcs_tty_exit(void)
{
	WARN_ON(!xa_empty(&gcs_ttys));
	destroy_workqueue(gcs_pipe_workqueue);
	destroy_workqueue(gcs_tty_workqueue);
	kmem_cache_destroy(gcs_tty_buffers);
}
