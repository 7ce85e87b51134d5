// SPDX-License-Identifier: MIT
/* The UVM as a QEMU process. All that it shares with us are descriptors: nothing of it has a name on the disk. */
#include "qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <json-c/json.h>

#include "cleanup.h"
#include "ext4.h"
#include "jsonset.h"
#include "proc.h"
#include "qmp.h"
#include "tail.h"

#define QEMU "qemu-system-x86_64"
#define CONSOLE_LINES 20
#define ARGS_MAX 96
/* Addresses for what is plugged; a guest prepares for all that there may be, so only who wants PMEM has them. */
#define PMEM_ROOM_GIB 256ull
#define SOUND_SMP 1001 /* see vm_may_fail() */

struct vm {
	int pidfd;
	int code; /* how it ended, when pidfd is -1 */
	bool emulated_smp, pmem;
	struct watch *watch;
	struct qmp *qmp;
	struct tail *console, *messages;
	_Atomic unsigned int next_fdset;
	struct slot {
		unsigned int fdset; /* 0: no disk; the disk's name in QEMU, which is never used again */
		bool device, node;
	} slots[2][64]; /* by controller and LUN */
};

/* An argument vector whose strings are its own. */
struct args {
	char *v[ARGS_MAX];
	size_t n;
};

static void add(struct args *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct args *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (a->n == ARGS_MAX - 1 || vasprintf(&a->v[a->n++], fmt, ap) < 0)
		abort(); /* the number is fixed below; a few bytes are always there */
	va_end(ap);
}

static void args_free(struct args *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->v[i]);
}

/* A comma ends an option's value in QEMU's syntax; doubled it stands for itself. */
static char *escape(const char *dir, const char *name)
{
	char *out = malloc(2 * (strlen(dir) + strlen(name)) + 2), *to = out;

	if (!out)
		abort();
	for (const char *from = dir; *from; from++) {
		if (*from == ',')
			*to++ = ',';
		*to++ = *from;
	}
	sprintf(to, "/%s", name);
	return out;
}

/* As Hyper-V's host does: a kernel that need not unpack itself, if there is one. */
static const char *kernel_name(const char *uvm_dir)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/vmlinux", uvm_dir);
	return access(path, R_OK) == 0 ? "vmlinux" : "vmlinuz";
}

static void build_args(struct args *a, const struct vm_options *o, struct ports *ports, int qmp_fd, int console_fd)
{
	_cleanup_free_ char *kernel = escape(o->uvm_dir, kernel_name(o->uvm_dir)), *initrd = escape(o->uvm_dir, "initrd.img");
	uint64_t cid;
	int vsock_fd = ports_vm_fd(ports, &cid);

	add(a, QEMU);
	add(a, "-nodefaults");
	add(a, "-no-user-config");
	add(a, "-no-reboot");
	add(a, "-display");
	add(a, "none");
	add(a, "-machine");
	add(a, "q35,nvdimm=on,memory-backend=memory");
	add(a, "-accel");
	add(a, o->accel == ACCEL_KVM ? "kvm" : "tcg,thread=multi");
	add(a, "-cpu");
	/* "rep movsb" is emulated byte by byte: without these two features the guest copies in words, four times as fast. */
	add(a, o->accel == ACCEL_KVM ? "host" : "max,-erms,-fsrm");
	add(a, "-smp");
	/* A guest that can have one processor only is emulated without memory barriers, which our vsock backend needs. */
	add(a, "%u,maxcpus=%u", o->cpus, o->cpus > 1 ? o->cpus : 2);
	add(a, "-m");
	if (o->pmem_fd >= 0)
		add(a, "%uM,slots=%d,maxmem=%lluM", o->memory_mib, VM_PMEM_DEVICES + 1, o->memory_mib + (PMEM_ROOM_GIB << 10));
	else
		add(a, "%uM", o->memory_mib);
	add(a, "-object");
	add(a, "memory-backend-memfd,id=memory,share=on,size=%uM", o->memory_mib);
	if (o->pmem_fd >= 0) {
		/* As hosts have it that boot from one. Without a device at boot the guest's driver does not look for those that come early. */
		add(a, "-object");
		add(a, "memory-backend-file,id=pmem-memory-0,mem-path=/proc/%d/fd/%d,share=on,readonly=on,size=%llu", getpid(), o->pmem_fd,
		    DISK_UNIT);
		add(a, "-device");
		add(a, "nvdimm,id=pmem-0,memdev=pmem-memory-0,unarmed=on");
	}
	add(a, "-chardev");
	add(a, "socket,id=qmp,fd=%d", qmp_fd);
	add(a, "-mon");
	add(a, "chardev=qmp,mode=control");
	add(a, "-chardev");
	add(a, "socket,id=console,fd=%d", console_fd);
	add(a, "-serial");
	add(a, "chardev:console");
	add(a, "-device");
	add(a, "virtio-scsi-pci,id=scsi0");
	add(a, "-device");
	add(a, "virtio-scsi-pci,id=scsi1");
	/* Where an interface can be plugged in: all are functions of one slot. */
	for (unsigned int i = 0; i < o->ports; i++) {
		add(a, "-device");
		add(a, "pcie-root-port,id=port%u,chassis=%u,addr=10.%u%s", i, i + 1, i, i ? "" : ",multifunction=on");
	}
	if (cid) {
		add(a, "-device");
		add(a, "vhost-vsock-pci,guest-cid=%" PRIu64 ",vhostfd=%d", cid, vsock_fd);
	} else {
		add(a, "-chardev");
		add(a, "socket,id=vsock,fd=%d", vsock_fd);
		add(a, "-device");
		add(a, "vhost-user-vsock-pci,chardev=vsock");
	}
	add(a, "-kernel");
	add(a, "%s", kernel);
	add(a, "-initrd");
	add(a, "%s", initrd);
	add(a, "-append");
	add(a, "%s", o->append);
}

