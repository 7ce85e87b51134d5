// SPDX-License-Identifier: MIT
/* Containers that work against the agent in the directories of their pod, and creations that fail at each step. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "pod.h"

#define SECRET "/run/test/secret"
#define SHARED "/run/gcs/c/hp/sandboxMounts/s"
#define ROUNDS 6

/* What it prints on @s first. */
static void expect_line(struct host *h, struct host_stream *s, const char *line)
{
	char text[32] = "";

	if (recv(s->fd, text, strlen(line), MSG_WAITALL) != (ssize_t)strlen(line) || strcmp(text, line))
		host_fail(h, "%s instead of %s", text, line);
}

/*
 * Swap "d", a directory with the file "mine" in it, for the link "l" to SECRET and back in the directory @dir, as fast as that goes. Returns
 * when it is under way.
 */
static pid_t swap_begin(struct host *h, const char *dir)
{
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) < 0 || (pid = fork()) < 0)
		host_fail(h, "fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (chdir(dir) < 0 || mkdir("d", 0755) < 0 || symlink(SECRET, "l") < 0 || write_text("d/mine", "x") < 0)
			_exit(1);
		for (byte = 'x'; renameat2(AT_FDCWD, "d", AT_FDCWD, "l", RENAME_EXCHANGE) == 0; byte = 0)
			if (byte && write(ready[1], &byte, 1) != 1)
				break;
		_exit(1);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		host_fail(h, "%s: nothing is swapped there", dir);
	close(ready[0]);
	return pid;
}

static void swap_end(struct host *h, pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status))
		host_fail(h, "the swapping has ended before");
}

static void make_secret(struct host *h)
{
	if (system("mkdir -p " SECRET "/e && echo x > " SECRET "/told") != 0)
		host_fail(h, "make " SECRET);
}

TEST_F_TIMEOUT(pod, a_link_that_comes_between_look_and_use_does_not_lead_out, 240)
{
	struct host *h = &self->h;
	struct json_object *spec;
	struct host_stream out;
	int64_t init, workload, pid;
	int made = 0;
	char dir[64];
	pid_t swapper;

	make_secret(h);
	init = run(h, "hp", sandbox_spec("hp", FOREVER), NULL);
	spec = workload_spec("hw", "hp", init, false, FOREVER);
	add_mount(spec, "sandbox://s", "/data", "[\"rbind\"]");
	workload = run(h, "hw", spec, NULL);
	/* By the container's own way there. */
	snprintf(dir, sizeof(dir), "/proc/%d/root/data", (int)workload);
	swapper = swap_begin(h, dir);
	for (int i = 0; i < ROUNDS; i++) {
		char *text;

		/* What is there just now is the directory, and used, or the link, and an error. */
		spec = workload_spec("hv", "hp", init, false, "[\"ls\",\"/data\"]");
		add_mount(spec, "sandbox://s/d", "/data", "[\"bind\"]");
		if (create(h, "hv", spec) != 0)
			continue;
		made++;
		pid = oci_start(h, "hv", NULL, &out, NULL);
		ASSERT_LT(0, pid) TH_LOG("%s", error(h));
		text = host_stream_read(&out, NULL);
		EXPECT_STREQ("mine\n", text) TH_LOG("round %d", i);
		EXPECT_EQ(0, host_wait(h, "hv", pid));
		host_notified(h, "hv", NULL);
		EXPECT_EQ(0, oci_delete(h, "hv")) TH_LOG("%s", error(h));
	}
	TH_LOG("%d of %d were made", made, ROUNDS);
	swap_end(h, swapper);
	EXPECT_EQ(0, oci_uncombine(h, "hv"));
	stop(h, "hw", workload);
	EXPECT_EQ(0, oci_delete(h, "hw")) TH_LOG("%s", error(h));
	stop(h, "hp", init);
	EXPECT_EQ(0, oci_delete(h, "hp")) TH_LOG("%s", error(h));
	EXPECT_EQ(0, system("rmdir " SECRET "/e && rm " SECRET "/told && rmdir " SECRET " && rm -rf /run/test/scratch/hv"));
}

