// SPDX-License-Identifier: MIT
/* vsockexec: run a program with its stdio connected to vsock ports of the host (boot-and-image.md section 3). */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "vsock_host.h"

#define REDIAL_MS 100 /* section 3; there is no event for "the host listens again" */
#define CONNECT_TIMEOUT_S 10
#define CHUNK 65536

static void usage(void)
{
	fprintf(stderr, "usage: vsockexec [-r] [-i PORT] [-o PORT] [-e PORT] [--] PROGRAM [ARG...]\n"
			"  -i, -o, -e PORT  connect stdin, stdout, stderr to this vsock port of the host; 0 = leave it\n"
			"  -r               relay stdout and stderr to one port, and dial again when the host is lost\n");
}

/* With no console a process may start without descriptors 0 to 2: what it opens next must not become one. */
static int open_missing(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= 2);
	if (fd >= 0)
		close(fd);
	return fd < 0 ? -1 : 0;
}

/* Returns a close-on-exec socket above 2, or -1 with errno. */
static int dial(uint32_t port)
{
	struct sockaddr_vm addr = vsock_host(port);
	const struct timeval patience = { .tv_sec = CONNECT_TIMEOUT_S };
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int e;

	if (fd < 0)
		return -1;
	/* Without the connection the program does not start: a busy host gets more time than the kernel's 2 s. */
	setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &patience, sizeof(patience));
	/* No handlers are set, so that no signal can interrupt this. */
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	e = errno;
	close(fd);
	errno = e;
	return -1;
}

static int run(char **argv)
{
	execvp(argv[0], argv);
	fprintf(stderr, "vsockexec: %s: %s\n", argv[0], strerror(errno));
	return errno == ENOENT ? 127 : 126;
}

/* Connect each of the three descriptors that has a port; equal ports share a connection. */
static int run_connected(const uint32_t port[3], char **argv)
{
	int fd[3] = { -1, -1, -1 };

	for (int i = 0; i < 3; i++) {
		for (int j = 0; j < i && port[i]; j++)
			if (port[j] == port[i])
				fd[i] = fd[j];
		if (!port[i] || fd[i] >= 0)
			continue;
		fd[i] = dial(port[i]);
		if (fd[i] < 0) {
			fprintf(stderr, "vsockexec: connect to vsock port %u of the host: %s\n", port[i],
				strerror(errno));
			return 1;
		}
	}
	for (int i = 0; i < 3; i++)
		if (fd[i] >= 0 && dup2(fd[i], i) < 0)
			return 1;
	return run(argv);
}

/*
 * Dial until the host answers. Once the program has ended there is one more try: what runs this waits for its exit
 * status, and an unreachable host must not keep a VM without an agent alive.
 */
static int redial(uint32_t port, int pidfd)
{
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };
	int fd;

	while ((fd = dial(port)) < 0 && !ended.revents)
		if (poll(&ended, 1, REDIAL_MS) < 0)
			return -1;
	return fd;
}

/* Send a chunk, through as many connections as it takes; the lost one may keep what it had accepted. */
static int send_chunk(int *sock, uint32_t port, int pidfd, const char *buf, size_t len)
{
	while (len) {
		ssize_t n = *sock < 0 ? -1 : send(*sock, buf, len, MSG_NOSIGNAL);

		if (n >= 0) {
			buf += n;
			len -= (size_t)n;
			continue;
		}
		if (*sock >= 0)
			close(*sock);
		*sock = redial(port, pidfd);
		if (*sock < 0)
			return -1;
	}
	return 0;
}

static int run_relayed(const uint32_t port[3], char **argv)
{
	uint32_t to = port[2] ? port[2] : port[1];
	static char buf[CHUNK];
	int p[2], sock, pidfd, status;
	ssize_t n;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0) {
		perror("vsockexec: pipe");
		return 1;
	}
	pid = fork();
	if (pid < 0) {
		perror("vsockexec: fork");
		return 1;
	}
	if (pid == 0) {
		for (int i = 1; i < 3; i++)
			if (port[i] && dup2(p[1], i) < 0)
				_exit(126);
		_exit(run(argv));
	}
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	/* After the fork: the program must not inherit an ignored SIGPIPE. */
	signal(SIGPIPE, SIG_IGN);
	close(p[1]);
	sock = redial(to, pidfd);
	while ((n = read(p[0], buf, sizeof(buf))) > 0)
		if (send_chunk(&sock, to, pidfd, buf, (size_t)n) < 0)
			break;
	if (waitpid(pid, &status, 0) < 0)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool parse_port(const char *text, uint32_t *port)
{
	char *end;
	unsigned long v;

	errno = 0;
	v = strtoul(text, &end, 10);
	if (errno || end == text || *end || v > UINT32_MAX || *text == '-') {
		fprintf(stderr, "vsockexec: %s: not a port\n", text);
		return false;
	}
	*port = (uint32_t)v;
	return true;
}

int main(int argc, char **argv)
{
	uint32_t port[3] = { 0, 0, 0 };
	bool relay = false;
	int opt;

	if (open_missing() < 0)
		return 1;
	while ((opt = getopt(argc, argv, "+ri:o:e:")) != -1) {
		switch (opt) {
		case 'r':
			relay = true;
			break;
		case 'i':
		case 'o':
		case 'e':
			if (!parse_port(optarg, &port[opt == 'i' ? 0 : opt == 'o' ? 1 : 2]))
				return 1;
			break;
		default:
			usage();
			return 1;
		}
	}
	if (optind == argc) {
		usage();
		return 1;
	}
	if (!relay)
		return run_connected(port, argv + optind);
	if (!port[1] && !port[2]) {
		fprintf(stderr, "vsockexec: -r needs -o or -e\n");
		return 1;
	}
	return run_relayed(port, argv + optind);
}
