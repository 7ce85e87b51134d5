// SPDX-License-Identifier: MIT
/* Boot a UVM: listeners first, then QEMU, then what the guest does in order: entropy, log, bridge. */
#include "boot.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "cleanup.h"
#include "ext4.h"
#include "kvm.h"
#include "jsonset.h"
#include "thread.h"
#include "timing.h"
#include "trace.h"

#define ENTROPY_BYTES 512
#define LOG_LINES 10
#define POWER_OFF_MS 10000
/* Until then the guest has come up, or this KVM does not run it. */
#define KVM_TRIAL_MS 8000
#define KVM_CPUS 2
#define TCG_CPUS 1 /* see vm_may_fail() */

static int accept_guest(struct uvm *u, int listener, int64_t deadline, const char *what, struct gcs_error *err)
{
	if (watch_wait(&u->watch, listener, POLLIN, deadline, what, err) < 0)
		return -1;
	return ports_accept(u->ports, listener, err);
}

static int give_entropy(int fd, struct gcs_error *err)
{
	char bytes[ENTROPY_BYTES];

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes) || write(fd, bytes, sizeof(bytes)) != sizeof(bytes))
		return gcs_fail(err, errno, HR_FAIL, "give the guest entropy");
	return 0;
}

static void log_line(void *arg, char *text)
{
	struct uvm *u = arg;

	trace_log_line(text);
	if (u->listener.line)
		u->listener.line(u->listener.arg, text);
}

static int come_up(struct uvm *u, const struct options *o, const int listeners[3], double start, bool trial,
		   struct json_object *figures, struct gcs_error *err)
{
	int64_t deadline = watch_deadline((int64_t)o->boot_timeout_s * 1000);
	_cleanup_close_ int fd = -1;

	fd = accept_guest(u, listeners[0], trial ? watch_deadline(KVM_TRIAL_MS) : deadline,
			  "the guest to come up (entropy connection)", err);
	timing_since(figures, "qemu_to_entropy_ms", start);
	trace_mark(LANE_HOST, "init asks for entropy");
	if (fd < 0 || give_entropy(fd, err) < 0)
		return -1;
	close(steal_fd(&fd));
	fd = accept_guest(u, listeners[1], deadline, "the guest to come up (log connection)", err);
	timing_since(figures, "qemu_to_log_ms", start);
	trace_mark(LANE_HOST, "log connected");
	if (fd < 0)
		return -1;
	u->log = tail_start(steal_fd(&fd), o->log_fd, &(struct tail_listener){ log_line, u }, err);
	if (!u->log)
		return -1;
	fd = accept_guest(u, listeners[2], deadline, "the guest to come up (bridge connection)", err);
	timing_since(figures, "qemu_to_bridge_ms", start);
	trace_mark(LANE_HOST, "bridge connected");
	if (fd < 0)
		return -1;
	u->guest = (struct guest){ .ports = u->ports, .watch = &u->watch, .next_port = PORT_STDIO_FIRST };
	u->guest.bridge = bridge_open(steal_fd(&fd), &u->watch, err);
	if (!u->guest.bridge || guest_negotiate(&u->guest, err) < 0)
		return -1;
	timing_since(figures, "qemu_to_negotiated_ms", start);
	return 0;
}

static int try_boot(struct uvm *u, const struct options *o, enum accel accel, bool trial, struct json_object *figures,
		    struct gcs_error *err)
{
	static const uint32_t ports[3] = { PORT_ENTROPY, PORT_LOG, PORT_BRIDGE };
	_cleanup_free_ char *append = NULL;
	struct vm_options vm = { .uvm_dir = o->uvm_dir, .cpus = o->cpus ? o->cpus : accel == ACCEL_KVM ? KVM_CPUS : TCG_CPUS,
				 .memory_mib = o->memory_mib, .accel = accel, .log_fd = o->log_fd,
				 .pmem_fd = -1, .ports = u->pci_ports };
	_cleanup_close_ int pmem_fd = -1;
	int listeners[3] = { -1, -1, -1 };
	double start;