static int check_file(const char *dir, const char *name, struct gcs_error *err)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (access(path, R_OK) < 0)
		return gcs_fail(err, errno, HR_FAIL, "UVM image: %s", path);
	return 0;
}

static int start_qemu(struct vm *vm, const struct vm_options *o, struct ports *ports, int *qmp_fd, struct gcs_error *err)
{
	_cleanup_close_ int qmp_theirs = -1, console_theirs = -1, console_ours = -1, said_theirs = -1, said_ours = -1;
	struct proc p = PROC_INIT;
	struct args args = { .n = 0 };
	int pair[2];
	uint64_t cid;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return gcs_fail(err, errno, HR_FAIL, "start QEMU: socketpair");
	*qmp_fd = pair[0];
	qmp_theirs = pair[1];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return gcs_fail(err, errno, HR_FAIL, "start QEMU: socketpair");
	console_ours = pair[0];
	console_theirs = pair[1];
	if (pipe2(pair, O_CLOEXEC) < 0)
		return gcs_fail(err, errno, HR_FAIL, "start QEMU: pipe");
	said_ours = pair[0];
	said_theirs = pair[1];

	build_args(&args, o, ports, qmp_theirs, console_theirs);
	p.argv = args.v;
	p.fds[1] = p.fds[2] = said_theirs;
	p.keep[0] = qmp_theirs;
	p.keep[1] = console_theirs;
	p.keep[2] = ports_vm_fd(ports, &cid);
	p.keep[3] = -1;
	vm->pidfd = proc_start(&p, &pid, err);
	args_free(&args);
	if (vm->pidfd < 0) {
		if (err->err == ENOENT)
			gcs_fail(err, ENOENT, HR_FAIL, "no QEMU (Debian package qemu-system-x86): %s in PATH", QEMU);
		return -1;
	}
	ports_vm_started(ports);
	vm->console = tail_start(steal_fd(&console_ours), o->log_fd, NULL, err);
	vm->messages = vm->console ? tail_start(steal_fd(&said_ours), o->log_fd, NULL, err) : NULL;
	return vm->messages ? 0 : -1;
}

struct vm *vm_start(const struct vm_options *o, struct ports *ports, struct watch *watch, struct gcs_error *err)
{
	_cleanup_close_ int qmp_fd = -1;
	struct vm *vm;

