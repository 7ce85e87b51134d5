// SPDX-License-Identifier: MIT
/* Conformance: sandbox and workload containers, several pods, their undo and their end (lifecycle.md 1 to 5 and 10.4). */
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pod.h"

#define E_NOT_FOUND (-2147023728)
#define E_SYSTEM_EXISTS (-1070137073)

#define VIRTUAL "io.microsoft.cri.virtual-pod-id"
#define HOST_NET "io.microsoft.virtualmachine.lcow.hostnetwork"
#define PRIVILEGED "io.microsoft.virtualmachine.lcow.privileged"

/* --- what is in the VM ------------------------------------------------------------------------ */

/* Is this the one process of the cgroup, as every controller sees it? */
static bool is_in(int64_t pid, const char *cgroup)
{
	static const char *const v1[] = { "/memory", "/cpu", "/pids", "/devices", "/freezer", "/cpuset", NULL };
	static const char *const v2[] = { "", NULL };

	for (const char *const *root = cgroup_v1 ? v1 : v2; *root; root++) {
		char path[128], expected[32];

		snprintf(path, sizeof(path), CGROUP_ROOT "%s%s/cgroup.procs", *root, cgroup);
		snprintf(expected, sizeof(expected), "%d\n", (int)pid);
		if (strcmp(expected, read_text(path)))
			return false;
	}
	return true;
}

static char *namespace_of(int64_t pid, const char *type)
{
	char path[64], target[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, type);
	n = readlink(path, target, sizeof(target) - 1);
	target[n < 0 ? 0 : n] = '\0';
	return strdup(target);
}

/* --- tests ----------------------------------------------------------------------------------- */

