// SPDX-License-Identifier: MIT
/*
 * Terminals: what passes through one, and what is held up by whom
 */
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "gcs_tty_test.h"

GCS_FIXTURE(tty, finish_all_ttys)

#define BULK	(2 * 1024 * 1024)

TEST_F(tty, output_arrives_whole_and_in_order)
{
	struct tty_info info;
	struct term t;
	int slave = term_pty(self->dev, &t, true);
	pid_t pid = pattern_writer(slave, BULK);

	close(slave);
	EXPECT_EQ(BULK, read_pattern_to_eof(t.out, 0));
	EXPECT_EQ(0, reap(pid));
	close(t.out);
	close(t.in);
	ASSERT_EQ(0, wait_tty(&self->events, t.id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_EOF, info.reason);
	EXPECT_EQ(GCS_TTY_STATE_FINISHED, info.state);
	EXPECT_EQ(77, info.cookie);
	EXPECT_EQ(BULK, info.out);
	EXPECT_EQ(0, info.out_lost);
	EXPECT_EQ(0, info.in);
	EXPECT_EQ(0, info.in_lost);
	EXPECT_EQ(-ENOENT, tty_get(&self->nl, t.id, &info));
}

TEST_F(tty, input_arrives_whole_and_in_order_and_output_meanwhile)
{
	struct tty_info info;
	struct term t;
	int slave = term_pty(self->dev, &t, true);
	pid_t in = pattern_writer(t.in, BULK / 4);
	pid_t out = pattern_writer(slave, BULK / 4);
	pid_t reader = fork();

	if (!reader)
		_exit(!read_pattern(slave, 0, BULK / 4));
	EXPECT_TRUE(read_pattern(t.out, 0, BULK / 4));
	EXPECT_EQ(0, reap(reader));
	EXPECT_EQ(0, reap(in));
	EXPECT_EQ(0, reap(out));
	EXPECT_EQ(0, tty_get(&self->nl, t.id, &info));
	EXPECT_EQ(GCS_TTY_STATE_OPEN, info.state);
	EXPECT_EQ(BULK / 4, info.in);
	EXPECT_EQ(BULK / 4, info.out);
	close(slave);
}

TEST_F(tty, one_connection_serves_both_ways)
{
	struct tty_info info;
	struct term t;
	int slave, master = pty_pair(&slave, true);
	char buf[8];

	ASSERT_EQ(0, term_start(self->dev, &t, master, true));
	EXPECT_EQ(5, write(t.in, "input", 5));
	EXPECT_EQ(5, read_full(slave, buf, 5));
	EXPECT_EQ(6, write(slave, "output", 6));
	EXPECT_EQ(6, read_full(t.out, buf, 6));
	close(slave);
	EXPECT_EQ(0, read(t.out, buf, 1));
	/* Nobody reads it any more, which does not go unnoticed. */
	EXPECT_EQ(4, write(t.in, "late", 4));
	close(t.in);
	ASSERT_EQ(0, wait_tty(&self->events, t.id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_EOF, info.reason);
	EXPECT_EQ(5, info.in);
	EXPECT_EQ(4, info.in_lost);
	EXPECT_EQ(6, info.out);
}

TEST_F(tty, cooked_mode_echoes_and_edits)
{
	struct term t;
	int slave = term_pty(self->dev, &t, false);
	char buf[32] = "";

	EXPECT_EQ(4, write(t.in, "ab\177c", 4));
	EXPECT_EQ(6, read_full(t.out, buf, 6));
	EXPECT_EQ(0, memcmp(buf, "ab\b \bc", 6));
	EXPECT_FALSE(wait_fd(slave, POLLIN, NOT_MS));
	EXPECT_EQ(1, write(t.in, "\r", 1));
	EXPECT_EQ(3, read_full(slave, buf, 3));
	EXPECT_EQ(0, memcmp(buf, "ac\n", 3));
	EXPECT_EQ(2, read_full(t.out, buf, 2));
	EXPECT_EQ(0, memcmp(buf, "\r\n", 2));
	close(slave);
}

/* A line that is longer than the terminal takes is cut by it, as ever; nothing gets stuck. */
TEST_F(tty, an_endless_line_holds_nothing_up)
{
	static char line[100000], buf[8192];
	struct termios tio;
	struct term t;
	int slave = term_pty(self->dev, &t, false);
	ssize_t n;

	tcgetattr(slave, &tio);
	tio.c_lflag &= ~ECHO;
	tcsetattr(slave, TCSANOW, &tio);
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	EXPECT_TRUE(write_all(t.in, line, sizeof(line)));
	ASSERT_TRUE(wait_fd(slave, POLLIN, WAIT_MS));
	n = read(slave, buf, sizeof(buf));
	EXPECT_LT(4000, n);
	EXPECT_EQ('\n', buf[n - 1]);
	close(slave);
}

/* A shell's place: a session whose terminal the slave is. */
static pid_t session(int slave, int ready)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	signal(SIGINT, SIG_DFL);
	setsid();
	if (ioctl(slave, TIOCSCTTY, 0) || write(ready, "", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

TEST_F(tty, control_c_reaches_the_process)
{
	int slave, ready[2], status;
	struct term t;
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe2(ready, O_CLOEXEC));
	slave = term_pty(self->dev, &t, false);
	pid = session(slave, ready[1]);
	ASSERT_EQ(1, read(ready[0], &c, 1));
	EXPECT_EQ(1, write(t.in, "\003", 1));
	status = reap(pid);
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGINT, WTERMSIG(status));
	close(slave);
}

TEST_F(tty, the_holder_of_the_master_resizes_it_meanwhile)
{
	struct winsize small = { .ws_row = 3, .ws_col = 7 }, seen;
	int slave, master = pty_pair(&slave, true);
	int keep = dup(master);
	struct term t;
	pid_t pid;

	ASSERT_EQ(0, term_start(self->dev, &t, master, false));
	pid = pattern_writer(slave, BULK / 8);
	for (int i = 1; i < 200; i++) {
		small.ws_col = i;
		EXPECT_EQ(0, ioctl(keep, TIOCSWINSZ, &small));
		EXPECT_EQ(0, ioctl(slave, TIOCGWINSZ, &seen));
		EXPECT_EQ(i, seen.ws_col);
	}
	EXPECT_TRUE(read_pattern(t.out, 0, BULK / 8));
	EXPECT_EQ(0, reap(pid));
	close(slave);
}

/* Writes without waiting until nothing is taken any more. Returns the bytes. */
static uint64_t fill_all(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	uint64_t pos = 0;
	char buf[512];

	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	do {
		for (;;) {
			ssize_t n;

			fill_pattern(buf, pos, sizeof(buf));
			n = write(fd, buf, sizeof(buf));
			if (n <= 0)
				break;
			pos += n;
		}
	} while (wait_fd(fd, POLLOUT, NOT_MS));
	fcntl(fd, F_SETFL, flags);
	return pos;
}

TEST_F(tty, a_slow_peer_holds_up_its_own_tty_only)
{
	struct tty_info info;
	struct term slow, quick;
	int slave = term_pty(self->dev, &slow, true);
	int other = term_pty(self->dev, &quick, true);
	uint64_t total;
	pid_t pid;

	total = fill_all(slave);
	EXPECT_EQ(0, tty_get(&self->nl, slow.id, &info));
	/* No more than a buffer's worth waits in the relay. */
	EXPECT_LT(0, info.queued);
	EXPECT_GE(16384, info.queued);
	EXPECT_FALSE(wait_fd(slave, POLLOUT, NOT_MS));

	pid = pattern_writer(other, BULK / 4);
	EXPECT_TRUE(read_pattern(quick.out, 0, BULK / 4));
	EXPECT_EQ(0, reap(pid));
	/* Its way in works on. */
	EXPECT_EQ(4, write(slow.in, "stop", 4));
	EXPECT_TRUE(wait_fd(slave, POLLIN, WAIT_MS));

	close(slave);
	EXPECT_EQ(total, read_pattern_to_eof(slow.out, 0));
	close(slow.out);
	ASSERT_EQ(0, wait_tty(&self->events, slow.id, WAIT_MS, &info));
	EXPECT_EQ(GCS_REASON_EOF, info.reason);
	EXPECT_EQ(total, info.out);
	close(other);
}

/* Processor time that was not idle, of all processors. */
static uint64_t busy_ms(void)
{
	unsigned long user, nice, sys, idle, iowait, irq, softirq;
	FILE *f = fopen("/proc/stat", "re");

	if (!f || fscanf(f, "cpu %lu %lu %lu %lu %lu %lu %lu", &user, &nice, &sys, &idle, &iowait, &irq,
			 &softirq) != 7)
		exit(KSFT_FAIL);
	fclose(f);
	return (user + nice + sys + irq + softirq) * 1000 / sysconf(_SC_CLK_TCK);
}

TEST_F(tty, a_process_that_does_not_read_holds_up_its_own_input_only)
{
	struct tty_info info;
	struct term t;
	int slave = term_pty(self->dev, &t, true);
	uint64_t total = fill_all(t.in);
	uint64_t start, busy;
	char c;

	EXPECT_EQ(0, tty_get(&self->nl, t.id, &info));
	EXPECT_GE(16384, info.queued);
	/* Nor does it keep a processor busy. */
	busy = busy_ms();
	start = now_ms();
	EXPECT_EQ(-1, wait_tty(&self->events, t.id, 1000, &info));
	EXPECT_GT((now_ms() - start) / 2, busy_ms() - busy);
	EXPECT_EQ(1, write(slave, "!", 1));
	EXPECT_EQ(1, read_full(t.out, &c, 1));
	EXPECT_TRUE(read_pattern(slave, 0, total));
	close(slave);
}

#define CHATTY	4
#define TRIPS	50

/* Writes, or reads, as fast as it can until it is killed. */
static pid_t chatter(int fd, bool reads)
{
	static char buf[65536];
	pid_t pid = fork();

	if (pid)
		return pid;
	while ((reads ? read(fd, buf, sizeof(buf)) : write(fd, buf, sizeof(buf))) > 0)
		;
	_exit(0);
}

TEST_F_TIMEOUT(tty, a_chatty_terminal_does_not_starve_others, 120)
{
	pid_t pids[2 * CHATTY];
	struct term chatty, t;
	int slave;
	char c;

	for (int i = 0; i < CHATTY; i++) {
		slave = term_pty(self->dev, &chatty, true);
		pids[2 * i] = chatter(slave, false);
		pids[2 * i + 1] = chatter(chatty.out, true);
	}
	slave = term_pty(self->dev, &t, true);
	for (int i = 0; i < TRIPS; i++) {
		EXPECT_EQ(1, write(t.in, &(char){ i }, 1));
		ASSERT_EQ(1, read_full(slave, &c, 1));
		EXPECT_EQ((char)i, c);
		EXPECT_EQ(1, write(slave, &c, 1));
		ASSERT_EQ(1, read_full(t.out, &c, 1));
	}
	for (int i = 0; i < 2 * CHATTY; i++) {
		kill(pids[i], SIGKILL);
		reap(pids[i]);
	}
}

/* All threads of the system, the kernel's too. */
static int threads(void)
{
	FILE *f = fopen("/proc/loadavg", "r");
	int count = -1;

	if (!f || fscanf(f, "%*s %*s %*s %*d/%d", &count) != 1)
		count = -1;
	fclose(f);
	return count;
}

#define MANY	1000

enum { PIPES = 300 };

/* Writes to each pipe from memory of its own that is not there. */
struct faulter {
	int fd;
	const char *page;
};

static void *fault_for_ever(void *arg)
{
	const struct faulter *f = arg;

	return (void *)write(f->fd, f->page, 1);
}

/* A child that holds the locks of all pipes: it never comes back from its page faults. Says so by @ready. */
static pid_t hold_pipes(int (*pipes)[2], int ready)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	static struct faulter faulters[PIPES];
	size_t page = sysconf(_SC_PAGESIZE);
	struct uffd_msg msg;
	pthread_t thread;
	pid_t pid = fork();
	char *mem;
	int uffd;

	if (pid)
		return pid;
	mem = mmap(NULL, PIPES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	reg.range.start = (uintptr_t)mem;
	reg.range.len = PIPES * page;
	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg))
		_exit(write(ready, "-", 1) != 1);
	for (int i = 0; i < PIPES; i++) {
		faulters[i] = (struct faulter) { .fd = pipes[i][1], .page = mem + i * page };
		errno = pthread_create(&thread, NULL, fault_for_ever, &faulters[i]);
		if (errno) {
			perror("pthread_create");
			_exit(9);
		}
	}
	for (int i = 0; i < PIPES; i++)
		if (read(uffd, &msg, sizeof(msg)) != sizeof(msg)) {
			perror("userfaultfd");
			_exit(9);
		}
	if (write(ready, "+", 1) == 1)
		pause();
	_exit(9);
}

