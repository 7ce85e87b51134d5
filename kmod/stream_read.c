// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading: from the socket straight into the reader's buffer
 */
#include <linux/freezer.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/uio.h>
#include <net/af_vsock.h>

#include "internal.h"

/* Buffer pages that go away between being faulted in and being filled; then it is an error. */
#define GCS_FAULT_RETRIES	8
/* Receives that throw away what a peer sends on a stream that is only written. */
#define GCS_SKIP_MAX		16

/*
 * Not one page fault inside the socket, see stream_write.c: should the reader's pages not be there,
 * they are faulted in, and the socket is asked again. It still has everything: it says -EFAULT, or
 * before 6.7 -ENOMEM, which is what it says of anything that goes wrong in the transport.
 */
static ssize_t sock_recv(struct socket *sock, struct iov_iter *to, int flags)
{
	size_t n = min_t(size_t, iov_iter_count(to), GCS_PACKET_MAX);
	struct msghdr msg;
	size_t left;
	ssize_t ret;
	int i;

	for (i = 0; i < GCS_FAULT_RETRIES; i++) {
		msg = (struct msghdr) { .msg_iter = *to };
		/* No more than what is faulted in below. */
		iov_iter_truncate(&msg.msg_iter, n);
		pagefault_disable();
		ret = sock_recvmsg(sock, &msg, flags);
		pagefault_enable();
		if (ret > 0)
			iov_iter_advance(to, ret);
		if (ret != -EFAULT && ret != -ENOMEM)
			break;
		if (!user_backed_iter(to))
			break;
		left = fault_in_iov_iter_writeable(to, n);
		if (left == n)
			return -EFAULT;
		n -= left;
		/* It may be the reader's memory alone that was missing: never an end of file. */
		if (signal_pending(current))
			return -ERESTARTSYS;
	}
	return ret;
}

/* What a receive of everything would say, which hv_sock cannot. */
static int sock_peek(struct socket *sock)
{
	struct msghdr msg = {};

	iov_iter_discard(&msg.msg_iter, ITER_DEST, INT_MAX);
	return sock_recvmsg(sock, &msg, MSG_PEEK | MSG_DONTWAIT);
}

/* A pipe's reader knows bytes and the end. hv_sock ends some connections with -EIO. */
bool gcs_sock_is_eof(struct socket *sock, ssize_t err)
{
	switch (err) {
	case 0:
	case -EIO:
	case -EPIPE:
	case -ENOTCONN:
	case -ECONNRESET:
		return true;
	case -ENOMEM:
		/* Only hv_sock says so without touching the reader's memory; else that was missing, and the bytes are still there. */
		return READ_ONCE(vsock_sk(sock->sk)->peer_shutdown) & SEND_SHUTDOWN && sock_peek(sock) == -ENOMEM;
	default:
		return false;
	}
}

/* End of file on @file: whether it is none for the reader: another socket has come, or may. */
static bool read_goes_on(struct gcs_stream *s, struct file *file)
{
	bool on;

	if (!(s->flags & GCS_STREAM_KEEP))
		return false;
	spin_lock(&s->lock);
	if (s->sock == file && s->state == GCS_STATE_OPEN &&
	    !gcs_stream_peer_eof(s, sock_from_file(file))) {
		gcs_stream_set_state(s, GCS_STATE_LOST);
		gcs_stream_kick(s);
	}
	on = s->sock != file || s->state == GCS_STATE_LOST;
	spin_unlock(&s->lock);
	return on;
}