TEST_F_TIMEOUT(pod, two_workloads_share_the_sandboxs_namespaces_mounts_and_network_files, 240)
{
	static const char *const types[] = { "net", "ipc", "uts" };
	struct host *h = &self->h;
	struct json_object *spec = sandbox_spec("p1", FOREVER);
	char *text, *expected = NULL, *more;
	int64_t init;
	struct stat st;

	json_object_object_add(spec, "hostname", json_object_new_string("pod.example"));
	set(spec, "linux/resources", "{\"memory\":{\"limit\":67108864,\"swap\":-1},\"cpu\":{\"shares\":2,\"quota\":-1,"
	    "\"period\":100000}}");
	init = run(h, "p1", spec, NULL);
	if (cgroup_v1) {
		EXPECT_STREQ("67108864\n", cgroup_get("/pods/p1", "memory.limit_in_bytes", NULL));
		EXPECT_STREQ("9223372036854771712\n", cgroup_get("/pods/p1", "memory.memsw.limit_in_bytes", NULL));
		EXPECT_STREQ("2\n", cgroup_get("/pods/p1", "cpu.shares", NULL));
		EXPECT_STREQ("-1\n", cgroup_get("/pods/p1", "cpu.cfs_quota_us", NULL));
	} else {
		EXPECT_STREQ("67108864\n", cgroup_get("/pods/p1", "memory.max", NULL));
		EXPECT_STREQ("1\n", cgroup_get("/pods/p1", "cpu.weight", NULL));
		EXPECT_STREQ("max 100000\n", cgroup_get("/pods/p1", "cpu.max", NULL));
	}
	EXPECT_TRUE(is_in(init, "/pods/p1/p1"));
	EXPECT_STREQ("pod.example\n", read_text("/run/gcs/c/p1/hostname"));
	EXPECT_STREQ("", read_text("/run/gcs/c/p1/resolv.conf"));
	ASSERT_EQ(0, stat("/run/gcs/c/p1/logs", &st));
	EXPECT_EQ(0777, st.st_mode & 07777);

	spec = workload_spec("w1", "p1", init, false, "[\"sh\",\"-c\",\"busybox hostname; cat /etc/hostname; head -n 2 /etc/hosts; "
			     "wc -c < /etc/resolv.conf; for n in net ipc uts; do readlink /proc/self/ns/$n; done; readlink /proc/self/ns/pid; "
			     "echo hello > /data/x; echo brief > /tmpfs/y; busybox stat -c %a /data /tmpfs; "
			     "busybox mount | busybox grep -c ' on /tmpfs type tmpfs'; echo line > /logs/x\"]");
	add_mount(spec, "sandbox:///shared//data", "/data", "[\"rbind\",\"rw\"]");
	add_mount(spec, "sandbox-tmp://t", "/tmpfs", "[\"bind\"]");
	annotate(spec, "io.microsoft.container.lcow.tee-log-dir-mount", "/logs");
	text = output(h, "w1", spec);
	ASSERT_LT(0, asprintf(&expected, "pod.example\npod.example\n127.0.0.1 localhost\n127.0.0.1 pod.example pod\n0\n"));
	for (size_t i = 0; i < 3; i++) {
		ASSERT_LT(0, asprintf(&more, "%s%s\n", expected, namespace_of(init, types[i])));
		expected = more;
	}
	EXPECT_EQ(0, strncmp(expected, text, strlen(expected))) TH_LOG("%s instead of %s", text, expected);
	/* A pid namespace of its own. */
	EXPECT_EQ(NULL, strstr(text, namespace_of(init, "pid")));
	EXPECT_NE(NULL, strstr(text, "\n777\n777\n1\n")) TH_LOG("%s", text);
	EXPECT_STREQ("line\n", read_text("/run/gcs/c/p1/logs/x"));
	EXPECT_STREQ("hello\n", read_text("/run/gcs/c/p1/sandboxMounts/shared/data/x"));

	/* The other one sees what the first has left, and the processes of the pod. */
	spec = workload_spec("w2", "p1", init, true, "[\"sh\",\"-c\",\"cat /data/x /tmpfs/y /etc/hostname; readlink /proc/self/ns/pid; "
			     "echo $$; > /etc/hosts || echo read-only\"]");
	set(spec, "root/readonly", "true");
	add_mount(spec, "sandbox://shared/data", "/data", "[\"rbind\",\"ro\"]");
	add_mount(spec, "sandbox-tmp://t", "/tmpfs", "[\"bind\"]");
	/* On the specification's own mount nothing is put. */
	add_mount(spec, "/run/gcs/c/p1/logs/x", "/etc/hostname", "[\"bind\"]");
	oci_combine(h, "w2");
	for (const char **dir = (const char *[]){ "data", "tmpfs", NULL }; *dir; dir++) {
		char path[64];

		snprintf(path, sizeof(path), "/run/gcs/c/w2/rootfs/%s", *dir);
		mkdir(path, 0755);
	}
	EXPECT_EQ(0, write_text("/run/gcs/c/w2/rootfs/etc/hostname", ""));
	EXPECT_EQ(0, write_text("/run/gcs/c/w2/rootfs/etc/hosts", ""));
	EXPECT_EQ(0, write_text("/run/gcs/c/w2/rootfs/etc/resolv.conf", ""));
	text = output(h, "w2", spec);
	ASSERT_LT(0, asprintf(&expected, "hello\nbrief\nline\n%s\n", namespace_of(init, "pid")));
	EXPECT_EQ(0, strncmp(expected, text, strlen(expected))) TH_LOG("%s instead of %s", text, expected);
	EXPECT_NE(NULL, strstr(text, "read-only")) TH_LOG("%s", text);
	EXPECT_EQ(NULL, strstr(text, "\n1\n"));

	EXPECT_EQ(0, oci_delete(h, "w1"));
	EXPECT_EQ(0, oci_delete(h, "w2"));
	/* Mounts that were put into the pod's directories end with it, whatever their names are. */
	ASSERT_EQ(0, mkdir("/run/gcs/c/p1/sandboxMounts/a b\\", 0755));
	ASSERT_EQ(0, mount("x", "/run/gcs/c/p1/sandboxMounts/a b\\", "tmpfs", 0, ""));
	ASSERT_EQ(0, mount("x", "/run/gcs/c/p1/sandboxMounts/a b\\", "tmpfs", 0, ""));
	/* One beside them is somebody else's: nothing behind it is deleted, and the pod is there until it is gone. */
	ASSERT_EQ(0, mkdir("/run/gcs/c/p1/sandboxMounts2", 0755));
	ASSERT_EQ(0, mount("x", "/run/gcs/c/p1/sandboxMounts2", "tmpfs", 0, ""));
	ASSERT_EQ(0, mkdir("/run/gcs/c/p1/sandboxMounts2/kept", 0755));
	stop(h, "p1", init);
	EXPECT_EQ(E_FAIL, oci_delete(h, "p1"));
	EXPECT_NE(NULL, strstr(error(h), "busy")) TH_LOG("%s", error(h));
	EXPECT_EQ(0, access("/run/gcs/c/p1/sandboxMounts2/kept", F_OK));
	ASSERT_EQ(0, umount("/run/gcs/c/p1/sandboxMounts2"));
	EXPECT_EQ(0, host_call(h, MSG_DELETE_CONTAINER_STATE, "p1", "%s", "")) TH_LOG("%s", error(h));
}

