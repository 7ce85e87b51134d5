// SPDX-License-Identifier: MIT
/* Containers with the real runtime: their life from create to delete, standard streams, exits, errors. */
#include "cleanup.h"
#include "container_test.h"

#define A "test-a"

FIXTURE(container)
{
	struct gcs_error err;
};

FIXTURE_SETUP(container)
{
	start_containers(_metadata, &self->err);
}

FIXTURE_TEARDOWN(container)
{
	EXPECT_TRUE(leave_surroundings());
}

static const struct process_stdio all_streams = {
	.use_stdin = true, .use_stdout = true, .use_stderr = true, .stdin_port = 1, .stdout_port = 2, .stderr_port = 3,
};

TEST_F(container, output_and_exit_code)
{
	uint32_t pid = 0;

	ASSERT_EQ(0, create(A, "echo out; echo err >&2; exit 7", true, &self->err)) TH_LOG("%s", self->err.text);
	ASSERT_EQ(0, container_start(A, &all_streams, &pid, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_STREQ("out\n", host_read(2));
	EXPECT_STREQ("err\n", host_read(3));
	EXPECT_EQ(7, wait_code(A, pid));
	/* The init's code stays. */
	process_wait_delivered(A, pid);
	EXPECT_EQ(7, wait_code(A, pid));
	EXPECT_TRUE(wait_notes(1));
	EXPECT_STREQ(A, note_id);
	EXPECT_EQ(EXIT_UNEXPECTED, (int)note_type);
	EXPECT_EQ(0, container_shutdown(A, true, &self->err));
	ASSERT_EQ(0, container_delete(A, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_EQ(1, notes);
	EXPECT_NE(0, access("/run/gcs/c/" A, F_OK));
	EXPECT_EQ(-1, container_delete(A, &self->err));
	EXPECT_EQ(HR_SYSTEM_NOT_FOUND, self->err.hr);
}

TEST_F(container, stdin_is_passed_on_and_ends)
{
	uint32_t pid;

	ASSERT_EQ(0, create(A, "cat; echo end", true, &self->err)) TH_LOG("%s", self->err.text);
	ASSERT_EQ(0, container_start(A, &all_streams, &pid, &self->err)) TH_LOG("%s", self->err.text);
	ASSERT_EQ(5, write(host_ends[1], "hello", 5));
	ASSERT_EQ(0, shutdown(host_ends[1], SHUT_WR));
	EXPECT_STREQ("helloend\n", host_read(2));
	EXPECT_EQ(-1, process_signal(A, pid + 100000, 9, &self->err));
	EXPECT_EQ(HR_NOT_FOUND, self->err.hr);
	close(host_ends[3]);
	EXPECT_EQ(0, wait_code(A, pid));
	ASSERT_EQ(0, container_delete(A, &self->err)) TH_LOG("%s", self->err.text);
}

TEST_F(container, exit_waits_for_the_host_to_read)
{
	struct answer a;
	uint32_t pid;

	ASSERT_EQ(0, create(A, "i=0; while [ $i -lt 4000 ]; do echo 0123456789012345678901234567890; i=$((i+1)); done", true,
			    &self->err));
	ASSERT_EQ(0, container_start(A, &all_streams, &pid, &self->err)) TH_LOG("%s", self->err.text);
	close(host_ends[3]);
	ask(&a, A, pid, 1500);
	EXPECT_EQ(-2, answer(&a));
	EXPECT_EQ(HR_TIMEOUT, a.err.hr);
	ask(&a, A, pid, UINT32_MAX);
	/* 4000 lines of 32 bytes, more than a pipe and a socket hold. */
	{
		size_t total = 0;
		char buf[4096];
		ssize_t n;

		while ((n = read(host_ends[2], buf, sizeof(buf))) > 0)
			total += n;
		EXPECT_EQ((size_t)128000, total);
	}
	EXPECT_FALSE(a.answered);
	close(host_ends[2]);
	EXPECT_EQ(0, answer(&a));
	ASSERT_EQ(0, container_delete(A, &self->err)) TH_LOG("%s", self->err.text);
}

TEST_F(container, a_host_that_closes_early_does_not_block_the_process)
{
	uint32_t pid;

	ASSERT_EQ(0, create(A, "head -c 1000000 /dev/zero; echo err >&2; exit 3", true, &self->err));
	ASSERT_EQ(0, container_start(A, &all_streams, &pid, &self->err)) TH_LOG("%s", self->err.text);
	close(host_ends[2]);
	EXPECT_STREQ("err\n", host_read(3));
	EXPECT_EQ(3, wait_code(A, pid));
	ASSERT_EQ(0, container_delete(A, &self->err)) TH_LOG("%s", self->err.text);
}

TEST_F(container, unrequested_streams_are_like_dev_null)
{
	struct process_stdio none = { 0 };
	uint32_t pid;

	ASSERT_EQ(0, create(A, "cat && head -c 1000000 /dev/zero && echo err >&2 && exit 4", true, &self->err));
	ASSERT_EQ(0, container_start(A, &none, &pid, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_EQ(4, wait_code(A, pid));
	ASSERT_EQ(0, container_delete(A, &self->err)) TH_LOG("%s", self->err.text);
}

TEST_F(container, exec_runs_in_the_container)
{
	struct process_stdio streams = { .use_stdout = true, .stdout_port = 12, .use_stderr = true, .stderr_port = 13 };
	_cleanup_json_ struct json_object *p = json_tokener_parse("{\"args\":[\"sh\",\"-c\",\"echo in $(hostname); "
		"cat /etc/hosts | head -n 1; exit 9\"],\"cwd\":\"/\",\"env\":[\"PATH=/bin\"],\"user\":{\"uid\":0,\"gid\":0}}");
	_cleanup_json_ struct json_object *bad = json_tokener_parse("{\"args\":[\"nope\"],\"cwd\":\"/\","
		"\"env\":[\"PATH=/bin\"],\"user\":{\"uid\":0,\"gid\":0}}");
	struct process_stdio none = { 0 };
	_cleanup_free_ uint32_t *pids = NULL;
	uint32_t init, pid;
	size_t count;

	ASSERT_EQ(0, create(A, "exec sleep 100", true, &self->err));
	ASSERT_EQ(0, container_start(A, &none, &init, &self->err)) TH_LOG("%s", self->err.text);
	ASSERT_EQ(0, container_exec(A, p, &streams, &pid, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_NE(NULL, strstr(host_read(12), "127.0.0.1 localhost\n"));
	close(host_ends[13]);
	EXPECT_EQ(9, wait_code(A, pid));
	process_wait_dropped(A, pid);
	EXPECT_EQ(9, wait_code(A, pid));
	process_wait_delivered(A, pid);
	EXPECT_EQ(-2, wait_code(A, pid));
	/* Before the exec that fails: what the runtime had started for it may end a little later. */
	ASSERT_EQ(0, container_pids(A, &pids, &count, &self->err));
	ASSERT_EQ((size_t)1, count);
	EXPECT_EQ(init, pids[0]);
	EXPECT_EQ(-1, container_exec(A, bad, &none, &pid, &self->err));
	EXPECT_NE(NULL, strstr(self->err.text, "not found in $PATH")) TH_LOG("%s", self->err.text);
	/* Running: not deleted, and still there. */
	EXPECT_EQ(-1, container_delete(A, &self->err));
	EXPECT_EQ(HR_INVALID_STATE, self->err.hr);
	EXPECT_EQ(0, container_check(A, &self->err));
	EXPECT_EQ(0, container_shutdown(A, false, &self->err));
	EXPECT_EQ(137, wait_code(A, init));
	process_wait_delivered(A, init);
	EXPECT_TRUE(wait_notes(1));
	EXPECT_EQ(EXIT_FORCED, (int)note_type);
	EXPECT_EQ(-1, process_signal(A, init, 9, &self->err));
	EXPECT_EQ(HR_NOT_FOUND, self->err.hr);
	ASSERT_EQ(0, container_delete(A, &self->err)) TH_LOG("%s", self->err.text);
}

TEST_F(container, background_children_do_not_delay_an_exit_for_ever)
{
	struct process_stdio streams = { .use_stdout = true, .stdout_port = 12 };
	_cleanup_json_ struct json_object *p = json_tokener_parse("{\"args\":[\"sh\",\"-c\",\"sleep 100 & echo started\"],"
		"\"cwd\":\"/\",\"env\":[\"PATH=/bin\"],\"user\":{\"uid\":0,\"gid\":0}}");
	struct process_stdio none = { 0 };
	uint32_t init, pid;

	ASSERT_EQ(0, create(A, "exec sleep 100", true, &self->err));
	ASSERT_EQ(0, container_start(A, &none, &init, &self->err)) TH_LOG("%s", self->err.text);
	ASSERT_EQ(0, container_exec(A, p, &streams, &pid, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_STREQ("started\n", host_read(12));
	EXPECT_EQ(0, wait_code(A, pid));
	EXPECT_EQ(0, process_signal(A, init, 0, &self->err));
	EXPECT_EQ(137, wait_code(A, init));
	ASSERT_EQ(0, container_delete(A, &self->err)) TH_LOG("%s", self->err.text);
}

TEST_F(container, the_end_of_an_init_without_pid_namespace_ends_the_rest)
{
	struct process_stdio none = { 0 };
	_cleanup_free_ uint32_t *pids = NULL;
	uint32_t pid;
	size_t count;

	ASSERT_EQ(0, create(A, "sleep 100 & sleep 100 & exit 5", false, &self->err));
	ASSERT_EQ(0, container_start(A, &none, &pid, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_EQ(5, wait_code(A, pid));
	ASSERT_EQ(0, container_delete(A, &self->err)) TH_LOG("%s", self->err.text);
	ASSERT_EQ(0, cgroup_pids("/pods", &pids, &count, &self->err));
	EXPECT_EQ((size_t)0, count);
}

TEST_F(container, a_container_that_never_ran_is_notified_and_deleted)
{
	uint32_t pid;

	ASSERT_EQ(0, create(A, "true", true, &self->err));
	ASSERT_EQ(-1, create(A, "true", true, &self->err));
	EXPECT_EQ(HR_SYSTEM_EXISTS, self->err.hr);
	ASSERT_EQ(0, container_delete(A, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_EQ(1, notes);
	/* And one whose init is killed before it starts. */
	ASSERT_EQ(0, create(A, "true", true, &self->err)) TH_LOG("%s", self->err.text);
	ASSERT_EQ(0, container_shutdown(A, true, &self->err));
	EXPECT_TRUE(wait_notes(2));
	EXPECT_EQ(EXIT_GRACEFUL, (int)note_type);
	EXPECT_EQ(-1, container_start(A, &all_streams, &pid, &self->err));
	EXPECT_EQ(HR_INVALID_STATE, self->err.hr);
	EXPECT_EQ(0, dialled[1]);
	ASSERT_EQ(0, container_delete(A, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_EQ(2, notes);
}

TEST_F(container, a_second_start_is_refused_and_harmless)
{
	struct process_stdio none = { 0 };
	uint32_t pid;

	ASSERT_EQ(0, create(A, "exec sleep 100", true, &self->err));
	ASSERT_EQ(0, container_start(A, &none, &pid, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_EQ(-1, container_start(A, &all_streams, &pid, &self->err));
	EXPECT_EQ(HR_INVALID_STATE, self->err.hr);
	EXPECT_EQ(0, dialled[1]);
	EXPECT_EQ(0, process_signal(A, pid, 15, &self->err));
	EXPECT_EQ(0, process_signal(A, pid, 9, &self->err));
	EXPECT_EQ(137, wait_code(A, pid));
	ASSERT_EQ(0, container_delete(A, &self->err)) TH_LOG("%s", self->err.text);
}

TEST_F(container, a_failed_dial_leaves_the_container_ready)
{
	uint32_t pid;

	ASSERT_EQ(0, create(A, "echo again", true, &self->err));
	refuse_port = 3;
	EXPECT_EQ(-1, container_start(A, &all_streams, &pid, &self->err));
	EXPECT_NE(NULL, strstr(self->err.text, "stderr"));
	EXPECT_STREQ("", host_read(1));
	EXPECT_STREQ("", host_read(2));
	refuse_port = -1;
	dialled[1] = dialled[2] = 0;
	ASSERT_EQ(0, container_start(A, &all_streams, &pid, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_STREQ("again\n", host_read(2));
	close(host_ends[3]);
	EXPECT_EQ(0, wait_code(A, pid));
	ASSERT_EQ(0, container_delete(A, &self->err)) TH_LOG("%s", self->err.text);
}

TEST_F(container, a_command_that_is_not_there_fails_create_without_a_trace)
{
	struct json_object *spec = make_spec(A, "true", true), *args = json_object_new_array();
	struct container_config config = { .activity_id = "", .bundle = "/run/gcs/c/" A, .scratch = "", .spec = spec };

	/* For the root file system. */
	ASSERT_EQ(0, combine(A, &self->err)) TH_LOG("%s", self->err.text);
	json_object_array_add(args, json_object_new_string("nope"));
	json_object_object_add(json_object_object_get(spec, "process"), "args", args);
	EXPECT_EQ(-1, container_create(A, &config, &self->err));
	EXPECT_NE(NULL, strstr(self->err.text, "not found in $PATH")) TH_LOG("%s", self->err.text);
	EXPECT_EQ(-1, container_check(A, &self->err));
	EXPECT_EQ(0, notes);
	EXPECT_NE(0, access("/run/gcs/c/" A "/config.json", F_OK));
	EXPECT_NE(0, access("/run/gcs/c/" A "/hosts", F_OK));
	EXPECT_EQ(0, access("/run/gcs/c/" A "/rootfs/bin/sh", F_OK));
	EXPECT_NE(0, access(CGROUP_ROOT "/pods/" A, F_OK));
	json_object_put(spec);
	ASSERT_EQ(0, create(A, "true", true, &self->err)) TH_LOG("%s", self->err.text);
	ASSERT_EQ(0, container_delete(A, &self->err));
}

TEST_F(container, external_process)
{
	struct process_stdio streams = { .use_stdout = true, .stdout_port = 20, .use_stdin = true, .stdin_port = 21 };
	char *env[] = { "PATH=/bin:/usr/bin", "X=y", NULL };
	struct external_process p = { .command_line = "sh -c 'cat; echo $X \"$PWD\"; exit 6'", .cwd = "/tmp", .env = env };
	struct answer a;
	uint32_t pid;

	ASSERT_EQ(0, external_exec(&p, &streams, &pid, &self->err)) TH_LOG("%s", self->err.text);
	ask(&a, NULL_GUID, pid, 0);
	EXPECT_EQ(-2, answer(&a));
	EXPECT_EQ(HR_TIMEOUT, a.err.hr);
	shutdown(host_ends[21], SHUT_WR);
	EXPECT_STREQ("y /tmp\n", host_read(20));
	EXPECT_EQ(6, wait_code(NULL_GUID, pid));
	ask(&a, NULL_GUID, pid, 0);
	EXPECT_EQ(6, answer(&a));
	process_wait_dropped(NULL_GUID, pid);
	process_wait_delivered(NULL_GUID, pid);
	EXPECT_EQ(-2, wait_code(NULL_GUID, pid));
	p.command_line = "sleep 100";
	ASSERT_EQ(0, external_exec(&p, &(struct process_stdio){ 0 }, &pid, &self->err)) TH_LOG("%s", self->err.text);
	EXPECT_EQ(0, process_signal(NULL_GUID, pid, 15, &self->err));
	EXPECT_EQ(143, wait_code(NULL_GUID, pid));
	p.command_line = "no-such-program";
	EXPECT_EQ(-1, external_exec(&p, &(struct process_stdio){ 0 }, &pid, &self->err));
	EXPECT_NE(NULL, strstr(self->err.text, "no-such-program")) TH_LOG("%s", self->err.text);
}

TEST_F(container, terminals_are_resized_while_they_are_there)
{
	static const char script[] = "{\"terminal\":true,\"cwd\":\"/\",\"env\":[\"PATH=/bin\"],\"args\":[\"sh\",\"-c\","
				     "\"read x; stty size; exit 6\"]}";
	char *argv[] = { "sh", "-c", "read x; stty size; exit 6", NULL }, *env[] = { "PATH=/bin:/usr/bin", NULL };
	struct external_process external = { .argv = argv, .cwd = "/", .env = env, .terminal = true, .rows = 5, .columns = 6 };
	struct json_object *process = json_tokener_parse(script);
	uint32_t init, pid;

	ASSERT_EQ(0, create(A, "sleep 100", true, &self->err)) TH_LOG("%s", self->err.text);
	ASSERT_EQ(0, container_start(A, &(struct process_stdio){ 0 }, &init, &self->err)) TH_LOG("%s", self->err.text);
	for (uint32_t i = 0; i < 2; i++) {
		const char *id = i ? NULL_GUID : A;
		struct process_stdio streams = { .use_stdin = true, .stdin_port = 30 + 2 * i, .use_stdout = true,
						 .stdout_port = 31 + 2 * i };
		int ret = i ? external_exec(&external, &streams, &pid, &self->err) :
			      container_exec(A, process, &streams, &pid, &self->err);

		ASSERT_EQ(0, ret) TH_LOG("%s", self->err.text);
		EXPECT_EQ(0, process_resize(id, pid, 30, 40, &self->err)) TH_LOG("%s", self->err.text);
		ASSERT_EQ(1, write(host_ends[30 + 2 * i], "\n", 1));
		EXPECT_STREQ("\r\n30 40\r\n", host_read(31 + 2 * i));
		EXPECT_EQ(6, wait_code(id, pid));
		EXPECT_EQ(0, process_resize(id, pid, 1, 1, &self->err));
		process_wait_delivered(id, pid);
		EXPECT_EQ(-1, process_resize(id, pid, 1, 1, &self->err));
		EXPECT_EQ(HR_NOT_FOUND, self->err.hr);
		close(host_ends[30 + 2 * i]);
	}
	json_object_put(process);
	argv[0] = "no-such-program";
	EXPECT_EQ(-1, external_exec(&external, &(struct process_stdio){ 0 }, &pid, &self->err));
	EXPECT_EQ(0, container_shutdown(A, false, &self->err));
	EXPECT_EQ(137, wait_code(A, init));
	ASSERT_EQ(0, container_delete(A, &self->err)) TH_LOG("%s", self->err.text);
}

TEST_F(container, bad_specs_are_errors)
{
	static const char *const specs[] = {
		"null", "[]", "{}", "{\"process\":null,\"root\":{\"path\":\"/x\"}}", "{\"process\":{\"args\":[\"x\"]}}",
		"{\"process\":{},\"root\":{\"path\":\"/x\"}}", "{\"process\":{\"args\":[]},\"root\":{\"path\":\"/x\"}}",
		"{\"process\":{\"args\":[1]},\"root\":{\"path\":\"/x\"}}", "{\"process\":{\"args\":[\"x\"]},\"root\":{}}",
		"{\"process\":{\"args\":[\"x\"]},\"root\":{\"path\":\"../x\"}}",
		"{\"process\":{\"args\":[\"x\"]},\"root\":{\"path\":\"/x\"},\"linux\":[]}",
		"{\"process\":{\"args\":[\"x\"]},\"root\":{\"path\":\"/x\"},\"mounts\":{}}",
		"{\"process\":{\"args\":[\"x\"]},\"root\":{\"path\":\"/x\"},\"hostname\":\"a/b\"}",
		"{\"process\":{\"args\":[\"x\"]},\"root\":{\"path\":\"/x\"},\"annotations\":{\"io.kubernetes.cri.container-type\":\"z\"}}",
		"{\"process\":{\"args\":[\"x\"],\"terminal\":1},\"root\":{\"path\":\"/x\"}}",
	};
	static const char *const ids[] = { "", "..", "a..b", "a/b", "a b", NULL_GUID };
	struct container_config config = { .activity_id = "", .bundle = "/run/gcs/c/bad", .scratch = "" };

	for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
		config.spec = json_tokener_parse(specs[i]);
		EXPECT_EQ(-1, container_create("bad", &config, &self->err)) TH_LOG("%s", specs[i]);
		EXPECT_NE(0, self->err.text[0]);
		json_object_put(config.spec);
	}
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		EXPECT_EQ(-1, container_create(ids[i], &config, &self->err)) TH_LOG("%s", ids[i]);
		EXPECT_EQ(HR_INVALID_ARG, self->err.hr);
	}
	EXPECT_NE(0, access("/run/gcs/c/bad", F_OK));
	EXPECT_EQ(0, notes);
}

TEST_HARNESS_MAIN
