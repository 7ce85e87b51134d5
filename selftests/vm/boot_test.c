/* SPDX-License-Identifier: MIT */
/*
 * The image boots by the rules of the host: a host of its own, not uvmctl run, boots build/uvm on QEMU and checks what
 * reaches ports 1 (entropy), 109 (log) and 0x40000000 (bridge), and in which order. Prints when each happened.
 *
 * From the initrd, or with GCS_ROOTFS=1 in the environment from the root file systems that scripts/vhd makes.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include "frame.h"

#define DEADLINE_MS 90000
#define ENTROPY_BYTES 512
#define LOG_MAX (1 << 20)
#define TESTS 10 /* a boot */
#define VHD_FOOTER 512

enum { ENTROPY, LOG, BRIDGE, PORTS };

struct vm {
	char dir[32], path[48];
	int listener[PORTS], conn[PORTS];
	pid_t backend, qemu;
	int pidfd; /* of QEMU */
	struct timespec start;
};

/* One way to boot. */
struct way {
	const char *name, *append, *init; /* what the kernel gets, and what it gives to init */
	const char *drives[3][2];	  /* more arguments of QEMU */
	const char *test;		  /* a script in the UVM that must succeed */
};

static const uint32_t ports[PORTS] = { PORT_ENTROPY, PORT_LOG, PORT_BRIDGE };
static unsigned int number;
static bool failed;

static void result(bool ok, const char *what)
{
	printf("%s %u %s\n", ok ? "ok" : "not ok", ++number, what);
	fflush(stdout);
	failed |= !ok;
}

static void bail(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

static long elapsed_ms(const struct vm *vm)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - vm->start.tv_sec) * 1000 + (now.tv_nsec - vm->start.tv_nsec) / 1000000;
}

static pid_t run(char *const argv[], int out)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		bail("fork");
	if (pid)
		return pid;
	/* Whatever becomes of the test, nothing of it stays. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	execvp(argv[0], argv);
	_exit(127);
}

static int listen_on(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 4) < 0)
		bail(path);
	return fd;
}

static void start_backend(struct vm *vm)
{
	char socket_path[64], prefix[64], c;
	char *argv[] = { "build/bin/uvmctl", "vsock-backend", socket_path, prefix, NULL };
	int out[2];

	snprintf(socket_path, sizeof(socket_path), "%s/vhost", vm->dir);
	snprintf(prefix, sizeof(prefix), "%s/v", vm->dir);
	if (pipe2(out, O_CLOEXEC) < 0)
		bail("pipe");
	vm->backend = run(argv, out[1]);
	close(out[1]);
	/* It says when it listens. */
	do
		if (read(out[0], &c, 1) != 1)
			bail("vsock-backend");
	while (c != '\n');
	close(out[0]);
}

/*
 * What the kernel traces from its start, and what of it means that somebody has slept: a call that does nothing else,
 * or a wait that its timeout has ended. A call with a timeout of 0 only looks. usleep shows that the trace sees sleeps.
 */
#define TRACED(f)                                                                                                        \
	f("enter", "nanosleep") f("enter", "clock_nanosleep") f("enter", "poll") f("exit", "poll") f("enter", "ppoll")   \
	f("exit", "ppoll") f("enter", "select") f("exit", "select") f("enter", "pselect6") f("exit", "pselect6")         \
	f("enter", "epoll_wait") f("exit", "epoll_wait") f("enter", "epoll_pwait") f("exit", "epoll_pwait") f("exit", "futex")
#define TRACE_EVENT(way, call) "syscalls:sys_" way "_" call ","