TEST_F_TIMEOUT(pod, two_pods_at_once_and_a_sandbox_that_is_deleted_first, 240)
{
	struct host *h = &self->h;
	struct json_object *spec;
	struct host_stream out;
	int64_t first, second, workload, pid;
	char *text;

	first = run(h, "pa", sandbox_spec("pa", FOREVER), NULL);
	second = run(h, "pb", sandbox_spec("pb", FOREVER), NULL);
	spec = workload_spec("wa", "pa", first, false, FOREVER);
	add_mount(spec, "sandbox://data", "/data", "[\"bind\"]");
	workload = run(h, "wa", spec, NULL);
	spec = workload_spec("wb", "pb", second, false, "[\"sh\",\"-c\",\"busybox hostname; ls /data\"]");
	add_mount(spec, "sandbox://data", "/data", "[\"bind\"]");
	ASSERT_EQ(0, write_text("/run/gcs/c/pa/sandboxMounts/data/of-pa", "x"));
	/* Nothing of the other pod is seen. */
	text = output(h, "wb", spec);
	EXPECT_STREQ("pb\n", text);
	EXPECT_EQ(0, oci_delete(h, "wb"));

	/* The sandbox goes while its workload runs: what they share lasts as long as that. */
	stop(h, "pa", first);
	EXPECT_EQ(0, oci_delete(h, "pa")) TH_LOG("%s", error(h));
	EXPECT_EQ(E_NO_SYSTEM, host_call(h, MSG_DELETE_CONTAINER_STATE, "pa", "%s", ""));
	/* No mount of it is left, so that its disk can go. */
	EXPECT_NE(0, system("grep -q ' /run/gcs/c/pa' /proc/mounts"));
	spec = workload_spec("wc", "pa", second, false, FOREVER);
	EXPECT_EQ(E_NO_SYSTEM, create(h, "wc", spec));
	EXPECT_EQ(0, oci_uncombine(h, "wc"));
	EXPECT_EQ(E_SYSTEM_EXISTS, create(h, "pa", sandbox_spec("pa", FOREVER)));
	EXPECT_EQ(0, oci_uncombine(h, "pa"));
	pid = oci_exec(h, "wa", "[\"sh\",\"-c\",\"cat /data/of-pa /etc/hostname\"]", NULL, &out, NULL);
	ASSERT_LT(0, pid) TH_LOG("%s", error(h));
	EXPECT_STREQ("xpa\n", host_stream_read(&out, NULL));
	EXPECT_EQ(0, host_wait(h, "wa", pid));
	EXPECT_TRUE(is_in(workload, "/pods/pa/wa"));
	stop(h, "wa", workload);
	EXPECT_EQ(0, oci_delete(h, "wa")) TH_LOG("%s", error(h));
	EXPECT_EQ(NULL, cgroup_get("/pods/pa", "cgroup.procs", NULL));
	/* And the name is free. */
	ASSERT_EQ(0, create(h, "pa", sandbox_spec("pa", FOREVER))) TH_LOG("%s", error(h));
	EXPECT_EQ(0, oci_delete(h, "pa")) TH_LOG("%s", error(h));
	stop(h, "pb", second);
	EXPECT_EQ(0, oci_delete(h, "pb")) TH_LOG("%s", error(h));
	EXPECT_EQ(0, system("rm -rf /run/test/scratch/wc /run/test/scratch/pa"));
}

TEST_F_TIMEOUT(pod, an_init_in_the_sandboxs_pid_namespace_takes_what_it_has_started_with_it, 240)
{
	struct host *h = &self->h;
	int64_t init = run(h, "kp", sandbox_spec("kp", FOREVER), NULL), pid;
	struct host_stream out;
	uint32_t *pids;
	size_t count;
	char byte;

	/* Its children go on making others until they are killed. */
	pid = run(h, "kw", workload_spec("kw", "kp", init, true, "[\"sh\",\"-c\",\"(while :; do sleep 1000 & echo x; sleep 0.01; done) & "
					 "(while :; do sleep 1000 & sleep 0.01; done) & exec sleep 1000\"]"), &out);
	/* By now the init, the first child and a child of that are there; the second child perhaps. */
	ASSERT_EQ(1, read(out.fd, &byte, 1));
	ASSERT_EQ(0, cgroup_pids("/pods/kp/kw", &pids, &count, NULL));
	EXPECT_LE(3, count);
	EXPECT_EQ(0, host_call(h, MSG_SHUTDOWN_FORCED, "kw", "%s", ""));
	free(host_stream_read(&out, NULL));
	EXPECT_EQ(137, host_wait(h, "kw", pid));
	host_notified(h, "kw", NULL);
	EXPECT_EQ(0, oci_delete(h, "kw")) TH_LOG("%s", error(h));
	ASSERT_EQ(0, cgroup_pids("/pods/kp", &pids, &count, NULL));
	EXPECT_EQ(1, count);
	stop(h, "kp", init);
	EXPECT_EQ(0, oci_delete(h, "kp")) TH_LOG("%s", error(h));
}

