// SPDX-License-Identifier: MIT
/*
 * Connections to the host, which is this VM itself (vsock loopback). It has no hv_sock, but what lib/vsock goes by, its driver's
 * name in sysfs, can be had: it then does all that it does on Hyper-V, and must do no harm.
 */
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vsock.h"

#include "kselftest_harness.h"

#define DEADLINE_MS 10000

FIXTURE(vsock)
{
	int listener;
	unsigned int port;
	struct gcs_error err;
};

FIXTURE_VARIANT(vsock)
{
	bool hv_sock;
};

FIXTURE_VARIANT_ADD(vsock, hv_sock) { .hv_sock = true };
FIXTURE_VARIANT_ADD(vsock, another) { .hv_sock = false };

FIXTURE_SETUP(vsock)
{
	struct sockaddr_vm addr = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = VMADDR_PORT_ANY };
	socklen_t len = sizeof(addr);

	setenv("GCS_VSOCK_CID", "1", 1);
	self->listener = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ASSERT_LE(0, self->listener);
	ASSERT_EQ(0, bind(self->listener, (struct sockaddr *)&addr, sizeof(addr)));
	ASSERT_EQ(0, listen(self->listener, 1));
	ASSERT_EQ(0, getsockname(self->listener, (struct sockaddr *)&addr, &len));
	self->port = addr.svm_port;
	/* The test has a process of its own, and that a view of sysfs. */
	ASSERT_EQ(0, unshare(CLONE_NEWNS));
	ASSERT_EQ(0, mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	ASSERT_EQ(0, mount("tmpfs", "/sys/bus", "tmpfs", 0, NULL));
	if (variant->hv_sock) {
		ASSERT_EQ(0, mkdir("/sys/bus/vmbus", 0755));
		ASSERT_EQ(0, mkdir("/sys/bus/vmbus/drivers", 0755));
		ASSERT_EQ(0, mkdir("/sys/bus/vmbus/drivers/hv_sock", 0755));
	}
}

FIXTURE_TEARDOWN(vsock)
{
	close(self->listener);
}

static int buffer(int fd, int option)
{
	socklen_t len = sizeof(int);
	int size;

	return getsockopt(fd, SOL_SOCKET, option, &size, &len) ? -1 : size;
}

/* Bytes go both ways over @fd, and its buffers are those of hv_sock's rings, or a new socket's. */
static bool good(int fd, int listener, bool hv_sock)
{
	int fresh = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0), peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	bool sized = buffer(fd, SO_SNDBUF) == (hv_sock ? 65536 : buffer(fresh, SO_SNDBUF)) &&
		     buffer(fd, SO_RCVBUF) == (hv_sock ? 65536 : buffer(fresh, SO_RCVBUF));
	char c[2] = "";
	bool moves;

	if (!sized)
		fprintf(stderr, "buffers of %d and %d bytes\n", buffer(fd, SO_SNDBUF), buffer(fd, SO_RCVBUF));
	moves = peer >= 0 && write(fd, "a", 1) == 1 && read(peer, &c[0], 1) == 1 && write(peer, "b", 1) == 1 &&
		read(fd, &c[1], 1) == 1 && c[0] == 'a' && c[1] == 'b';
	close(fresh);
	close(peer);
	return sized && moves;
}

TEST_F(vsock, a_connection_has_the_buffers_that_its_transport_is_best_with)
{
	int fd = vsock_dial(self->port, &self->err);

	ASSERT_LE(0, fd) TH_LOG("%s", self->err.text);
	EXPECT_TRUE(good(fd, self->listener, variant->hv_sock));
	close(fd);
}

TEST_F(vsock, one_that_is_not_waited_for_has_them_too)
{
	int fd = vsock_dial_start(self->port, &self->err);
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	ASSERT_LE(0, fd) TH_LOG("%s", self->err.text);
	ASSERT_EQ(1, poll(&p, 1, DEADLINE_MS));
	ASSERT_EQ(0, vsock_dial_error(fd));
	/* So that a read waits for what is on its way. */
	ASSERT_EQ(0, fcntl(fd, F_SETFL, 0));
	EXPECT_TRUE(good(fd, self->listener, variant->hv_sock));
	close(fd);
}

TEST_HARNESS_MAIN
