/* SPDX-License-Identifier: MIT */
/*
 * What the tests of containers share: a VM's surroundings on any machine (own mounts, own cgroups, a root file system of
 * busybox), and a host that is a set of socket pairs.
 */
#ifndef CONTAINER_TEST_H
#define CONTAINER_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include <json-c/json.h>

#include "cgroup.h"
#include "container/container.h"
#include "event.h"
#include "frame.h"
#include "fs.h"
#include "storage/storage.h"
#include "vsock.h"

#include "kselftest_harness.h"

#define PORTS 64
#define BUSYBOX "/bin/busybox"
/* Nothing takes longer unless something is broken. */
#define WAIT_MS 20000

/* The host's ends; a port is dialled at most once. */
static int host_ends[PORTS];
static int dialled[PORTS];
static int refuse_port = -1;

/* The streams of gcs.ko want vsock connections, which there are over loopback in a VM only. */
static bool use_kmod(void)
{
	return getenv("GCS_TEST_KMOD");
}

static int vsock_pair(int pair[2])
{
	struct sockaddr_vm addr = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = VMADDR_PORT_ANY };
	int listener = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(addr);

	pair[0] = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pair[1] = -1;
	if (bind(listener, (struct sockaddr *)&addr, sizeof(addr)) == 0 && listen(listener, 1) == 0 &&
	    getsockname(listener, (struct sockaddr *)&addr, &len) == 0) {
		addr.svm_cid = VMADDR_CID_LOCAL;
		if (connect(pair[0], (struct sockaddr *)&addr, sizeof(addr)) == 0)
			pair[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	}
	close(listener);
	return pair[1] < 0 ? -1 : 0;
}

/* Instead of libgcs's: the linker takes these. No host comes back. */
int vsock_dial_start(uint32_t port, struct gcs_error *err)
{
	return gcs_fail(err, ECONNREFUSED, HR_FAIL, "vsock port %u: connect to the host", port);
}

int vsock_dial_error(int fd)
{
	return ECONNREFUSED;
}

int vsock_dial(uint32_t port, struct gcs_error *err)
{
	int pair[2];

	if (port >= PORTS || (int)port == refuse_port)
		return gcs_fail(err, ECONNREFUSED, HR_FAIL, "vsock port %u: connect to the host", port);
	if (dialled[port]++)
		return gcs_fail(err, EADDRINUSE, HR_FAIL, "vsock port %u: dialled twice", port);
	if ((use_kmod() ? vsock_pair(pair) : socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) < 0)
		return gcs_fail(err, errno, HR_FAIL, "socketpair");
	host_ends[port] = pair[1];
	return pair[0];
}

/* Read until end of file; the text is in a static buffer. Closes the host's end, as the host does. */
static const char *host_read(uint32_t port)
{
	static char text[1 << 16];
	size_t len = 0;
	ssize_t n;

	while (len < sizeof(text) - 1 && (n = read(host_ends[port], text + len, sizeof(text) - 1 - len)) > 0)
		len += n;
	text[len] = '\0';
	close(host_ends[port]);
	return text;
}

/* One wait, and what came of it. */
struct answer {
	pthread_mutex_t lock;
	pthread_cond_t done;
	bool answered;
	uint32_t code;
	struct gcs_error err;
};

static void on_answer(void *arg, uint32_t code, const struct gcs_error *err)
{
	struct answer *a = arg;

	pthread_mutex_lock(&a->lock);
	a->code = code;
	if (err)
		a->err = *err;
	a->answered = true;
	pthread_cond_broadcast(&a->done);
	pthread_mutex_unlock(&a->lock);
}

static void ask(struct answer *a, const char *id, uint32_t pid, uint32_t timeout_ms)
{
	memset(a, 0, sizeof(*a));
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->done, NULL);
	process_wait(id, pid, timeout_ms, on_answer, a);
}

/* Returns the exit code, -1 if there is no answer, -2 for an error. */
static int64_t answer(struct answer *a)
{
	struct timespec end;
	int ret = 0;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += WAIT_MS / 1000;
	pthread_mutex_lock(&a->lock);
	while (!a->answered && !ret)
		ret = pthread_cond_timedwait(&a->done, &a->lock, &end);
	pthread_mutex_unlock(&a->lock);
	return ret ? -1 : a->err.hr ? -2 : (int64_t)a->code;
}

