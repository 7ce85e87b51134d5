// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writing: inline from the writer's memory, or through the ring
 *
 * Nobody sleeps on the peer inside the socket: all sends are MSG_DONTWAIT, and the socket's wait
 * queue tells when to go on. Nobody faults inside it either: a page fault may take for ever (FUSE,
 * userfaultfd), and the vsock transports have one receiver for all connections that needs each
 * socket's lock.
 */
#include <linux/freezer.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/sched/clock.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <net/af_vsock.h>

#include "internal.h"
#include "trace.h"

/* Whoever writes later than this after the last byte was sent sends it at once; sooner, it is one of many: */
#define GCS_QUICK_NS	(100 * NSEC_PER_USEC)
/* they gather until there is so much: then the work item sends it; */
#define GCS_GATHER_MAX	GCS_PACKET_MAX
/*
 * or nothing has come between two looks, or there were so many. Each is after twice the time of the
 * one before: a short burst waits for little, a long one is rarely disturbed. Appending to it reads no clock.
 */
#define GCS_LOOK_NS	(50 * NSEC_PER_USEC)
#define GCS_LOOKS	4
/* Sends in one run of the work item; other streams want the worker too. */
#define GCS_FLUSH_MAX	16

/* No byte will ever be taken again. Read without the socket's lock: a change wakes us. */
bool gcs_sock_gone(const struct socket *sock)
{
	const struct vsock_sock *vsk = vsock_sk(sock->sk);

	return READ_ONCE(sock->sk->sk_state) != TCP_ESTABLISHED ||
	       READ_ONCE(sock->sk->sk_shutdown) & SEND_SHUTDOWN ||
	       READ_ONCE(vsk->peer_shutdown) & RCV_SHUTDOWN;
}

static ssize_t sock_send(struct socket *sock, struct msghdr *msg)
{
	ssize_t ret;

	msg->msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL;
	ret = sock_sendmsg(sock, msg);
	if (ret < 0 && gcs_sock_gone(sock))
		return -EPIPE;
	return ret;
}

/* Called under the lock: the connection is gone. What it means besides is up to the work item. */
void gcs_stream_broken(struct gcs_stream *s)
{
	u8 state = s->flags & GCS_STREAM_KEEP ? GCS_STATE_LOST : GCS_STATE_BROKEN;

	if (s->state == GCS_STATE_OPEN || s->state == GCS_STATE_DRAINING)
		gcs_stream_set_state(s, state);
}

/* Called under the lock: the oldest byte that can be sent again; the stream's first is 0. */
u64 gcs_stream_oldest(const struct gcs_stream *s)
{
	return s->out - (s->head - s->kept);
}

/* Called under the lock: what is older than was asked for is kept no more. */
void gcs_stream_forget(struct gcs_stream *s)
{
	/* The socket that is to come may have been promised the oldest. */
	if (s->head - s->kept > s->keep && !s->next)
		WRITE_ONCE(s->kept, s->head - s->keep);
}

/* Called under the lock: @n bytes have left the ring, or what it keeps. */
static void ring_sent(struct gcs_stream *s, u32 n)
{
	WRITE_ONCE(s->head, s->head + n);
	WRITE_ONCE(s->last_ns, local_clock());
	gcs_stream_forget(s);
	/* Early enough for the writer to be back before the rest is sent. */
	if (s->stalled && gcs_stream_room(s) >= GCS_PACKET_MAX) {
		s->stalled = false;
		wake_up_poll(&s->wait, EPOLLOUT | EPOLLWRNORM);
		gcs_stream_signal(s);
	}
}

/* Called under the lock: nothing is on its way, and nothing was a moment ago. */
static bool quiet(const struct gcs_stream *s)
{
	return s->sock && s->sender == GCS_SENDER_NONE && s->head == s->tail &&
	       !READ_ONCE(s->gathering) && local_clock() - s->last_ns > GCS_QUICK_NS;
}