TEST_F_TIMEOUT(pod, a_virtual_pod_has_files_of_its_own, 240)
{
	struct host *h = &self->h;
	struct json_object *spec = spec_new("vp", FOREVER);
	int64_t init;

	/* By its id alone, without network interfaces, whatever its type says. */
	annotate(spec, VIRTUAL, "vp");
	annotate(spec, TYPE, "container");
	init = run(h, "vp", spec, NULL);
	EXPECT_STREQ("box\n", read_text("/run/gcs/c/virtual-pods/vp/hostname"));
	EXPECT_NE(0, access("/run/gcs/c/vp/hostname", F_OK));
	spec = workload_spec("vw", "elsewhere", init, false, "[\"sh\",\"-c\",\"cat /etc/hostname; echo x > /data/y\"]");
	annotate(spec, VIRTUAL, "vp");
	add_mount(spec, "sandbox://data", "/data", "[\"bind\"]");
	EXPECT_STREQ("box\n", output(h, "vw", spec));
	EXPECT_STREQ("x\n", read_text("/run/gcs/c/virtual-pods/vp/sandboxMounts/data/y"));
	EXPECT_TRUE(is_in(init, "/pods/vp/vp"));
	EXPECT_EQ(0, oci_delete(h, "vw")) TH_LOG("%s", error(h));
	stop(h, "vp", init);
	EXPECT_EQ(0, oci_delete(h, "vp")) TH_LOG("%s", error(h));
	EXPECT_NE(0, access("/run/gcs/c/virtual-pods", F_OK));
}

#define TEE_LOG "io.microsoft.container.lcow.tee-log-path"
#define TEE_DIR "io.microsoft.container.lcow.tee-log-dir-mount"
#define LOGS "/run/gcs/c/tp/logs/"

TEST_F_TIMEOUT(pod, what_an_init_prints_is_in_its_log_file_too, 240)
{
	struct host *h = &self->h;
	struct json_object *spec;
	struct host_stream out, more;
	char text[5] = "", *logged;
	int64_t init, pid;

	init = run(h, "tp", sandbox_spec("tp", FOREVER), NULL);
	/* Standard error is not asked for, and is there. What an exec prints is not. */
	spec = workload_spec("ta", "tp", init, false, "[\"sh\",\"-c\",\"ln -s /etc /logs/link; echo err >&2; echo out; exec sleep 1000\"]");
	annotate(spec, TEE_LOG, "./app//a.log");
	annotate(spec, TEE_DIR, "/logs");
	pid = run(h, "ta", spec, &out);
	ASSERT_EQ(4, recv(out.fd, text, 4, MSG_WAITALL));
	EXPECT_EQ(0, strcmp("out\n", text));
	ASSERT_LT(0, oci_exec(h, "ta", "[\"echo\",\"done\"]", NULL, &more, NULL));
	EXPECT_STREQ("done\n", host_stream_read(&more, NULL));
	EXPECT_EQ(0, host_call(h, MSG_SHUTDOWN_FORCED, "ta", "%s", ""));
	EXPECT_STREQ("", host_stream_read(&out, NULL));
	EXPECT_EQ(137, host_wait(h, "ta", pid));
	host_notified(h, "ta", NULL);
	/* They came through two pipes. */
	logged = read_text(LOGS "app/a.log");
	EXPECT_TRUE(!strcmp(logged, "out\nerr\n") || !strcmp(logged, "err\nout\n")) TH_LOG("%s", logged);
	EXPECT_EQ(0, oci_delete(h, "ta")) TH_LOG("%s", error(h));

	/* The next one with this name goes on in it, with a terminal, too. */
	spec = workload_spec("ta", "tp", init, false, "[\"sh\",\"-c\",\"tty; echo more\"]");
	set(spec, "process/terminal", "true");
	json_object_array_add(json_object_object_get(spec, "mounts"),
			      json_tokener_parse("{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\","
						 "\"options\":[\"newinstance\",\"ptmxmode=0666\"]}"));
	annotate(spec, TEE_LOG, "app/a.log");
	EXPECT_STREQ("/dev/pts/0\r\nmore\r\n", output(h, "ta", spec));
	EXPECT_EQ(0, strncmp(logged, read_text(LOGS "app/a.log"), 8));
	EXPECT_STREQ("/dev/pts/0\r\nmore\r\n", read_text(LOGS "app/a.log") + 8);
	EXPECT_EQ(0, oci_delete(h, "ta")) TH_LOG("%s", error(h));

	/* A link that a container has made leads nowhere but into the logs. */
	spec = workload_spec("tb", "tp", init, false, "[\"echo\",\"line\"]");
	annotate(spec, TEE_LOG, "link/b.log");
	EXPECT_EQ(0, mkdir(LOGS "etc", 0755));
	EXPECT_STREQ("line\n", output(h, "tb", spec));
	EXPECT_STREQ("line\n", read_text(LOGS "etc/b.log"));
	EXPECT_NE(0, access("/etc/b.log", F_OK));
	EXPECT_EQ(0, oci_delete(h, "tb")) TH_LOG("%s", error(h));

	/* No file of this name: the container is not started, but can be deleted. */
	spec = workload_spec("tb", "tp", init, false, "[\"echo\",\"line\"]");
	annotate(spec, TEE_LOG, "app/a.log/c");
	ASSERT_EQ(0, create(h, "tb", spec));
	EXPECT_GT(0, oci_start(h, "tb", NULL, NULL, NULL));
	EXPECT_NE(NULL, strstr(error(h), "a.log")) TH_LOG("%s", error(h));
	EXPECT_EQ(0, oci_delete(h, "tb")) TH_LOG("%s", error(h));
	stop(h, "tp", init);
	EXPECT_EQ(0, oci_delete(h, "tp")) TH_LOG("%s", error(h));

	spec = spec_new("ts", "[\"echo\",\"alone\"]");
	annotate(spec, TEE_LOG, "/a.log");
	EXPECT_STREQ("alone\n", output(h, "ts", spec));
	EXPECT_STREQ("alone\n", read_text("/run/gcs/c/ts/logs/a.log"));
	EXPECT_EQ(0, oci_delete(h, "ts")) TH_LOG("%s", error(h));
}

