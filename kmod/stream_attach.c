// SPDX-License-Identifier: GPL-2.0-only
/*
 * The stream's socket: taking one, its wake-ups, losing it, and putting another in its place
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <net/af_vsock.h>

#include "internal.h"

/* A new socket is to get what comes after what the old one has got by then. */
#define GCS_GO_ON	U64_MAX

/*
 * The socket woke its sleepers: data, room, or a change of the connection. Called under the lock
 * of the socket's wait queue, possibly in an interrupt, so it only passes the news on.
 */
static int stream_sock_wake(wait_queue_entry_t *entry, unsigned int mode, int sync, void *key)
{
	struct gcs_stream *s = container_of(entry, struct gcs_stream, sock_wait);
	__poll_t what = key_to_poll(key);

	if (s->flags & GCS_STREAM_READ) {
		/* Room is of no interest; no key is a change. */
		if (what && !(what & (EPOLLIN | EPOLLERR | EPOLLHUP)))
			return 0;
		/* A transport that is reset says it as an error only. */
		if (s->flags & GCS_STREAM_KEEP && (!what || what & EPOLLERR)) {
			/* Latches it: a close may follow. */
			gcs_stream_peer_eof(s, sock_from_file(READ_ONCE(s->sock)));
			gcs_stream_kick(s);
		}
		if (wq_has_sleeper(&s->wait))
			wake_up_poll(&s->wait, EPOLLIN | EPOLLRDNORM | EPOLLHUP);
		gcs_stream_signal(s);
		return 0;
	}

	/* Data matters only to a stream that waits for the end of file; no key is a change. */
	if (what && !(what & (EPOLLOUT | EPOLLERR)) && READ_ONCE(s->state) != GCS_STATE_CLOSING)
		return 0;

	WRITE_ONCE(s->space_seq, s->space_seq + 1);
	/* Pairs with the barrier of the work item, which sets want_space and then looks at space_seq. */
	smp_mb();
	if (READ_ONCE(s->want_space) || !what || (what & EPOLLERR) ||
	    READ_ONCE(s->state) == GCS_STATE_CLOSING)
		gcs_stream_kick(s);
	return 0;
}

/*
 * Two would mix their bytes: a socket has one user, from before it is used until it is let go. As is usual, whoever has
 * set sk_user_data is that one, and sockmap leaves it alone.
 */
int gcs_sock_claim(struct file *file, void *user)
{
	struct sock *sk = sock_from_file(file)->sk;
	int err = 0;

	write_lock_bh(&sk->sk_callback_lock);
	if (rcu_access_pointer(__sk_user_data(sk)))
		err = -EBUSY;
	else
		rcu_assign_sk_user_data(sk, user);
	write_unlock_bh(&sk->sk_callback_lock);
	return err;
}

void gcs_sock_release(struct file *file)
{
	struct sock *sk = sock_from_file(file)->sk;

	write_lock_bh(&sk->sk_callback_lock);
	rcu_assign_sk_user_data(sk, NULL);
	write_unlock_bh(&sk->sk_callback_lock);
}

/* The file of a connection that may be claimed. */
struct file *gcs_sock_get(int fd)
{
	struct socket *sock;
	int err;

	sock = sockfd_lookup(fd, &err);
	if (!sock)
		return ERR_PTR(err);
	if (sock->ops->family != AF_VSOCK || sock->type != SOCK_STREAM)
		err = -EPROTOTYPE;
	else if (sock->state != SS_CONNECTED && sock->state != SS_DISCONNECTING)
		err = -ENOTCONN;
	else
		return sock->file;
	sockfd_put(sock);
	return ERR_PTR(err);
}

/* Called under the lock. */
static void stream_add_wait(struct gcs_stream *s)
{
	init_waitqueue_func_entry(&s->sock_wait, stream_sock_wake);
	add_wait_queue(sk_sleep(sock_from_file(s->sock)->sk), &s->sock_wait);
}

/*
 * Somebody will wait for more than a read, which sleeps in the socket. Without that each packet's
 * wake-up would find nobody to pass it on to.
 */
void gcs_stream_watch(struct gcs_stream *s)
{
	if (READ_ONCE(s->watched))
		return;
	spin_lock(&s->lock);
	if (!s->watched) {
		WRITE_ONCE(s->watched, true);
		if (s->sock)
			stream_add_wait(s);
	}
	spin_unlock(&s->lock);
}

/*
 * Called under the lock, while nobody is sending. Takes over the reference and the claim. The next byte
 * to send is @out.
 */
