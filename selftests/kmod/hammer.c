// SPDX-License-Identifier: MIT
/*
 * Random ioctls, netlink messages and file operations from several processes, with and without privileges, on streams, terminals
 * and their peers. Nothing is expected of any of them, but that the kernel stays well and that in the end nothing is left.
 *
 * GCS_HAMMER_SECONDS (10) is how long, GCS_HAMMER_SEED makes every process do the same again; when they meet is the scheduler's.
 */
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "gcs_tty_test.h"

#define PRIVILEGED	4	/* processes */
#define UNPRIVILEGED	2
#define SLOTS		48	/* descriptors of a process */
#define IDS		64	/* streams and ttys that a process lets be at once */
#define NOBODY		65534

/* What is known of it; all is used for everything. */
enum kind { NONE, WRITTEN, READ, PEER, SOCK, MASTER, SLAVE, PIPE, OTHER, KINDS };

struct slot {
	int fd;
	enum kind kind;
};

static struct slot slots[SLOTS];
static uint64_t ids[IDS];
static unsigned int last_id;
static uint64_t *random_state;
static int dev, family_fd, mailbox[2];
static struct gcs_nl nl;
static char *memory, *edge;	/* the last bytes before a page that is not there */

#define MEMORY	(512 * 1024)

/* splitmix64 */
static uint64_t rnd(void)
{
	static uint64_t state;
	uint64_t z;

	if (random_state) {
		state = *random_state;
		random_state = NULL;
	}
	z = state += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static uint64_t below(uint64_t n)
{
	return rnd() % n;
}

static bool one_in(unsigned int n)
{
	return !below(n);
}

/* Mostly small, often at an edge. */
static size_t length(void)
{
	static const size_t edges[] = { 0, 1, 4095, 4096, 4097, 16384, 65536, 262144, MEMORY };

	return one_in(3) ? edges[below(ARRAY_SIZE(edges))] : below(8192);
}

static void *buffer(size_t len)
{
	switch (below(16)) {
	case 0: return NULL;
	case 1: return edge - below(100);
	default: return memory + below(MEMORY - len + 1);
	}
}

/* --- descriptors and ids ------------------------------------------------------------------- */

static void keep(int fd, enum kind kind)
{
	struct slot *s = &slots[below(SLOTS)];

	if (fd < 0)
		return;
	if (s->kind)
		close(s->fd);
	if (one_in(2))
		fcntl(fd, F_SETFL, O_NONBLOCK);
	*s = (struct slot){ fd, kind };
}

static struct slot *any(void)
{
	for (int i = 0; i < 20; i++) {
		struct slot *s = &slots[below(SLOTS)];

		if (s->kind)
			return s;
	}
	return &slots[0];
}

/* One of @kind, if that is easy to find. */
static int some(enum kind kind)
{
	struct slot *s;

	/* Anything but what the report goes to. */
	if (one_in(50))
		return 3 + below(64);
	for (int i = 0; i < 30; i++) {
		s = &slots[below(SLOTS)];
		if (s->kind == kind)
			return s->fd;
	}
	s = any();
	return s->kind ? s->fd : -1;
}

static int some_stream(void)
{
	return some(one_in(3) ? READ : WRITTEN);
}

static uint64_t some_id(void)
{
	return one_in(20) ? rnd() : ids[below(IDS)];
}

static void end_id(uint64_t id)
{
	if (!id)
		return;
	stream_finish(dev, id, 0, 0, 1);
	tty_finish(dev, id, 0, 1);
}

static void keep_id(uint64_t id)
{
	last_id = (last_id + 1) % IDS;
	end_id(ids[last_id]);
	ids[last_id] = id;
}

/* A byte of an argument is not what it should be. */
static void spoil(void *arg, size_t size)
{
	if (one_in(8))
		((unsigned char *)arg)[below(size)] ^= 1u << below(8);
}

/* --- operations ---------------------------------------------------------------------------- */

static int op_connect(void)
{
	struct sockaddr_vm addr = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = VMADDR_PORT_ANY };
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int listener = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(addr);
	int ret = -1;

	/* Not vsock_listen(), which ends the process when descriptors or memory are short. */
	if (bind(listener, (struct sockaddr *)&addr, sizeof(addr)) || listen(listener, 8) ||
	    getsockname(listener, (struct sockaddr *)&addr, &len))
		goto out;
	addr.svm_cid = VMADDR_CID_LOCAL;
	if (one_in(2))
		vsock_set_buffer(fd, one_in(2) ? 4096 : 65536);
	if (!connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		ret = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		keep(ret, PEER);
	}
out:
	close(listener);
	keep(fd, SOCK);
	return ret;
}