TEST_F_TIMEOUT(pod, host_network_is_the_vms_for_the_whole_pod, 240)
{
	struct host *h = &self->h;
	struct json_object *spec = sandbox_spec("hn", FOREVER);
	int64_t init;

	annotate(spec, HOST_NET, "true");
	init = run(h, "hn", spec, NULL);
	EXPECT_STREQ(namespace_of(getpid(), "net"), namespace_of(init, "net"));
	/* The workload's own wish does not count. */
	spec = workload_spec("hw", "hn", init, false, "[\"readlink\",\"/proc/self/ns/net\"]");
	annotate(spec, HOST_NET, "false");
	EXPECT_EQ(0, strncmp(output(h, "hw", spec), namespace_of(getpid(), "net"), strlen(namespace_of(getpid(), "net"))));
	EXPECT_EQ(0, oci_delete(h, "hw")) TH_LOG("%s", error(h));
	stop(h, "hn", init);
	EXPECT_EQ(0, oci_delete(h, "hn")) TH_LOG("%s", error(h));
}

TEST_F_TIMEOUT(pod, host_network_is_a_standalone_containers_if_it_says_so, 240)
{
	struct host *h = &self->h;
	char *own = namespace_of(getpid(), "net"), *text;
	struct json_object *spec;

	for (int i = 0; i < 2; i++) {
		spec = spec_new("sn", "[\"readlink\",\"/proc/self/ns/net\"]");
		annotate(spec, HOST_NET, i ? "1" : "0");
		text = output(h, "sn", spec);
		EXPECT_EQ(i, !strncmp(own, text, strlen(own))) TH_LOG("%s", text);
		EXPECT_EQ(0, oci_delete(h, "sn")) TH_LOG("%s", error(h));
	}
}

/* The rest of the line of a file of /proc/<pid> that begins with @key. */
static char *proc_line(int64_t pid, const char *file, const char *key)
{
	char path[64], *text, *line;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	text = read_text(path);
	line = strstr(text, key);
	return line ? strndup(line + strlen(key), strcspn(line + strlen(key), "\n")) : text;
}