	if (check_file(o->uvm_dir, kernel_name(o->uvm_dir), err) < 0 || check_file(o->uvm_dir, "initrd.img", err) < 0)
		return NULL;
	vm = calloc(1, sizeof(*vm));
	if (!vm) {
		gcs_fail(err, ENOMEM, HR_FAIL, "VM");
		return NULL;
	}
	vm->pidfd = -1;
	vm->watch = watch;
	vm->pmem = o->pmem_fd >= 0;
	vm->emulated_smp = o->accel == ACCEL_TCG && o->cpus > 1;
	if (start_qemu(vm, o, ports, &qmp_fd, err) < 0)
		goto err_start;
	watch->vm_fd = vm->pidfd;
	vm->qmp = qmp_open(steal_fd(&qmp_fd), watch, err);
	if (vm->qmp)
		return vm;
	if (err->err == ESHUTDOWN) {
		_cleanup_free_ char *how = vm_ended(vm, -1), *said = vm_messages(vm);

		gcs_fail(err, 0, HR_FAIL, "QEMU did not start: %s%s%s", how ?: "", said && *said ? ": " : "", said ?: "");
	}
err_start:
	vm_end(vm, 0);
	return NULL;
}

static struct json_object *object(const char *key, const char *value)
{
	struct json_object *o = json_object_new_object();

	set_string(o, key, value);
	return o;
}

static int remove_fdset(struct vm *vm, unsigned int fdset, struct gcs_error *err)
{
	struct json_object *o = json_object_new_object();

	set_number(o, "fdset-id", fdset);
	return qmp_execute(vm->qmp, "remove-fd", o, -1, err);
}

static int add_blockdev(struct vm *vm, unsigned int fdset, bool device, bool read_only, bool flush, const char *node, struct gcs_error *err)
{
	struct json_object *o = object("driver", "raw"), *file = object("driver", device ? "host_device" : "file"), *cache = json_object_new_object();
	char path[32];

	snprintf(path, sizeof(path), "/dev/fdset/%u", fdset);
	set_string(file, "filename", path);
	set_bool(file, "read-only", read_only);
	set_string(o, "node-name", node);
	set_bool(o, "read-only", read_only);
	json_object_object_add(o, "file", file);
	/* Where what is written is thrown away, the guest's flushes must not wait for this machine's disk. */
	set_bool(cache, "no-flush", !flush);
	json_object_object_add(o, "cache", cache);
	return qmp_execute(vm->qmp, "blockdev-add", o, -1, err);
}

int vm_attach(struct vm *vm, unsigned int controller, unsigned int lun, int fd, bool read_only, bool flush, struct gcs_error *err)
{
	unsigned int fdset = ++vm->next_fdset;
	char node[32], bus[16];
	struct json_object *o;
	struct stat st;

	snprintf(node, sizeof(node), "disk-%u", fdset);
	snprintf(bus, sizeof(bus), "scsi%u.0", controller);
	if (fstat(fd, &st) < 0)
		return gcs_fail(err, errno, HR_FAIL, "attach a disk: stat");
	o = json_object_new_object();
	set_number(o, "fdset-id", fdset);
	if (qmp_execute(vm->qmp, "add-fd", o, fd, err) < 0)
		return -1;
	if (add_blockdev(vm, fdset, S_ISBLK(st.st_mode), read_only, flush, node, err) < 0)
		goto err_blockdev;
	o = object("driver", "scsi-hd");
	set_string(o, "id", node);
	set_string(o, "bus", bus);
	set_string(o, "drive", node);
	set_number(o, "lun", lun);
	/* A full disk of this machine is the container's I/O error, not the end of the whole VM: QEMU would stop it by default. */
	set_string(o, "werror", "report");
	set_string(o, "rerror", "report");
	if (qmp_execute(vm->qmp, "device_add", o, -1, err) < 0)
		goto err_device;
	vm->slots[controller][lun] = (struct slot){ .fdset = fdset, .device = true, .node = true };
	return 0;

err_device:
	qmp_execute(vm->qmp, "blockdev-del", object("node-name", node), -1, NULL);
err_blockdev:
	remove_fdset(vm, fdset, NULL);
	return -1;
}

int vm_need_pmem(const struct vm *vm, struct gcs_error *err)
{
	return vm->pmem ? 0 : gcs_fail(err, 0, HR_FAIL, "PMEM: the UVM was started without --layers=pmem");
}

