// SPDX-License-Identifier: MIT
/* `uvmctl run`: a VM, its disks, one container, its streams, its exit code; then nothing is left. */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <json-c/json.h>

#include "agent_usage.h"
#include "boot.h"
#include "cleanup.h"
#include "image.h"
#include "relay.h"
#include "spec.h"
#include "terminal.h"
#include "timing.h"

#define LOG_LINES 10
#define DIED_MS 2000 /* between the end of the bridge and the end of QEMU */

struct run {
	struct run_options o;
	struct uvm uvm;
	struct json_object *figures;
	char id[65], bundle[128], root[160], scratch[256];
	struct guest_disk layer_disk, scratch_disk;
	struct guest_process init;
	struct relay *relays[3];
	struct terminal terminal;
	uint16_t rows, columns; /* of the container's terminal, as far as it was told */
	double started;
	int signal; /* that ended the run */
};

static int make_names(struct run *r, struct gcs_error *err)
{
	unsigned char bytes[32];

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return gcs_fail(err, errno, HR_FAIL, "container id");
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(r->id + 2 * i, 3, "%02x", bytes[i]);
	snprintf(r->bundle, sizeof(r->bundle), "/run/gcs/c/%s", r->id);
	snprintf(r->root, sizeof(r->root), "%s/rootfs", r->bundle);
	snprintf(r->scratch, sizeof(r->scratch), "%s/scratch/%s", r->bundle, r->id);
	r->layer_disk = (struct guest_disk){ .controller = 0, .lun = 0, .mount_path = "/run/mounts/scsi/m0" };
	r->scratch_disk = (struct guest_disk){ .controller = 1, .lun = 0, .mount_path = r->bundle, .scratch = true };
	return 0;
}

static int attach(struct run *r, const struct guest_disk *d, int fd, const char *figure, struct gcs_error *err)
{
	double start = timing_now();

	if (vm_attach(r->uvm.vm, d->controller, d->lun, fd, !d->scratch, err) < 0 ||
	    guest_mount(&r->uvm.guest, d, err) < 0)
		return -1;
	timing_since(r->figures, figure, start);
	return 0;
}

static int detach(struct run *r, const struct guest_disk *d, struct gcs_error *err)
{
	if (guest_unmount(&r->uvm.guest, d, err) < 0 || guest_eject(&r->uvm.guest, d, err) < 0)
		return -1;
	return vm_detach(r->uvm.vm, d->controller, d->lun, err);
}

static int create(struct run *r, struct gcs_error *err)
{
	char hostname[13];
	struct spec_options spec = { .root = r->root, .hostname = hostname, .cwd = r->o.cwd, .env = r->o.env,
				     .args = r->o.command, .terminal = r->o.tty };
	double start = timing_now();

	snprintf(hostname, sizeof(hostname), "%.12s", r->id);
	if (r->o.tty && terminal_size(&r->rows, &r->columns)) {
		spec.rows = r->rows;
		spec.columns = r->columns;
	}
	if (guest_combine(&r->uvm.guest, r->id, r->root, r->layer_disk.mount_path, r->scratch, err) < 0)
		return -1;
	timing_since(r->figures, "combine_ms", start);
	start = timing_now();
	if (guest_create(&r->uvm.guest, r->id, r->bundle, r->scratch, spec_build(&spec), err) < 0)
		return -1;
	timing_since(r->figures, "create_ms", start);
	return 0;
}

/* Signals that arrive as such, at a descriptor: always, while a terminal is raw, while its size is followed. */
enum taken { TAKE_ALWAYS = 2, TAKE_RAW = 4, TAKE_SIZE = 5 };

