// SPDX-License-Identifier: MIT
/* The loopback interface, and the host's entropy over vsock (boot-and-image.md 2.2 and 2.7). */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <linux/random.h>
#include <linux/vm_sockets.h>

#include "init.h"
#include "vsock_host.h"

#define CONNECT_TIMEOUT_S 10
#define ENTROPY_CHUNK 4096
#define ENTROPY_DEADLINE_S 10

static void loopback_up_in(int family)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return; /* the kernel has no such family */
	if (ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
		init_log(4, "loopback interface: %s", strerror(errno));
	close(fd);
}

void loopback_up(void)
{
	loopback_up_in(AF_INET);
	loopback_up_in(AF_INET6);
}

static int remaining_ms(const struct timespec *end)
{
	struct timespec now;
	long ms;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ms = (end->tv_sec - now.tv_sec) * 1000 + (end->tv_nsec - now.tv_nsec) / 1000000;
	return ms > 0 ? (int)ms : 0;
}

/* Until the host ends its stream; one that never does must not stop the boot. */
static void credit(int random_fd, int sock)
{
	uint64_t space[(sizeof(struct rand_pool_info) + ENTROPY_CHUNK) / sizeof(uint64_t)];
	struct rand_pool_info *pool = (struct rand_pool_info *)space;
	struct pollfd ready = { .fd = sock, .events = POLLIN };
	struct timespec end;
	ssize_t n;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += ENTROPY_DEADLINE_S;
	for (;;) {
		n = poll(&ready, 1, remaining_ms(&end));
		if (n == 0) {
			init_log(4, "entropy: the host did not end it within %d s", ENTROPY_DEADLINE_S);
			return;
		}
		if (n > 0)
			n = read(sock, pool->buf, ENTROPY_CHUNK);
		if (n <= 0)
			break;
		pool->entropy_count = (int)n * 8;
		pool->buf_size = (int)n;
		if (ioctl(random_fd, RNDADDENTROPY, pool) < 0) {
			init_log(4, "entropy: RNDADDENTROPY: %s", strerror(errno));
			return;
		}
	}
	if (n < 0)
		init_log(4, "entropy: read from the host: %s", strerror(errno));
}

void entropy_read(uint32_t port)
{
	struct sockaddr_vm addr = vsock_host(port);
	int sock = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int random_fd = open("/dev/random", O_RDWR | O_CLOEXEC);
	const struct timeval patience = { .tv_sec = CONNECT_TIMEOUT_S };

	/* A host that is busy starting VMs answers late, and waits for this connection. */
	if (sock >= 0)
		setsockopt(sock, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &patience, sizeof(patience));
	if (sock < 0 || connect(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		init_log(4, "entropy: connect to vsock port %u of the host: %s", port, strerror(errno));
	else if (random_fd < 0)
		init_log(4, "entropy: /dev/random: %s", strerror(errno));
	else
		credit(random_fd, sock);
	if (random_fd >= 0)
		close(random_fd);
	if (sock >= 0)
		close(sock);
}