int vm_attach_pmem(struct vm *vm, unsigned int number, int fd, uint64_t size, struct gcs_error *err)
{
	char memory[32], path[64], id[32];
	struct json_object *o;

	snprintf(memory, sizeof(memory), "pmem-memory-%u", number);
	snprintf(id, sizeof(id), "pmem-%u", number);
	/* A descriptor that is passed to it is not for this kind of memory. */
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), fd);
	o = object("qom-type", "memory-backend-file");
	set_string(o, "id", memory);
	set_string(o, "mem-path", path);
	set_number(o, "size", (int64_t)size);
	set_bool(o, "share", true);
	set_bool(o, "readonly", true);
	if (qmp_execute(vm->qmp, "object-add", o, -1, err) < 0)
		return -1;
	o = object("driver", "nvdimm");
	set_string(o, "id", id);
	set_string(o, "memdev", memory);
	/* It tells the guest that it cannot be written. */
	set_bool(o, "unarmed", true);
	if (qmp_execute(vm->qmp, "device_add", o, -1, err) == 0)
		return 0;
	qmp_execute(vm->qmp, "object-del", object("id", memory), -1, NULL);
	return -1;
}

int vm_detach(struct vm *vm, unsigned int controller, unsigned int lun, struct gcs_error *err)
{
	struct slot *slot = &vm->slots[controller][lun];
	char node[32];

	snprintf(node, sizeof(node), "disk-%u", slot->fdset);
	if (slot->device && qmp_remove_device(vm->qmp, node, err) < 0)
		return -1;
	slot->device = false;
	if (slot->node && qmp_execute(vm->qmp, "blockdev-del", object("node-name", node), -1, err) < 0)
		return -1;
	slot->node = false;
	if (slot->fdset && remove_fdset(vm, slot->fdset, err) < 0)
		return -1;
	slot->fdset = 0;
	return 0;
}

bool vm_may_fail(const struct vm *vm)
{
	return vm->emulated_smp && vm->qmp && qmp_version(vm->qmp) < SOUND_SMP;
}

struct qmp *vm_qmp(const struct vm *vm)
{
	return vm->qmp;
}

char *vm_console(struct vm *vm)
{
	return tail_lines(vm ? vm->console : NULL, CONSOLE_LINES);
}

char *vm_messages(struct vm *vm)
{
	return tail_lines(vm ? vm->messages : NULL, CONSOLE_LINES);
}

static char *sentence(int code)
{
	char *text = NULL;

	if (code > 128)
		return asprintf(&text, "QEMU was killed by signal %d", code - 128) < 0 ? NULL : text;
	if (code)
		return asprintf(&text, "QEMU failed with exit code %d", code) < 0 ? NULL : text;
	return strdup("the VM switched itself off");
}

char *vm_how_ended(const struct vm *vm, int wait_ms)
{
	struct pollfd p = { .fd = vm->pidfd, .events = POLLIN };
	siginfo_t info = { 0 };

	if (poll(&p, 1, wait_ms) != 1 || waitid(P_PIDFD, (id_t)vm->pidfd, &info, WEXITED | WNOWAIT) < 0)
		return NULL;
	return sentence(info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status);
}

char *vm_ended(struct vm *vm, int wait_ms)
{
	struct pollfd p = { .fd = vm->pidfd, .events = POLLIN };

	if (vm->pidfd >= 0) {
		if (poll(&p, 1, wait_ms) != 1)
			return NULL;
		vm->code = proc_wait(vm->pidfd);
		vm->pidfd = vm->watch->vm_fd = -1;
		tail_finish(vm->console);
		tail_finish(vm->messages);
	}
	return sentence(vm->code);
}

void vm_kill(struct vm *vm)
{
	siginfo_t info;

	if (!vm || vm->pidfd < 0)
		return;
	syscall(SYS_pidfd_send_signal, vm->pidfd, SIGKILL, NULL, 0);
	while (waitid(P_PIDFD, (id_t)vm->pidfd, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR)
		;
}

void vm_end(struct vm *vm, int grace_ms)
{
	struct pollfd p = { .events = POLLIN };

	if (!vm)
		return;
	if (vm->pidfd >= 0) {
		p.fd = vm->pidfd;
		if (!grace_ms || poll(&p, 1, grace_ms) != 1)
			syscall(SYS_pidfd_send_signal, vm->pidfd, SIGKILL, NULL, 0);
		free(vm_ended(vm, -1));
	}
	qmp_close(vm->qmp);
	tail_stop(vm->console);
	tail_stop(vm->messages);
	free(vm);
}