/* Take these and no others; @fd is -1 or what the last call has returned. */
static int take_signals(int fd, enum taken count, struct gcs_error *err)
{
	static const int signals[TAKE_SIZE] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH };
	sigset_t set, others;

	sigemptyset(&set);
	sigemptyset(&others);
	for (int i = 0; i < TAKE_SIZE; i++)
		sigaddset(i < (int)count ? &set : &others, signals[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigprocmask(SIG_UNBLOCK, &others, NULL);
	fd = signalfd(fd, &set, SFD_CLOEXEC);
	return fd < 0 ? gcs_fail(err, errno, HR_FAIL, "signalfd") : fd;
}

static int start(struct run *r, uint64_t *wait_id, struct gcs_error *err)
{
	double start = timing_now();

	r->init.want[0] = r->o.interactive;
	r->init.want[1] = true;
	r->init.want[2] = !r->o.tty;
	if (bridge_call(r->uvm.guest.bridge, MSG_START, r->id, NULL, NULL, err) < 0 ||
	    guest_execute(&r->uvm.guest, r->id, NULL, &r->init, err) < 0)
		return -1;
	timing_since(r->figures, "start_ms", start);
	r->started = timing_now();
	if (r->o.tty && r->o.interactive &&
	    (take_signals(r->uvm.watch.signal_fd, TAKE_RAW, err) < 0 || terminal_raw(&r->terminal, err) < 0))
		return -1;
	if (r->init.want[0]) {
		r->relays[0] = relay_to_guest(STDIN_FILENO, r->init.sockets[0], err);
		if (!r->relays[0])
			return -1;
	}
	for (int i = 1; i < 3; i++) {
		if (!r->init.want[i])
			continue;
		r->relays[i] = relay_from_guest(r->init.sockets[i], i, err);
		if (!r->relays[i])
			return -1;
	}
	return guest_wait_send(&r->uvm.guest, r->id, r->init.pid, wait_id, err);
}

/* The container's terminal gets the size of ours, if that is another than before. */
static int resize(struct run *r, struct gcs_error *err)
{
	struct watch *watch = &r->uvm.watch;
	int ret, signal_fd = watch->signal_fd;
	uint16_t rows, columns;

	if (!terminal_size(&rows, &columns) || (rows == r->rows && columns == r->columns))
		return 0;
	r->rows = rows;
	r->columns = columns;
	watch->signal_fd = -1; /* one signal must not keep the other from arriving */
	ret = guest_resize(&r->uvm.guest, r->id, r->init.pid, rows, columns, err);
	watch->signal_fd = signal_fd;
	/* It may have ended just now. */
	return ret < 0 && err->hr != HR_NOT_FOUND ? -1 : 0;
}

/* Signals to the container: how many there were, and the requests that pass them on. */
struct passed {
	unsigned int seen, answered;
	uint64_t ids[2];
};

/*
 * The first signal goes to the container as it is, the second as SIGKILL, the third ends us, as does the first that the terminal's
 * settings would not survive.
 */
static int pass_on_signal(struct run *r, struct passed *p, struct gcs_error *err)
{
	struct signalfd_siginfo info;

	if (read(r->uvm.watch.signal_fd, &info, sizeof(info)) != sizeof(info))
		return 0;
	if (info.ssi_signo == SIGWINCH)
		return resize(r, err);
	if (info.ssi_signo == SIGHUP || info.ssi_signo == SIGQUIT || p->seen == 2) {
		r->signal = (int)info.ssi_signo;
		gcs_fail(err, 0, HR_FAIL, "stopped by a signal");
		err->err = EINTR;
		return -1;
	}
	/* Its answer is not waited for: a guest that hangs gives none, and the next signal must be heard. */
	if (guest_signal_send(&r->uvm.guest, r->id, r->init.pid, p->seen ? SIGKILL : (int)info.ssi_signo, &p->ids[p->seen],
			      err) < 0)
		return -1;
	p->seen++;
	return 0;
}

static int passed_on(struct run *r, struct passed *p, struct gcs_error *err)
{
	_cleanup_json_ struct json_object *answer = NULL;

	if (p->answered == p->seen || !bridge_take(r->uvm.guest.bridge, p->ids[p->answered], &answer))
		return 0;
	p->answered++;
	/* It may have ended just now; that is what was wanted. */
	return bridge_result(MSG_SIGNAL_PROCESS, answer, err) < 0 && err->hr != HR_NOT_FOUND ? -1 : 0;
}

static int wait_for_exit(struct run *r, uint64_t wait_id, uint32_t *code, struct gcs_error *err)
{
	_cleanup_json_ struct json_object *answer = NULL;
	struct bridge *b = r->uvm.guest.bridge;
	struct passed passed = { 0 };

	/* What has changed before the signal was taken is looked at once. */
	if (r->o.tty && (take_signals(r->uvm.watch.signal_fd, TAKE_SIZE, err) < 0 || resize(r, err) < 0))
		return -1;
	while (!bridge_take(b, wait_id, &answer)) {
		int ret = watch_wait(&r->uvm.watch, bridge_fd(b), POLLIN, -1, "the container's end", err);

		if (ret < 0 && err->err == EINTR)
			ret = pass_on_signal(r, &passed, err);
		else if (ret == 0)
			ret = bridge_read(b, err);
		if (ret < 0 || passed_on(r, &passed, err) < 0)
			return -1;
	}
	timing_since(r->figures, "run_ms", r->started);
	if (r->o.tty && take_signals(r->uvm.watch.signal_fd, TAKE_RAW, err) < 0)
		return -1;
	return guest_exit_code(answer, code, err);
}

/* Whatever the container has written is written before we end; only a signal ends that. */
static int finish_output(struct run *r, struct gcs_error *err)
{
	static const char *const figures[] = { "stdin_bytes", "stdout_bytes", "stderr_bytes" };
	struct watch patience = { .vm_fd = -1, .signal_fd = r->uvm.watch.signal_fd };

	for (int i = 0; i < 3; i++) {
		if (!r->relays[i])
			continue;
		if (i && watch_wait(&patience, relay_done_fd(r->relays[i]), POLLIN, -1, "the output to be taken", err) < 0)
			return -1;
		timing_count(r->figures, figures[i], relay_finish(r->relays[i]));
		r->relays[i] = NULL;
	}
	return 0;
}

/* All that was done in the guest is undone, in reverse. */
static int undo(struct run *r, struct gcs_error *err)
{
	struct guest *g = &r->uvm.guest;
	double start = timing_now();
	int ret = 0;

	if (guest_separate(g, r->id, r->root, err) < 0 ||
	    bridge_call(g->bridge, MSG_DELETE_CONTAINER_STATE, r->id, NULL, NULL, err) < 0 ||
	    detach(r, &r->scratch_disk, err) < 0 || detach(r, &r->layer_disk, err) < 0)
		ret = -1;
	timing_since(r->figures, "undo_ms", start);
	return ret;
}

static int run_container(struct run *r, int layer_fd, int scratch_fd, uint32_t *code, struct gcs_error *err)
{
	struct agent_usage before = { 0 };
	uint64_t wait_id;

	if (make_names(r, err) < 0 || uvm_boot(&r->uvm, &r->o, r->figures, err) < 0 ||
	    attach(r, &r->layer_disk, layer_fd, "disk_attach_layer_ms", err) < 0 ||
	    attach(r, &r->scratch_disk, scratch_fd, "disk_attach_scratch_ms", err) < 0 || create(r, err) < 0 ||
	    start(r, &wait_id, err) < 0)
		return -1;
	/* The container runs already; what is measured is what the agent does while it does. */
	if (r->o.timing && agent_usage(&r->uvm.guest, &before, err) < 0)
		return -1;
	if (wait_for_exit(r, wait_id, code, err) < 0 || finish_output(r, err) < 0)
		return -1;
	return r->o.timing ? agent_note(&r->uvm.guest, &before, r->figures, err) : 0;
}

static void print_tail(const char *title, char *text)
{
	if (text && *text)
		fprintf(stderr, "--- %s\n%s\n", title, text);
	free(text);
}

/* What went wrong, and if it is the VM that did, what it has said last. */
static void report(struct run *r, const struct gcs_error *err)
{
	_cleanup_free_ char *ended = NULL;
	bool silent = err->err == ETIMEDOUT || err->err == EINTR;
	bool vm = r->uvm.vm && (silent || err->err == ESHUTDOWN || err->err == ECONNRESET || err->err == EPIPE);

	if (vm)
		ended = vm_ended(r->uvm.vm, silent ? 0 : DIED_MS);
	if (r->o.json) {
		_cleanup_json_ struct json_object *o = json_object_new_object();

		json_object_object_add(o, "error", json_object_new_string(err->text));
		if (ended)
			json_object_object_add(o, "vm", json_object_new_string(ended));
		if (vm) {
			_cleanup_free_ char *console = vm_console(r->uvm.vm);

			json_object_object_add(o, "console", json_object_new_string(console));
		}
		fprintf(stderr, "%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
		return;
	}
	fprintf(stderr, "uvmctl: %s%s%s\n", err->text, ended ? ": " : "", ended ? ended : "");
	if (!vm)
		return;
	if (vm_may_fail(r->uvm.vm))
		fprintf(stderr, "uvmctl: this QEMU without KVM sometimes fails guests with several processors; --cpus 1 is safe\n");
	print_tail("QEMU", vm_messages(r->uvm.vm));
	print_tail("the end of the guest's console", vm_console(r->uvm.vm));
	print_tail("the end of the guest's log", tail_lines(r->uvm.log, LOG_LINES));
}

/* What a failed Create means for the exit code: the OCI runtime says it in words only. */
static int failure_code(const struct run *r, const struct gcs_error *err)
{
	bool command = strstr(err->text, "executable") || strstr(err->text, "exec:");

	if (command && (strstr(err->text, "not found") || strstr(err->text, "No such file or directory")))
		return EXIT_NOT_FOUND;
	if ((command && (strstr(err->text, "Permission denied") || strstr(err->text, "not permitted"))) ||
	    strstr(err->text, "Exec format error"))
		return EXIT_NOT_EXECUTABLE;
	return r->signal ? 128 + r->signal : EXIT_OWN;
}

static int run(struct run *r, struct gcs_error *err)
{
	__attribute__((cleanup(image_close))) struct image image = { .layer_count = 0 };
	_cleanup_close_ int scratch_fd = -1, signal_fd = -1;
	struct gcs_error undo_err = { 0 };
	struct signalfd_siginfo info;
	double begin = timing_now();
	uint32_t code = 0;
	int ret;

	/* Until the VM is there a signal just ends us: nothing that we make has a name. */
	if (image_open(r->o.image, &image, err) < 0)
		return -1;
	scratch_fd = image_scratch(r->o.scratch_size, err);
	signal(SIGPIPE, SIG_IGN);
	signal_fd = scratch_fd < 0 ? -1 : take_signals(-1, TAKE_ALWAYS, err);
	if (signal_fd < 0)
		return -1;
	timing_since(r->figures, "image_ms", begin);
	r->uvm.watch = (struct watch){ .vm_fd = -1, .signal_fd = signal_fd };

	ret = run_container(r, image.layers[0], scratch_fd, &code, err);
	terminal_restore(&r->terminal);
	if (ret < 0 && err->err == EINTR && !r->signal && read(signal_fd, &info, sizeof(info)) == sizeof(info))
		r->signal = (int)info.ssi_signo;
	if (ret < 0 || take_signals(signal_fd, TAKE_ALWAYS, err) < 0)
		return -1;
	/* The container's result stands; what goes wrong from here on is said, but changes nothing. */
	if (undo(r, &undo_err) < 0)
		report(r, &undo_err);
	begin = timing_now();
	uvm_end(&r->uvm, undo_err.hr == HR_OK);
	timing_since(r->figures, "power_off_ms", begin);
	return (int)code;
}

static int finish(struct run *r, int code, const struct gcs_error *err, double begin)
{
	struct gcs_error timing_err = { 0 };

	if (code < 0) {
		report(r, err);
		uvm_end(&r->uvm, false);
		return failure_code(r, err);
	}
	if (r->o.json)
		fprintf(stderr, "{\"exit_code\":%d}\n", code);
	timing_since(r->figures, "total_ms", begin);
	timing_count(r->figures, "exit_code", (uint64_t)code);
	if (r->o.timing && timing_write(r->figures, r->o.timing, &timing_err) < 0) {
		fprintf(stderr, "uvmctl: --timing %s\n", timing_err.text);
		return EXIT_OWN;
	}
	return code & 0xFF;
}

int run_verb(int argc, char **argv)
{
	_cleanup_free_ struct run *r = calloc(1, sizeof(*r));
	struct gcs_error err = { 0 };
	double begin = timing_now();
	struct rlimit limit;
	int ret;

	if (!r)
		return EXIT_OWN;
	ret = run_options_parse(argc, argv, &r->o);
	if (ret == 0) {
		if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
			limit.rlim_cur = limit.rlim_max;
			setrlimit(RLIMIT_NOFILE, &limit);
		}
		r->figures = json_object_new_object();
		ret = run(r, &err);
		ret = finish(r, ret, &err, begin);
		json_object_put(r->figures);
	} else {
		ret = ret > 0 ? 0 : EXIT_OWN;
	}
	run_options_free(&r->o);
	return ret;
}
