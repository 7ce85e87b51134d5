// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a stream: ids, opening, finishing
 *
 * Every change of state is made by the stream's work item, or under the lock and then followed by
 * the work item. It runs when something has happened: bytes in the ring, the socket's wake-up, an
 * ioctl, the last close, a deadline.
 */
#include <linux/file.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <net/af_vsock.h>

#include "compat.h"
#include "internal.h"
#include "trace.h"

/* Jiffies before sending again when memory was short, of which nobody tells us. */
#define GCS_RETRY	(HZ / 50)
/* Jiffies without a write after which an empty ring is freed. */
#define GCS_RING_IDLE	(2 * HZ)

DEFINE_XARRAY(gcs_streams);
/* Counts arrivals and departures, for consistent dumps. */
atomic_t gcs_streams_generation;

static struct workqueue_struct *gcs_workqueue;
static struct kmem_cache *gcs_stream_cache;
static atomic64_t gcs_last_id;

u64 gcs_stream_new_id(void)
{
	return atomic64_inc_return(&gcs_last_id);
}

static void stream_free(struct kref *ref)
{
	struct gcs_stream *s = container_of(ref, struct gcs_stream, ref);

	WARN_ON_ONCE(s->sock);
	kvfree(s->ring);
	kmem_cache_free(gcs_stream_cache, s);
	gcs_fs_unpin();
}

void gcs_stream_put(struct gcs_stream *s)
{
	kref_put(&s->ref, stream_free);
}

/* The stream's own reference is dropped after it has left the array: what is in it has one. */
struct gcs_stream *gcs_stream_find(u64 id)
{
	struct gcs_stream *s;

	xa_lock(&gcs_streams);
	s = xa_load(&gcs_streams, id);
	if (s)
		kref_get(&s->ref);
	xa_unlock(&gcs_streams);
	return s;
}

/* The first stream with an id of at least *@id, which becomes its id. */
struct gcs_stream *gcs_stream_next(u64 *id)
{
	unsigned long index = *id;
	struct gcs_stream *s;

	xa_lock(&gcs_streams);
	s = xa_find(&gcs_streams, &index, ULONG_MAX, XA_PRESENT);
	if (s)
		kref_get(&s->ref);
	xa_unlock(&gcs_streams);
	*id = index;
	return s;
}

/* Called under the lock while the stream has not finished, or from the socket or the timer. */
void gcs_stream_kick(struct gcs_stream *s)
{
	kref_get(&s->ref);
	if (!queue_work(gcs_workqueue, &s->work))
		gcs_stream_put(s);
}

/* Called under the lock. */
void gcs_stream_set_state(struct gcs_stream *s, enum gcs_stream_state state)
{
	trace_gcs_stream_state(s, state);
	WRITE_ONCE(s->state, state);
	wake_up_all(&s->wait);
	gcs_stream_signal(s);
}

struct file *gcs_stream_get_sock(struct gcs_stream *s)
{
	struct file *sock;

	spin_lock(&s->lock);
	sock = s->state == GCS_STATE_LOST ? NULL : s->sock;
	if (sock)
		get_file(sock);
	spin_unlock(&s->lock);
	return sock;
}

static void stream_timer(struct timer_list *timer)
{
	gcs_stream_kick(container_of(timer, struct gcs_stream, timer));
}

/* Called under the lock: what nobody will send any more leaves the ring. */
static void stream_drop_queued(struct gcs_stream *s, bool lost)
{
	u32 queued = gcs_stream_queued(s);

	if (lost)
		s->lost += queued;
	/* What a writer is sending at this moment stays before it, and is that writer's. */
	WRITE_ONCE(s->tail, s->tail - queued);
}

/* Called under the lock: the ring, to be freed by the caller, unless somebody is at work in it. */
static u8 *stream_take_ring(struct gcs_stream *s)
{
	u8 *ring = NULL;

	if (s->sender == GCS_SENDER_NONE)
		swap(s->ring, ring);
	return ring;
}