static int op_stream_open(void)
{
	bool read = one_in(3);
	struct gcs_stream_open arg = {
		.size = sizeof(arg),
		.flags = (read ? GCS_STREAM_READ : GCS_STREAM_WRITE) | (one_in(2) ? GCS_STREAM_NONBLOCK : 0),
		.socket_fd = one_in(3) ? -1 : some(SOCK), .cookie = rnd(),
	};
	int fd;

	if (one_in(3)) {
		arg.flags |= GCS_STREAM_KEEP;
		arg.lost_ms = one_in(2) ? below(50) : 0;
		arg.keep = read || one_in(2) ? 0 : below(2 * GCS_KEEP_DEFAULT);
	}
	spoil(&arg, sizeof(arg));
	fd = ioctl(dev, GCS_STREAM_OPEN, &arg);
	if (fd < 0)
		return fd;
	keep_id(arg.id);
	if (one_in(2))
		fchown(fd, NOBODY, NOBODY);
	keep(fd, read ? READ : WRITTEN);
	return fd;
}

static int op_stream_attach(void)
{
	struct gcs_stream_attach arg = {
		.size = sizeof(arg), .id = some_id(), .socket_fd = some(SOCK),
		.flags = below(4), .offset = one_in(2) ? 0 : below(300000),
	};

	if (!(arg.flags & GCS_ATTACH_OFFSET))
		arg.offset = 0;
	spoil(&arg, sizeof(arg));
	return ioctl(dev, GCS_STREAM_ATTACH, &arg);
}

static int op_finish(void)
{
	struct gcs_stream_finish arg = {
		.size = sizeof(arg), .id = some_id(), .flags = below(2),
		.idle_ms = one_in(2) ? 0 : below(30), .deadline_ms = one_in(2) ? 0 : below(100),
	};

	if (one_in(3))
		return tty_finish(dev, arg.id, arg.idle_ms, arg.deadline_ms);
	spoil(&arg, sizeof(arg));
	return ioctl(dev, GCS_STREAM_FINISH, &arg);
}

static int op_pty(void)
{
	int slave, master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	/* pty_pair() ends the process: here the timer's signal may interrupt an open, and terminals run out. */
	slave = master < 0 || unlockpt(master) ? -1 : ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave >= 0 && one_in(2))
		set_raw(slave);
	keep(master, MASTER);
	keep(slave, SLAVE);
	return slave;
}

static int op_tty_open(void)
{
	struct gcs_tty_open arg = {
		.size = sizeof(arg), .fd = one_in(4) ? any()->fd : some(MASTER),
		.in_fd = one_in(4) ? -1 : some(SOCK), .out_fd = one_in(4) ? -1 : some(SOCK),
		.cookie = rnd(),
	};
	int ret;

	spoil(&arg, sizeof(arg));
	ret = ioctl(dev, GCS_TTY_OPEN, &arg);
	if (!ret)
		keep_id(arg.id);
	return ret;
}

static int op_tty_attach(void)
{
	struct gcs_tty_attach arg = {
		.size = sizeof(arg), .id = some_id(),
		.in_fd = one_in(3) ? -1 : some(SOCK), .out_fd = one_in(3) ? -1 : some(SOCK),
	};

	spoil(&arg, sizeof(arg));
	return ioctl(dev, GCS_TTY_ATTACH, &arg);
}

static int op_dev_wait(void)
{
	struct gcs_dev_wait arg = {
		.size = sizeof(arg), .timeout_ms = below(20),
		.addr = { .bus = below(5), .controller = below(2), .lun = below(4), .partition = below(2) },
	};

	spoil(&arg, offsetof(struct gcs_dev_wait, timeout_ms));
	return ioctl(dev, GCS_DEV_WAIT, &arg);
}

