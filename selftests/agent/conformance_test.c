// SPDX-License-Identifier: MIT
/* Conformance: rules that no life of a container shows (Documentation/protocol.md has them all, with the test of each). */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host_io.h"
#include "kselftest_harness.h"
#include "oci.h"

#define E_NOTIMPL (-2147467263)
#define E_FAIL (-2147467259)
#define E_INVALID_STATE (-1070137083)
#define E_JSON (-1070137075)
#define E_NO_SYSTEM (-1070137074)
#define E_SYSTEM_EXISTS (-1070137073)

#define FOREVER(p) ",\"ProcessId\":%d,\"TimeoutInMs\":4294967295", (int)(p)

/* --- the agent's start and end ---------------------------------------------------------------- */

/* The bridge ends, unanswered, and the agent with it. Returns its exit code. */
static int ended(struct host *h)
{
	int status;
	char c;

	if (!host_readable(h->fd, host_now_ms() + WAIT_MS) || recv(h->fd, &c, 1, 0) != 0)
		host_fail(h, "the bridge has not ended");
	if (waitpid(h->agent, &status, 0) != h->agent || !WIFEXITED(status))
		host_fail(h, "the agent has not exited: status 0x%x", status);
	unlink(h->log);
	close(h->fd);
	return WEXITSTATUS(status);
}

/* Where the bridge is a socket pair there is no VM to power off: that ends the agent. */
TEST(a_power_off_is_not_answered)
{
	static const uint32_t types[] = { MSG_SHUTDOWN_GRACEFUL, MSG_SHUTDOWN_FORCED };
	struct host h;

	ASSERT_EQ(0, setenv("GCS_TRANSPORT", "pair", 1));
	for (int i = 0; i < 2; i++) {
		host_start(&h, true, NULL);
		host_ask(&h, types[i], Z, "%s", "");
		EXPECT_EQ(0, ended(&h));
	}
}

TEST(the_end_of_standard_input_ends_the_agent_after_its_answers)
{
	struct host h;
	uint64_t id;

	ASSERT_EQ(0, setenv("GCS_TRANSPORT", "pair", 1));
	host_start(&h, true, NULL);
	id = host_ask(&h, MSG_DUMP_STACKS, Z, "%s", "");
	ASSERT_EQ(0, shutdown(h.fd, SHUT_WR));
	EXPECT_EQ(0, answer_result(host_answer(&h, id)));
	EXPECT_EQ(0, ended(&h));
}

TEST(without_version_4_nothing_is_implemented)
{
	static const uint32_t types[] = { MSG_NEGOTIATE_PROTOCOL, MSG_CREATE, MSG_START, MSG_DUMP_STACKS };
	struct host h;

	host_start(&h, false, (char *[]){ "-v4=false", NULL });
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		EXPECT_EQ(E_NOTIMPL, host_call(&h, types[i], Z, ",\"MinimumVersion\":4,\"MaximumVersion\":4"));
	host_stop(&h);
}

#define MODIFY(type, request, settings) \
	",\"Request\":{\"ResourceType\":\"" type "\",\"RequestType\":\"" request "\",\"Settings\":" settings "}"
#define PROCESS(members) ",\"Settings\":{\"ProcessParameters\":\"{" members "}\"}"

/* Is the answer an error that says this? */
static bool refused(struct host *h, uint32_t type, const char *cid, const char *members, const char *text)
{
	const char *error;

	if (host_call(h, type, cid, "%s", members) != E_FAIL)
		return false;
	error = answer_text(host_last(h), "ErrorMessage");
	return strstr(error, text);
}