/* Called under the lock: there are bytes in the ring that could be sent, and nobody sends. */
static bool ring_waits(const struct gcs_stream *s)
{
	return gcs_stream_live(s) && s->sock && s->sender == GCS_SENDER_NONE && s->head != s->tail;
}

/* Called under the lock: what is in the ring may wait for more. */
static void gather_start(struct gcs_stream *s)
{
	s->held = false;
	WRITE_ONCE(s->looks, 0);
	if (READ_ONCE(s->gathering))
		return;
	WRITE_ONCE(s->gathering, true);
	s->seen = s->tail;
	hrtimer_start(&s->gather, ns_to_ktime(GCS_LOOK_NS), HRTIMER_MODE_REL_SOFT);
}

enum hrtimer_restart gcs_stream_gather(struct hrtimer *timer)
{
	struct gcs_stream *s = container_of(timer, struct gcs_stream, gather);
	u32 tail = READ_ONCE(s->tail);
	u8 looks = READ_ONCE(s->looks);

	if (tail != s->seen && looks < GCS_LOOKS) {
		s->seen = tail;
		WRITE_ONCE(s->looks, looks + 1);
		hrtimer_forward_now(timer, ns_to_ktime(GCS_LOOK_NS << (looks + 1)));
		return HRTIMER_RESTART;
	}
	/* First this: whoever still saw it true has its bytes in the ring before the work item looks. */
	WRITE_ONCE(s->gathering, false);
	gcs_stream_kick(s);
	return HRTIMER_NORESTART;
}

/* Sends what the ring holds. The caller owns the sending. Returns what the socket says. */
static ssize_t ring_send(struct gcs_stream *s, struct socket *sock, u32 len)
{
	u32 start = s->head % s->size;
	u32 first = min_t(u32, len, s->size - start);
	struct kvec vec[2] = {
		{ .iov_base = s->ring + start, .iov_len = first },
		{ .iov_base = s->ring, .iov_len = len - first },
	};
	struct msghdr msg = {};
	ssize_t ret;

	iov_iter_kvec(&msg.msg_iter, ITER_SOURCE, vec, 2, len);
	ret = sock_send(sock, &msg);
	trace_gcs_stream_flush(s, len, ret);

	spin_lock(&s->lock);
	if (ret > 0) {
		ring_sent(s, ret);
		s->out += ret;
		s->flushes++;
	} else if (ret == -EPIPE) {
		gcs_stream_broken(s);
	}
	spin_unlock(&s->lock);
	return ret;
}

/* Sends the ring as long as the peer takes it. Run by the work item only. */
void gcs_stream_flush(struct gcs_stream *s)
{
	struct socket *sock;
	ssize_t ret;
	bool partial = false;
	u32 len;
	u32 seq;
	int i;

	for (i = 0; i < GCS_FLUSH_MAX; i++) {
		spin_lock(&s->lock);
		if (!s->sock || s->sender == GCS_SENDER_INLINE ||
		    (s->state != GCS_STATE_OPEN && s->state != GCS_STATE_DRAINING)) {
			spin_unlock(&s->lock);
			return;
		}
		len = s->tail - s->head;
		if (!len || (i > 0 && !partial && len < GCS_GATHER_MAX &&
			     s->state == GCS_STATE_OPEN && !s->closed)) {
			WRITE_ONCE(s->sender, GCS_SENDER_NONE);
			if (len)
				gather_start(s);
			spin_unlock(&s->lock);
			return;
		}
		/* What is sent makes room packet by packet. */
		len = min_t(u32, len, GCS_PACKET_MAX);
		WRITE_ONCE(s->sender, GCS_SENDER_WORK);
		sock = sock_from_file(s->sock);
		WRITE_ONCE(s->want_space, false);
		seq = READ_ONCE(s->space_seq);
		spin_unlock(&s->lock);

		ret = ring_send(s, sock, len);
		/* A large packet wants memory in one piece, which there may be no more. */
		if (ret == -ENOMEM && len > PAGE_SIZE) {
			len = PAGE_SIZE;
			ret = ring_send(s, sock, len);
		}
		/* Only -EAGAIN says that there is no room: of a part, memory may be the reason. */
		partial = ret > 0 && ret < len;
		if (ret > 0)
			continue;
		if (ret != -EAGAIN)
			return;
		/* The peer is slow. Its room may have come since the send found none. */
		WRITE_ONCE(s->want_space, true);
		/* Pairs with the barrier in stream_sock_wake(). */
		smp_mb();
		if (READ_ONCE(s->space_seq) == seq)
			return;
	}
	gcs_stream_kick(s);
}