/* QEMU as in the issue: q35, NVDIMMs, two SCSI controllers, a NIC. */
static void start_qemu(struct vm *vm, const struct way *way)
{
	char chardev[96], serial[64], append[2048];
	bool kvm = access("/dev/kvm", W_OK) == 0 && system("grep -qwE 'vmx|svm' /proc/cpuinfo") == 0;
	char *argv[64] = {
		"qemu-system-x86_64", "-accel", kvm ? "kvm" : "tcg,thread=multi", "-cpu", kvm ? "host" : "max",
		"-smp", "1,maxcpus=2", "-m", /* see vm_may_fail() of uvmctl */ "512M,slots=4,maxmem=4G",
		"-object", "memory-backend-memfd,id=ram,share=on,size=512M",
		"-machine", "q35,nvdimm=on,memory-backend=ram",
		"-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none", "-no-reboot", "-serial", serial,
		"-kernel", access("build/uvm/vmlinux", R_OK) == 0 ? "build/uvm/vmlinux" : "build/uvm/vmlinuz", "-append", append,
		"-chardev", chardev, "-device", "vhost-user-vsock-pci,chardev=vsock",
		"-device", "virtio-scsi-pci", "-device", "virtio-scsi-pci",
		"-netdev", "user,id=net0,restrict=on", "-device", "virtio-net-pci,netdev=net0", NULL
	};
	size_t n = 0;

	while (argv[n])
		n++;
	for (int i = 0; i < 3 && way->drives[i][0]; i++) {
		argv[n++] = (char *)way->drives[i][0];
		argv[n++] = (char *)way->drives[i][1];
	}
	/* The kernel's test of the timer panics on a busy machine. */
	snprintf(append, sizeof(append), "%s quiet panic=-1 no_timer_check trace_event=" TRACED(TRACE_EVENT) " -- -e 1 %s", way->append,
		 way->init);


	snprintf(chardev, sizeof(chardev), "socket,id=vsock,path=%s/vhost", vm->dir);
	snprintf(serial, sizeof(serial), "file:%s/console", vm->dir);
	clock_gettime(CLOCK_MONOTONIC, &vm->start);
	vm->qemu = run(argv, STDERR_FILENO);
	vm->pidfd = syscall(SYS_pidfd_open, vm->qemu, 0);
	if (vm->pidfd < 0)
		bail("pidfd_open");
}

static void vm_start(struct vm *vm, const struct way *way)
{
	*vm = (struct vm){ .dir = "/tmp/boot_test.XXXXXX", .conn = { -1, -1, -1 } };
	if (!mkdtemp(vm->dir))
		bail("mkdtemp");
	for (int i = 0; i < PORTS; i++) {
		snprintf(vm->path, sizeof(vm->path), "%s/v_%u", vm->dir, ports[i]);
		vm->listener[i] = listen_on(vm->path);
	}
	start_backend(vm);
	start_qemu(vm, way);
}

static void vm_stop(struct vm *vm)
{
	char *argv[] = { "rm", "-rf", vm->dir, NULL };

	kill(vm->qemu, SIGKILL);
	kill(vm->backend, SIGKILL);
	waitpid(vm->qemu, NULL, 0);
	waitpid(vm->backend, NULL, 0);
	close(vm->pidfd);
	for (int i = 0; i < PORTS; i++) {
		close(vm->listener[i]);
		if (vm->conn[i] >= 0)
			close(vm->conn[i]);
	}
	waitpid(run(argv, STDERR_FILENO), NULL, 0);
}

/* Wait for @fd to be readable; false when the VM ended or the deadline passed before. */
static bool wait_readable(const struct vm *vm, int fd)
{
	struct pollfd fds[] = { { .fd = fd, .events = POLLIN }, { .fd = vm->pidfd, .events = POLLIN } };
	long left = DEADLINE_MS - elapsed_ms(vm);

	return left > 0 && poll(fds, 2, left) > 0 && fds[0].revents;
}

static bool take(struct vm *vm, int which, const char *name)
{
	if (!wait_readable(vm, vm->listener[which]))
		return false;
	vm->conn[which] = accept4(vm->listener[which], NULL, NULL, SOCK_CLOEXEC);
	printf("# %6ld ms: %s\n", elapsed_ms(vm), name);
	return vm->conn[which] >= 0;
}

