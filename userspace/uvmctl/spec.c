// SPDX-License-Identifier: MIT
/* The OCI specification of a container. */
#include "spec.h"

#include <stdio.h>
#include <string.h>

#include "jsonset.h"
#include "size.h"

#define LIST_END NULL

static struct json_object *capabilities(void)
{
	static const char *const names[] = {
		"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID",
		"CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL",
		"CAP_AUDIT_WRITE", LIST_END
	};
	static const char *const sets[] = { "bounding", "effective", "permitted", LIST_END };
	struct json_object *o = json_object_new_object();

	for (const char *const *s = sets; *s; s++)
		json_object_object_add(o, *s, strings(names));
	return o;
}

/* One by name the agent looks up, in the container's files. */
static struct json_object *user_object(const char *text)
{
	struct json_object *o = json_object_new_object(), *groups = json_object_new_array();
	const char *at = text ? text : "0";
	uint32_t uid = 0, gid = 0, more = 0;
	bool by_number = number_parse(&at, &uid);

	if (by_number && *at == ':') {
		at++;
		by_number = number_parse(&at, &gid);
	}
	while (by_number && *at == ',') {
		at++;
		by_number = number_parse(&at, &more);
		json_object_array_add(groups, json_object_new_int64(more));
	}
	if (!by_number || *at) {
		uid = gid = 0;
		set_string(o, "username", text);
	}
	set_number(o, "uid", uid);
	set_number(o, "gid", gid);
	json_object_object_add(o, "additionalGids", groups);
	return o;
}

/* The same variable again replaces the one before. */
static void add_env(struct json_object *env, const char *var)
{
	size_t name = strcspn(var, "=") + 1;

	for (size_t i = 0; i < json_object_array_length(env); i++) {
		if (!strncmp(json_object_get_string(json_object_array_get_idx(env, i)), var, name)) {
			json_object_array_put_idx(env, i, json_object_new_string(var));
			return;
		}
	}
	json_object_array_add(env, json_object_new_string(var));
}

static void add_terminal(struct json_object *process, const struct spec_options *o)
{
	struct json_object *size;

	set_bool(process, "terminal", true);
	if (!o->rows || !o->columns)
		return;
	size = json_object_new_object();
	json_object_object_add(size, "height", json_object_new_int(o->rows));
	json_object_object_add(size, "width", json_object_new_int(o->columns));
	json_object_object_add(process, "consoleSize", size);
}

struct json_object *spec_process(const struct spec_options *o)
{
	struct json_object *p = json_object_new_object(), *env, *limits, *limit;
	static const char *const base[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
					    LIST_END };

	json_object_object_add(p, "user", user_object(o->user));
	json_object_object_add(p, "args", strings((const char *const *)o->args));
	env = strings(base);
	if (o->terminal)
		add_env(env, "TERM=xterm");
	for (char *const *e = o->env; *e; e++)
		add_env(env, *e);
	json_object_object_add(p, "env", env);
	set_string(p, "cwd", o->cwd);
	if (o->terminal)
		add_terminal(p, o);
	json_object_object_add(p, "capabilities", capabilities());
	limit = json_object_new_object();
	set_string(limit, "type", "RLIMIT_NOFILE");
	json_object_object_add(limit, "hard", json_object_new_int(1048576));
	json_object_object_add(limit, "soft", json_object_new_int(1024));
	limits = json_object_new_array();
	json_object_array_add(limits, limit);
	json_object_object_add(p, "rlimits", limits);
	return p;
}

static struct json_object *mounts(struct json_object *more)
{
	static const struct {
		const char *destination, *type, *source, *options[8];
	} list[] = {
		{ "/proc", "proc", "proc", { "nosuid", "noexec", "nodev" } },
		{ "/dev", "tmpfs", "tmpfs", { "nosuid", "strictatime", "mode=755", "size=65536k" } },
		{ "/dev/pts", "devpts", "devpts", { "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5" } },
		{ "/dev/shm", "tmpfs", "shm", { "nosuid", "noexec", "nodev", "mode=1777", "size=65536k" } },
		{ "/dev/mqueue", "mqueue", "mqueue", { "nosuid", "noexec", "nodev" } },
		{ "/sys", "sysfs", "sysfs", { "nosuid", "noexec", "nodev", "ro" } },
		{ "/run", "tmpfs", "tmpfs", { "nosuid", "strictatime", "mode=755", "size=65536k" } },
	};
	struct json_object *a = json_object_new_array();

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		struct json_object *m = json_object_new_object();