/* Called under the lock by whoever sent inline: @n bytes of its place are not needed any more. */
static void inline_done(struct gcs_stream *s, u32 n)
{
	WRITE_ONCE(s->reserved, 0);
	ring_sent(s, n);
	s->last = get_jiffies_64();
	WRITE_ONCE(s->sender, s->head != s->tail ? GCS_SENDER_WORK : GCS_SENDER_NONE);
	if ((s->sender == GCS_SENDER_WORK || s->state != GCS_STATE_OPEN || s->sealed || s->next) &&
	    s->state != GCS_STATE_FINISHED)
		gcs_stream_kick(s);
}

/* Unless the caller owns the sending, the ring may be gone again: the work item frees that of an idle stream. */
static bool ring_alloc(struct gcs_stream *s)
{
	u8 *ring = kvmalloc(s->size, GFP_KERNEL_ACCOUNT);

	if (!ring)
		return false;
	spin_lock(&s->lock);
	if (!s->ring)
		swap(s->ring, ring);
	spin_unlock(&s->lock);
	kvfree(ring);
	return true;
}

/* Copies into the ring at the position @at, which has the room. Returns what could be copied. */
static size_t ring_copy(struct gcs_stream *s, u32 at, struct iov_iter *from, size_t n)
{
	u32 start = at % s->size;
	size_t first = min_t(size_t, n, s->size - start);
	size_t done;

	done = copy_from_iter(s->ring + start, first, from);
	if (done == first && n > first)
		done += copy_from_iter(s->ring, n - first, from);
	return done;
}

/* Sends without a copy of ours. The caller owns the sending. */
static ssize_t send_inline(struct gcs_stream *s, struct socket *sock, struct iov_iter *from)
{
	struct msghdr msg = { .msg_iter = *from };
	ssize_t ret;

	pagefault_disable();
	ret = sock_send(sock, &msg);
	pagefault_enable();
	trace_gcs_stream_inline(s, iov_iter_count(from), ret);
	if (ret > 0)
		iov_iter_advance(from, ret);
	return ret;
}

/*
 * An atomic write, sent inline. Its place in the ring is reserved, so what the peer does not take
 * at once goes there, before everything written since, and the write has succeeded.
 */
static ssize_t write_inline(struct gcs_stream *s, struct file *file, struct iov_iter *from,
			    size_t n)
{
	ssize_t sent, ret;
	size_t counted = 0;
	size_t rest = 0;
	bool discard;

	ret = send_inline(s, sock_from_file(file), from);
	sent = max_t(ssize_t, ret, 0);
	if (sent < n && ret != -EPIPE) {
		/* What was sent is counted before the copy, which may take for ever: the stream need not wait for that. */
		spin_lock(&s->lock);
		s->in += sent;
		s->out += sent;
		counted = sent;
		s->copying = true;
		if (s->sealed)
			gcs_stream_kick(s);
		spin_unlock(&s->lock);
		ret = n;
		/* The place is ours as long as we own the sending: it may fault. */
		if (!READ_ONCE(s->ring) && !ring_alloc(s))
			ret = -ENOMEM;
		else
			rest = ring_copy(s, s->head + sent, from, n - sent);
		if (ret == n && rest != n - sent) {
			iov_iter_revert(from, rest);
			rest = 0;
			ret = -EFAULT;
		}
	}

	spin_lock(&s->lock);
	discard = s->discard;
	if (sent < n && (ret == -EPIPE || s->state == GCS_STATE_BROKEN ||
			 s->state == GCS_STATE_FINISHED)) {
		gcs_stream_broken(s);
		rest = 0;
		ret = -EPIPE;
	}
	s->in += sent - counted + rest;
	s->out += sent - counted;
	s->inlines += sent > 0;
	s->copying = false;
	inline_done(s, n - rest);
	spin_unlock(&s->lock);

	if (ret == -EPIPE && discard) {
		iov_iter_advance(from, iov_iter_count(from));
		return n;
	}
	/* What the peer has cannot be taken back. */
	return ret < 0 && sent ? sent : ret;
}