/* Not of PCI: one of the devices there is the console. */
static int op_dev_eject(void)
{
	struct gcs_dev_eject arg = {
		.size = sizeof(arg), .addr = { .bus = GCS_BUS_SCSI, .lun = below(4) },
	};

	return ioctl(dev, GCS_DEV_EJECT, &arg);
}

static int op_garbage_ioctl(void)
{
	static const unsigned int commands[] = {
		GCS_INFO, GCS_STREAM_OPEN, GCS_STREAM_ATTACH, GCS_STREAM_FINISH,
		GCS_TTY_OPEN, GCS_TTY_ATTACH, GCS_TTY_FINISH, GCS_DEV_WAIT,
	};
	unsigned int cmd = one_in(4) ? _IO(GCS_IOC_MAGIC, 0x40 + below(0xc0)) :
				       commands[below(ARRAY_SIZE(commands))];
	uint32_t *arg = (uint32_t *)memory;

	for (int i = 0; i < 32; i++)
		arg[i] = one_in(2) ? 0 : rnd();
	arg[0] = one_in(2) ? below(200) : rnd();
	return ioctl(one_in(4) ? any()->fd : dev, cmd, one_in(3) ? buffer(200) : arg);
}

static int op_netlink(void)
{
	uint64_t value = some_id();
	uint8_t cmd = one_in(2) ? below(GCS_CMD_MAX + 2) : one_in(2) ? GCS_CMD_STREAM_GET : GCS_CMD_TTY_GET;
	int attr = one_in(2) ? below(GCS_A_MAX + 2) : cmd == GCS_CMD_TTY_GET ? GCS_A_TTY_ID : GCS_A_STREAM_ID;
	int ret = nl_send(nl.fd, nl.family, one_in(2) ? 0 : NLM_F_DUMP, cmd, attr,
			  one_in(3) ? NULL : &value, one_in(8) ? below(9) : sizeof(value));

	for (int i = below(20); i > 0; i--)
		recv(nl.fd, memory, MEMORY, MSG_DONTWAIT);
	return ret;
}

static int op_netlink_reopen(void)
{
	close(nl.fd);
	return nl_open(&nl, one_in(2));
}

static int op_write(void)
{
	size_t len = length();

	return write(one_in(3) ? some(PEER) : some(WRITTEN), buffer(len), len);
}

static int op_writev(void)
{
	struct iovec v[4];

	for (int i = 0; i < 4; i++)
		v[i] = (struct iovec){ buffer(3000), below(3000) };
	return one_in(2) ? writev(some(WRITTEN), v, below(5)) : readv(some(READ), v, below(5));
}

static int op_read(void)
{
	size_t len = length();

	return read(one_in(2) ? some(PEER) : some(READ), buffer(len), len);
}

static int op_terminal(void)
{
	size_t len = below(5000);

	return one_in(2) ? write(some(SLAVE), memory, len) : read(some(SLAVE), memory, len);
}

static int op_pipe(void)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK))
		return -1;
	write(fds[1], memory, below(20000));
	keep(fds[0], PIPE);
	keep(fds[1], PIPE);
	return 0;
}

static int op_splice(void)
{
	struct iovec v = { memory, below(10000) };
	unsigned int flags = below(16);

	switch (below(5)) {
	case 0: return splice(some(PIPE), NULL, some(WRITTEN), NULL, length(), flags);
	case 1: return splice(some(READ), NULL, some(PIPE), NULL, length(), flags);
	case 2: return tee(some(PIPE), some_stream(), length(), flags);
	case 3: return vmsplice(some_stream(), &v, 1, flags);
	default: return sendfile(some(WRITTEN), family_fd, NULL, length());
	}
}

static int op_poll(void)
{
	struct pollfd p[4];
	struct epoll_event ev = { .events = rnd() & (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET | EPOLLONESHOT) };
	int ret, ep;

	if (one_in(2)) {
		for (int i = 0; i < 4; i++)
			p[i] = (struct pollfd){ any()->fd, POLLIN | POLLOUT, 0 };
		return poll(p, 4, below(10));
	}
	ep = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 0; i < 4; i++)
		epoll_ctl(ep, EPOLL_CTL_ADD, any()->fd, &ev);
	ret = epoll_wait(ep, &ev, 1, below(10));
	if (one_in(2))
		close(ep);
	else
		keep(ep, OTHER);
	return ret;
}