/* The end. Returns the event that says so, to be sent when nothing is left of the stream. */
static struct sk_buff *stream_finished(struct gcs_stream *s, enum gcs_stream_reason reason)
	__releases(&s->lock)
{
	struct file *sock = s->sock ? gcs_stream_unset_sock(s) : NULL;
	struct file *next = s->next;
	struct sk_buff *event;
	u8 *ring;

	stream_drop_queued(s, reason != GCS_REASON_DETACHED || !s->discard);
	s->next = NULL;
	/* The work item is us. */
	if (s->sender == GCS_SENDER_WORK)
		s->sender = GCS_SENDER_NONE;
	ring = stream_take_ring(s);
	gcs_stream_set_state(s, GCS_STATE_FINISHED);
	trace_gcs_stream_finished(s, reason);
	spin_unlock(&s->lock);

	/* Nobody runs the work item again: neither these nor, in this state, those who open it. */
	timer_delete_sync(&s->timer);
	hrtimer_cancel(&s->gather);
	if (cancel_work(&s->work))
		gcs_stream_put(s);
	kvfree(ring);
	if (sock)
		gcs_sock_close(sock, s->flags & GCS_STREAM_READ ? SHUT_RD :
				     reason == GCS_REASON_EOF ? -1 : SHUT_RDWR);
	if (next)
		gcs_sock_close(next, SHUT_RDWR);
	xa_erase(&gcs_streams, s->id);
	atomic_inc(&gcs_streams_generation);
	event = gcs_netlink_stream_event(s, GCS_CMD_STREAM_FINISHED, reason);
	gcs_stream_put(s);
	return event;
}

static bool stream_at_rest(const struct gcs_stream *s)
{
	return s->sender == GCS_SENDER_NONE && s->head == s->tail;
}

static bool stream_idle(const struct gcs_stream *s, u64 now)
{
	return stream_at_rest(s) && now >= s->last + s->idle;
}

/* Where a written stream goes from here: the reason when it is over, or -1. */
static int stream_advance_written(struct gcs_stream *s, u64 now)
	__must_hold(&s->lock)
{
	struct socket *sock = s->sock ? sock_from_file(s->sock) : NULL;

	/* Closed without a socket: one may come, and what is in the ring with it. */
	if (s->state == GCS_STATE_DETACHED)
		return s->finish ? GCS_REASON_DETACHED : -1;

	if (s->state == GCS_STATE_OPEN &&
	    (s->closed || s->sealed || (s->finish && stream_idle(s, now)))) {
		WRITE_ONCE(s->sealed, true);
		gcs_stream_set_state(s, GCS_STATE_DRAINING);
	}

	if (s->state == GCS_STATE_DRAINING && stream_at_rest(s)) {
		gcs_stream_set_state(s, GCS_STATE_CLOSING);
		s->eof = now + msecs_to_jiffies(GCS_PEER_EOF_MS);
		spin_unlock(&s->lock);
		kernel_sock_shutdown(sock, SHUT_WR);
		spin_lock(&s->lock);
	}

	if (s->state == GCS_STATE_CLOSING) {
		int err;

		spin_unlock(&s->lock);
		err = gcs_sock_skip_to_eof(sock);
		spin_lock(&s->lock);
		/* The next run puts another in its place, whose end of file counts. */
		if (s->next)
			return -1;
		if (!err)
			return GCS_REASON_EOF;
		if (now >= s->eof)
			return GCS_REASON_DEADLINE;
		if (err != -EAGAIN)
			gcs_stream_kick(s);
	} else if ((s->state == GCS_STATE_OPEN || s->state == GCS_STATE_DRAINING) &&
		   gcs_sock_gone(sock)) {
		gcs_stream_broken(s);
	}

	gcs_stream_wait_for_socket(s, now);

	/* A writer that is sending runs the work item again when it comes back. */
	if (s->state == GCS_STATE_BROKEN && s->sender != GCS_SENDER_INLINE) {
		stream_drop_queued(s, true);
		WRITE_ONCE(s->sender, GCS_SENDER_NONE);
		if (s->closed || s->finish)
			return GCS_REASON_PEER;
	}

	if (!s->deadline || now < s->deadline)
		return -1;
	/* What is being sent at this moment is counted first, with which the writer comes back; it must not begin again. */
	if (s->sender == GCS_SENDER_INLINE && !s->copying) {
		WRITE_ONCE(s->sealed, true);
		wake_up_all(&s->wait);
		return -1;
	}
	return GCS_REASON_DEADLINE;
}

static int stream_advance_read(struct gcs_stream *s, u64 now)
	__must_hold(&s->lock)
{
	if (s->closed || s->finish)
		return s->state == GCS_STATE_DETACHED ? GCS_REASON_DETACHED : GCS_REASON_EOF;

	if (s->state == GCS_STATE_OPEN && s->flags & GCS_STREAM_KEEP) {
		bool lost;

		spin_unlock(&s->lock);
		lost = gcs_sock_at_end(sock_from_file(s->sock));
		spin_lock(&s->lock);
		if (lost && s->state == GCS_STATE_OPEN &&
		    !gcs_stream_peer_eof(s, sock_from_file(s->sock)))
			gcs_stream_set_state(s, GCS_STATE_LOST);
	}
	gcs_stream_wait_for_socket(s, now);
	return -1;
}

