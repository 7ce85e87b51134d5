// SPDX-License-Identifier: MIT
/* What the bench programs share in the VM. */
#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/gcs.h>

#include "bench.h"

int bench_rounds, bench_ms;

static const char *bench_name;
static int device = -1;
static unsigned int port;

void bench_die(const char *what)
{
	printf("Bail out! %s: %s: %s\n", bench_name, what, strerror(errno));
	fflush(stdout);
	_exit(1);
}

static unsigned int setting(const char *name, unsigned int otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoul(text, NULL, 0) : otherwise;
}

void bench_start(const char *name, int rounds, int ms)
{
	bench_name = name;
	port = setting("BENCH_PORT", 5000);
	bench_rounds = setting("BENCH_ROUNDS", rounds);
	bench_ms = setting("BENCH_MS", ms);

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n1..1\n");
	if (bench_rounds < 1 || bench_rounds > BENCH_MAX_ROUNDS || bench_ms < 1) {
		errno = EINVAL;
		bench_die("BENCH_ROUNDS, BENCH_MS");
	}
	device = open("/dev/" GCS_DEVICE_NAME, O_RDWR | O_CLOEXEC);
	if (device < 0)
		bench_die("/dev/gcs");
}

void bench_end(void)
{
	printf("ok 1 %s\n", bench_name);
}

int bench_dial(enum bench_service service)
{
	struct sockaddr_vm addr = {
		.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST, .svm_port = port + service,
	};
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		bench_die("connect to the host");
	return fd;
}

int bench_stream(int sock, uint32_t way)
{
	struct gcs_stream_open arg = { .size = sizeof(arg), .flags = way, .socket_fd = sock };
	int fd = ioctl(device, GCS_STREAM_OPEN, &arg);

	if (fd < 0)
		bench_die("GCS_STREAM_OPEN");
	return fd;
}

double bench_echoes(int sock, uint32_t trips, uint32_t size)
{
	struct bench_echo order = { .trips = trips, .size = size };
	double us = 0;

	if (write(sock, &order, sizeof(order)) != sizeof(order) || read(sock, &us, sizeof(us)) != sizeof(us) || us <= 0)
		bench_die("the host's echoes");
	return us;
}

static volatile sig_atomic_t stop;

static void on_alarm(int sig)
{
	(void)sig;
	stop = 1;
}

void bench_write(int fd, const char *buf, size_t size, int report)
{
	struct itimerval t = { .it_value = { bench_ms / 1000, bench_ms % 1000 * 1000 } };
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	uint64_t bytes = 0;

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &t, NULL);
	while (!stop) {
		ssize_t n = write(fd, buf, size);

		if (n <= 0)
			_exit(1);
		bytes += n;
	}
	_exit(write(report, &bytes, sizeof(bytes)) != sizeof(bytes));
}

void bench_wait_eof(int sock)
{
	struct pollfd p = { .fd = sock, .events = POLLIN | POLLRDHUP };

	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		;
}

void bench_wait(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || status) {
		errno = ECHILD;
		bench_die("a process of the bench");
	}
}

void bench_figure(const char *what, double value)
{
	printf("# figure %s|%.4f\n", what, value);
}