void gcs_stream_set_sock(struct gcs_stream *s, struct file *sock, u64 out)
{
	s->sock = sock;
	s->give_up = 0;
	/* Before the first wake-up, which may latch it again. */
	WRITE_ONCE(s->peer_eof, false);
	WRITE_ONCE(s->want_space, false);
	if (s->watched)
		stream_add_wait(s);
	if (s->flags & GCS_STREAM_WRITE) {
		WRITE_ONCE(s->head, s->head - (u32)(s->out - out));
		s->out = out;
		/* It may fill the ring, with nothing to send that would make room. */
		gcs_stream_forget(s);
		WRITE_ONCE(s->sender, gcs_stream_queued(s) ? GCS_SENDER_WORK : GCS_SENDER_NONE);
	}
	gcs_stream_set_state(s, GCS_STATE_OPEN);
	/* What the socket's state was before it could wake us. */
	gcs_stream_kick(s);
}

/* Called under the lock. Returns the socket's file with its reference and claim. */
struct file *gcs_stream_unset_sock(struct gcs_stream *s)
{
	struct file *sock = s->sock;

	if (s->watched)
		remove_wait_queue(sk_sleep(sock_from_file(sock)->sk), &s->sock_wait);
	s->sock = NULL;
	return sock;
}

/*
 * Shuts down (-1: nothing) and lets go. At once, and not as fput() does it for a kernel thread:
 * whoever hears that a stream has finished finds that the connection has, too.
 */
void gcs_sock_close(struct file *sock, int how)
{
	if (how >= 0)
		kernel_sock_shutdown(sock_from_file(sock), how);
	gcs_sock_release(sock);
	__fput_sync(sock);
}

/* Puts the socket that waits for it in its place. Run by the work item only. */
void gcs_stream_switch(struct gcs_stream *s)
{
	struct file *old = NULL;
	struct file *next;

	spin_lock(&s->lock);
	/* A writer that is sending runs the work item again when it comes back. */
	if (s->next && s->sender != GCS_SENDER_INLINE) {
		if (s->sock)
			old = gcs_stream_unset_sock(s);
		next = s->next;
		s->next = NULL;
		gcs_stream_set_sock(s, next, s->next_out == GCS_GO_ON ? s->out : s->next_out);
	}
	spin_unlock(&s->lock);
	if (old)
		gcs_sock_close(old, SHUT_RDWR);
}

/*
 * A lost stream lets go of its socket, and is broken when no other has come in time. Run by the work
 * item only.
 */
void gcs_stream_wait_for_socket(struct gcs_stream *s, u64 now)
	__must_hold(&s->lock)
{
	struct file *old;

	if (s->state == GCS_STATE_LOST && s->sock && s->sender != GCS_SENDER_INLINE) {
		old = gcs_stream_unset_sock(s);
		WRITE_ONCE(s->sender, GCS_SENDER_NONE);
		s->give_up = s->lost_ms ? now + gcs_jiffies(s->lost_ms) : 0;
		spin_unlock(&s->lock);
		gcs_sock_close(old, SHUT_RDWR);
		gcs_netlink_send_event(gcs_netlink_stream_event(s, GCS_CMD_STREAM_LOST, -1));
		spin_lock(&s->lock);
	}
	if (s->state == GCS_STATE_LOST && s->give_up && now >= s->give_up)
		gcs_stream_set_state(s, GCS_STATE_BROKEN);
}

/* Called under the lock: whether the stream can take a socket now. */
static int may_attach(const struct gcs_stream *s, const struct gcs_stream_attach *arg)
{
	switch (s->state) {
	case GCS_STATE_FINISHED:
		return -ENOENT;
	case GCS_STATE_BROKEN:
		return -EPIPE;
	case GCS_STATE_DETACHED:
		if (s->finish)
			return -EPIPE;
		break;
	case GCS_STATE_LOST:
		break;
	default:
		if (!(s->flags & GCS_STREAM_KEEP) || !(arg->flags & GCS_ATTACH_REPLACE))
			return -EISCONN;
	}
	if (arg->flags & GCS_ATTACH_OFFSET) {
		if (s->flags & GCS_STREAM_READ)
			return -EINVAL;
		if (arg->offset < gcs_stream_oldest(s) || arg->offset > s->out)
			return -ERANGE;
	}
	return 0;
}

int gcs_stream_attach(struct gcs_stream *s, const struct gcs_stream_attach *arg)
{
	u64 out = arg->flags & GCS_ATTACH_OFFSET ? arg->offset : GCS_GO_ON;
	struct file *sock, *old = NULL;
	int err;

	sock = gcs_sock_get(arg->socket_fd);
	if (IS_ERR(sock))
		return PTR_ERR(sock);
	err = gcs_sock_claim(sock, s);
	if (err) {
		fput(sock);
		return err;
	}

	spin_lock(&s->lock);
	err = may_attach(s, arg);
	if (err) {
		old = sock;
	} else {
		if (s->sock || s->next) {
			old = s->next;
			s->next = sock;
			s->next_out = out;
			gcs_stream_kick(s);
		} else {
			gcs_stream_set_sock(s, sock, out == GCS_GO_ON ? s->out : out);
		}
	}
	spin_unlock(&s->lock);

	if (old) {
		gcs_sock_release(old);
		fput(old);
	}
	return err;
}