/* Called under the lock. Returns a ring that is needed no more, or NULL. */
static u8 *stream_idle_ring(struct gcs_stream *s, u64 now)
{
	if (s->head != s->tail || s->kept != s->head || now < s->last + GCS_RING_IDLE)
		return NULL;
	return stream_take_ring(s);
}

/* Called under the lock. A timer that is too early does no harm. */
static void stream_arm_timer(struct gcs_stream *s, u64 now)
{
	u64 next = U64_MAX;

	/* After it, a writer is waited for. */
	if (s->deadline > now)
		next = s->deadline;
	if (s->state == GCS_STATE_CLOSING)
		next = min(next, s->eof);
	if (s->state == GCS_STATE_LOST && s->give_up)
		next = min(next, s->give_up);
	if (s->state == GCS_STATE_OPEN && s->finish)
		next = min(next, (stream_at_rest(s) ? s->last : now) + s->idle);
	/* The connection refused for another reason than the peer's: memory was short. */
	if (s->sender == GCS_SENDER_WORK && !s->want_space)
		next = min(next, now + GCS_RETRY);
	/* Not moved by every burst: a ring is looked at from time to time. */
	if (next == U64_MAX && s->ring && s->kept == s->head && !timer_pending(&s->timer))
		next = now + GCS_RING_IDLE;
	if (next != U64_MAX)
		mod_timer(&s->timer, jiffies + (next > now ? next - now : 1));
}

static void stream_work(struct work_struct *work)
{
	struct gcs_stream *s = container_of(work, struct gcs_stream, work);
	struct sk_buff *event = NULL;
	int reason = -1;
	u8 *ring = NULL;
	u64 now;

	gcs_stream_switch(s);
	if (s->flags & GCS_STREAM_WRITE)
		gcs_stream_flush(s);

	spin_lock(&s->lock);
	if (s->state != GCS_STATE_FINISHED) {
		now = get_jiffies_64();
		reason = s->flags & GCS_STREAM_READ ? stream_advance_read(s, now) :
						      stream_advance_written(s, now);
		if (reason < 0) {
			ring = stream_idle_ring(s, now);
			stream_arm_timer(s, now);
		}
	}
	if (reason < 0)
		spin_unlock(&s->lock);
	else
		event = stream_finished(s, reason);
	kvfree(ring);
	gcs_stream_put(s);
	/* The module may be on its way out from here; it waits for the workqueue. */
	if (reason >= 0)
		gcs_netlink_send_event(event);
}

struct file *gcs_stream_open(const struct gcs_stream_open *arg, u64 id)
{
	u32 way = arg->flags & (GCS_STREAM_READ | GCS_STREAM_WRITE);
	struct file *sock = NULL;
	struct gcs_stream *s;
	struct file *file;
	int flags;
	int err;

	if (arg->flags & ~(way | GCS_STREAM_NONBLOCK | GCS_STREAM_KEEP) ||
	    (way != GCS_STREAM_READ && way != GCS_STREAM_WRITE) || arg->reserved)
		return ERR_PTR(-EINVAL);
	if ((arg->lost_ms && !(arg->flags & GCS_STREAM_KEEP)) ||
	    (arg->keep && !(arg->flags & GCS_STREAM_KEEP && way == GCS_STREAM_WRITE)) ||
	    arg->keep > GCS_KEEP_MAX)
		return ERR_PTR(-EINVAL);

	if (arg->socket_fd != -1) {
		sock = gcs_sock_get(arg->socket_fd);
		if (IS_ERR(sock))
			return sock;
	}