TEST_F_TIMEOUT(tty, pipes_whose_writers_fault_for_ever_hold_up_no_terminal, 120)
{
	static int pipes[PIPES][2];
	struct tty_info info;
	struct term t;
	int ready[2], slave, room = 8 << 20;
	char c = 0;
	pid_t pid;

	/* The events of all come at once. */
	ASSERT_EQ(0, setsockopt(self->events.fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)));
	ASSERT_EQ(0, pipe2(ready, O_CLOEXEC));
	for (int i = 0; i < PIPES; i++)
		ASSERT_EQ(0, pipe2(pipes[i], O_CLOEXEC));
	pid = hold_pipes(pipes, ready[1]);
	/* Should the child fail, this ends. */
	close(ready[1]);
	ASSERT_EQ(1, read(ready[0], &c, 1));
	if (c == '-') {
		reap(pid);
		SKIP(return, "no userfaultfd");
	}
	for (int i = 0; i < PIPES; i++) {
		uint64_t id;

		ASSERT_EQ(0, tty_open(self->dev, pipes[i][0], -1, -1, GCS_TTY_DISCARD, &id));
		close(pipes[i][0]);
		close(pipes[i][1]);
	}

	slave = term_pty(self->dev, &t, true);
	EXPECT_EQ(2, write(t.in, "in", 2));
	EXPECT_TRUE(wait_fd(slave, POLLIN, WAIT_MS));
	EXPECT_EQ(3, write(slave, "out", 3));
	EXPECT_TRUE(wait_fd(t.out, POLLIN, WAIT_MS));

	/* With the writer the pipes end, and so do those who waited for them. */
	kill(pid, SIGKILL);
	reap(pid);
	for (int i = 0; i < PIPES; i++)
		ASSERT_EQ(0, next_tty_event(&self->events, now_ms() + WAIT_MS, &info));
	close(slave);
	close(t.in);
	close(t.out);
}