static bool give_entropy(struct vm *vm)
{
	char bytes[ENTROPY_BYTES] = "not random, but this is a test";
	int fd = vm->conn[ENTROPY];

	return send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL) == sizeof(bytes) && shutdown(fd, SHUT_WR) == 0;
}

/* Send a request and read frames until its response. Returns the parsed payload, NULL on failure. */
static struct json_object *ask(struct vm *vm, uint32_t type, uint64_t id, const char *json)
{
	struct frame f = { .type = type, .id = id, .length = strlen(json), .payload = (char *)json };
	struct json_object *answer;
	struct gcs_error err;

	if (frame_write(vm->conn[BRIDGE], FRAME_MAX_TO_GUEST, &f, &err) < 0) {
		printf("# %s\n", err.text);
		return NULL;
	}
	for (;;) {
		if (!wait_readable(vm, vm->conn[BRIDGE]))
			return NULL;
		if (frame_read(vm->conn[BRIDGE], FRAME_MAX_TO_HOST, &f, &err) != 1)
			return NULL;
		answer = json_tokener_parse(f.payload);
		free(f.payload);
		if (f.type == MSG_RESPONSE_TO(type) && f.id == id)
			return answer;
		json_object_put(answer);
	}
}

static int number_in(struct json_object *o, const char *key)
{
	struct json_object *v;

	return o && json_object_object_get_ex(o, key, &v) ? json_object_get_int(v) : -1;
}

#define ENVELOPE_OF(container) "\"ContainerId\":\"" container "\",\"ActivityId\":\"" NULL_GUID "\""
#define ENVELOPE ENVELOPE_OF(NULL_GUID)

/* A number in the answer to a call that succeeded, or -1; the answer is freed. */
static int called(struct json_object *answer, const char *key)
{
	int n = number_in(answer, "Result") == 0 ? number_in(answer, key) : -1;

	if (n < 0)
		printf("# %s\n", answer ? json_object_to_json_string(answer) : "no answer");
	json_object_put(answer);
	return n;
}

static bool negotiate(struct vm *vm)
{
	struct json_object *o = ask(vm, MSG_NEGOTIATE_PROTOCOL, 0,
				    "{\"ContainerId\":\"\",\"ActivityId\":\"" NULL_GUID
				    "\",\"MinimumVersion\":4,\"MaximumVersion\":4}");
	bool ok = number_in(o, "Result") == 0 && number_in(o, "Version") == 4;

	printf("# %6ld ms: protocol negotiated\n", elapsed_ms(vm));
	json_object_put(o);
	return ok;
}

static int start_external(struct vm *vm, uint64_t id, const char *script)
{
	char json[2048];
	struct json_object *o;
	int pid;

	snprintf(json, sizeof(json),
		 "{" ENVELOPE ",\"Settings\":{\"ProcessParameters\":\"{\\\"CommandArgs\\\":[\\\"sh\\\",\\\"-c\\\",\\\"%s\\\"],"
		 "\\\"WorkingDirectory\\\":\\\"/\\\",\\\"Environment\\\":{\\\"PATH\\\":\\\"/sbin:/usr/sbin:/bin:/usr/bin\\\"}}\"}}",
		 script);
	o = ask(vm, MSG_EXECUTE_PROCESS, id, json);
	pid = number_in(o, "Result") == 0 ? number_in(o, "ProcessId") : -1;
	json_object_put(o);
	return pid;
}

/* Returns the exit code of a script run in the UVM, -1 if it did not run. */
static int external(struct vm *vm, uint64_t id, const char *script)
{
	int pid = start_external(vm, id, script), code;
	struct json_object *o;
	char json[256];

	if (pid < 0)
		return -1;
	snprintf(json, sizeof(json), "{" ENVELOPE ",\"ProcessId\":%d,\"TimeoutInMs\":30000}", pid);
	o = ask(vm, MSG_WAIT_FOR_PROCESS, id + 1, json);
	code = number_in(o, "ExitCode");
	json_object_put(o);
	return code;
}

