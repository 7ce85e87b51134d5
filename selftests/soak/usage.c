// SPDX-License-Identifier: MIT
/* What the agent holds, and the VM on its behalf; many execs at once. */
#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oci.h"
#include "usage.h"

/* --- counting --------------------------------------------------------------------------------- */

static long counted;
static bool count_all;

static int count_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	counted += count_all || type == FTW_D;
	return 0;
}

/* Files and directories, or only these, of the file system that @path is on. */
static long count_tree(const char *path, bool files)
{
	counted = 0;
	count_all = files;
	nftw(path, count_entry, 16, FTW_PHYS | FTW_MOUNT);
	return counted;
}

static FILE *agent_file(const struct host *h, const char *name)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", h->agent, name);
	f = fopen(path, "re");
	if (!f)
		host_fail(h, "%s: %m", path);
	return f;
}

static long count_dir(const struct host *h, const char *name)
{
	char path[64];
	long n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/%s", h->agent, name);
	d = opendir(path);
	if (!d)
		host_fail(h, "%s: %m", path);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static long count_lines(const struct host *h, const char *name)
{
	FILE *f = agent_file(h, name);
	long n = 0;
	int c;

	while ((c = getc(f)) != EOF)
		n += c == '\n';
	fclose(f);
	return n;
}

/* The number after @key and a colon; the test ends if it is not there. */
static long read_number(const struct host *h, const char *name, const char *key)
{
	FILE *f = agent_file(h, name);
	size_t len = strlen(key);
	char line[256];
	long n = -1;

	while (n < 0 && fgets(line, sizeof(line), f))
		if (strncmp(line, key, len) == 0 && line[len] == ':')
			n = strtol(line + len + 1, NULL, 10);
	fclose(f);
	if (n < 0)
		host_fail(h, "/proc/%d/%s has no %s", h->agent, name, key);
	return n;
}

/* VmRSS of status lags: each thread counts for itself for a while. */
long usage_rss(const struct host *h)
{
	return read_number(h, "smaps_rollup", "Rss") * 1024;
}

static long count_zombies(const struct host *h)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	long n = 0;

	while (d && (e = readdir(d))) {
		char path[300], state;
		int parent;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%s/stat", e->d_name);
		f = *e->d_name >= '1' && *e->d_name <= '9' ? fopen(path, "re") : NULL;
		if (f && fscanf(f, "%*d (%*[^)]) %c %d", &state, &parent) == 2)
			n += state == 'Z' && parent == h->agent;
		if (f)
			fclose(f);
	}
	if (d)
		closedir(d);
	return n;
}

static long module_users(void)
{
	FILE *f = fopen("/sys/module/gcs/refcnt", "re");
	long n = 0;

	if (f && fscanf(f, "%ld", &n) != 1)
		n = -1;
	if (f)
		fclose(f);
	return n;
}

static struct heap read_heap(void)
{
	FILE *f = fopen(HEAP_FILE, "re");
	struct heap heap = { 0 };

	if (f && fread(&heap, sizeof(heap), 1, f) != 1)
		heap.bytes = -1;
	if (f)
		fclose(f);
	return heap;
}

struct usage usage_now(const struct host *h, const char *when)
{
	struct usage u = {
		.fds = count_dir(h, "fd"),
		.threads = count_dir(h, "task"),
		.rss = usage_rss(h),
		.zombies = count_zombies(h),
		.mounts = count_lines(h, "mountinfo"),
		.cgroups = count_tree("/sys/fs/cgroup", false),
		.files = count_tree("/", true) + count_tree("/run", true) + count_tree("/tmp", true) + count_tree("/dev", true),
		.module = module_users(),
		.heap = read_heap(),
	};

	printf("# %s: %ld descriptors, %ld threads, RSS %ld KiB, %ld zombies, %ld mounts, %ld cgroups, %ld files, "
	       "%ld users of gcs.ko, heap %ld bytes in %ld\n", when, u.fds, u.threads, u.rss / 1024, u.zombies, u.mounts, u.cgroups,
	       u.files, u.module, u.heap.bytes, u.heap.blocks);
	return u;
}

long usage_switches(const struct host *h)
{
	char path[64], name[300];
	struct dirent *e;
	long n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", h->agent);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		if (*e->d_name == '.')
			continue;
		snprintf(name, sizeof(name), "task/%s/status", e->d_name);
		n += read_number(h, name, "voluntary_ctxt_switches") + read_number(h, name, "nonvoluntary_ctxt_switches");
	}
	if (d)
		closedir(d);
	return n;
}

/* --- many execs at once ----------------------------------------------------------------------- */

bool exec_at_once(struct host *h, char *const cids[], size_t count, const char *args, const char *expect)
{
	struct host_stream out[AT_ONCE];
	char *process, *string;
	uint64_t id[AT_ONCE];
	bool ok = true;

	if (asprintf(&process,
		     "{\"CreateStdOutPipe\":true,\"OciProcess\":{\"user\":{\"uid\":0,\"gid\":0},\"args\":%s,\"env\":[\"PATH=/bin\"],"
		     "\"cwd\":\"/\"}}", args) < 0)
		host_fail(h, "no memory");
	string = quoted(process);
	free(process);
	for (int i = 0; i < AT_ONCE; i++) {
		host_stream_listen(h, &out[i]);
		id[i] = host_ask(h, MSG_EXECUTE_PROCESS, cids[i % count],
				 ",\"Settings\":{\"ProcessParameters\":%s,\"VsockStdioRelaySettings\":{\"StdOut\":%u}}", string,
				 out[i].port);
	}
	free(string);
	for (int i = 0; i < AT_ONCE; i++) {
		const struct answer *a = host_answer(h, id[i]);
		int64_t pid;
		char *text;

		if (answer_result(a) != 0)
			host_fail(h, "exec in %s: %s", cids[i % count], answer_text(a, "ErrorMessage"));
		pid = answer_number(a, "ProcessId");
		host_stream_accept(&out[i]);
		text = host_stream_read(&out[i], NULL);
		ok &= strcmp(text, expect) == 0;
		free(text);
		ok &= host_wait(h, cids[i % count], pid) == 0;
	}
	host_forget_over(h);
	return ok;
}

int setting(const char *name, int otherwise)
{
	const char *value = getenv(name);

	return value ? atoi(value) : otherwise;
}
