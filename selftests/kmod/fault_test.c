// SPDX-License-Identifier: MIT
/*
 * Every ioctl, netlink command and file operation with its first allocation or access to user memory failing, then its second,
 * and so on until none fails: the right errno, and nothing left behind
 *
 * Needs a kernel with fault injection and a disk: make check-debug. A new operation is one more row of the table at the end.
 */
#include <dirent.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/time.h>

#include "gcs_tty_test.h"

#define DEBUGFS	"/sys/kernel/debug"
#define MOST	5000	/* failures of one operation: more means that it never ends */

/* What an operation works on: its preparation makes what it needs, and all of it is undone afterwards. */
struct world {
	int dev;
	struct gcs_nl nl, events;
	int sock, host;		/* a connection to give away */
	int fd, peer;		/* a stream and its peer's end; or a pty's slave and the peer's end of its tty */
	int file;		/* what the operation has made */
	int aux[2];
	uint64_t id;		/* a stream or tty that has to finish */
	bool tty;
};

struct row {
	const char *name;
	void (*prepare)(struct world *w);
	int (*run)(struct world *w);	/* -1 and errno, or anything else */
	int also;			/* a further errno for want of memory */
};

static int nth_fd;
static char page[65536];

/* --- faults -------------------------------------------------------------------------------- */

static bool set(const char *file, const char *value)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, value, strlen(value)) > 0;

	close(fd);
	return done;
}

/* Every allocation, also those that may sleep, and without a word in the log. */
static bool faults_ready(void)
{
	mount("debugfs", DEBUGFS, "debugfs", 0, NULL);
	nth_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	return nth_fd >= 0 && set(DEBUGFS "/failslab/ignore-gfp-wait", "N") &&
	       set(DEBUGFS "/failslab/verbose", "0") &&
	       set(DEBUGFS "/fail_page_alloc/ignore-gfp-wait", "N") &&
	       set(DEBUGFS "/fail_page_alloc/ignore-gfp-highmem", "N") &&
	       set(DEBUGFS "/fail_page_alloc/min-order", "0") &&
	       set(DEBUGFS "/fail_page_alloc/verbose", "0") &&
	       set(DEBUGFS "/fail_usercopy/verbose", "0");
}

static void arm(unsigned int nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", nth);

	/* To write here is an access to user memory as well. */
	while (pwrite(nth_fd, text, len, 0) != len)
		;
}

/* Whether the failure has happened. */
static bool disarm(void)
{
	char text[16] = "";
	/* If it has not, this may be it. */
	bool failed = pread(nth_fd, text, sizeof(text) - 1, 0) > 0 && atoi(text) == 0;

	arm(0);
	return failed;
}

/* How many more accesses to user memory may fail: one less after each. */
static long usercopy_times(void)
{
	FILE *f = fopen(DEBUGFS "/fail_usercopy/times", "re");
	long times = -1;

	if (f && fscanf(f, "%ld", &times) != 1)
		times = -1;
	if (f)
		fclose(f);
	return times;
}

/* --- what may be left ---------------------------------------------------------------------- */

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	while (dir && readdir(dir))
		count++;
	if (dir)
		closedir(dir);
	return count;
}

