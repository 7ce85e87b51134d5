// SPDX-License-Identifier: MIT
/*
 * OCI specs: one that is created, in the standalone, sandbox or workload way, or without a "process" the process of an exec.
 *
 * The container's root, its bundle and its pod are made afresh for each input; whatever the input does, nothing may be
 * made beside them, and nothing that was made in the pod may be left. The pod's own making, with mounts and cgroups, is test_pod's.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "container/limits.h"
#include "container/netfiles.h"
#include "container/pod.h"
#include "container/spec_tree.h"
#include "fs.h"
#include "fuzz.h"
#include "json.h"
#include "log.h"
#include "network/network.h"
#include "pci/pci.h"

#define ROOTFS FUZZ_DIR "/rootfs"
#define BUNDLE FUZZ_DIR "/bundle"
#define POD FUZZ_DIR "/pod"
#define OUTSIDE FUZZ_DIR "/outside"
#define PINS "/run/gcs/mounts"

static const char *const shared[] = { POD "/sandboxMounts", POD "/sandboxTmpfsMounts", POD "/hugepages" };
#define SHARED (sizeof(shared) / sizeof(shared[0]))
static const char *const prefixes[] = { "sandbox://", "sandbox-tmp://", "hugepages://", "uvm://" };

static struct pod pod = { .id = "p", .root = POD, .cgroup = "/pods/p", .files = PTHREAD_MUTEX_INITIALIZER,
			  .hugepages = PTHREAD_MUTEX_INITIALIZER };

/* --- instead of pod.c: a pod that is always there --------------------------------------------- */

bool pod_exists(const char *id)
{
	return !strcmp(id, pod.id);
}

int pod_make(struct container *c, const struct spec *s, struct gcs_error *err)
{
	c->pod = &pod;
	return 0;
}

int pod_join(struct container *c, const char *id, struct gcs_error *err)
{
	c->pod = &pod;
	return 0;
}