static int64_t wait_code(const char *id, uint32_t pid)
{
	struct answer a;

	ask(&a, id, pid, UINT32_MAX);
	return answer(&a);
}

/* Exit notifications so far. */
static pthread_mutex_t notes_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t notes_more = PTHREAD_COND_INITIALIZER;
static int notes;
static char note_id[128];
static enum container_exit_type note_type;

static void on_exit_note(const char *id, const char *activity_id, enum container_exit_type type)
{
	pthread_mutex_lock(&notes_lock);
	notes++;
	snprintf(note_id, sizeof(note_id), "%s", id);
	note_type = type;
	pthread_cond_broadcast(&notes_more);
	pthread_mutex_unlock(&notes_lock);
}

static inline bool wait_notes(int count)
{
	struct timespec end;
	int ret = 0;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += WAIT_MS / 1000;
	pthread_mutex_lock(&notes_lock);
	while (notes < count && !ret)
		ret = pthread_cond_timedwait(&notes_more, &notes_lock, &end);
	pthread_mutex_unlock(&notes_lock);
	return !ret;
}

static char cgroup_name[32];
/* Of the machine's cgroup v2, which our mount hides. */
static int machine_cgroups = -1, home_cgroup = -1;

/* Where the machine's cgroup v2 is, whatever else is mounted around it. */
static const char *cgroup_mount(void)
{
	if (cgroup_init(NULL) == 2)
		return CGROUP_ROOT;
	return access(CGROUP_ROOT "/unified/cgroup.procs", F_OK) == 0 ? CGROUP_ROOT "/unified" : NULL;
}