static int op_reopen(void)
{
	static const int ways[] = { O_RDONLY, O_WRONLY, O_RDWR, O_PATH, O_WRONLY | O_TRUNC, O_WRONLY | O_NONBLOCK };
	struct slot *s = any();
	char path[64];
	int fd;

	/* A serial console or the VM's ports could be behind the first ones. */
	if (s->fd < 3)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", s->fd);
	fd = open(path, ways[below(ARRAY_SIZE(ways))] | O_CLOEXEC | O_NOCTTY);
	keep(fd, s->kind);
	return fd;
}

static int op_dup(void)
{
	struct slot *s = any();
	int fd = s->kind ? dup(s->fd) : -1;

	keep(fd, s->kind);
	return fd;
}

static int op_close(void)
{
	struct slot *s = any();

	if (!s->kind)
		return -1;
	s->kind = NONE;
	return close(s->fd);
}

static int op_shutdown(void)
{
	return shutdown(one_in(3) ? some(SOCK) : some(PEER), below(3));
}

static int op_attributes(void)
{
	struct stat st;
	int fd = some_stream(), n;

	/* The owner and the mode of a master, or of what else it may be, are those of a node that others open. */
	switch (!fstat(fd, &st) && S_ISFIFO(st.st_mode) ? below(9) : 2 + below(7)) {
	case 0: return fchown(fd, one_in(2) ? NOBODY : 0, -1);
	case 1: return fchmod(fd, below(01000));
	case 2: return fstat(fd, &st);
	case 3: return lseek(fd, below(100), SEEK_SET);
	case 4: return ftruncate(fd, below(100));
	case 5: return ioctl(fd, FIONREAD, &n);
	case 6: return fcntl(fd, F_SETPIPE_SZ, below(100000));
	case 7: return fcntl(fd, F_SETFL, one_in(2) ? O_NONBLOCK : 0);
	default: return fsync(fd);
	}
}

static int op_map(void)
{
	void *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, some_stream(), 0);

	return p == MAP_FAILED ? -1 : munmap(p, 4096);
}

/* A child with all the descriptors, which is killed somewhere in a write or read. */
static int op_fork(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			op_write();
			op_read();
		}
	}
	if (pid < 0)
		return -1;
	poll(NULL, 0, below(5));
	kill(pid, SIGKILL);
	return reap(pid);
}