TEST(a_closed_door_denies_at_every_enforcement_point_and_logs_nothing)
{
	static const struct {
		uint32_t type;
		const char *cid, *members, *point;
	} cases[] = {
		{ MSG_CREATE, "x", ",\"ContainerConfig\":\"{}\"", "create_container" },
		{ MSG_EXECUTE_PROCESS, "x", PROCESS("\\\"CreateInUtilityVM\\\":true,\\\"OciProcess\\\":{}"), "exec_external" },
		{ MSG_EXECUTE_PROCESS, Z, PROCESS("\\\"CommandArgs\\\":[\\\"true\\\"]"), "exec_external" },
		{ MSG_EXECUTE_PROCESS, "x", PROCESS("\\\"OciProcess\\\":{}"), "exec_in_container" },
		{ MSG_SIGNAL_PROCESS, "x", ",\"ProcessId\":1", "signal_container_process" },
		{ MSG_SHUTDOWN_GRACEFUL, "x", "", "shutdown_container" },
		{ MSG_SHUTDOWN_FORCED, "x", "", "shutdown_container" },
		{ MSG_GET_PROPERTIES, "x", "", "get_properties" },
		{ MSG_DUMP_STACKS, "", "", "dump_stacks" },
		{ MSG_MODIFY_SETTINGS, Z, MODIFY("MappedVirtualDisk", "Add", "{\"ReadOnly\":true}"), " mount_device" },
		{ MSG_MODIFY_SETTINGS, Z, MODIFY("MappedVirtualDisk", "Add", "{}"), "rw_mount_device" },
		{ MSG_MODIFY_SETTINGS, Z, MODIFY("MappedVirtualDisk", "Remove", "{\"ReadOnly\":true}"), " unmount_device" },
		{ MSG_MODIFY_SETTINGS, Z, MODIFY("MappedVirtualDisk", "Remove", "{}"), "rw_unmount_device" },
		{ MSG_MODIFY_SETTINGS, Z, MODIFY("MappedVirtualDisk", "", "7"), "rw_mount_device" },
		{ MSG_MODIFY_SETTINGS, Z, MODIFY("CombinedLayers", "Add", "{}"), "mount_overlay" },
		{ MSG_MODIFY_SETTINGS, Z, MODIFY("CombinedLayers", "Add", "{\"ScratchPath\":\"/s\"}"), "scratch_mount" },
		{ MSG_MODIFY_SETTINGS, Z, MODIFY("CombinedLayers", "Remove", "{}"), "unmount_overlay" },
		{ MSG_MODIFY_SETTINGS, Z, MODIFY("VPMemDevice", "Add", "{}"), " mount_device" },
		{ MSG_MODIFY_SETTINGS, Z, MODIFY("VPMemDevice", "Remove", "{}"), " unmount_device" },
		{ MSG_MODIFY_SETTINGS, Z, MODIFY("MappedDirectory", "Add", "{}"), "plan9_mount" },
		{ MSG_MODIFY_SETTINGS, Z, MODIFY("MappedDirectory", "Remove", "{}"), "plan9_unmount" },
		{ MSG_MODIFY_SETTINGS, Z, MODIFY("SecurityPolicyFragment", "Add", "{}"), "load_fragment" },
		{ MSG_MODIFY_SETTINGS, Z, MODIFY("SomethingNew", "Add", "{}"), "modify_settings" },
	};
	struct host h;
	struct stat st;

	host_start(&h, true, (char *[]){ "-initial-policy-stance", "deny", NULL });
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		EXPECT_TRUE(refused(&h, cases[i].type, cases[i].cid, cases[i].members, cases[i].point)) {
			TH_LOG("%s: %s", cases[i].point, answer_text(host_last(&h), "ErrorMessage"));
		}
		EXPECT_NE(NULL, strstr(answer_text(host_last(&h), "ErrorMessage"), "denied by policy"));
	}
	/* Nobody is asked about these. */
	EXPECT_EQ(0, host_call(&h, MSG_START, "x", "%s", ""));
	EXPECT_EQ(E_NO_SYSTEM, host_call(&h, MSG_EXECUTE_PROCESS, "x", PROCESS("")));
	EXPECT_EQ(E_NO_SYSTEM, host_call(&h, MSG_WAIT_FOR_PROCESS, "x", FOREVER(1)));
	EXPECT_EQ(E_NO_SYSTEM, host_call(&h, MSG_RESIZE_CONSOLE, "x", ",\"ProcessId\":1"));
	EXPECT_EQ(E_NO_SYSTEM, host_call(&h, MSG_DELETE_CONTAINER_STATE, "x", "%s", ""));
	EXPECT_EQ(E_NO_SYSTEM, host_call(&h, MSG_MODIFY_SETTINGS, "x", MODIFY("ContainerConstraints", "", "{}")));
	ASSERT_EQ(0, stat(h.log, &st));
	EXPECT_EQ(0, st.st_size);
	host_stop(&h);
}

#define POLICY(settings) MODIFY("SecurityPolicy", "Add", settings)