/* All that the log connection has carried when it ends; every line must be a JSON object. */
static bool log_is_json(struct vm *vm)
{
	static char text[LOG_MAX];
	size_t length = 0;
	unsigned int lines = 0;
	char *save, *line;
	ssize_t n = 1;

	while (n > 0 && length < sizeof(text) - 1) {
		struct pollfd end = { .fd = vm->conn[LOG], .events = POLLIN };

		if (poll(&end, 1, DEADLINE_MS) <= 0)
			break;
		n = read(vm->conn[LOG], text + length, sizeof(text) - 1 - length);
		length += n > 0 ? n : 0;
	}
	text[length] = '\0';
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save), lines++) {
		struct json_object *o = json_tokener_parse(line);
		bool object = json_object_is_type(o, json_type_object);

		json_object_put(o);
		if (!object) {
			printf("# not JSON: %.200s\n", line);
			return false;
		}
	}
	printf("# %u log lines\n", lines);
	return lines > 0;
}

static void show_console(const struct vm *vm)
{
	char script[128];

	snprintf(script, sizeof(script), "tail -n 25 %s/console | tr -d '\\r' | sed 's/^/# console: /'", vm->dir);
	fflush(stdout);
	if (system(script) < 0)
		printf("# no console\n");
}

static const char nobody_has_slept[] =
	"mount -t tracefs trace /sys/kernel/tracing && usleep 1 && awk -v mark='<3>' '"
	"/usleep-.*nanosleep/ { seen = 1; next } "
	"/timeout[a-z_]*: 0[,)]/ { looks[$1] = 1; next } "
	"/nanosleep[(]|select6?[(]n: 0,|poll[(]ufds: [^,]*, nfds: 0,/ { print mark $0; bad = 1 } "
	"/(poll|select6?|epoll_p?wait) -> 0x0$/ && !looks[$1] { print mark $0; bad = 1 } "
	"/futex -> 0xffffffffffffff92$/ { print mark $0; bad = 1 } "
	"/ -> / { looks[$1] = 0 } "
	"END { exit bad || !seen }' /sys/kernel/tracing/trace > /dev/kmsg";

/* Its root file system is in the UVM's memory, so that nothing but the UVM is needed. */
#define CONTAINER "11111111-2222-3333-4444-555555555555"
#define BUNDLE "/run/test"
#define MAKE_ROOTFS                                                                                            \
	"mkdir " BUNDLE " && mount -t tmpfs test " BUNDLE " && cd " BUNDLE " && " \
	"mkdir -p rootfs/bin rootfs/dev rootfs/proc && cp /bin/busybox rootfs/bin/sh"

static const char container_config[] =
	"{\"SchemaVersion\":{\"Major\":2,\"Minor\":1},\"OciBundlePath\":\"" BUNDLE "\",\"ScratchDirPath\":\"" BUNDLE "\","
	"\"OciSpecification\":{\"ociVersion\":\"1.1.0\",\"root\":{\"path\":\"" BUNDLE "/rootfs\"},"
	"\"process\":{\"cwd\":\"/\",\"user\":{\"uid\":0,\"gid\":0},\"env\":[\"PATH=/bin\"],"
	"\"args\":[\"sh\",\"-c\",\"echo here > /file && read text < /file && test $text = here && exit 42\"]},"
	"\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"}],"
	"\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"network\"}]}}}";