/* What a write is. */
struct gcs_write {
	bool small;		/* up to PIPE_BUF: all or nothing, and in one piece */
	bool nonblock;
	bool quiet;		/* so was the stream: the writer itself sends what it has put into the ring */
};

/*
 * A writer sends what waits in the ring. What the peer does not take is the work item's, and so is
 * an error. Called with the lock, which is released.
 */
static void write_ring(struct gcs_stream *s)
	__releases(&s->lock)
{
	struct file *file = get_file(s->sock);
	u32 len = min_t(u32, s->tail - s->head, GCS_PACKET_MAX);
	ssize_t ret;

	WRITE_ONCE(s->sender, GCS_SENDER_INLINE);
	spin_unlock(&s->lock);

	ret = ring_send(s, sock_from_file(file), len);

	spin_lock(&s->lock);
	if (ret == len && s->state == GCS_STATE_OPEN && !s->sealed && !s->next &&
	    s->tail - s->head < GCS_GATHER_MAX) {
		WRITE_ONCE(s->sender, GCS_SENDER_NONE);
		if (s->head != s->tail)
			gather_start(s);
		else if (s->kept == s->head && !timer_pending(&s->timer))
			/* Once in a while it must see the ring, which it frees when the stream is idle. */
			gcs_stream_kick(s);
	} else {
		inline_done(s, 0);
	}
	spin_unlock(&s->lock);
	fput(file);
}

/* It may be long until the writer sends the ring, if ever: its memory is on somebody's FUSE. */
static void hold_no_more(struct gcs_stream *s)
{
	spin_lock(&s->lock);
	if (s->held && ring_waits(s))
		gather_start(s);
	spin_unlock(&s->lock);
}

/*
 * Whether a waiting writer can go on. If not, it asks for a wake-up again, each time: another
 * writer may have taken the room for which it was woken.
 */
static bool has_room(struct gcs_stream *s, size_t n)
{
	bool go;

	spin_lock(&s->lock);
	go = gcs_stream_room(s) >= n || !gcs_stream_live(s);
	if (!go)
		s->stalled = true;
	spin_unlock(&s->lock);
	return go;
}

/* Waits until there is room for @need bytes, or the stream takes no more. */
static int wait_for_room(struct gcs_stream *s, const struct gcs_write *w, size_t need)
{
	trace_gcs_stream_stall(s);
	if (w->nonblock)
		return -EAGAIN;
	return wait_event_freezable(s->wait, has_room(s, need));
}