TEST(a_policy_that_cannot_be_enforced_changes_nothing_and_none_at_all_opens_the_door_once)
{
	static const struct {
		const char *members, *text;
	} cases[] = {
		{ POLICY("{\"EncodedSecurityPolicy\":\"cGFja2FnZSBwb2xpY3k=\"}"), "rego, which is not in this guest" },
		{ POLICY("{\"EnforcerType\":\"rego\",\"EncodedSecurityPolicy\":\"cGFja2FnZSBwb2xpY3k=\"}"), "\"rego\" is not in this guest" },
		{ POLICY("{\"EnforcerType\":\"rego\"}"), "\"rego\" is not in this guest" },
		{ POLICY("{\"EnforcerType\":\"closed_door\"}"), "\"closed_door\" is not in this guest" },
		{ POLICY("{\"EnforcerType\":\"open_door\",\"EncodedSecurityPolicy\":\"cGFja2FnZSBwb2xpY3k=\"}"), "open_door is asked for" },
		{ POLICY("{\"EncodedSecurityPolicy\":\"cGF*\"}"), "not base64" },
		{ POLICY("{\"EncodedSecurityPolicy\":\"cGFja2E\"}"), "not base64" },
		{ POLICY("{\"EncodedSecurityPolicy\":\"cGFj=2E=\"}"), "not base64" },
		{ POLICY("{\"EncodedSecurityPolicy\":\"c===\"}"), "not base64" },
	};
	struct host h;
	struct stat st;

	host_start(&h, true, (char *[]){ "-initial-policy-stance", "deny", NULL });
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		EXPECT_TRUE(refused(&h, MSG_MODIFY_SETTINGS, Z, cases[i].members, cases[i].text)) {
			TH_LOG("%s: %s", cases[i].members, answer_text(host_last(&h), "ErrorMessage"));
		}
	}
	EXPECT_EQ(E_JSON, host_call(&h, MSG_MODIFY_SETTINGS, Z, POLICY("{\"EnforcerType\":1}")));
	EXPECT_EQ(E_NO_SYSTEM, host_call(&h, MSG_MODIFY_SETTINGS, "x", POLICY("{}")));
	EXPECT_TRUE(refused(&h, MSG_DUMP_STACKS, Z, "", "dump_stacks"));
	ASSERT_EQ(0, stat(h.log, &st));
	EXPECT_EQ(0, st.st_size);
	/* Whatever the RequestType. */
	EXPECT_EQ(0, host_call(&h, MSG_MODIFY_SETTINGS, Z, MODIFY("SecurityPolicy", "Update", "{}")));
	EXPECT_EQ(0, host_call(&h, MSG_DUMP_STACKS, Z, "%s", ""));
	/* The log has come on. */
	json_object_put(host_log_line(&h, "\"Span\"", "\"DumpStacks\"", 1));
	EXPECT_TRUE(refused(&h, MSG_MODIFY_SETTINGS, Z, POLICY("{}"), "set before"));
	EXPECT_TRUE(refused(&h, MSG_MODIFY_SETTINGS, Z, MODIFY("SecurityPolicyFragment", "Add", "{\"Fragment\":\"AA==\"}"),
			    "a policy of the enforcer rego"));
	EXPECT_TRUE(refused(&h, MSG_MODIFY_SETTINGS, Z, MODIFY("SecurityPolicyFragment", "Add", "{\"MediaType\":"
			    "\"application/vnd.tcb-reference-info.v1+cose\"}"), "cannot check its signature"));
	EXPECT_TRUE(refused(&h, MSG_MODIFY_SETTINGS, Z, MODIFY("SecurityPolicyFragment", "Add", "{\"MediaType\":\"text/plain\"}"),
			    "unknown MediaType \"text/plain\""));
	host_stop(&h);
	/* The open door of the start is not a policy that was set. */
	host_start(&h, true, NULL);
	EXPECT_EQ(0, host_call(&h, MSG_MODIFY_SETTINGS, Z, POLICY("{\"EnforcerType\":\"open_door\"}")));
	EXPECT_TRUE(refused(&h, MSG_MODIFY_SETTINGS, Z, POLICY("{}"), "set before"));
	host_stop(&h);
}