/* Descriptors go from process to process, and may be nowhere but on their way. */
static int op_pass(void)
{
	char control[CMSG_SPACE(sizeof(int))] = "", byte = 0;
	struct iovec v = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	struct slot *s = any();
	int fd;

	if (one_in(2)) {
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &s->fd, sizeof(int));
		byte = s->kind;
		return sendmsg(mailbox[0], &msg, MSG_DONTWAIT);
	}
	if (recvmsg(mailbox[1], &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
		return -1;
	c = CMSG_FIRSTHDR(&msg);
	if (!c || c->cmsg_type != SCM_RIGHTS)
		return -1;
	memcpy(&fd, CMSG_DATA(c), sizeof(int));
	keep(fd, byte > NONE && byte < KINDS ? byte : OTHER);
	return fd;
}

static const struct {
	const char *name;
	int (*run)(void);
	unsigned int weight;
} ops[] = {
	{ "connect", op_connect, 12 }, { "stream open", op_stream_open, 10 },
	{ "stream attach", op_stream_attach, 6 }, { "finish", op_finish, 5 },
	{ "pty", op_pty, 2 }, { "tty open", op_tty_open, 5 }, { "tty attach", op_tty_attach, 4 },
	{ "dev wait", op_dev_wait, 2 }, { "dev eject", op_dev_eject, 1 },
	{ "garbage ioctl", op_garbage_ioctl, 6 }, { "netlink", op_netlink, 6 },
	{ "netlink open", op_netlink_reopen, 1 }, { "write", op_write, 30 }, { "iovec", op_writev, 8 },
	{ "read", op_read, 30 }, { "terminal", op_terminal, 10 }, { "pipe", op_pipe, 3 },
	{ "splice", op_splice, 10 }, { "poll", op_poll, 8 }, { "open again", op_reopen, 8 },
	{ "dup", op_dup, 5 }, { "close", op_close, 12 }, { "shutdown", op_shutdown, 4 },
	{ "attributes", op_attributes, 6 }, { "mmap", op_map, 1 }, { "fork and kill", op_fork, 1 },
	{ "pass", op_pass, 8 },
};

/* --- processes ----------------------------------------------------------------------------- */

struct counts {
	uint64_t done[ARRAY_SIZE(ops)], well[ARRAY_SIZE(ops)];
};

static void interrupt_wait(int sig)
{
}

/* Nothing blocks for long: a signal comes all the time, and is not restarted after. */
static void interrupted_always(void)
{
	struct sigaction sa = { .sa_handler = interrupt_wait };
	struct itimerval every = { { 0, 20000 }, { 0, 20000 } };

	sigaction(SIGALRM, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	setitimer(ITIMER_REAL, &every, NULL);
}

static void hammer(uint64_t seed, bool privileged, uint64_t end, struct counts *counts)
{
	unsigned int sum = 0, pick, i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	random_state = &seed;
	if (!privileged && (setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY))) {
		perror("hammer: become nobody");
		_exit(2);
	}
	interrupted_always();
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		sum += ops[i].weight;
	while (now_ms() < end) {
		pick = below(sum);
		for (i = 0; pick >= ops[i].weight; i++)
			pick -= ops[i].weight;
		__atomic_add_fetch(&counts->done[i], 1, __ATOMIC_RELAXED);
		if (ops[i].run() >= 0)
			__atomic_add_fetch(&counts->well[i], 1, __ATOMIC_RELAXED);
	}
	_exit(0);
}

static int left_over(struct gcs_nl *family)
{
	static uint64_t tty_ids[8192];
	bool interrupted;
	int streams = nl_dump(family, NULL, NULL, NULL);
	int ttys = tty_dump(family, tty_ids, &interrupted);

	ksft_print_msg("left: %d streams, %d ttys\n", streams, ttys);
	return streams || ttys;
}

static bool module_is_free(void)
{
	int users = module_users();

	ksft_print_msg("users of the module: %d\n", users);
	return users == 0;
}

int main(void)
{
	const char *seconds = getenv("GCS_HAMMER_SECONDS"), *text = getenv("GCS_HAMMER_SEED");
	uint64_t seed = text ? strtoull(text, NULL, 0) : now_ms() ^ (uint64_t)getpid() << 32;
	uint64_t end = now_ms() + 1000ull * (seconds ? atoi(seconds) : 10);
	pid_t pids[PRIVILEGED + UNPRIVILEGED];
	unsigned int i, failed = 0;
	struct counts *counts;

	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();
	ksft_set_plan(3);
	ksft_print_msg("GCS_HAMMER_SEED=%llu\n", (unsigned long long)seed);
	counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memory = mmap(NULL, MEMORY + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	edge = memory + MEMORY;
	dev = gcs_device();
	family_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (counts == MAP_FAILED || memory == MAP_FAILED || munmap(edge, 4096) || dev < 0 || nl_open(&nl, false) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, mailbox))
		ksft_exit_fail_msg("setup: %s\n", strerror(errno));
	fcntl(dev, F_SETFL, O_NONBLOCK);
	fflush(stdout);

	for (i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			hammer(seed + i, i < PRIVILEGED, end, counts);
	}
	for (i = 0; i < ARRAY_SIZE(pids); i++) {
		int status = reap(pids[i]);

		if (status)
			ksft_print_msg("%s process %u ended with status 0x%x\n", i < PRIVILEGED ? "privileged" : "unprivileged",
				       i, status);
		failed += status != 0;
	}
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		ksft_print_msg("%-14s %8llu, %llu without an error\n", ops[i].name,
			       (unsigned long long)counts->done[i], (unsigned long long)counts->well[i]);
	ksft_test_result(!failed, "hammer: every process came to its end\n");

	/* What is on its way from process to process is the mailbox's. */
	close(mailbox[0]);
	close(mailbox[1]);
	close(nl.fd);
	finish_all(dev);
	finish_all_ttys(dev);
	nl_open(&nl, false);
	ksft_test_result(!left_over(&nl), "hammer: every stream and terminal finishes\n");
	close(nl.fd);
	close(dev);
	ksft_test_result(module_is_free(), "hammer: nobody uses the module any more\n");
	ksft_finished();
}
