// SPDX-License-Identifier: MIT
/* `uvmctl run`: a VM, its disks, one container, its streams, its exit code; then nothing is left. */
#include "verbs.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <json-c/json.h>

#include "agent_usage.h"
#include "boot.h"
#include "cleanup.h"
#include "container.h"
#include "image.h"
#include "session.h"
#include "timeline.h"
#include "timing.h"
#include "volume.h"

struct run {
	struct options o;
	struct image image;
	struct image_process process;
	struct uvm uvm;
	struct disks disks;
	struct devices devices;
	struct volumes volumes;
	struct json_object *wishes; /* volumes and network, as a supervisor is told of them */
	struct container_parts container;
	struct json_object *figures, *timeline;
	struct guest_process init;
	struct session session;
	double started;
	int signal; /* that ended the run */
};

static int create(struct run *r, int scratch_fd, struct gcs_error *err)
{
	_cleanup_json_ struct json_object *mounts = json_object_new_array();
	struct control_fds fds = { .count = 0 };
	char network[37];
	struct spec_options spec = { .cwd = r->process.cwd, .env = r->process.env, .args = r->process.args, .user = r->process.user,
				     .limits = r->o.limits, .terminal = r->o.tty };

	if (r->o.tty && terminal_size(&r->session.rows, &r->session.columns)) {
		spec.rows = r->session.rows;
		spec.columns = r->session.columns;
	}
	r->container.pmem = r->o.layers == LAYERS_PMEM;
	disks_init(&r->disks, r->uvm.vm, &r->uvm.guest);
	devices_init(&r->devices, r->uvm.vm, &r->uvm.guest, &r->disks);
	while (fds.count < r->volumes.count) {
		fds.fds[fds.count] = r->volumes.fds[fds.count];
		fds.count++;
	}
	nic_network(r->container.id, network);
	spec.network = network;
	spec.mounts = mounts;
	if (volumes_plug(&r->devices, r->container.id, r->wishes, &fds, mounts, err) < 0)
		return -1;
	return container_make(&r->container, &r->disks, r->image.layers, r->image.layer_count, scratch_fd, &spec, r->figures,
			      err);
}

static int pass_signal(void *arg, int signal, struct gcs_error *err)
{
	struct run *r = arg;
	struct request *request = guest_signal(&r->uvm.guest, r->container.id, r->init.pid, signal, err);

	/* It may have ended just now; that is what was wanted. */
	request_drop(request);
	return request ? 0 : -1;
}

static int pass_size(void *arg, uint16_t rows, uint16_t columns, struct gcs_error *err)
{
	struct run *r = arg;
	struct request *request = guest_resize(&r->uvm.guest, r->container.id, r->init.pid, rows, columns, err);

	request_drop(request);
	return request ? 0 : -1;
}

static int start(struct run *r, struct gcs_error *err)
{
	double start = timing_now();

	r->init.want[0] = r->o.interactive;
	r->init.want[1] = true;
	r->init.want[2] = !r->o.tty;
	if (bridge_call(r->uvm.guest.bridge, MSG_START, r->container.id, NULL, NULL, err) < 0 ||
	    guest_execute(&r->uvm.guest, r->container.id, NULL, &r->init, err) < 0)
		return -1;
	timing_since(r->figures, "start_ms", start);
	r->started = timing_now();
	return session_start(&r->session, r->init.sockets, (int[]){ -1, -1, -1 }, err);
}

static int wait_for_exit(struct run *r, uint32_t *code, struct gcs_error *err)
{
	struct request *wait = guest_wait(&r->uvm.guest, r->container.id, r->init.pid, err);

	if (!wait)
		return -1;
	if (session_wait(&r->session, request_fd(wait), r->uvm.watch.vm_fd, err) < 0) {
		request_drop(wait);
		return -1;
	}
	timing_since(r->figures, "run_ms", r->started);
	return guest_exit_code(wait, code, err);
}

static int finish_output(struct run *r, struct gcs_error *err)
{
	static const char *const figures[] = { "stdin_bytes", "stdout_bytes", "stderr_bytes" };

	if (session_finish(&r->session, err) < 0)
		return -1;
	for (int i = 0; i < 3; i++)
		if (r->init.want[i])
			timing_count(r->figures, figures[i], r->session.bytes[i]);
	return 0;
}

static int undo(struct run *r, struct gcs_error *err)
{
	double start = timing_now();
	int ret = container_unmake(&r->container, &r->disks, err);

	if (ret == 0)
		ret = devices_leave(&r->devices, r->container.id, err);

	timing_since(r->figures, "undo_ms", start);
	return ret;
}