TEST(a_confidential_vm_takes_requests_one_by_one_but_waits_hold_up_nobody)
{
	uint64_t ids[40], wait;
	struct host_stream in;
	struct host h;
	int64_t pid;
	int fd;

	if (!host_has_vsock())
		SKIP(return, "needs vsock");
	/* The agent looks whether it is there. */
	fd = open("/dev/sev-guest", O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ASSERT_LE(0, fd);
	close(fd);
	host_start(&h, true, NULL);
	unlink("/dev/sev-guest");
	/* What the host says is not what was measured. */
	EXPECT_TRUE(refused(&h, MSG_MODIFY_SETTINGS, Z, POLICY("{}"), "cannot check"));
	pid = host_external(&h, "[\"cat\"]", &in, NULL, NULL);
	ASSERT_LT(0, pid);
	wait = host_ask(&h, MSG_WAIT_FOR_PROCESS, Z, FOREVER(pid));
	/* A program takes longer to start than everything behind it. */
	for (int i = 0; i < 40; i++)
		ids[i] = i % 10 ? host_ask(&h, MSG_START, "x", "%s", "") :
				  host_ask(&h, MSG_EXECUTE_PROCESS, Z, ",\"Settings\":{\"ProcessParameters\":\"{\\\"CommandArgs\\\":"
					   "[\\\"/bin/true\\\"]}\"}");
	for (int i = 0; i < 40; i++)
		EXPECT_EQ(0, answer_result(host_answer(&h, ids[i])));
	for (int i = 1; i < 40; i++)
		EXPECT_LT(host_answer(&h, ids[i - 1])->order, host_answer(&h, ids[i])->order);
	EXPECT_FALSE(host_answered(&h, wait, 0));
	host_stream_close(&in);
	EXPECT_EQ(0, answer_number(host_answer(&h, wait), "ExitCode"));
	host_stop(&h);
}

TEST(secrets_of_a_request_are_nowhere_in_the_log)
{
	struct host h;
	char *string;

	host_start(&h, true, (char *[]){ "-loglevel", "trace", NULL });
	/* One that works, two that fail where their text could be quoted. */
	EXPECT_EQ(0, host_call(&h, MSG_EXECUTE_PROCESS, Z, ",\"Settings\":{\"ProcessParameters\":\"{\\\"CommandArgs\\\":[\\\"/bin/true\\\"],"
			       "\\\"Environment\\\":{\\\"A\\\":\\\"s3cret\\\"}}\"}"));
	EXPECT_GT(0, host_call(&h, MSG_EXECUTE_PROCESS, Z, ",\"Settings\":{\"ProcessParameters\":\"{\\\"CommandArgs\\\":[\\\"/no\\\"],"
			       "\\\"Environment\\\":{\\\"A\\\":\\\"s3cret\\\",\\\"B\\\":7}}\"}"));
	EXPECT_EQ(NULL, strstr(answer_text(host_last(&h), "ErrorMessage"), "s3cret"));
	string = oci_config("x", "{\"process\":{\"env\":[\"A=s3cret\"],\"args\":[],\"cwd\":\"/\"},\"annotations\":{\"a\":\"s3cret\"},"
				 "\"root\":{\"path\":\"/\"},\"linux\":{}}");
	EXPECT_GT(0, host_call(&h, MSG_CREATE, "x", ",\"ContainerConfig\":%s", string));
	EXPECT_EQ(NULL, strstr(answer_text(host_last(&h), "ErrorMessage"), "s3cret"));
	free(string);
	/* Its span is the last line of a request. */
	json_object_put(host_log_line(&h, "\"Span\"", "\"Create\"", 1));
	EXPECT_EQ(0, host_log_count(&h, "s3cret"));
	host_stop(&h);
}

/* --- requests --------------------------------------------------------------------------------- */

HOST_FIXTURE(conformance)

TEST_F_TIMEOUT(conformance, constraints_are_a_containers_and_the_limit_of_the_pods_is_the_vms, 60)
{
	struct host *h = &self->h;

	EXPECT_EQ(E_NO_SYSTEM, host_call(h, MSG_MODIFY_SETTINGS, Z, ",\"Request\":{\"ResourceType\":\"ContainerConstraints\","
					 "\"Settings\":{\"Linux\":{}}}"));
	EXPECT_EQ(E_NO_SYSTEM, host_call(h, MSG_MODIFY_SETTINGS, "nope", ",\"Request\":{\"ResourceType\":\"PodCgroupMemoryLimit\","
					 "\"RequestType\":\"Update\"}"));
	EXPECT_EQ(0, host_call(h, MSG_MODIFY_SETTINGS, Z, ",\"Request\":{\"ResourceType\":\"PodCgroupMemoryLimit\","
			       "\"RequestType\":\"Update\"}"));
}

TEST_F_TIMEOUT(conformance, a_stream_without_its_port_is_an_error, 60)
{
	struct host *h = &self->h;

	EXPECT_EQ(E_FAIL, host_call(h, MSG_EXECUTE_PROCESS, Z, ",\"Settings\":{\"ProcessParameters\":\"{\\\"CommandArgs\\\":"
				    "[\\\"/bin/true\\\"],\\\"CreateStdOutPipe\\\":true}\"}"));
	EXPECT_NE(NULL, strstr(answer_text(host_last(h), "ErrorMessage"), "port 0"));
}

TEST_F_TIMEOUT(conformance, a_program_of_the_vm_is_looked_for_where_the_request_says, 60)
{
	struct host *h = &self->h;
	struct host_stream out;
	int64_t pid;

	ASSERT_EQ(0, system("mkdir -p /root/only && cp /bin/busybox /root/only/pwd"));
	pid = host_execute(h, Z, ",\"CommandArgs\":[\"pwd\"],\"WorkingDirectory\":\"/root/only\",\"Environment\":{\"PATH\":\"/root/only\"}",
			   NULL, &out, NULL);
	ASSERT_LT(0, pid);
	EXPECT_STREQ("/root/only\n", host_stream_read(&out, NULL));
	EXPECT_EQ(0, host_wait(h, Z, pid));
	EXPECT_EQ(E_FAIL, host_execute(h, Z, ",\"CommandArgs\":[\"cat\"],\"Environment\":{\"PATH\":\"/root/only\"}", NULL, NULL, NULL));
	ASSERT_EQ(0, system("rm -r /root/only"));
}

/* --- containers ------------------------------------------------------------------------------- */

/* Who asks for a container's exit gets it with the activity of its Create. */
static int64_t create_as(struct host *h, const char *cid, const char *activity)
{
	char *spec = oci_spec(cid, "[\"true\"]"), *config = oci_config(cid, spec);
	uint64_t id = 0;

	if (oci_combine(h, cid) == 0)
		id = host_send(h, MSG_CREATE, "{\"ContainerId\":\"%s\",\"ActivityId\":\"%s\",\"ContainerConfig\":%s}", cid, activity,
			       config);
	free(spec);
	free(config);
	if (answer_result(host_answer(h, id)) == 0)
		host_register(h, cid);
	return answer_result(host_answer(h, id));
}

TEST_F_TIMEOUT(conformance, a_notification_has_the_activity_of_the_create_or_the_null_one, 180)
{
	struct host *h = &self->h;

	ASSERT_EQ(0, create_as(h, "n1", "8e8e2f0c-0000-1111-2222-000000000001"));
	ASSERT_EQ(0, create_as(h, "n2", ""));
	EXPECT_EQ(0, oci_delete(h, "n1"));
	EXPECT_EQ(0, oci_delete(h, "n2"));
	EXPECT_STREQ("8e8e2f0c-0000-1111-2222-000000000001", host_notified_activity(h, "n1"));
	EXPECT_STREQ(Z, host_notified_activity(h, "n2"));
}

/* A runtime whose create tells that it has been called and waits until it may go on. */
#define GATE "/root/gate"

TEST(a_container_in_creation_is_in_the_wrong_state_for_everything)
{
	static const uint32_t types[] = { MSG_EXECUTE_PROCESS, MSG_WAIT_FOR_PROCESS, MSG_SIGNAL_PROCESS, MSG_RESIZE_CONSOLE,
					  MSG_GET_PROPERTIES, MSG_SHUTDOWN_GRACEFUL, MSG_SHUTDOWN_FORCED,
					  MSG_DELETE_CONTAINER_STATE };
	const char *runtime = getenv("GCS_RUNTIME");
	char *spec = oci_spec("gate", "[\"true\"]"), *config = oci_config("gate", spec), path[1000], script[400];
	struct host h;
	uint64_t id;
	FILE *f;

	if (!runtime)
		runtime = "crun";
	snprintf(script, sizeof(script), "mkdir -p " GATE " && mkfifo " GATE "/called " GATE "/go && "
		 "printf '#!/bin/sh\\ncase \" $* \" in *\" create \"*) echo >" GATE "/called; read x <" GATE "/go;; esac\\n"
		 "exec /usr/bin/%s \"$@\"\\n' >" GATE "/%s && chmod 755 " GATE "/%s", runtime, runtime, runtime);
	ASSERT_EQ(0, system(script));
	snprintf(path, sizeof(path), GATE ":%s", getenv("PATH"));
	setenv("PATH", path, 1);
	host_start(&h, true, NULL);
	ASSERT_EQ(0, oci_combine(&h, "gate"));
	id = host_ask(&h, MSG_CREATE, "gate", ",\"ContainerConfig\":%s", config);
	f = fopen(GATE "/called", "r");
	ASSERT_NE(NULL, f);
	EXPECT_EQ('\n', fgetc(f));
	fclose(f);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		EXPECT_EQ(E_INVALID_STATE, host_call(&h, types[i], "gate", ",\"ProcessId\":1,\"Settings\":{\"ProcessParameters\":\"{}\"}"));
	EXPECT_EQ(E_INVALID_STATE, host_call(&h, MSG_MODIFY_SETTINGS, "gate",
					     ",\"Request\":{\"ResourceType\":\"ContainerConstraints\",\"Settings\":{}}"));
	EXPECT_EQ(E_SYSTEM_EXISTS, host_call(&h, MSG_CREATE, "gate", ",\"ContainerConfig\":%s", config));
	/* The host's way to see whether it may go on. */
	EXPECT_EQ(0, host_call(&h, MSG_START, "gate", "%s", ""));
	EXPECT_FALSE(host_answered(&h, id, 0));
	f = fopen(GATE "/go", "w");
	ASSERT_NE(NULL, f);
	fclose(f);
	EXPECT_EQ(0, answer_result(host_answer(&h, id)));
	host_register(&h, "gate");
	EXPECT_EQ(0, oci_delete(&h, "gate"));
	host_notified(&h, "gate", NULL);
	host_stop(&h);
	ASSERT_EQ(0, system("rm -r " GATE));
	free(spec);
	free(config);
}

TEST_F_TIMEOUT(conformance, a_working_directory_is_made_in_the_container_and_nowhere_else, 180)
{
	struct host *h = &self->h;
	char *text = oci_spec("w1", "[\"busybox\",\"pwd\"]");
	struct json_object *spec = json_tokener_parse(text);
	struct host_stream out;
	int64_t pid;

	/* A link of the image that leads to the VM's directory if it is followed from there. */
	ASSERT_EQ(0, oci_combine(h, "w1"));
	ASSERT_EQ(0, system("mkdir -p /run/outside /run/gcs/c/w1/rootfs/run/outside"));
	ASSERT_EQ(0, symlink("/run/outside", "/run/gcs/c/w1/rootfs/link"));
	json_object_object_add(json_object_object_get(spec, "process"), "cwd", json_object_new_string("/link/deep/er"));
	ASSERT_EQ(0, oci_create_spec(h, "w1", json_object_to_json_string(spec))) TH_LOG("%s", answer_text(host_last(h), "ErrorMessage"));
	pid = oci_start(h, "w1", NULL, &out, NULL);
	ASSERT_LT(0, pid);
	EXPECT_STREQ("/run/outside/deep/er\n", host_stream_read(&out, NULL));
	EXPECT_EQ(0, host_wait(h, "w1", pid));
	/* Nothing was made there: it is empty. */
	EXPECT_EQ(0, rmdir("/run/outside"));
	host_notified(h, "w1", NULL);
	EXPECT_EQ(0, oci_delete(h, "w1"));
	json_object_put(spec);
	free(text);
}

TEST_F_TIMEOUT(conformance, a_process_is_in_its_containers_cgroup_and_has_a_pid_of_the_vm, 180)
{
	struct host *h = &self->h;
	struct host_stream in, out;
	int64_t init, pid;
	char path[64], text[1000] = "", *said;
	FILE *f;

	/* Created, not started: a further process runs all the same. */
	ASSERT_EQ(0, oci_create(h, "g1", "[\"sleep\",\"1000\"]"));
	pid = oci_exec(h, "g1", "[\"sh\",\"-c\",\"cat /proc/self/cgroup; read x\"]", &in, &out, NULL);
	ASSERT_LT(0, pid);
	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	f = fopen(path, "re");
	ASSERT_NE(NULL, f);
	/* A hierarchy of version 1 may be there too. */
	EXPECT_LT(0, fread(text, 1, sizeof(text) - 1, f));
	fclose(f);
	EXPECT_NE(NULL, strstr(text, "/pods/g1")) TH_LOG("%s", text);
	host_stream_close(&in);
	said = host_stream_read(&out, NULL);
	EXPECT_NE(NULL, strstr(said, "/pods/g1")) TH_LOG("%s", said);
	EXPECT_EQ(1, host_wait(h, "g1", pid));
	init = oci_start(h, "g1", NULL, NULL, NULL);
	ASSERT_LT(0, init);
	oci_end(h, "g1", init);
}

/* How many security contexts are in a container's root? */
static int contexts(const char *cid)
{
	char pattern[200];
	glob_t g;
	int n;

	snprintf(pattern, sizeof(pattern), "/run/gcs/c/%s/rootfs/security-context-*", cid);
	n = glob(pattern, 0, NULL, &g) ? 0 : (int)g.gl_pathc;
	if (n)
		globfree(&g);
	return n;
}

#define LOOK "[\"sh\",\"-c\",\"echo ${UVM_SECURITY_CONTEXT_DIR%%-[0-9]*}; cd ${UVM_SECURITY_CONTEXT_DIR:-/} || exit 1; " \
	"for f in *64; do test -f $f && echo $f $(cat $f); done; true\"]"

/* Run LOOK in a container with these annotations; what it has printed. @exec: what a further process has. */
static char *look(struct host *h, const char *cid, const char *annotations, char **exec)
{
	struct host_stream in, out;
	char *text = oci_spec(cid, "[\"sh\",\"-c\",\"read x; exec \\\"$@\\\"\",\"sh\"]"), *said;
	struct json_object *spec = json_tokener_parse(text), *args = json_object_object_get(json_object_object_get(spec, "process"), "args");
	struct json_object *words = json_tokener_parse(LOOK);
	int64_t init, pid;

	for (int i = 0; i < 3; i++)
		json_object_array_add(args, json_object_get(json_object_array_get_idx(words, i)));
	json_object_put(words);
	json_object_object_add(spec, "annotations", json_tokener_parse(annotations));
	if (oci_combine(h, cid) != 0 || oci_create_spec(h, cid, json_object_to_json_string(spec)) != 0)
		host_fail(h, "create %s: %s", cid, answer_text(host_last(h), "ErrorMessage"));
	init = oci_start(h, cid, &in, &out, NULL);
	if (exec) {
		struct host_stream more;

		pid = oci_exec(h, cid, LOOK, NULL, &more, NULL);
		*exec = host_stream_read(&more, NULL);
		host_wait(h, cid, pid);
	}
	host_stream_close(&in);
	said = host_stream_read(&out, NULL);
	if (init <= 0 || host_wait(h, cid, init) != 0)
		host_fail(h, "run %s: %s", cid, said);
	host_notified(h, cid, NULL);
	json_object_put(spec);
	free(text);
	return said;
}

TEST_F_TIMEOUT(conformance, a_container_finds_the_security_context_that_the_host_has_sent, 180)
{
	static const char cert[] = "io.microsoft.virtualmachine.lcow.amd-certificate";
	struct host *h = &self->h;
	char *said, *exec, text[600];

	/* Nothing to tell, then the certificate of the host alone. */
	EXPECT_STREQ("\n", look(h, "s1", "{}", NULL));
	EXPECT_EQ(0, contexts("s1"));
	EXPECT_EQ(0, oci_delete(h, "s1"));
	EXPECT_STREQ("/security-context\nhost-amd-cert-base64 old\n",
		     look(h, "s2", "{\"io.microsoft.virtualmachine.wcow.amd-certificate\":\"old\"}", NULL));
	EXPECT_EQ(0, oci_delete(h, "s2"));

	ASSERT_EQ(0, host_call(h, MSG_MODIFY_SETTINGS, Z, POLICY("{\"EncodedUVMReference\":\"cmVm\","
			       "\"EncodedUVMHashEnvelopeReference\":\"aGFzaA==\"}")));
	snprintf(text, sizeof(text), "{\"%s\":\"cert\"}", cert);
	said = look(h, "s3", text, &exec);
	EXPECT_STREQ("/security-context\nhost-amd-cert-base64 cert\nreference-info-base64 cmVm\n"
		     "transparent-reference-info-base64 aGFzaA==\n", said);
	/* The variable is the init's alone. */
	EXPECT_STREQ("\n", exec);
	EXPECT_EQ(1, contexts("s3"));
	/* The host may leave it to the delete to take the layers apart. */
	EXPECT_EQ(0, host_call(h, MSG_DELETE_CONTAINER_STATE, "s3", "%s", ""));
	EXPECT_EQ(0, contexts("s3"));
	EXPECT_STREQ("\n", look(h, "s4", "{\"io.microsoft.virtualmachine.lcow.securitypolicy.env\":\"false\"}", NULL));
	EXPECT_EQ(0, oci_delete(h, "s4"));

	/* The runtime refuses this one, when the files are there. */
	ASSERT_EQ(0, oci_combine(h, "s5"));
	EXPECT_GT(0, oci_create_spec(h, "s5", "{\"ociVersion\":\"1.0.2\",\"process\":{\"args\":[\"true\"],\"cwd\":\"/\"},"
				     "\"root\":{\"path\":\"/run/gcs/c/s5/rootfs\"},\"linux\":{\"namespaces\":[{\"type\":\"none-such\"}]}}"));
	EXPECT_NE(NULL, strstr(answer_text(host_last(h), "ErrorMessage"), "none-such"));
	EXPECT_EQ(0, contexts("s5"));
	EXPECT_EQ(0, access("/run/gcs/c/s5/rootfs/bin/busybox", F_OK));
	EXPECT_EQ(0, oci_uncombine(h, "s5"));
}

#define CROWD 2100
#define CROWD_STACK 8192

static int stand(void *arg)
{
	while (pause())
		;
	return 0;
}

/* Processes that share this one's memory: they take next to none. */
static void gather(const struct host *h, const char *cgroup, pid_t pids[CROWD], char *stacks)
{
	int fd = open(cgroup, O_WRONLY | O_CLOEXEC), root = open("/sys/fs/cgroup/cgroup.procs", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || root < 0 || write(fd, "0", 1) < 0)
		host_fail(h, "%s: %s", cgroup, strerror(errno));
	for (int i = 0; i < CROWD; i++) {
		pids[i] = clone(stand, stacks + (size_t)(i + 1) * CROWD_STACK, CLONE_VM | SIGCHLD, NULL);
		if (pids[i] < 0)
			host_fail(h, "process %d of the crowd: %s", i, strerror(errno));
	}
	if (write(root, "0", 1) < 0)
		host_fail(h, "leave %s: %s", cgroup, strerror(errno));
	close(fd);
	close(root);
}

TEST_F_TIMEOUT(conformance, the_longest_list_of_processes_fits_the_frame, 180)
{
	static pid_t pids[CROWD];
	struct host *h = &self->h;
	char *stacks = malloc((size_t)CROWD * CROWD_STACK);
	struct json_object *o;

	ASSERT_EQ(0, oci_create(h, "crowd", "[\"true\"]"));
	gather(h, "/sys/fs/cgroup/pods/crowd/cgroup.procs", pids, stacks);
	EXPECT_EQ(0, host_call(h, MSG_GET_PROPERTIES, "crowd", ",\"Query\":\"{\\\"PropertyTypes\\\":[\\\"ProcessList\\\"]}\""));
	o = json_tokener_parse(answer_text(host_last(h), "Properties"));
	EXPECT_EQ(2000, json_object_array_length(json_at(o, "ProcessList")));
	json_object_put(o);
	for (int i = 0; i < CROWD; i++)
		kill(pids[i], SIGKILL);
	for (int i = 0; i < CROWD; i++)
		EXPECT_EQ(pids[i], waitpid(pids[i], NULL, 0));
	free(stacks);
	EXPECT_EQ(0, oci_delete(h, "crowd"));
	host_notified(h, "crowd", NULL);
}

TEST_F_TIMEOUT(conformance, the_last_signal_that_ends_a_container_is_told, 180)
{
	struct host *h = &self->h;
	struct host_stream out;
	char line[6] = "";
	int64_t pid;

	ASSERT_EQ(0, oci_create(h, "s1", "[\"sh\",\"-c\",\"trap '' TERM; echo ready; sleep 1000\"]"));
	pid = oci_start(h, "s1", NULL, &out, NULL);
	ASSERT_LT(0, pid);
	ASSERT_EQ(6, recv(out.fd, line, 6, MSG_WAITALL));
	EXPECT_EQ(0, host_call(h, MSG_SHUTDOWN_GRACEFUL, "s1", "%s", ""));
	EXPECT_EQ(0, host_call(h, MSG_SIGNAL_PROCESS, "s1", ",\"ProcessId\":%d,\"Options\":{\"Signal\":9}", (int)pid));
	free(host_stream_read(&out, NULL));
	EXPECT_EQ(137, host_wait(h, "s1", pid));
	EXPECT_STREQ("ForcedExit", host_notified(h, "s1", NULL));
	EXPECT_EQ(0, oci_delete(h, "s1"));
}

TEST_F_TIMEOUT(conformance, stdin_is_shut_down_with_its_process_and_children_keep_a_place_to_write_to, 180)
{
	struct host *h = &self->h;
	struct host_stream in, out, told;
	int64_t init, pid;
	char c;

	ASSERT_EQ(0, oci_create(h, "d1", "[\"sleep\",\"1000\"]"));
	init = oci_start(h, "d1", NULL, NULL, NULL);
	ASSERT_LT(0, init);
	pid = oci_exec(h, "d1", "[\"sh\",\"-c\",\"mkfifo /tmp/go /tmp/told; "
				"(read x </tmp/go; head -c 300000 /dev/zero && echo alive >/tmp/told) & echo done\"]", &in, &out, NULL);
	ASSERT_LT(0, pid);
	EXPECT_STREQ("done\n", host_stream_read(&out, NULL));
	EXPECT_EQ(0, host_wait(h, "d1", pid));
	/* This host has not closed its end. */
	ASSERT_TRUE(host_readable(in.fd, host_now_ms() + WAIT_MS));
	EXPECT_EQ(0, recv(in.fd, &c, 1, 0));
	host_stream_close(&in);
	/* More than any pipe holds, to nobody. */
	pid = oci_exec(h, "d1", "[\"sh\",\"-c\",\"echo >/tmp/go; cat /tmp/told\"]", NULL, &told, NULL);
	ASSERT_LT(0, pid);
	EXPECT_STREQ("alive\n", host_stream_read(&told, NULL));
	EXPECT_EQ(0, host_wait(h, "d1", pid));
	oci_end(h, "d1", init);
}

TEST_HARNESS_MAIN