TEST_F_TIMEOUT(pod, a_sandbox_has_its_user_by_name_and_its_limits, 240)
{
	struct host *h = &self->h;
	struct json_object *spec = sandbox_spec("us", FOREVER);
	unsigned int id[4], soft, hard;
	struct host_stream out;
	int64_t init, pid;
	char *text;

	ASSERT_EQ(0, oci_combine(h, "us"));
	EXPECT_EQ(0, write_text("/run/gcs/c/us/rootfs/etc/passwd", "root:x:0:0::/:/bin/sh\napp:x:1000:1001::/:/bin/sh\n"));
	set(spec, "process/user", "{\"uid\":0,\"gid\":0,\"username\":\"app\"}");
	annotate(spec, "io.microsoft.lcow.rlimitcore", "4096;8192");
	set(spec, "linux/resources", "{\"cpu\":{\"quota\":50000,\"period\":100000,\"shares\":1024}}");
	init = run(h, "us", spec, NULL);
	text = proc_line(init, "status", "Uid:");
	ASSERT_EQ(4, sscanf(text, "%u %u %u %u", &id[0], &id[1], &id[2], &id[3])) TH_LOG("%s", text);
	EXPECT_EQ(1000, id[0]);
	EXPECT_EQ(1000, id[3]);
	text = proc_line(init, "status", "Gid:");
	ASSERT_EQ(1, sscanf(text, "%u", &id[0])) TH_LOG("%s", text);
	EXPECT_EQ(1001, id[0]);
	text = proc_line(init, "limits", "Max core file size");
	ASSERT_EQ(2, sscanf(text, "%u %u", &soft, &hard)) TH_LOG("%s", text);
	EXPECT_EQ(4096, soft);
	EXPECT_EQ(8192, hard);
	/* A pod's limits are its sandbox's. */
	EXPECT_STREQ(cgroup_v1 ? "50000\n" : "50000 100000\n",
		     cgroup_get("/pods/us", cgroup_v1 ? "cpu.cfs_quota_us" : "cpu.max", NULL));
	/* What runs beside it has both. */
	pid = oci_exec(h, "us", "[\"sh\",\"-c\",\"id -u; id -g; ulimit -Sc; ulimit -Hc\"]", NULL, &out, NULL);
	ASSERT_LT(0, pid) TH_LOG("%s", error(h));
	EXPECT_STREQ("1000\n1001\n8\n16\n", host_stream_read(&out, NULL));
	EXPECT_EQ(0, host_wait(h, "us", pid));
	stop(h, "us", init);
	EXPECT_EQ(0, oci_delete(h, "us")) TH_LOG("%s", error(h));
}

#define BLOCK "{\"MountPath\":\"/run/mounts/scsi/b2\",\"Lun\":2,\"BlockDev\":true}"

static int64_t disk(struct host *h, const char *request)
{
	return host_call(h, MSG_MODIFY_SETTINGS, Z, ",\"Request\":{\"RequestType\":\"%s\",\"ResourceType\":\"MappedVirtualDisk\","
			 "\"Settings\":" BLOCK "}", request);
}