		set_string(m, "destination", list[i].destination);
		set_string(m, "type", list[i].type);
		set_string(m, "source", list[i].source);
		json_object_object_add(m, "options", strings(list[i].options));
		json_object_array_add(a, m);
	}
	for (size_t i = 0; more && i < json_object_array_length(more); i++)
		json_object_array_add(a, json_object_get(json_object_array_get_idx(more, i)));
	return a;
}

/* Where the host's shim has it, whatever the guest is. */
static struct json_object *network(const char *guid)
{
	struct json_object *windows = json_object_new_object(), *o = json_object_new_object();

	set_string(o, "networkNamespace", guid);
	json_object_object_add(windows, "network", o);
	return windows;
}

/* What containerd says of pods, and the agent knows a sandbox container and its workloads by. */
static struct json_object *annotations(const struct spec_options *o)
{
	struct json_object *a = json_object_new_object();

	set_string(a, "io.kubernetes.cri.container-type", o->sandbox_pid ? "container" : "sandbox");
	set_string(a, "io.kubernetes.cri.sandbox-id", o->pod);
	/* Those that it has are there already, or come later: none is waited for. */
	if (!o->sandbox_pid)
		set_string(a, "io.microsoft.cri.skip-pod-networking", "true");
	return a;
}

static struct json_object *namespaces(uint32_t sandbox_pid)
{
	static const struct {
		const char *type, *file; /* of the sandbox's process; NULL: it is the container's own in any case */
	} list[] = { { "pid", NULL }, { "mount", NULL }, { "ipc", "ipc" }, { "uts", "uts" }, { "network", "net" } };
	struct json_object *a = json_object_new_array();
	char path[64];

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		struct json_object *ns = json_object_new_object();

		set_string(ns, "type", list[i].type);
		snprintf(path, sizeof(path), "/proc/%u/ns/%s", sandbox_pid, list[i].file ?: "");
		if (sandbox_pid && list[i].file)
			set_string(ns, "path", path);
		json_object_array_add(a, ns);
	}
	return a;
}

#define CPU_PERIOD_US 100000

/* @o's member @key, an object, made when it is asked for. */
static struct json_object *member(struct json_object *o, const char *key)
{
	struct json_object *m;

	if (!json_object_object_get_ex(o, key, &m)) {
		m = json_object_new_object();
		json_object_object_add(o, key, m);
	}
	return m;
}

static struct json_object *resources(const struct spec_limits *l)
{
	struct json_object *o = json_object_new_object();

	if (l->memory)
		set_number(member(o, "memory"), "limit", (int64_t)l->memory);
	if (l->cpu_milli) {
		set_number(member(o, "cpu"), "quota", (int64_t)l->cpu_milli * CPU_PERIOD_US / 1000);
		set_number(member(o, "cpu"), "period", CPU_PERIOD_US);
	}
	if (l->pids)
		set_number(member(o, "pids"), "limit", l->pids);
	return o;
}

static struct json_object *linux_part(const struct spec_options *options)
{
	static const char *const masked[] = { "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
					      "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware",
					      "/proc/scsi", LIST_END };
	static const char *const read_only[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
						 LIST_END };
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "namespaces", namespaces(options->sandbox_pid));
	json_object_object_add(o, "resources", resources(&options->limits));
	json_object_object_add(o, "maskedPaths", strings(masked));
	json_object_object_add(o, "readonlyPaths", strings(read_only));
	return o;
}

struct json_object *spec_build(const struct spec_options *o)
{
	struct json_object *s = json_object_new_object(), *root = json_object_new_object();

	set_string(s, "ociVersion", "1.1.0");
	json_object_object_add(s, "process", spec_process(o));
	set_string(root, "path", o->root);
	json_object_object_add(s, "root", root);
	/* A pod has one name, its sandbox container's. */
	if (!o->sandbox_pid)
		set_string(s, "hostname", o->hostname);
	json_object_object_add(s, "mounts", mounts(o->mounts));
	if (o->network)
		json_object_object_add(s, "windows", network(o->network));
	json_object_object_add(s, "linux", linux_part(o));
	if (o->pod)
		json_object_object_add(s, "annotations", annotations(o));
	return s;
}