/* Returns the exit code of a container's first process, -1 if it did not run. */
static int container(struct vm *vm, uint64_t id)
{
	struct json_object *o = json_object_new_object();
	char json[256];
	int ret;

	if (external(vm, id, MAKE_ROOTFS) != 0)
		return -1;
	json_object_object_add(o, "ContainerId", json_object_new_string(CONTAINER));
	json_object_object_add(o, "ActivityId", json_object_new_string(NULL_GUID));
	json_object_object_add(o, "ContainerConfig", json_object_new_string(container_config));
	ret = called(ask(vm, MSG_CREATE, id + 2, json_object_to_json_string(o)), "Result");
	json_object_put(o);
	if (ret != 0)
		return -1;
	ret = called(ask(vm, MSG_EXECUTE_PROCESS, id + 3, "{" ENVELOPE_OF(CONTAINER) ",\"Settings\":{\"ProcessParameters\":\"{}\"}}"),
		     "ProcessId");
	snprintf(json, sizeof(json), "{" ENVELOPE_OF(CONTAINER) ",\"ProcessId\":%d,\"TimeoutInMs\":30000}", ret);
	return ret < 0 ? -1 : called(ask(vm, MSG_WAIT_FOR_PROCESS, id + 4, json), "ExitCode");
}

static void boot(const struct way *way)
{
	char what[200];
	struct vm vm;

#define TEST(condition, text)                                         \
	do {                                                          \
		snprintf(what, sizeof(what), "%s: " text, way->name); \
		result(condition, what);                              \
	} while (0)

	vm_start(&vm, way);
	TEST(take(&vm, ENTROPY, "entropy asked for") && give_entropy(&vm), "init asks for entropy first");
	TEST(take(&vm, LOG, "log connected"), "the agent's stderr is connected");
	TEST(take(&vm, BRIDGE, "bridge dialled") && negotiate(&vm), "the agent dials the bridge and speaks version 4");
	TEST(external(&vm, 2, "test -c /dev/gcs") == 0, "gcs.ko is loaded");
	TEST(external(&vm, 4, "grep -q ' /run tmpfs ' /proc/mounts && test -c /dev/pts/ptmx && "
			      "grep -q memory /sys/fs/cgroup/cgroup.subtree_control") == 0,
	     "file systems and cgroup controllers are there");
	TEST(external(&vm, 6, way->test) == 0, "it has the root file system that was asked for, and modules are found");
	if (external(&vm, 20, "mount -t tracefs trace /sys/kernel/tracing && umount /sys/kernel/tracing") != 0)
		printf("ok %u # SKIP the kernel does not trace (KERNEL=lcow)\n", ++number);
	else
		TEST(external(&vm, 8, nobody_has_slept) == 0, "until it is up nobody has slept");
	TEST(container(&vm, 10) == 42, "a container runs");
	/* The answer may or may not get out before the VM ends. */
	start_external(&vm, 16, "kill -9 $(pidof gcs)");
	TEST(poll(&(struct pollfd){ .fd = vm.pidfd, .events = POLLIN }, 1, 20000) == 1, "the end of the agent is the end of the VM");
	TEST(vm.conn[LOG] >= 0 && log_is_json(&vm), "the log is JSON from the first byte to the last");
	if (failed)
		show_console(&vm);
	vm_stop(&vm);
#undef TEST
}

#define CONSOLE "console=ttyS0"
#define AGENT "/bin/vsockexec -e 109 /bin/gcs -v4 -log-format json -loglevel debug"
/* " MAJOR:MINOR / / ro": its number, its root, where it is mounted, how. No quotes: they would need escapes in two JSONs. */
#define ROOT_IS(disk) "grep -q .$(cat /sys/block/" disk "/dev)././.ro /proc/self/mountinfo && "
/* One that init does not load: that might be half loaded, which modprobe takes for loaded. */
#define A_MODULE_IS_FOUND "modprobe dm-verity && test -d /sys/module/dm_verity"
#define READ_ONLY "! touch /etc/new 2>/dev/null && ! touch /var/new 2>/dev/null"
#define WRITABLE "touch /etc/new /var/new && test -e /run/over/etc/upper/new && ! touch /bin/new 2>/dev/null"
/* QEMU computes a VHD's size from its geometry, which ours and the host's own have not. */
#define SCSI_DISK(file)                                                                                  \
	{ { "-drive", "format=vpc,force_size_calc=current_size,readonly=on,if=none,id=root,file=build/uvm/" file }, \
	  { "-device", "virtio-scsi-pci,id=rootbus" }, { "-device", "scsi-hd,bus=rootbus.0,drive=root" } }

