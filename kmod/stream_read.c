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

/* A pipe's reader knows bytes and the end. hv_sock ends some connections with -EIO. */
static bool is_eof(const struct socket *sock, ssize_t err)
{
	switch (err) {
	case 0:
	case -EIO:
	case -EPIPE:
	case -ENOTCONN:
	case -ECONNRESET:
		return true;
	case -ENOMEM:
		return READ_ONCE(vsock_sk(sock->sk)->peer_shutdown) & SEND_SHUTDOWN;
	default:
		return false;
	}
}

ssize_t gcs_stream_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct gcs_stream *s = iocb->ki_filp->private_data;
	bool nonblock = iocb->ki_filp->f_flags & O_NONBLOCK || iocb->ki_flags & IOCB_NOWAIT;
	struct file *file;
	ssize_t ret;

	if (!(s->flags & GCS_STREAM_READ))
		return -EBADF;
	if (!iov_iter_count(to))
		return 0;

	for (;;) {
		if (READ_ONCE(s->state) != GCS_STATE_DETACHED &&
		    READ_ONCE(s->state) != GCS_STATE_OPEN)
			return 0;
		file = gcs_stream_get_sock(s);
		if (!file) {
			if (nonblock)
				return -EAGAIN;
			ret = wait_event_freezable(s->wait,
						   READ_ONCE(s->state) != GCS_STATE_DETACHED);
			if (ret)
				return ret;
			continue;
		}

		ret = sock_recv(sock_from_file(file), to, nonblock ? MSG_DONTWAIT : 0);
		if (is_eof(sock_from_file(file), ret))
			ret = 0;
		fput(file);
		/* A receive timeout of the socket's is none of the reader's. */
		if (ret == -EAGAIN && !nonblock && !signal_pending(current))
			continue;
		break;
	}

	if (ret > 0) {
		spin_lock(&s->lock);
		s->in += ret;
		s->out += ret;
		spin_unlock(&s->lock);
	}
	return ret;
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
	fput(file);

	if (mask & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		mask |= EPOLLHUP;
	return mask & (EPOLLIN | EPOLLRDNORM | EPOLLHUP);
}

/* Bytes that can be read at once; at least whether there are any. */
size_t gcs_sock_readable(struct socket *sock)
{
	struct msghdr msg = {};
	int ret;

	iov_iter_discard(&msg.msg_iter, ITER_DEST, INT_MAX);
	ret = sock_recvmsg(sock, &msg, MSG_PEEK | MSG_DONTWAIT);
	if (ret >= 0)
		return ret;
	/* hv_sock cannot peek. */
	return ret != -EAGAIN && sock->ops->poll(sock->file, sock, NULL) & EPOLLIN &&
	       !(READ_ONCE(vsock_sk(sock->sk)->peer_shutdown) & SEND_SHUTDOWN);
}

/* Throws away what has come. Returns 0 at the end of the connection, -EAGAIN before. */
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
		return is_eof(sock, ret) ? 0 : -EAGAIN;
	}
	return -EAGAIN;
}