TEST_F_TIMEOUT(pod, a_workload_gets_the_vms_devices_its_user_and_its_limits, 240)
{
	struct host *h = &self->h;
	struct json_object *spec;
	int64_t init;
	char *text;
	bool disks = getenv("GCS_TEST_DISKS");

	init = run(h, "dp", sandbox_spec("dp", FOREVER), NULL);
	ASSERT_EQ(0, oci_combine(h, "dw"));
	EXPECT_EQ(0, write_text("/run/gcs/c/dw/rootfs/etc/passwd", "root:x:0:0::/:/bin/sh\napp:x:1000:1001::/:/bin/sh\n"));
	EXPECT_EQ(0, write_text("/run/gcs/c/dw/rootfs/etc/group", "staff:x:50:\n"));
	spec = workload_spec("dw", "dp", init, false, "[\"sh\",\"-c\",\"id -u; id -g; ulimit -c; cat /proc/self/oom_score_adj; "
			     "busybox stat -c %t:%T:%u /dev/kmsg; busybox df -k /dev/shm | busybox tail -n 1 | busybox awk '{print $2}'; "
			     "busybox grep -c ' /huge hugetlbfs .*pagesize=2M' /proc/mounts; ls /uvm\"]");
	set(spec, "process/user", "{\"uid\":0,\"gid\":0,\"username\":\"app:staff\"}");
	set(spec, "process/oomScoreAdj", "321");
	set(spec, "linux/devices", "[{\"path\":\"/dev/kmsg\"}]");
	annotate(spec, "io.microsoft.lcow.rlimitcore", "1048576;2097152");
	annotate(spec, "io.microsoft.lcow.shm.size-kb", "1024");
	add_mount(spec, "hugepages://2M/h", "/huge", "[\"bind\"]");
	add_mount(spec, "uvm:///run/gcs/c/dp/logs/..", "/uvm", "[\"bind\",\"ro\"]");
	text = output(h, "dw", spec);
	EXPECT_EQ(0, strncmp("1000\n50\n2048\n321\n1:b:0\n1024\n1\nconfig.json\n", text, 42)) TH_LOG("%s", text);
	EXPECT_EQ(0, oci_delete(h, "dw")) TH_LOG("%s", error(h));

	/* A node that leads to a device does not open it: only what is in the specification is allowed. */
	spec = workload_spec("dx", "dp", init, false, "[\"sh\",\"-c\",\"(: < /dev/vsock) && echo allowed; "
			     "(: < /refused) 2>&1 | busybox grep -o 'not permitted'; "
			     "head -c 26 /dev/disk; (echo x > /dev/disk) 2>&1 | busybox grep -o 'not permitted\\\\|Read-only'; true\"]");
	set(spec, "linux/resources", "{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}]}");
	set(spec, "linux/devices", "[{\"path\":\"/dev/vsock\"}]");
	add_mount(spec, "uvm:///dev/mapper/control", "/refused", "[\"bind\"]");
	if (disks) {
		ASSERT_EQ(0, disk(h, "Add")) TH_LOG("%s", error(h));
		add_mount(spec, "/run/mounts/scsi/b2", "blockdev:///dev/disk", "[\"bind\",\"ro\"]");
	}
	text = output(h, "dx", spec);
	EXPECT_EQ(0, strncmp("allowed\nnot permitted\n", text, 22)) TH_LOG("%s", text);
	if (disks) {
		EXPECT_EQ(0, strncmp("this is not a file system\n", text + 22, 26)) TH_LOG("%s", text);
		EXPECT_NE('\0', text[48]) TH_LOG("%s", text);
	}
	EXPECT_EQ(0, oci_delete(h, "dx")) TH_LOG("%s", error(h));
	if (disks) {
		EXPECT_EQ(0, disk(h, "Remove")) TH_LOG("%s", error(h));
	}

	/* Privileged: every device of the VM, and all may be opened. */
	spec = workload_spec("dy", "dp", init, false, "[\"sh\",\"-c\",\"ls /dev/vsock /dev/mapper/control; "
			     "(: < /dev/mapper/control) && echo allowed\"]");
	set(spec, "linux/resources", "{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}]}");
	annotate(spec, PRIVILEGED, "true");
	EXPECT_STREQ("/dev/mapper/control\n/dev/vsock\nallowed\n", output(h, "dy", spec));
	EXPECT_EQ(0, oci_delete(h, "dy")) TH_LOG("%s", error(h));
	stop(h, "dp", init);
	EXPECT_EQ(0, oci_delete(h, "dp")) TH_LOG("%s", error(h));
}

TEST_F_TIMEOUT(pod, a_sandbox_that_cannot_be_made_leaves_nothing, 240)
{
	static const struct {
		const char *annotation, *value, *path, *json;
		int64_t result;
		const char *text;
	} cases[] = {
		{ SKIP_NET, "false", NULL, NULL, E_NOT_FOUND, "network namespace" },
		{ VIRTUAL, "other", NULL, NULL, 0, "other" },
		{ "io.microsoft.lcow.rlimitcore", "1", NULL, NULL, E_FAIL, "rlimitcore" },
		{ NULL, NULL, "hostname", "\"a b\"", 0, "a b" },
		{ NULL, NULL, "process/user", "{\"username\":\"stranger\"}", E_FAIL, "stranger" },
		{ NULL, NULL, "linux/resources", "{\"memory\":{\"limit\":67108864,\"swap\":1}}", 0, "swap" },
		{ NULL, NULL, "linux/resources", "{\"memory\":{\"limit\":\"much\"}}", 0, "limit" },
		/* And by the runtime, when everything else is made. */
		{ NULL, NULL, "mounts", "[{\"destination\":\"/x\",\"type\":\"nofs\",\"source\":\"nofs\"}]", 0, "x" },
	};
	struct host *h = &self->h;
	struct json_object *spec;
	char *before;

	ASSERT_EQ(0, oci_combine(h, "bad"));
	before = traces(h);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t result;

		spec = sandbox_spec("bad", FOREVER);
		if (cases[i].annotation)
			annotate(spec, cases[i].annotation, cases[i].value);
		if (cases[i].path)
			set(spec, cases[i].path, cases[i].json);
		result = create(h, "bad", spec);
		EXPECT_NE(0, result);
		if (cases[i].result) {
			EXPECT_EQ(cases[i].result, result);
		}
		EXPECT_NE(NULL, strstr(error(h), cases[i].text)) TH_LOG("%zu: %s", i, error(h));
		EXPECT_EQ(E_NO_SYSTEM, host_call(h, MSG_DELETE_CONTAINER_STATE, "bad", "%s", ""));
		/* The runtime makes mount points in the container's own root. */
		EXPECT_EQ(0, system("rmdir /run/gcs/c/bad/rootfs/x 2>/dev/null; true"));
		EXPECT_STREQ(before, traces(h)) TH_LOG("case %zu", i);
	}
	/* The bundle's bind on the scratch goes with the layers. */
	EXPECT_EQ(0, oci_uncombine(h, "bad"));
	EXPECT_NE(0, system("grep -q ' /run/gcs/c/bad' /proc/mounts"));
	ASSERT_EQ(0, create(h, "bad", sandbox_spec("bad", FOREVER))) TH_LOG("%s", error(h));
	EXPECT_EQ(0, oci_delete(h, "bad")) TH_LOG("%s", error(h));

	/* The name of a file where the pod's cgroup would be; what cannot be undone must not keep the id. */
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(E_FAIL, create(h, "cgroup.procs", sandbox_spec("cgroup.procs", FOREVER)));
		EXPECT_NE(NULL, strstr(error(h), "cgroup")) TH_LOG("%s", error(h));
	}
	EXPECT_EQ(0, oci_uncombine(h, "cgroup.procs"));
	EXPECT_EQ(0, system("rm -r /run/test/scratch/cgroup.procs"));
}