	err = gcs_fs_pin();
	if (err)
		goto err_pin;
	err = xa_reserve(&gcs_streams, id, GFP_KERNEL_ACCOUNT);
	if (err)
		goto err_reserve;
	s = kmem_cache_zalloc(gcs_stream_cache, GFP_KERNEL_ACCOUNT);
	if (!s) {
		err = -ENOMEM;
		goto err_alloc;
	}
	kref_init(&s->ref);
	spin_lock_init(&s->lock);
	init_waitqueue_head(&s->wait);
	INIT_WORK(&s->work, stream_work);
	timer_setup(&s->timer, stream_timer, 0);
	hrtimer_setup(&s->gather, gcs_stream_gather, CLOCK_MONOTONIC, HRTIMER_MODE_REL_SOFT);
	s->id = id;
	s->cookie = arg->cookie;
	s->flags = arg->flags;
	s->watched = way == GCS_STREAM_WRITE || arg->flags & GCS_STREAM_KEEP;
	s->opens = 1;
	s->lost_ms = arg->lost_ms;
	if (arg->flags & GCS_STREAM_KEEP && way == GCS_STREAM_WRITE)
		s->keep = arg->keep ?: GCS_KEEP_DEFAULT;
	s->size = roundup_pow_of_two(GCS_RING_SIZE + s->keep);

	if (sock) {
		err = gcs_sock_claim(sock, s);
		if (err)
			goto err_claim;
	}

	flags = way == GCS_STREAM_READ ? O_RDONLY : O_WRONLY;
	if (arg->flags & GCS_STREAM_NONBLOCK)
		flags |= O_NONBLOCK;
	kref_get(&s->ref);
	file = gcs_fs_new_file(s, flags);
	if (IS_ERR(file)) {
		err = PTR_ERR(file);
		goto err_file;
	}

	trace_gcs_stream_open(s);
	spin_lock(&s->lock);
	if (sock)
		gcs_stream_set_sock(s, sock, 0);
	spin_unlock(&s->lock);
	/* Cannot fail: the place was reserved. */
	xa_store(&gcs_streams, id, s, GFP_KERNEL);
	atomic_inc(&gcs_streams_generation);
	return file;

err_file:
	if (sock)
		gcs_sock_release(sock);
err_claim:
	xa_release(&gcs_streams, id);
	gcs_stream_put(s);
	goto err_pin;
err_alloc:
	xa_release(&gcs_streams, id);
err_reserve:
	gcs_fs_unpin();
err_pin:
	if (sock)
		fput(sock);
	return ERR_PTR(err);
}

int gcs_stream_finish(struct gcs_stream *s, u32 flags, u32 idle_ms, u32 deadline_ms)
{
	u64 now = get_jiffies_64();

	spin_lock(&s->lock);
	if (s->state == GCS_STATE_FINISHED) {
		spin_unlock(&s->lock);
		return -ENOENT;
	}
	s->finish = true;
	s->discard = flags & GCS_FINISH_DISCARD;
	s->idle = gcs_jiffies(idle_ms);
	s->deadline = deadline_ms ? now + gcs_jiffies(deadline_ms) : 0;
	/* The idle time is counted from here, should the last write have been before. */
	s->last = now;
	/* From here on writes are refused; what the work item does comes later. */
	if (s->state == GCS_STATE_DETACHED || !idle_ms || s->flags & GCS_STREAM_READ) {
		WRITE_ONCE(s->sealed, true);
		wake_up_all(&s->wait);
	}
	gcs_stream_kick(s);
	spin_unlock(&s->lock);
	return 0;
}

int gcs_stream_opened(struct gcs_stream *s)
{
	int err = 0;

	spin_lock(&s->lock);
	if (s->closed)
		err = -ENXIO;
	else
		s->opens++;
	spin_unlock(&s->lock);
	return err;
}

void gcs_stream_closed(struct gcs_stream *s)
{
	spin_lock(&s->lock);
	if (!--s->opens) {
		s->closed = true;
		if (s->state != GCS_STATE_FINISHED)
			gcs_stream_kick(s);
	}
	spin_unlock(&s->lock);
}

int __init gcs_stream_init(void)
{
	gcs_stream_cache = KMEM_CACHE(gcs_stream, SLAB_ACCOUNT);
	if (!gcs_stream_cache)
		return -ENOMEM;
	/*
	 * Bound: the ring is sent where it was written. On another processor the work item would only fight
	 * the writer for the lock and the cache.
	 */
	gcs_workqueue = alloc_workqueue("gcs_streams", WQ_MEM_RECLAIM, 0);
	if (!gcs_workqueue) {
		kmem_cache_destroy(gcs_stream_cache);
		return -ENOMEM;
	}
	return 0;
}

/* There is no stream: each pins the file system, and that the module. */
void gcs_stream_exit(void)
{
	WARN_ON(!xa_empty(&gcs_streams));
	destroy_workqueue(gcs_workqueue);
	kmem_cache_destroy(gcs_stream_cache);
}