ssize_t gcs_stream_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct gcs_stream *s = iocb->ki_filp->private_data;
	bool nonblock = iocb->ki_filp->f_flags & O_NONBLOCK || iocb->ki_flags & IOCB_NOWAIT;
	struct file *file;
	ssize_t ret;
	bool again;

	if (!(s->flags & GCS_STREAM_READ))
		return -EBADF;
	if (!iov_iter_count(to))
		return 0;

	for (;;) {
		if (!gcs_stream_live(s))
			return 0;
		file = gcs_stream_get_sock(s);
		if (!file) {
			if (nonblock)
				return -EAGAIN;
			ret = wait_event_freezable(s->wait, !gcs_stream_live(s) ||
						   READ_ONCE(s->state) == GCS_STATE_OPEN);
			if (ret)
				return ret;
			continue;
		}

		ret = sock_recv(sock_from_file(file), to, nonblock ? MSG_DONTWAIT : 0);
		again = false;
		if (gcs_sock_is_eof(sock_from_file(file), ret)) {
			ret = 0;
			again = read_goes_on(s, file);
		}
		fput(file);
		/* A receive timeout of the socket's ends neither the wait nor its restart. */
		if (!nonblock && (ret == -EAGAIN || ret == -EINTR)) {
			if (signal_pending(current))
				return -ERESTARTSYS;
			continue;
		}
		if (!again)
			break;
	}

	if (ret > 0) {
		atomic64_add(ret, &s->received);
		/* It may have been the last of a lost connection. */
		if (s->flags & GCS_STREAM_KEEP) {
			spin_lock(&s->lock);
			if (s->sock && gcs_sock_gone(sock_from_file(s->sock)))
				gcs_stream_kick(s);
			spin_unlock(&s->lock);
		}
	}
	return ret;
}

/* Under the lock: by now @file may have been replaced, and its end says nothing of the socket that has come. */
static bool read_ended(struct gcs_stream *s, struct file *file)
{
	bool ended;

	spin_lock(&s->lock);
	ended = s->sock == file && gcs_stream_peer_eof(s, sock_from_file(file));
	spin_unlock(&s->lock);
	return ended;
}

__poll_t gcs_stream_read_poll(struct gcs_stream *s)
{
	struct socket *sock;
	struct file *file;
	__poll_t mask;

	if (!gcs_stream_live(s))
		return EPOLLIN | EPOLLRDNORM | EPOLLHUP;
	file = gcs_stream_get_sock(s);
	if (!file)
		return 0;
	sock = sock_from_file(file);
	mask = sock->ops->poll(file, sock, NULL);
	/* A lost connection is not the end: only what it left can be read. */
	if (s->flags & GCS_STREAM_KEEP && mask & (EPOLLRDHUP | EPOLLHUP | EPOLLERR) &&
	    !read_ended(s, file))
		mask = gcs_sock_at_end(sock) ? 0 : EPOLLIN | EPOLLRDNORM;
	fput(file);

	if (mask & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		mask |= EPOLLHUP;
	return mask & (EPOLLIN | EPOLLRDNORM | EPOLLHUP);
}

/* Bytes that can be read at once; at least whether there are any. */
size_t gcs_sock_readable(struct socket *sock)
{
	int ret = sock_peek(sock);

	if (ret >= 0)
		return ret;
	/* hv_sock cannot peek. */
	return ret != -EAGAIN && sock->ops->poll(sock->file, sock, NULL) & EPOLLIN &&
	       !(READ_ONCE(vsock_sk(sock->sk)->peer_shutdown) & SEND_SHUTDOWN);
}

/*
 * Nothing more comes: the peer has shut down or closed, or the connection is gone. Where it cannot
 * be known without reading, it is said of no socket.
 */
bool gcs_sock_at_end(struct socket *sock)
{
	int ret = sock_peek(sock);

	return ret != -ENOMEM && gcs_sock_is_eof(sock, ret);
}

/* The peer has shut down its sending side, and not closed without having done so. */
bool gcs_stream_peer_eof(struct gcs_stream *s, const struct socket *sock)
{
	u32 shut = READ_ONCE(vsock_sk(sock->sk)->peer_shutdown);

	if ((shut & SHUTDOWN_MASK) == SEND_SHUTDOWN)
		WRITE_ONCE(s->peer_eof, true);
	return READ_ONCE(s->peer_eof);
}

/*
 * Throws away what has come. Returns 0 at the end of the connection, -EAGAIN before, and -EINPROGRESS
 * when there was too much for once.
 */
int gcs_sock_skip_to_eof(struct socket *sock)
{
	struct msghdr msg;
	int ret;
	int i;

	for (i = 0; i < GCS_SKIP_MAX; i++) {
		msg = (struct msghdr) {};
		iov_iter_discard(&msg.msg_iter, ITER_DEST, INT_MAX);
		ret = sock_recvmsg(sock, &msg, MSG_DONTWAIT);
		if (ret > 0)
			continue;
		return gcs_sock_is_eof(sock, ret) ? 0 : -EAGAIN;
	}
	return -EINPROGRESS;
}