static void world_begin(struct world *w)
{
	struct timeval limit = { .tv_sec = WAIT_MS / 1000 };

	*w = (struct world){
		.sock = -1, .host = -1, .fd = -1, .peer = -1, .file = -1, .aux = { -1, -1 },
	};
	w->dev = gcs_device();
	if (w->dev < 0 || nl_open(&w->nl, false) || nl_open(&w->events, true))
		ksft_exit_fail_msg("/dev/gcs or netlink: %s\n", strerror(errno));
	/* When there is no memory to answer with, there may be no answer. */
	setsockopt(w->nl.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Returns what has gone wrong, or NULL. */
static const char *world_end(struct world *w)
{
	const char *wrong = NULL;
	struct stream_info stream;
	struct tty_info tty;

	close_fd(&w->sock);
	close_fd(&w->host);
	close_fd(&w->fd);
	close_fd(&w->peer);
	close_fd(&w->file);
	close_fd(&w->aux[0]);
	close_fd(&w->aux[1]);
	close_fd(&w->nl.fd);
	if (w->id && w->tty) {
		tty_finish(w->dev, w->id, 0, 1);
		if (wait_tty(&w->events, w->id, WAIT_MS, &tty))
			wrong = "the tty has not finished";
	} else if (w->id) {
		stream_finish(w->dev, w->id, 0, 0, 1);
		if (wait_finished(&w->events, w->id, WAIT_MS, &stream))
			wrong = "the stream has not finished";
	}
	close_fd(&w->events.fd);
	if (!wrong && module_users() != 1)
		wrong = "something is left in the module";
	close_fd(&w->dev);
	return wrong;
}

/* --- the walk ------------------------------------------------------------------------------ */

static bool allowed(const struct row *row, int err, bool usercopy)
{
	if (usercopy)
		return err == EFAULT;
	return err == ENOMEM || (row->also && err == row->also);
}

/* One operation, with its @nth failure. Returns 1 to go on, 0 when there was nothing left to fail, -1 if it went wrong. */
static int step(const struct row *row, unsigned int nth)
{
	int fds = count_fds();
	const char *wrong;
	struct world w;
	bool failed;
	long copies;
	int ret, err;

	world_begin(&w);
	if (row->prepare)
		row->prepare(&w);
	copies = usercopy_times();
	arm(nth);
	ret = row->run(&w);
	err = ret == -1 ? errno : 0;
	failed = disarm();
	copies -= usercopy_times();
	wrong = world_end(&w);

	if (!wrong && count_fds() != fds)
		wrong = "a descriptor is left";
	if (!wrong && err && !failed)
		wrong = "an error without a cause";
	if (!wrong && err && !allowed(row, err, copies))
		wrong = copies ? "not EFAULT" : "not ENOMEM";
	if (wrong) {
		ksft_print_msg("%s, failure %u: %s (%s)\n", row->name, nth, wrong, strerror(err));
		return -1;
	}
	return failed;
}

static bool walk(const struct row *row)
{
	unsigned int nth = 0;
	int ret;

	say(row->name);
	set(DEBUGFS "/fail_usercopy/times", "1000000");
	do
		ret = step(row, ++nth);
	while (ret == 1 && nth < MOST);
	if (ret == 0)
		ksft_print_msg("%s: %u failures\n", row->name, nth - 1);
	return ret == 0;
}

/* --- preparations -------------------------------------------------------------------------- */

static void connection(struct world *w)
{
	w->sock = vsock_pair(&w->host);
}

static void detached(struct world *w)
{
	w->fd = stream_open(w->dev, GCS_STREAM_WRITE, -1, 0, &w->id);
}

static void detached_and_connection(struct world *w)
{
	detached(w);
	connection(w);
}

static void written(struct world *w)
{
	w->fd = stream_pair(w->dev, GCS_STREAM_WRITE, &w->peer, &w->id);
}

static void read_from(struct world *w)
{
	w->fd = stream_pair(w->dev, GCS_STREAM_READ, &w->peer, &w->id);
	if (write(w->peer, page, 5000) != 5000 || !wait_fd(w->fd, POLLIN, WAIT_MS))
		ksft_exit_fail_msg("a read stream without data\n");
}

static void lost(struct world *w)
{
	struct gcs_stream_open arg = {
		.size = sizeof(arg), .flags = GCS_STREAM_WRITE | GCS_STREAM_KEEP,
	};
	struct stream_info info;

	arg.socket_fd = vsock_pair(&w->peer);
	w->fd = ioctl(w->dev, GCS_STREAM_OPEN, &arg);
	w->id = arg.id;
	close(arg.socket_fd);
	if (write(w->fd, page, 1000) != 1000)
		ksft_exit_fail_msg("write: %s\n", strerror(errno));
	close_fd(&w->peer);
	if (wait_stream(&w->events, GCS_CMD_STREAM_LOST, w->id, WAIT_MS, &info))
		ksft_exit_fail_msg("a connection that is gone was not noticed\n");
	connection(w);
}

static void written_and_pipe(struct world *w)
{
	written(w);
	if (pipe2(w->aux, O_CLOEXEC) || write(w->aux[1], page, 4096) != 4096)
		ksft_exit_fail_msg("pipe: %s\n", strerror(errno));
}

static void read_and_pipe(struct world *w)
{
	read_from(w);
	if (pipe2(w->aux, O_CLOEXEC))
		ksft_exit_fail_msg("pipe: %s\n", strerror(errno));
}

static void written_and_epoll(struct world *w)
{
	written(w);
	w->aux[0] = epoll_create1(EPOLL_CLOEXEC);
}

static void pty(struct world *w)
{
	w->aux[0] = pty_pair(&w->fd, true);
	connection(w);
}

static void tty(struct world *w)
{
	struct term t;

	w->fd = term_pty(w->dev, &t, true);
	w->id = t.id;
	w->tty = true;
	w->peer = t.in;
	w->aux[1] = t.out;
}

static void detached_tty(struct world *w)
{
	pty(w);
	w->tty = true;
	if (tty_open(w->dev, w->aux[0], -1, -1, 0, &w->id))
		ksft_exit_fail_msg("GCS_TTY_OPEN: %s\n", strerror(errno));
}

static void open_disk(struct world *w)
{
	struct gcs_dev_wait arg = { .size = sizeof(arg), .addr = { .bus = GCS_BUS_SCSI }, .timeout_ms = WAIT_MS };
	char node[64];

	if (!ioctl(w->dev, GCS_DEV_WAIT, &arg)) {
		snprintf(node, sizeof(node), "/dev/%s", arg.name);
		w->file = open(node, O_RDONLY | O_CLOEXEC);
	}
	if (w->file < 0)
		ksft_exit_fail_msg("the VM's disk: %s\n", strerror(errno));
}

/* --- operations ---------------------------------------------------------------------------- */

static int info(struct world *w)
{
	struct gcs_info arg = { .size = sizeof(arg) };

	return ioctl(w->dev, GCS_INFO, &arg);
}

static int open_device(struct world *w)
{
	return w->file = gcs_device();
}

/* A stream that was refused has its number, and is not there. */
static int opened(struct world *w, struct gcs_stream_open *arg)
{
	w->file = ioctl(w->dev, GCS_STREAM_OPEN, arg);
	if (w->file >= 0)
		w->id = arg->id;
	return w->file;
}

static int open_written(struct world *w)
{
	struct gcs_stream_open arg = {
		.size = sizeof(arg), .flags = GCS_STREAM_WRITE, .socket_fd = w->sock,
	};

	return opened(w, &arg);
}

static int open_kept(struct world *w)
{
	struct gcs_stream_open arg = {
		.size = sizeof(arg), .flags = GCS_STREAM_WRITE | GCS_STREAM_KEEP, .socket_fd = w->sock,
	};

	return opened(w, &arg);
}

static int open_read(struct world *w)
{
	struct gcs_stream_open arg = {
		.size = sizeof(arg), .flags = GCS_STREAM_READ, .socket_fd = w->sock,
	};

	return opened(w, &arg);
}

static int attach(struct world *w)
{
	return stream_attach(w->dev, w->id, w->sock);
}

static int attach_from_0(struct world *w)
{
	return stream_attach_at(w->dev, w->id, w->sock, GCS_ATTACH_OFFSET, 0);
}

static int finish(struct world *w)
{
	return stream_finish(w->dev, w->id, 0, 0, 0);
}

static int write_some(struct world *w)
{
	return write(w->fd, page, 100);
}

static int write_twice(struct world *w)
{
	int ret = write(w->fd, page, 100);

	return ret < 0 ? ret : write(w->fd, page, PIPE_BUF);
}

static int write_large(struct world *w)
{
	return write(w->fd, page, sizeof(page));
}

static int read_some(struct world *w)
{
	return read(w->fd, page, sizeof(page));
}

static int splice_in(struct world *w)
{
	return splice(w->aux[0], NULL, w->fd, NULL, 4096, SPLICE_F_NONBLOCK);
}

static int splice_out(struct world *w)
{
	return splice(w->fd, NULL, w->aux[1], NULL, 4096, SPLICE_F_NONBLOCK);
}

static int fionread(struct world *w)
{
	int n;

	return ioctl(w->fd, FIONREAD, &n);
}

static int reopen(struct world *w)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", w->fd);
	return w->file = open(path, O_WRONLY | O_CLOEXEC);
}

static int poll_stream(struct world *w)
{
	struct pollfd p = { .fd = w->fd, .events = POLLIN | POLLOUT };

	return poll(&p, 1, 0);
}

static int epoll_stream(struct world *w)
{
	struct epoll_event ev = { .events = EPOLLOUT };

	return epoll_ctl(w->aux[0], EPOLL_CTL_ADD, w->fd, &ev);
}

static int last_close(struct world *w)
{
	int fd = w->fd;

	w->fd = -1;
	return close(fd);
}

static int open_tty(struct world *w)
{
	int ret = tty_open(w->dev, w->aux[0], w->sock, w->sock, 0, &w->id);

	w->tty = true;
	if (ret < 0)
		w->id = 0;
	return ret;
}

static int open_detached_tty(struct world *w)
{
	close_fd(&w->sock);
	return open_tty(w);
}

static int attach_tty(struct world *w)
{
	return tty_attach(w->dev, w->id, w->sock, w->sock, 0);
}

static int finish_tty(struct world *w)
{
	return tty_finish(w->dev, w->id, 0, 0);
}

static int wait_dev(struct world *w)
{
	struct gcs_dev_wait arg = { .size = sizeof(arg), .addr = { .bus = GCS_BUS_SCSI } };

	return ioctl(w->dev, GCS_DEV_WAIT, &arg);
}

/* There is the controller, and no such unit: it is asked. */
static int wait_absent_dev(struct world *w)
{
	struct gcs_dev_wait arg = { .size = sizeof(arg), .addr = { .bus = GCS_BUS_SCSI, .lun = 1 }, .timeout_ms = 1 };
	int ret = ioctl(w->dev, GCS_DEV_WAIT, &arg);

	return ret < 0 && errno == ETIME ? 0 : ret;
}

static int eject(struct world *w, uint64_t lun, int expected)
{
	struct gcs_dev_eject arg = { .size = sizeof(arg), .addr = { .bus = GCS_BUS_SCSI, .lun = lun } };
	int ret = ioctl(w->dev, GCS_DEV_EJECT, &arg);

	return ret < 0 && errno == expected ? 0 : ret;
}

static int eject_absent_dev(struct world *w)
{
	return eject(w, 1, ENODEV);
}

static int eject_open_dev(struct world *w)
{
	return eject(w, 0, EBUSY);
}

static int as_errno(int ret)
{
	if (ret >= 0)
		return ret;
	errno = -ret;
	return -1;
}

static int get_stream(struct world *w)
{
	struct stream_info info;

	return as_errno(nl_get(&w->nl, w->id, &info));
}

static int dump_streams(struct world *w)
{
	return as_errno(nl_dump(&w->nl, NULL, NULL, NULL));
}

static int get_tty(struct world *w)
{
	struct tty_info info;

	return as_errno(tty_get(&w->nl, w->id, &info));
}

static int dump_ttys(struct world *w)
{
	uint64_t ids[64];
	bool interrupted;

	return as_errno(tty_dump(&w->nl, ids, &interrupted));
}

static int dump_devs(struct world *w)
{
	return as_errno(nl_messages(&w->nl, GCS_CMD_DEV_GET, NULL, NULL, NULL));
}

static int join_events(struct world *w)
{
	return setsockopt(w->nl.fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &w->nl.group,
			  sizeof(w->nl.group));
}

static const struct row rows[] = {
	{ "open of the device", NULL, open_device, 0 },
	{ "GCS_INFO", NULL, info, 0 },
	{ "GCS_STREAM_OPEN without a socket", NULL, open_written, 0 },
	{ "GCS_STREAM_OPEN to write", connection, open_written, 0 },
	{ "GCS_STREAM_OPEN to write and keep", connection, open_kept, 0 },
	{ "GCS_STREAM_OPEN to read", connection, open_read, 0 },
	{ "GCS_STREAM_ATTACH", detached_and_connection, attach, 0 },
	{ "GCS_STREAM_ATTACH after a loss", lost, attach_from_0, 0 },
	{ "GCS_STREAM_FINISH", written, finish, 0 },
	{ "a first write without a socket", detached, write_some, 0 },
	{ "a write to a connection", written, write_some, 0 },
	{ "a write behind a write", written, write_twice, 0 },
	{ "a large write", written, write_large, 0 },
	{ "a read", read_from, read_some, 0 },
	{ "splice to a stream", written_and_pipe, splice_in, 0 },
	{ "splice from a stream", read_and_pipe, splice_out, 0 },
	{ "FIONREAD", read_from, fionread, 0 },
	{ "open by /proc/self/fd", written, reopen, 0 },
	{ "poll", written, poll_stream, 0 },
	{ "epoll", written_and_epoll, epoll_stream, 0 },
	{ "the last close", written, last_close, 0 },
	{ "GCS_TTY_OPEN", pty, open_tty, 0 },
	{ "GCS_TTY_OPEN without a socket", pty, open_detached_tty, 0 },
	{ "GCS_TTY_ATTACH", detached_tty, attach_tty, 0 },
	{ "GCS_TTY_FINISH", tty, finish_tty, 0 },
	{ "GCS_DEV_WAIT", NULL, wait_dev, 0 },
	{ "GCS_DEV_WAIT for what is not there", NULL, wait_absent_dev, 0 },
	{ "GCS_DEV_EJECT of what is not there", NULL, eject_absent_dev, 0 },
	{ "GCS_DEV_EJECT of an open disk", open_disk, eject_open_dev, 0 },
	{ "GCS_CMD_STREAM_GET", written, get_stream, ENOBUFS },
	{ "GCS_CMD_STREAM_GET as a dump", written, dump_streams, ENOBUFS },
	{ "GCS_CMD_TTY_GET", tty, get_tty, ENOBUFS },
	{ "GCS_CMD_TTY_GET as a dump", tty, dump_ttys, ENOBUFS },
	{ "GCS_CMD_DEV_GET as a dump", NULL, dump_devs, ENOBUFS },
	{ "joining the events", NULL, join_events, 0 },
};

int main(void)
{
	int dev;

	if (!faults_ready()) {
		printf("1..0 # SKIP the kernel injects no faults (CONFIG_FAILSLAB, CONFIG_FAULT_INJECTION_USERCOPY)\n");
		return KSFT_SKIP;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();
	ksft_set_plan(ARRAY_SIZE(rows));
	signal(SIGPIPE, SIG_IGN);
	dev = gcs_device();
	finish_all(dev);
	finish_all_ttys(dev);
	close(dev);
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++)
		ksft_test_result(walk(&rows[i]), "fault: %s\n", rows[i].name);
	ksft_finished();
}