TEST_F_TIMEOUT(pod, what_a_failed_creation_takes_back_is_what_it_has_made, 240)
{
	struct host *h = &self->h;
	pid_t swapper;
	int64_t init;

	make_secret(h);
	init = run(h, "hp", sandbox_spec("hp", FOREVER), NULL);
	ASSERT_EQ(0, mkdir(SHARED, 0755));
	swapper = swap_begin(h, SHARED);
	for (int i = 0; i < 4 * ROUNDS; i++) {
		struct json_object *spec = workload_spec("hv", "hp", init, false, "[\"true\"]");

		add_mount(spec, "sandbox://s/d/e", "/data", "[\"bind\"]");
		add_mount(spec, "uvm:///no/such", "/more", "[\"bind\"]");
		EXPECT_NE(0, create(h, "hv", spec));
	}
	swap_end(h, swapper);
	EXPECT_EQ(0, access(SECRET "/e", F_OK));
	/* Whichever of the two the directory is now. */
	EXPECT_EQ(0, system("cd " SHARED " && test $(ls | wc -l) = 2 && rm $(find . -type l) && test \"$(ls *)\" = mine"));
	EXPECT_EQ(0, oci_uncombine(h, "hv"));
	stop(h, "hp", init);
	EXPECT_EQ(0, oci_delete(h, "hp")) TH_LOG("%s", error(h));
	EXPECT_EQ(0, system("rmdir " SECRET "/e && rm " SECRET "/told && rmdir " SECRET " && rm -rf /run/test/scratch/hv"));
}

/* A workload that may mount, and what it mounts in @source, which is on /data, the pod sees. */
static struct json_object *mounter_spec(const char *cid, const char *pod, int64_t init, const char *source, const char *script)
{
	struct json_object *spec = workload_spec(cid, pod, init, false, "[\"sh\",\"-c\"]");

	json_object_array_add(json_object_object_get(json_object_object_get(spec, "process"), "args"), json_object_new_string(script));
	add_mount(spec, source, "/data", "[\"rbind\",\"rshared\"]");
	set(spec, "process/capabilities", "{\"bounding\":[\"CAP_SYS_ADMIN\"],\"effective\":[\"CAP_SYS_ADMIN\"],"
	    "\"permitted\":[\"CAP_SYS_ADMIN\"]}");
	set(spec, "linux/rootfsPropagation", "\"rshared\"");
	return spec;
}

TEST_F_TIMEOUT(pod, a_sandbox_is_deleted_while_a_workload_uses_what_it_has_mounted_for_the_pod, 240)
{
	struct host *h = &self->h;
	struct json_object *spec;
	struct host_stream out;
	int64_t init, workload, pid;

	init = run(h, "mp", sandbox_spec("mp", FOREVER), NULL);
	spec = mounter_spec("mw", "mp", init, "sandbox://s", "mkdir /data/m && busybox mount -t tmpfs t /data/m && cd /data/m && "
			    "echo inside > f && echo ready && sleep 1000");
	workload = run(h, "mw", spec, &out);
	expect_line(h, &out, "ready\n");
	host_stream_close(&out);
	/* The pod sees it. */
	EXPECT_STREQ("inside\n", read_text("/run/gcs/c/mp/sandboxMounts/s/m/f"));
	stop(h, "mp", init);
	EXPECT_EQ(0, oci_delete(h, "mp")) TH_LOG("%s", error(h));
	EXPECT_NE(0, system("grep -q ' /run/gcs/c/mp' /proc/mounts"));
	/* And who uses it has it still. */
	pid = oci_exec(h, "mw", "[\"sh\",\"-c\",\"cat /data/m/f\"]", NULL, &out, NULL);
	ASSERT_LT(0, pid) TH_LOG("%s", error(h));
	EXPECT_STREQ("inside\n", host_stream_read(&out, NULL));
	EXPECT_EQ(0, host_wait(h, "mw", pid));
	stop(h, "mw", workload);
	EXPECT_EQ(0, oci_delete(h, "mw")) TH_LOG("%s", error(h));
}

