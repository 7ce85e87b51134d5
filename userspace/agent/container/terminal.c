// SPDX-License-Identifier: MIT
/* Terminals: the master of a pty that the runtime has made, or that of a process of the VM (bridge.md 11.5). */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"
#include "container/internal.h"

/* When the runtime has succeeded the master is sent, or the process that it has made sends it in a moment. */
#define RECEIVE_MS 10000
/* Names are shorter. */
#define NAME_LENGTH 4096

int terminal_listen(const char *path, struct gcs_error *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strncpy(addr.sun_path, path, sizeof(addr.sun_path) - 1);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 1) < 0)
		return gcs_fail(err, errno, HR_FAIL, "console socket %s", path);
	return steal_fd(&fd);
}

/* Wait until @fd can be read. Returns 0 or an errno. */
static int wait_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int n = poll(&p, 1, RECEIVE_MS);

	return n < 0 ? errno : n == 0 ? ETIMEDOUT : 0;
}

/* One message with one descriptor and the terminal's name. Returns the descriptor, or -1 with errno. */
static int receive_fd(int socket)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	char name[NAME_LENGTH];
	struct iovec iov = { .iov_base = name, .iov_len = sizeof(name) };
	/* Not CMSG_SPACE(): its padding has room for a second descriptor. */
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf,
			    .msg_controllen = CMSG_LEN(sizeof(int)) };
	ssize_t n = recvmsg(socket, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&m);
	int fd = -1;

	if (n < 0)
		return -1;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	if (fd >= 0 && n < NAME_LENGTH && !(m.msg_flags & MSG_CTRUNC))
		return fd;
	if (fd >= 0)
		close(fd);
	errno = EBADMSG;
	return -1;
}

int terminal_receive(int listener, struct gcs_error *err)
{
	_cleanup_close_ int socket = -1, master = -1;
	unsigned int number;
	int e = wait_readable(listener);

	if (e)
		return gcs_fail(err, e, HR_FAIL, "console socket: the runtime does not connect");
	socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (socket < 0)
		return gcs_fail(err, errno, HR_FAIL, "console socket: accept");
	e = wait_readable(socket);
	if (e)
		return gcs_fail(err, e, HR_FAIL, "console socket: nothing comes");
	master = receive_fd(socket);
	if (master < 0)
		return gcs_fail(err, errno, HR_FAIL, "console socket: receive the terminal");
	if (ioctl(master, TIOCGPTN, &number) < 0)
		return gcs_fail(err, errno, HR_FAIL, "console socket: what came is no terminal's master");
	return steal_fd(&master);
}

int terminal_open(uint16_t rows, uint16_t columns, int *slave, struct gcs_error *err)
{
	_cleanup_close_ int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC), peer = -1;
	int locked = 0;

	if (master < 0)
		return gcs_fail(err, errno, HR_FAIL, "terminal: open /dev/ptmx");
	/* Not by its name: /dev/pts need not be where the master's is. */
	if (ioctl(master, TIOCSPTLCK, &locked) == 0)
		peer = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (peer < 0)
		return gcs_fail(err, errno, HR_FAIL, "terminal: open the slave");
	if (fchown(peer, 0, 0) < 0 || fchmod(peer, 0600) < 0)
		return gcs_fail(err, errno, HR_FAIL, "terminal: the slave's owner and mode");
	if (terminal_resize(master, rows, columns) < 0)
		return gcs_fail(err, errno, HR_FAIL, "terminal: set its size");
	*slave = steal_fd(&peer);
	return steal_fd(&master);
}

int terminal_resize(int master, uint16_t rows, uint16_t columns)
{
	const struct winsize size = { .ws_row = rows, .ws_col = columns };

	return ioctl(master, TIOCSWINSZ, &size);
}