static const struct way initrd_ways[] = {
	{ "initrd", CONSOLE, AGENT, { { "-initrd", "build/uvm/initrd.img" } }, A_MODULE_IS_FOUND },
	{ "initrd, no console, relayed log", "8250_core.nr_uarts=0",
	  "/bin/vsockexec -r -e 109 /bin/gcs -v4 -log-format json -loglevel info",
	  { { "-initrd", "build/uvm/initrd.img" } }, A_MODULE_IS_FOUND },
};

/* As the host writes it for each. */
static void boot_rootfs(void)
{
	static char verity[1024], pmem[256];
	const struct way ways[] = {
		{ "PMEM root", CONSOLE " root=/dev/pmem0 ro rootwait init=/init", AGENT,
		  { { "-object", pmem }, { "-device", "nvdimm,memdev=root,unarmed=on" } }, ROOT_IS("pmem0") READ_ONLY },
		{ "PMEM root, -w", CONSOLE " root=/dev/pmem0 ro rootwait init=/init", "-w " AGENT,
		  { { "-object", pmem }, { "-device", "nvdimm,memdev=root,unarmed=on" } }, ROOT_IS("pmem0") WRITABLE },
		{ "SCSI root", CONSOLE " root=/dev/sda ro rootwait init=/init", AGENT, SCSI_DISK("rootfs.vhd"),
		  ROOT_IS("sda") READ_ONLY },
		{ "SCSI root, -w", CONSOLE " root=/dev/sda ro rootwait init=/init", "-w " AGENT, SCSI_DISK("rootfs.vhd"),
		  ROOT_IS("sda") WRITABLE },
		{ "dm-verity root", verity, AGENT, SCSI_DISK("rootfs-verity.vhd"), ROOT_IS("dm-0") READ_ONLY },
		{ "dm-verity root, -w", verity, "-w " AGENT, SCSI_DISK("rootfs-verity.vhd"), ROOT_IS("dm-0") WRITABLE },
	};
	char table[512];
	struct stat st;
	FILE *f;

	/* The footer is no part of what the guest sees. */
	if (stat("build/uvm/rootfs.vhd", &st) < 0)
		bail("build/uvm/rootfs.vhd");
	snprintf(pmem, sizeof(pmem), "memory-backend-file,id=root,mem-path=build/uvm/rootfs.vhd,readonly=on,share=on,size=%llu",
		 (unsigned long long)st.st_size - VHD_FOOTER);
	f = fopen("build/uvm/rootfs-verity.txt", "re");
	if (!f || !fgets(table, sizeof(table), f))
		bail("build/uvm/rootfs-verity.txt");
	fclose(f);
	table[strcspn(table, "\n")] = '\0';
	snprintf(verity, sizeof(verity), CONSOLE " root=/dev/dm-0 dm-mod.create=\"%s\" init=/init", table);
	printf("TAP version 13\n1..%zu\n", sizeof(ways) / sizeof(ways[0]) * TESTS);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		boot(&ways[i]);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	if (getenv("GCS_ROOTFS")) {
		boot_rootfs();
		return failed;
	}
	printf("TAP version 13\n1..%zu\n", sizeof(initrd_ways) / sizeof(initrd_ways[0]) * TESTS);
	for (size_t i = 0; i < sizeof(initrd_ways) / sizeof(initrd_ways[0]); i++)
		boot(&initrd_ways[i]);
	return failed;
}