TEST_F_TIMEOUT(pod, a_workload_that_cannot_be_made_leaves_nothing_in_the_pod, 240)
{
	static const struct {
		const char *annotation, *value, *path, *json, *source;
		const char *text;
	} cases[] = {
		{ .annotation = SANDBOX_ID, .value = "nowhere", .text = "nowhere" },
		{ .annotation = SANDBOX_ID, .value = "", .text = "sandbox-id" },
		{ .annotation = "io.microsoft.lcow.shm.size-kb", .value = "0", .text = "shm" },
		{ .path = "hostname", .json = "\"own\"", .text = "own" },
		{ .path = "linux/devices", .json = "[{\"path\":\"/dev/no-such\"}]", .text = "/dev/no-such" },
		{ .path = "windows", .json = "{\"devices\":[{\"id\":\"x\",\"idType\":\"vpci\"}]}", .text = "vpci" },
		{ .path = "process/user", .json = "{\"username\":\"stranger\"}", .text = "stranger" },
		{ .annotation = TEE_LOG, .value = "../x", .text = "below the logs" },
		{ .source = "sandbox://../sandboxMountsX", .text = "sandboxMountsX" },
		{ .source = "sandbox-tmp://a/../../x", .text = "leads out" },
		/* The directory is made, the mount is not. */
		{ .source = "hugepages://3M/a", .text = "3M" },
		{ .source = "uvm:///no/such", .text = "/no/such" },
		/* By the runtime, when everything else is made. */
		{ .path = "linux/namespaces", .json = "[{\"type\":\"mount\"},{\"type\":\"network\",\"path\":\"/no/such/ns\"}]",
		  .text = "/no/such/ns" },
	};
	struct host *h = &self->h;
	struct json_object *spec;
	int64_t init;
	char *before;

	init = run(h, "bp", sandbox_spec("bp", FOREVER), NULL);
	ASSERT_EQ(0, oci_combine(h, "bw"));
	before = traces(h);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		spec = workload_spec("bw", "bp", init, false, FOREVER);
		add_mount(spec, "sandbox://deep/er", "/data", "[\"bind\"]");
		add_mount(spec, "hugepages://2M/h", "/huge", "[\"bind\"]");
		if (cases[i].annotation)
			annotate(spec, cases[i].annotation, cases[i].value);
		if (cases[i].path)
			set(spec, cases[i].path, cases[i].json);
		if (cases[i].source)
			add_mount(spec, cases[i].source, "/x", "[\"bind\"]");
		EXPECT_NE(0, create(h, "bw", spec));
		EXPECT_NE(NULL, strstr(error(h), cases[i].text)) TH_LOG("%zu: %s", i, error(h));
		EXPECT_EQ(E_NO_SYSTEM, host_call(h, MSG_DELETE_CONTAINER_STATE, "bw", "%s", ""));
		EXPECT_STREQ(before, traces(h)) TH_LOG("case %zu", i);
	}
	spec = workload_spec("bw", "bp", init, false, "[\"true\"]");
	add_mount(spec, "sandbox://deep/er", "/data", "[\"bind\"]");
	free(output(h, "bw", spec));
	EXPECT_EQ(0, oci_delete(h, "bw")) TH_LOG("%s", error(h));
	stop(h, "bp", init);
	EXPECT_EQ(0, oci_delete(h, "bp")) TH_LOG("%s", error(h));
}

TEST_HARNESS_MAIN