	/*
	 * The kernel's tests of its own ciphers take boot time, its test of the timer panics on a busy machine. All disks are added later, and
	 * each is looked for then: that none of 512 units is there yet takes as long as the rest of the drivers. One emulated processor needs
	 * no timer of its own, which is measured for a tenth of a second.
	 */
	if (asprintf(&append,
		     "console=ttyS0 quiet panic=-1 cryptomgr.notests=1 no_timer_check scsi_mod.scan=manual%s%s%s -- -e 1 "
		     "/bin/vsockexec -e 109 /bin/gcs -v4 -log-format json -loglevel %s%s",
		     accel == ACCEL_TCG && vm.cpus == 1 ? " noapictimer" : "", o->kernel_args ? " " : "",
		     o->kernel_args ? o->kernel_args : "", o->debug ? "debug" : "info", o->no_kmod ? " -no-kmod" : "") < 0)
		return gcs_fail(err, ENOMEM, HR_FAIL, "boot");
	vm.append = append;
	if (o->layers == LAYERS_PMEM) {
		pmem_fd = vm.pmem_fd = ext4_empty(err);
		if (pmem_fd < 0)
			return -1;
	}
	u->ports = ports_open(o->vsock, err);
	if (!u->ports)
		return -1;
	for (int i = 0; i < 3; i++) {
		listeners[i] = ports_listen(u->ports, ports[i], err);
		if (listeners[i] < 0)
			return -1; /* the others end with the ports */
	}
	trace_start();
	start = timing_now();
	u->vm = vm_start(&vm, u->ports, &u->watch, err);
	trace_host(LANE_HOST, "QEMU starts", start);
	return u->vm ? come_up(u, o, listeners, start, trial, figures, err) : -1;
}

int uvm_boot(struct uvm *u, const struct options *o, struct json_object *figures, struct gcs_error *err)
{
	const struct uvm given = { .watch = { .vm_fd = -1, .signal_fd = u->watch.signal_fd }, .listener = u->listener,
				   .pci_ports = u->pci_ports };
	struct gcs_error kvm_err = { 0 };

	if (o->accel != ACCEL_AUTO)
		return try_boot(u, o, o->accel, false, figures, err);
	if (kvm_may_work(NULL) == 0) {
		if (try_boot(u, o, ACCEL_KVM, true, figures, &kvm_err) == 0)
			return 0;
		/* Without QEMU or image, or with an impatient user, the other way is no better. */
		if (kvm_err.err == EINTR || kvm_err.err == ENOENT) {
			*err = kvm_err;
			return -1;
		}
		fprintf(stderr, "uvmctl: KVM does not run the VM (%s); going on without it\n", kvm_err.text);
		uvm_end(u, false);
		*u = given;
	}
	return try_boot(u, o, ACCEL_TCG, false, figures, err);
}

static void *switch_off(void *arg)
{
	struct uvm *u = arg;

	/* There is no answer to this one: the VM is gone. */
	request_drop(bridge_send(u->guest.bridge, MSG_SHUTDOWN_FORCED, NULL_GUID, NULL, NULL));
	return NULL;
}

bool uvm_switch_off(struct uvm *u)
{
	struct pollfd p = { .fd = u->watch.vm_fd, .events = POLLIN };

	/* A guest that does not read must not hold up who is about to end it. */
	u->switching_off = thread_start(&u->off, switch_off, u) == 0;
	return u->switching_off && poll(&p, 1, POWER_OFF_MS) == 1;
}

void uvm_end(struct uvm *u, bool orderly)
{
	if (orderly)
		uvm_switch_off(u);
	vm_end(u->vm, 0);
	if (u->switching_off) {
		bridge_end(u->guest.bridge);
		pthread_join(u->off, NULL);
		u->switching_off = false;
	}
	bridge_close(u->guest.bridge);
	ports_close(u->ports);
	tail_stop(u->log);
	u->vm = NULL;
	u->guest.bridge = NULL;
	u->ports = NULL;
	u->log = NULL;
}

static void print_tail(FILE *to, const char *title, char *text)
{
	if (text && *text)
		fprintf(to, "--- %s\n%s\n", title, text);
	free(text);
}

static void print_json(FILE *to, const char *text, const char *ended, char *console)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();

	set_string(o, "error", text);
	if (ended)
		set_string(o, "vm", ended);
	if (console)
		set_string(o, "console", console);
	fprintf(to, "%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	free(console);
}

void uvm_explain(struct uvm *u, const struct gcs_error *err, bool json, FILE *to)
{
	_cleanup_free_ char *ended = NULL;
	bool silent = err->err == ETIMEDOUT || err->err == EINTR;
	bool vm = u->vm && (silent || err->err == ESHUTDOWN || err->err == ECONNRESET || err->err == EPIPE);

	if (vm)
		ended = vm_ended(u->vm, silent ? 0 : VM_DIED_MS);
	if (json) {
		print_json(to, err->text, ended, vm ? vm_console(u->vm) : NULL);
		return;
	}
	fprintf(to, "uvmctl: %s%s%s\n", err->text, ended ? ": " : "", ended ? ended : "");
	if (!vm)
		return;
	if (vm_may_fail(u->vm))
		fprintf(to, "uvmctl: this QEMU without KVM sometimes fails guests with several processors; --cpus 1 is safe\n");
	print_tail(to, "QEMU", vm_messages(u->vm));
	print_tail(to, "the end of the guest's console", vm_console(u->vm));
	print_tail(to, "the end of the guest's log", tail_lines(u->log, LOG_LINES));
}