int pod_open_dir(struct pod *p, const char *dir, struct gcs_error *err)
{
	char path[64];

	snprintf(path, sizeof(path), POD "/%s", dir);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* container_init() chooses them; no cgroup is written here. */
const struct cgroup_files *cgroup_files;

/* --- the files --------------------------------------------------------------------------------- */

static void write_file(const char *path, const char *text)
{
	struct gcs_error err;

	REQUIRE(fs_write(path, text, strlen(text), 0644, &err) == 0);
}

/* How many entries has a directory? */
static int entries(const char *path)
{
	_cleanup_dir_ DIR *d = opendir(path);
	int n = 0;

	REQUIRE(d);
	while (readdir(d))
		n++;
	return n - 2;
}

static void make_pod(void)
{
	REQUIRE(!mkdir(OUTSIDE, 0755) && !mkdir(POD, 0755));
	/* As in a pod, whoever removes what is empty cannot remove these. */
	for (size_t i = 0; i < SHARED; i++)
		REQUIRE(!mkdir(shared[i], 0755) && !mount(shared[i], shared[i], "", MS_BIND, ""));
	/* As a container may have made it. */
	REQUIRE(!symlink("../../../../.." OUTSIDE, POD "/sandboxMounts/out"));
}

static void check_pod(void)
{
	netfiles_remove(POD);
	REQUIRE(entries(POD "/sandboxMounts") == 1);
	REQUIRE(entries(POD "/sandboxTmpfsMounts") == 0 && entries(POD "/hugepages") == 0);
	REQUIRE(entries(POD) == SHARED && entries(OUTSIDE) == 0 && entries(PINS) == 0);
}

static void make_files(void)
{
	REQUIRE(!mkdir(ROOTFS, 0755) && !mkdir(ROOTFS "/etc", 0755) && !mkdir(BUNDLE, 0755));
	REQUIRE(!symlink(OUTSIDE, ROOTFS "/out"));
	write_file(ROOTFS "/etc/passwd", "root:x:0:0::/:/bin/sh\napp:x:1000:1001::/:/bin/sh\n");
	write_file(ROOTFS "/etc/group", "staff:x:50:\n");
}

static void remove_files(void)
{
	struct gcs_error err;

	REQUIRE(!fs_remove_tree(ROOTFS, &err) && !fs_remove_tree(BUNDLE, &err));
	/* What was made for a container is in one of the two, or in the pod. */
	REQUIRE(entries(FUZZ_DIR) == 2);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct gcs_error err;

	fuzz_make_dir();
	REQUIRE(!mount("tmpfs", "/run", "tmpfs", 0, "") && !shared_init(&err));
	make_pod();
	/* This machine's devices are none of it, and nothing comes. */
	pci_sysfs = "/run";
	pci_deadline_ms = 0;
	log_discard(true);
	return 0;
}

/* --- what must be so of a spec that was accepted ------------------------------------------------ */

static struct json_object *get(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	if (json_object_is_type(o, json_type_object))
		json_object_object_get_ex(o, key, &v);
	return v;
}

/* Every member of @before but @except is in @after as it was. */
static void check_kept(struct json_object *before, struct json_object *after, const char *const *except)
{
	if (!json_object_is_type(before, json_type_object))
		return;
	json_object_object_foreach(before, key, value) {
		bool skip = false;

		for (const char *const *e = except; *e; e++)
			skip |= !strcmp(*e, key);
		REQUIRE(skip || json_object_equal(value, get(after, key)));
	}
}

/* config.json is JSON, and is read as it was meant. */
static void check_print(struct json_object *tree)
{
	struct gcs_error err;
	struct json_object *back;
	char *text;

	REQUIRE(spec_write(BUNDLE "/config.json", tree, &err) == 0);
	text = fs_read(BUNDLE "/config.json", 16 << 20, &err);
	REQUIRE(text);
	back = json_parse(text, strlen(text), &err);
	REQUIRE(back && json_object_equal(tree, back));
	json_object_put(back);
	free(text);
}

/* Is @source, by a way that is not in the pod, the directory that is @rest for who has @dir as the root? */
static bool is_shared(const char *source, const char *dir, const char *rest)
{
	_cleanup_close_ int root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;
	_cleanup_free_ char *path = path_clean(rest);
	struct stat is, st;

	fd = path ? fs_open_in(root, *path ? path : "/", O_PATH | O_DIRECTORY) : -1;
	return path_is_below(source, PINS) && fd >= 0 && fstat(fd, &st) == 0 && stat(source, &is) == 0 && st.st_dev == is.st_dev &&
	       st.st_ino == is.st_ino;
}

static void check_mounts(const struct container *c, struct json_object *before, struct json_object *after, bool shm)
{
	size_t n = before ? json_object_array_length(before) : 0;
	const char *wrong = NULL;

	REQUIRE(shm || json_object_array_length(after) >= n);
	for (size_t i = 0; c->kind == KIND_WORKLOAD && i < json_object_array_length(after); i++) {
		const char *source = string(json_object_array_get_idx(after, i), "source", &wrong);

		for (size_t p = 0; p < sizeof(prefixes) / sizeof(prefixes[0]); p++)
			REQUIRE(strncmp(source, prefixes[p], strlen(prefixes[p])));
	}
	/* The shared ones are where their prefix says, and nowhere else. */
	for (size_t i = 0; c->kind == KIND_WORKLOAD && !shm && i < n; i++) {
		const char *was = string(json_object_array_get_idx(before, i), "source", &wrong);
		const char *is = string(json_object_array_get_idx(after, i), "source", &wrong);

		for (size_t p = 0; p < SHARED; p++) {
			size_t len = strlen(prefixes[p]);

			REQUIRE(strncmp(was, prefixes[p], len) || is_shared(is, shared[p], was + len));
		}
	}
}

/* Those of the spec that the VM does not have are the runtime's to refuse if it is privileged. */
static void check_devices(struct json_object *linux_, bool privileged)
{
	struct json_object *devices = get(linux_, "devices");

	for (size_t i = 0; !privileged && i < json_object_array_length(devices); i++) {
		struct json_object *d = json_object_array_get_idx(devices, i);

		REQUIRE(json_object_is_type(get(d, "major"), json_type_int) && get(d, "path") && get(d, "type"));
	}
	REQUIRE(json_object_array_length(get(get(linux_, "resources"), "devices")) > 0 || !json_object_array_length(devices));
}

static size_t count_by(struct json_object *array, const char *key, const char *value)
{
	const char *wrong = NULL;
	size_t n = 0;

	for (size_t i = 0; array && i < json_object_array_length(array); i++) {
		struct json_object *o = json_object_array_get_idx(array, i);

		n += json_object_is_type(o, json_type_object) && !strcmp(string(o, key, &wrong), value);
	}
	return n;
}

static void check_user(struct json_object *before, struct json_object *after, bool resolved)
{
	static const char *const numbers[] = { "uid", "gid", NULL }, *const none[] = { NULL };
	const char *wrong = NULL, *name = string(before, "username", &wrong);

	check_kept(before, after, resolved && *name ? numbers : none);
	if (resolved && *name)
		REQUIRE(json_object_is_type(get(after, "uid"), json_type_int) && json_object_get_int64(get(after, "uid")) >= 0 &&
			json_object_is_type(get(after, "gid"), json_type_int) && json_object_get_int64(get(after, "gid")) >= 0);
}

/* One variable more, at the end. */
static void check_security(struct json_object *before, struct json_object *after, const char *dir)
{
	size_t n = before ? json_object_array_length(before) : 0;

	if (!dir)
		return;
	REQUIRE(json_object_array_length(after) == n + 1);
	REQUIRE(!strcmp(json_object_get_string(json_object_array_get_idx(after, n)) + strlen("UVM_SECURITY_CONTEXT_DIR="),
			dir + strlen(ROOTFS)));
}

static void check_spec(const struct container *c, struct json_object *before, struct json_object *after)
{
	static const char *const parts[] = { "linux", "mounts", "process", "windows", NULL };
	static const char *const linux_parts[] = { "cgroupsPath", "namespaces", "devices", "resources", NULL };
	static const char *const quota[] = { "quota", NULL };
	const char *const process_parts[] = { "user", "rlimits", c->security_dir ? "env" : NULL, NULL };
	static const char *const resources_parts[] = { "devices", "cpu", NULL }, *const none[] = { NULL };
	struct json_object *resources = get(get(before, "linux"), "resources"), *cpu = get(resources, "cpu");
	struct json_object *linux_ = get(after, "linux"), *notes = get(before, "annotations");
	const char *wrong = NULL;
	struct gcs_error err;
	struct annotations a;

	REQUIRE(annotations_read(c->id, notes, &a, &err) == 0 && a.kind == c->kind);
	check_kept(before, after, parts);
	check_kept(get(before, "linux"), linux_, linux_parts);
	check_kept(get(before, "process"), get(after, "process"), process_parts);
	check_kept(resources, get(linux_, "resources"), resources_parts);
	/* A quota below 0 is none. */
	check_kept(cpu, get(get(linux_, "resources"), "cpu"), json_object_get_int64(get(cpu, "quota")) < 0 ? quota : none);
	REQUIRE(!get(after, "windows"));
	REQUIRE(!strcmp(string(linux_, "cgroupsPath", &wrong), c->cgroup));
	REQUIRE(!strcmp(c->cgroup, c->pod ? "/pods/p/c" : "/pods/c") && (c->pod != NULL) == (c->kind != KIND_STANDALONE));
	check_mounts(c, get(before, "mounts"), get(after, "mounts"), a.kind == KIND_WORKLOAD && a.shm_kb);
	if (c->kind == KIND_WORKLOAD) {
		REQUIRE(!get(before, "hostname") || !*string(before, "hostname", &wrong));
		check_devices(linux_, a.privileged);
		if (a.shm_kb)
			REQUIRE(count_by(get(after, "mounts"), "destination", "/dev/shm") == 1);
	}
	if (c->kind != KIND_WORKLOAD && a.host_network)
		REQUIRE(!count_by(get(linux_, "namespaces"), "type", "network"));
	if (a.has_core)
		REQUIRE(count_by(get(get(after, "process"), "rlimits"), "type", "RLIMIT_CORE") == 1);
	check_user(get(get(before, "process"), "user"), get(get(after, "process"), "user"), c->kind != KIND_STANDALONE);
	REQUIRE(!c->security_dir == (a.no_security_context || !*a.amd_certificate));
	REQUIRE(!c->security_dir || path_is_below(c->security_dir, ROOTFS));
	check_security(get(get(before, "process"), "env"), get(get(after, "process"), "env"), c->security_dir);
	REQUIRE(!wrong);
	check_print(after);
}

static void check_process(const struct container *c, struct json_object *before, struct json_object *after)
{
	static const char *const parts[] = { "user", "rlimits", NULL };
	size_t n = json_object_array_length(c->rlimits);

	check_kept(before, after, parts);
	REQUIRE(json_object_array_length(get(after, "rlimits")) >= n);
	REQUIRE(count_by(get(after, "rlimits"), "type", "RLIMIT_CORE") >= 1);
	/* It would be looked up again by the runtime, in files that need not be there. */
	if (count_by(get(before, "rlimits"), "type", "RLIMIT_CORE") == 0)
		REQUIRE(count_by(get(after, "rlimits"), "type", "RLIMIT_CORE") == 1);
	check_print(after);
}

/* The root is the test's own, whatever the input wants; what is no path stays. */
static struct json_object *parse(const char *text, size_t size)
{
	const char *wrong = NULL;
	struct gcs_error err;
	struct json_object *tree = json_parse(text, size, &err), *root = get(tree, "root");

	if (json_object_is_type(root, json_type_object) && path_is_plain(string(root, "path", &wrong)))
		set_string(root, "path", ROOTFS);
	return tree;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_object *before = parse((const char *)data, size), *after = parse((const char *)data, size);
	struct container c = { .id = "c", .bundle = BUNDLE };
	struct gcs_error err = { 0 };
	int ret;

	if (!json_object_is_type(after, json_type_object))
		goto out;
	make_files();
	if (get(after, "process")) {
		ret = spec_prepare(&c, after, &err);
		if (ret == 0)
			check_spec(&c, before, after);
	} else {
		c.rootfs = strdup(ROOTFS);
		c.rlimits = json_tokener_parse("[{\"type\":\"RLIMIT_CORE\",\"soft\":0,\"hard\":0}]");
		c.user = json_tokener_parse("{\"uid\":7,\"gid\":7,\"username\":\"app\"}");
		ret = spec_prepare_process(&c, after, &err);
		if (ret == 0)
			check_process(&c, before, after);
	}
	REQUIRE((ret == 0) == (err.hr == HR_OK));
	REQUIRE(ret == 0 || *err.text);
	shared_unpin(&c);
	fs_made_undo(&c.made);
	security_context_remove(&c);
	netns_release(c.netns);
	json_object_put(c.rlimits);
	json_object_put(c.user);
	free(c.rootfs);
	free(c.cgroup);
	free(c.tee_log);
	remove_files();
	check_pod();
out:
	json_object_put(before);
	json_object_put(after);
	return 0;
}