/* Mounts, /run and cgroups of our own. Returns NULL, or what is missing. */
static const char *enter_surroundings(void)
{
	char procs[160];
	const char *mnt = cgroup_mount();

	if (geteuid())
		return "root";
	if (access(BUSYBOX, X_OK))
		return BUSYBOX;
	if (!mnt)
		return "cgroup v2";
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", mnt);
	home_cgroup = open(procs, O_WRONLY | O_CLOEXEC);
	machine_cgroups = open(mnt, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(cgroup_name, sizeof(cgroup_name), "gcs-test-%d", getpid());
	snprintf(procs, sizeof(procs), "%s/%s/cgroup.procs", mnt, cgroup_name);
	if (mkdirat(machine_cgroups, cgroup_name, 0755) < 0 || fs_poke(procs, "0", NULL) < 0)
		return "permission to make cgroups";
	if (unshare(CLONE_NEWNS | CLONE_NEWCGROUP) < 0 || mount("", "/", "", MS_REC | MS_PRIVATE, "") < 0)
		return "permission to make namespaces";
	umount2(CGROUP_ROOT, MNT_DETACH);
	if (mount("cgroup2", CGROUP_ROOT, "cgroup2", 0, "") < 0)
		return "permission to mount cgroup v2";
	/* Our root must be empty, unlike the real one, for its children to get controllers. */
	if (mkdir(CGROUP_ROOT "/test", 0755) < 0 || fs_poke(CGROUP_ROOT "/test/cgroup.procs", "0", NULL) < 0)
		return "permission to make cgroups";
	if (mount("tmpfs", "/run", "tmpfs", 0, "mode=755") < 0)
		return "permission to mount a tmpfs";
	return NULL;
}

/* Everything in the test's cgroups must be gone already: what a container leaves makes this fail. */
static bool leave_surroundings(void)
{
	static const char *const made[] = { "/pods", "/gcs", "/runtime", "/test", "" };
	char path[64];

	if (machine_cgroups < 0 || write(home_cgroup, "0", 1) < 0)
		return machine_cgroups < 0;
	for (size_t i = 0; i < ARRAY_SIZE(made); i++) {
		snprintf(path, sizeof(path), "%s%s", cgroup_name, made[i]);
		if (unlinkat(machine_cgroups, path, AT_REMOVEDIR) < 0 && errno != ENOENT)
			return false;
	}
	return true;
}

/* A layer with busybox and its names. */
static int make_layer(const char *dir)
{
	char command[1024];

	snprintf(command, sizeof(command),
		 "mkdir -p %1$s/bin %1$s/etc %1$s/proc %1$s/sys %1$s/dev %1$s/tmp && cp %2$s %1$s/bin/ && "
		 "%2$s --install -s %1$s/bin 2>/dev/null; cd %1$s/bin && for i in sh echo cat sleep true false kill; do "
		 "ln -sf busybox $i; done", dir, BUSYBOX);
	return system(command);
}

/* What a fixture of containers sets up: the surroundings and the agent's parts, with the runtime $RUNTIME. */
static void start_containers(struct __test_metadata *_metadata, struct gcs_error *err)
{
	struct container_options options = { .runtime = getenv("RUNTIME") ? getenv("RUNTIME") : "crun",
					     .use_kmod = use_kmod(), .on_exit = on_exit_note };
	const char *missing = enter_surroundings();

	if (missing) {
		leave_surroundings();
		/* Returning would run the test. */
		SKIP(_exit(255), "needs %s", missing);
	}
	ASSERT_EQ(0, event_start(err)) TH_LOG("%s", err->text);
	ASSERT_EQ(0, storage_init(err)) TH_LOG("%s", err->text);
	/* Before somebody else reaps what system(3) waits for. */
	ASSERT_EQ(0, make_layer("/run/layer"));
	ASSERT_EQ(0, container_init(&options, err)) TH_LOG("%s", err->text);
}

/* A spec that runs @script with sh; @own_pid: in its own pid namespace. */
static struct json_object *make_spec(const char *id, const char *script, bool own_pid)
{
	_cleanup_json_ struct json_object *text = json_object_new_string(script);
	char *s;
	struct json_object *spec;

	if (asprintf(&s, "{\"ociVersion\":\"1.1.0\",\"process\":{\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"/bin/sh\",\"-c\",%s],"
		     "\"env\":[\"PATH=/bin\"],\"cwd\":\"/\"},\"root\":{\"path\":\"/run/gcs/c/%s/rootfs\"},"
		     "\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},{\"destination\":\"/dev\","
		     "\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":[\"mode=755\"]},{\"destination\":\"/dev/pts\","
		     "\"type\":\"devpts\",\"source\":\"devpts\",\"options\":[\"newinstance\",\"ptmxmode=0666\"]}],"
		     "\"linux\":{\"cgroupsPath\":\"/else/where\",\"namespaces\":[%s{\"type\":\"mount\"},{\"type\":\"uts\"}]},"
		     "\"windows\":{\"network\":{}}}",
		     json_object_to_json_string(text), id, own_pid ? "{\"type\":\"pid\"}," : "") < 0)
		return NULL;
	spec = json_tokener_parse(s);
	free(s);
	return spec;
}

/* The layer, and a scratch in the bundle. */
static int combine(const char *id, struct gcs_error *err)
{
	char root[160], scratch[160];
	char *layers[] = { "/run/layer", NULL };
	struct combined_layers l = { .root = root, .scratch = scratch, .layers = layers };

	snprintf(root, sizeof(root), "/run/gcs/c/%s/rootfs", id);
	snprintf(scratch, sizeof(scratch), "/run/gcs/c/%s/scratch/%s", id, id);
	return access(root, F_OK) == 0 ? 0 : layers_combine(&l, err);
}

/* Layers and container; returns container_create()'s result. */
static inline int create(const char *id, const char *script, bool own_pid, struct gcs_error *err)
{
	char bundle[128], scratch[160];
	struct container_config config = { .activity_id = "", .bundle = bundle, .scratch = scratch };
	int ret;

	if (combine(id, err) < 0)
		return -1;
	snprintf(bundle, sizeof(bundle), "/run/gcs/c/%s", id);
	snprintf(scratch, sizeof(scratch), "%s/scratch/%s", bundle, id);
	config.spec = make_spec(id, script, own_pid);
	ret = container_create(id, &config, err);
	json_object_put(config.spec);
	return ret;
}

#endif