static int run_container(struct run *r, int scratch_fd, uint32_t *code, struct gcs_error *err)
{
	struct agent_usage before = { 0 };

	if (container_name(&r->container, err) < 0 || uvm_boot(&r->uvm, &r->o, r->figures, err) < 0 ||
	    create(r, scratch_fd, err) < 0 || start(r, err) < 0)
		return -1;
	/* The container runs already; what is measured is what the agent does while it does. */
	if (r->o.timing && agent_usage(&r->uvm.guest, &before, err) < 0)
		return -1;
	if (wait_for_exit(r, code, err) < 0 || finish_output(r, err) < 0)
		return -1;
	return r->o.timing ? agent_note(&r->uvm.guest, &before, r->figures, err) : 0;
}

static int run(struct run *r, struct gcs_error *err)
{
	_cleanup_close_ int scratch_fd = -1;
	struct gcs_error undo_err = { 0 };
	struct signalfd_siginfo info;
	double begin = timing_now();
	uint32_t code = 0;
	int ret;

	/* Until the VM is there a signal just ends us: what we make has no name, or none that anybody would use. */
	if (image_open(r->o.operands[0], &r->o.image, &r->image, err) < 0 ||
	    image_process(&r->image, &r->o, &r->process, err) < 0 || volumes_open(&r->o, &r->volumes, r->wishes, err) < 0)
		return -1;
	scratch_fd = image_scratch(r->o.scratch_size, err);
	if (scratch_fd < 0 || session_signals(&r->session, err) < 0)
		return -1;
	timing_since(r->figures, "image_ms", begin);
	r->uvm.watch = (struct watch){ .vm_fd = -1, .signal_fd = r->session.signal_fd };
	r->uvm.pci_ports = r->o.net ? 1 : 0;

	ret = run_container(r, scratch_fd, &code, err);
	session_end(&r->session);
	r->signal = r->session.signal;
	if (ret < 0 && err->err == EINTR && !r->signal && read(r->session.signal_fd, &info, sizeof(info)) == sizeof(info))
		r->signal = (int)info.ssi_signo;
	if (ret < 0 || session_signals(&r->session, err) < 0)
		return -1;
	/* The container's result stands; what goes wrong from here on is said, but changes nothing. */
	if (undo(r, &undo_err) < 0 ||
	    (r->o.timeline && !(r->timeline = timeline_take(&r->uvm.guest, &undo_err))))
		uvm_explain(&r->uvm, &undo_err, r->o.json, stderr);
	begin = timing_now();
	uvm_end(&r->uvm, undo_err.hr == HR_OK);
	timing_since(r->figures, "power_off_ms", begin);
	return (int)code;
}

static int finish(struct run *r, int code, const struct gcs_error *err, double begin)
{
	struct gcs_error timing_err = { 0 };

	if (code < 0) {
		uvm_explain(&r->uvm, err, r->o.json, stderr);
		uvm_end(&r->uvm, false);
		return r->signal ? 128 + r->signal : exit_code_of(err);
	}
	if (r->o.json)
		fprintf(stderr, "{\"exit_code\":%d}\n", code);
	timing_since(r->figures, "total_ms", begin);
	timing_count(r->figures, "exit_code", (uint64_t)code);
	if (r->o.timing && timing_write(r->figures, r->o.timing, &timing_err) < 0) {
		fprintf(stderr, "uvmctl: --timing %s\n", timing_err.text);
		return EXIT_OWN;
	}
	if (r->timeline && timeline_write(r->timeline, r->o.timeline, false, &timing_err) < 0) {
		fprintf(stderr, "uvmctl: %s\n", timing_err.text);
		return EXIT_OWN;
	}
	return code & 0xFF;
}

int verb_run(struct options *o)
{
	static const struct session_ops ops = { .signal = pass_signal, .resize = pass_size };
	_cleanup_free_ struct run *r = calloc(1, sizeof(*r));
	struct gcs_error err = { 0 };
	double begin = timing_now();
	int ret;

	if (o->in)
		return verb_run_in(o);
	if (!r)
		return EXIT_OWN;
	r->o = *o;
	r->session = (struct session)SESSION_INIT;
	r->session.ops = &ops;
	r->session.arg = r;
	r->session.tty = o->tty;
	r->session.interactive = o->interactive;
	r->figures = json_object_new_object();
	r->wishes = json_object_new_object();
	ret = run(r, &err);
	ret = finish(r, ret, &err, begin);
	json_object_put(r->figures);
	json_object_put(r->timeline);
	json_object_put(r->wishes);
	volumes_close(&r->volumes);
	image_process_free(&r->process);
	image_close(&r->image);
	if (r->session.signal_fd >= 0)
		close(r->session.signal_fd);
	return ret;
}