TEST_F_TIMEOUT(tty, a_thousand_terminals_without_a_thread_each, 120)
{
	static struct term t[MANY];
	static int slaves[MANY];
	static uint64_t ids[8192];
	bool interrupted;
	int before;
	char c;

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 4 * MANY, 4 * MANY }));
	before = threads();
	for (int i = 0; i < MANY; i++)
		slaves[i] = term_pty(self->dev, &t[i], true);
	/* All at once: each has something to do before any is asked. */
	for (int i = 0; i < MANY; i++) {
		ASSERT_EQ(1, write(t[i].in, &(char){ i }, 1));
		ASSERT_EQ(1, write(slaves[i], &(char){ i + 1 }, 1));
	}
	for (int i = 0; i < MANY; i++) {
		ASSERT_EQ(1, read_full(slaves[i], &c, 1));
		ASSERT_EQ((char)i, c);
		ASSERT_EQ(1, read_full(t[i].out, &c, 1));
		ASSERT_EQ((char)(i + 1), c);
	}
	EXPECT_GT(before + 100, threads());
	EXPECT_EQ(MANY, tty_dump(&self->nl, ids, &interrupted));
	EXPECT_FALSE(interrupted);
	for (int i = 0; i < MANY; i++) {
		close(slaves[i]);
		close(t[i].in);
		close(t[i].out);
	}
	/* So many events at once may overrun the socket, which is as good as one: it is dumped again. */
	while (tty_dump(&self->nl, ids, &interrupted)) {
		char buf[4096];

		ASSERT_TRUE(wait_fd(self->events.fd, POLLIN, WAIT_MS));
		recv(self->events.fd, buf, sizeof(buf), 0);
	}
}

TEST_HARNESS_MAIN
