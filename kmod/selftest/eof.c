// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which errors of a receive are the end of file to a reader
 */
#include <net/af_vsock.h>

#include "../internal.h"
#include "selftest.h"

static bool eof(struct socket *sock)
{
	struct vsock_sock *vsk = vsock_sk(sock->sk);
	bool ok = true;

	ok &= EXPECT(gcs_sock_is_eof(sock, 0));
	ok &= EXPECT(gcs_sock_is_eof(sock, -EIO));
	ok &= EXPECT(gcs_sock_is_eof(sock, -ECONNRESET));
	ok &= EXPECT(!gcs_sock_is_eof(sock, 1));
	ok &= EXPECT(!gcs_sock_is_eof(sock, -EAGAIN));
	ok &= EXPECT(!gcs_sock_is_eof(sock, -EFAULT));
	ok &= EXPECT(!gcs_sock_is_eof(sock, -ENOMEM));
	/* The peer has ended, but this is no hv_sock: memory was short, and there may be bytes. */
	WRITE_ONCE(vsk->peer_shutdown, SEND_SHUTDOWN);
	ok &= EXPECT(!gcs_sock_is_eof(sock, -ENOMEM));
	return ok;
}

bool gcs_selftest_eof(void)
{
	struct socket *sock;
	bool ok;

	if (!EXPECT(!sock_create_kern(&init_net, AF_VSOCK, SOCK_STREAM, 0, &sock)))
		return false;
	ok = eof(sock);
	sock_release(sock);
	return ok;
}