/* One step of a write. Returns the bytes taken, 0 to go round again, or an error. */
static ssize_t write_step(struct gcs_stream *s, struct gcs_write *w, struct iov_iter *from)
{
	size_t n = min_t(size_t, iov_iter_count(from), PIPE_BUF);
	size_t need = w->small ? n : 1;
	size_t left, room;
	struct file *file;
	ssize_t ret;

	spin_lock(&s->lock);
	if (!gcs_stream_live(s)) {
		bool discard = s->discard;

		spin_unlock(&s->lock);
		if (!discard)
			return -EPIPE;
		iov_iter_advance(from, n);
		return n;
	}

	room = gcs_stream_room(s);
	/* The work item has not come to the ring yet: sending it here is better than to wait. */
	if (room < need && ring_waits(s)) {
		write_ring(s);
		/* Not for any signal: this was no wait, and what may not block is never interrupted. */
		return fatal_signal_pending(current) ? -ERESTARTSYS : 0;
	}
	if (quiet(s)) {
		/* What is kept is what went through the ring. */
		if (w->small && !(s->flags & GCS_STREAM_KEEP)) {
			WRITE_ONCE(s->sender, GCS_SENDER_INLINE);
			WRITE_ONCE(s->reserved, n);
			WRITE_ONCE(s->tail, s->tail + n);
			file = get_file(s->sock);
			spin_unlock(&s->lock);

			ret = write_inline(s, file, from, n);
			fput(file);
			return ret;
		}
		w->quiet = true;
	}

	if (room < need) {
		s->stalled = true;
		s->stalls++;
		spin_unlock(&s->lock);
		return wait_for_room(s, w, need);
	}
	if (!s->ring) {
		spin_unlock(&s->lock);
		return ring_alloc(s) ? 0 : -ENOMEM;
	}

	n = min(n, room);
	pagefault_disable();
	left = n - ring_copy(s, s->tail, from, n);
	pagefault_enable();
	if (left && w->small) {
		iov_iter_revert(from, n - left);
		left = n;
	}
	n -= left;
	WRITE_ONCE(s->tail, s->tail + n);
	s->in += n;
	s->last = get_jiffies_64();
	if (!n || !s->sock || s->sender != GCS_SENDER_NONE) {
		spin_unlock(&s->lock);
	} else {
		bool first = s->tail - s->head == n;

		if (w->quiet)
			s->held |= first;
		else if (first || s->held)
			gather_start(s);
		if (s->tail - s->head >= GCS_GATHER_MAX && s->tail - s->head - n < GCS_GATHER_MAX)
			gcs_stream_kick(s);
		spin_unlock(&s->lock);
	}

	if (n)
		return n;
	/* Nothing was copied: the writer's memory is not there, or was not for a moment. */
	if (w->quiet)
		hold_no_more(s);
	n = min_t(size_t, iov_iter_count(from), PIPE_BUF);
	left = fault_in_iov_iter_readable(from, n);
	if (left && (w->small || left == n))
		return -EFAULT;
	return fatal_signal_pending(current) ? -ERESTARTSYS : 0;
}

ssize_t gcs_stream_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct file *file = iocb->ki_filp;
	struct gcs_stream *s = file->private_data;
	struct gcs_write w = {
		.small = iov_iter_count(from) <= PIPE_BUF,
		.nonblock = file->f_flags & O_NONBLOCK || iocb->ki_flags & IOCB_NOWAIT,
	};
	ssize_t done = 0;
	ssize_t ret = 0;

	if (!(s->flags & GCS_STREAM_WRITE))
		return -EBADF;

	while (iov_iter_count(from)) {
		ret = write_step(s, &w, from);
		if (ret < 0)
			break;
		done += ret;
	}
	if (w.quiet) {
		spin_lock(&s->lock);
		if (ring_waits(s))
			write_ring(s);
		else
			spin_unlock(&s->lock);
	}
	if (ret == -EPIPE)
		send_sig(SIGPIPE, current, 0);
	return done ? done : ret;
}

__poll_t gcs_stream_write_poll(struct gcs_stream *s)
{
	__poll_t mask = 0;

	spin_lock(&s->lock);
	if (!gcs_stream_live(s))
		mask = EPOLLOUT | EPOLLWRNORM | (s->discard ? 0 : EPOLLERR);
	else if (gcs_stream_room(s) >= PIPE_BUF)
		mask = EPOLLOUT | EPOLLWRNORM;
	else
		s->stalled = true;
	spin_unlock(&s->lock);
	return mask;
}