TEST_F_TIMEOUT(pod, a_standalone_container_that_cannot_be_made_or_started_leaves_nothing, 240)
{
	static const struct {
		const char *path, *json, *text;
	} cases[] = {
		{ "hostname", "\"a b\"", "a b" },
		{ "process/args", "[\"nothing-of-this-name\"]", "nothing-of-this-name" },
		{ "process/terminal", "1", "terminal" },
		{ "mounts", "[{\"destination\":\"/x\",\"type\":\"bind\",\"source\":\"/no/such/source\",\"options\":[\"bind\"]}]", "/no/such/source" },
		{ "linux/namespaces", "[{\"type\":\"mount\"},{\"type\":\"uts\"},{\"type\":\"network\",\"path\":\"/no/such/ns\"}]",
		  "/no/such/ns" },
		{ "linux/resources", "{\"cpu\":{\"cpus\":\"100000\"}}", "" },
	};
	struct host *h = &self->h;
	struct host_stream out = { 0 };
	char *before, *created;
	int64_t pid;

	ASSERT_EQ(0, oci_combine(h, "sc"));
	/* The runtime makes mount points in the container's own root. */
	ASSERT_EQ(0, system("cd /run/gcs/c/sc/rootfs && touch etc/hostname etc/hosts etc/resolv.conf && mkdir x"));
	before = traces(h);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct json_object *spec = spec_new("sc", FOREVER);

		set(spec, cases[i].path, cases[i].json);
		EXPECT_NE(0, create(h, "sc", spec)) TH_LOG("case %zu", i);
		EXPECT_NE(NULL, strstr(error(h), cases[i].text)) TH_LOG("%zu: %s", i, error(h));
		EXPECT_EQ(E_NO_SYSTEM, host_call(h, MSG_DELETE_CONTAINER_STATE, "sc", "%s", ""));
		EXPECT_STREQ(before, traces(h)) TH_LOG("case %zu", i);
	}
	/* The host's ports are refused: for a start, which may be tried again, and for an exec. */
	ASSERT_EQ(0, create(h, "sc", spec_new("sc", FOREVER))) TH_LOG("%s", error(h));
	created = traces(h);
	EXPECT_EQ(E_FAIL, host_call(h, MSG_EXECUTE_PROCESS, "sc", ",\"Settings\":{\"ProcessParameters\":"
				    "\"{\\\"CreateStdOutPipe\\\":true}\",\"VsockStdioRelaySettings\":{\"StdOut\":9}}"));
	EXPECT_NE(NULL, strstr(error(h), "port 9")) TH_LOG("%s", error(h));
	EXPECT_STREQ(created, traces(h));
	pid = oci_start(h, "sc", NULL, &out, NULL);
	ASSERT_LT(0, pid) TH_LOG("%s", error(h));
	created = traces(h);
	EXPECT_EQ(E_FAIL, host_call(h, MSG_EXECUTE_PROCESS, "sc", ",\"Settings\":{\"ProcessParameters\":"
				    "\"{\\\"CreateStdOutPipe\\\":true,\\\"OciProcess\\\":{\\\"args\\\":[\\\"true\\\"],\\\"cwd\\\":\\\"/\\\","
				    "\\\"user\\\":{}}}\",\"VsockStdioRelaySettings\":{\"StdOut\":9}}"));
	EXPECT_NE(NULL, strstr(error(h), "port 9")) TH_LOG("%s", error(h));
	EXPECT_STREQ(created, traces(h));
	host_stream_close(&out);
	stop(h, "sc", pid);
	EXPECT_EQ(0, oci_delete(h, "sc")) TH_LOG("%s", error(h));
}

static void limit_files(struct host *h, rlim_t soft)
{
	struct rlimit l;

	if (prlimit(h->agent, RLIMIT_NOFILE, NULL, &l) < 0)
		host_fail(h, "prlimit");
	l.rlim_cur = soft;
	if (prlimit(h->agent, RLIMIT_NOFILE, &l, NULL) < 0)
		host_fail(h, "prlimit");
}

static rlim_t count_files(struct host *h)
{
	char command[64];
	rlim_t n = 0;
	FILE *f;

	snprintf(command, sizeof(command), "ls /proc/%d/fd | wc -l", h->agent);
	f = popen(command, "re");
	if (!f || fscanf(f, "%lu", &n) != 1 || pclose(f) != 0)
		host_fail(h, "%s", command);
	return n;
}

/* The creation gets one file further each time: whatever it opens or makes, there is a time when it fails there. */
TEST_F_TIMEOUT(pod, a_creation_that_runs_out_of_files_at_any_step_leaves_nothing, 300)
{
	struct host *h = &self->h;
	int64_t init = run(h, "fp", sandbox_spec("fp", FOREVER), NULL), result;
	rlim_t files, limit;
	struct rlimit old;
	char *before;

	ASSERT_EQ(0, oci_combine(h, "fw"));
	ASSERT_EQ(0, system("mkdir /run/gcs/c/fw/rootfs/data /run/gcs/c/fw/rootfs/huge"));
	ASSERT_EQ(0, prlimit(h->agent, RLIMIT_NOFILE, NULL, &old));
	before = traces(h);
	files = count_files(h);
	for (limit = files;; limit++) {
		struct json_object *spec = workload_spec("fw", "fp", init, false, FOREVER);

		ASSERT_GT(files + 64, limit) TH_LOG("%s", error(h));
		add_mount(spec, "sandbox://deep/er", "/data", "[\"bind\"]");
		add_mount(spec, "hugepages://2M/h", "/huge", "[\"bind\"]");
		limit_files(h, limit);
		result = create(h, "fw", spec);
		limit_files(h, old.rlim_cur);
		if (result == 0)
			break;
		TH_LOG("%lu files: %s", limit - files, error(h));
		EXPECT_EQ(E_NO_SYSTEM, host_call(h, MSG_DELETE_CONTAINER_STATE, "fw", "%s", ""));
		ASSERT_STREQ(before, traces(h)) TH_LOG("%lu files", limit - files);
	}
	EXPECT_LT(files + 5, limit);
	EXPECT_EQ(0, oci_delete(h, "fw")) TH_LOG("%s", error(h));
	stop(h, "fp", init);
	EXPECT_EQ(0, oci_delete(h, "fp")) TH_LOG("%s", error(h));
}

TEST_HARNESS_MAIN
