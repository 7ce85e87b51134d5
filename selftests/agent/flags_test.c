// SPDX-License-Identifier: MIT
/* Conformance: the agent's command line (boot-and-image.md 5): what each flag does that no other test asks for. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "host.h"
#include "kselftest_harness.h"

#define FILE_MAX (64 << 10)

/* Run a script in which $gcs is the agent, in mounts of its own. Returns its status; what it prints is in @out. */
static int run(const char *script, char out[FILE_MAX])
{
	const char *agent = getenv("GCS_AGENT");
	char *command;
	FILE *f;

	setenv("gcs", agent ? agent : "/bin/gcs", 1);
	if (asprintf(&command, "unshare -m sh -c '%s' 2>&1", script) < 0)
		abort();
	f = popen(command, "re");
	free(command);
	if (!f)
		abort();
	out[fread(out, 1, FILE_MAX - 1, f)] = '\0';
	return WEXITSTATUS(pclose(f));
}

/* A first line of the log that says that the agent ends, and that nothing follows. */
static bool is_fatal(char *text, const char *why)
{
	char *end = strchr(text, '\n');
	struct json_object *o;
	bool yes;

	if (!end || end[1])
		return false;
	o = json_tokener_parse(text);
	yes = json_object_is_type(o, json_type_object) && !strcmp(json_object_get_string(json_at(o, "level")), "fatal") &&
	      strstr(json_object_get_string(json_at(o, "msg")), why);
	json_object_put(o);
	return yes;
}

TEST(help_is_printed_and_nothing_is_started)
{
	static const char *const scripts[] = { "$gcs --help", "$gcs -help", "$gcs -h", "$gcs -v4 -log-format json --h -loglevel loud" };
	static const char *const flags[] = {
		"-v4", "-loglevel ", "-log-format ", "-logfile ", "-kmsgLogLevel ", "-core-dump-location ", "-use-inouterr",
		"-root-mem-reserve-bytes ", "-gcs-mem-limit-bytes ", "-disable-time-sync", "-scrub-logs", "-initial-policy-stance ",
		"-runtime ", "-no-kmod", "-version", "-help",
	};
	char out[FILE_MAX];

	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		EXPECT_EQ(0, run(scripts[i], out));
		EXPECT_EQ(0, strncmp(out, "usage: gcs ", 11));
		for (size_t j = 0; j < sizeof(flags) / sizeof(flags[0]); j++)
			EXPECT_NE(NULL, strstr(out, flags[j]));
	}
	EXPECT_EQ(0, run("$gcs --help 2>&1 >/dev/null", out));
	EXPECT_STREQ("", out);
	EXPECT_EQ(0, run("$gcs -version", out));
	EXPECT_EQ(0, strncmp(out, "gcs ", 4));
}

TEST(a_bad_value_ends_it_and_names_the_flag)
{
	static const struct {
		const char *flags, *named;
	} rows[] = {
		{ "-loglevel loud", "-loglevel" },     { "-log-format xml", "-log-format" },
		{ "-kmsgLogLevel", "-kmsgLogLevel" },  { "-initial-policy-stance maybe", "-initial-policy-stance" },
		{ "-logfile /etc/passwd/log", "/etc/passwd" }, { "-v4=perhaps", "-v4" },
	};
	char script[128], out[FILE_MAX];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(script, sizeof(script), "$gcs -v4 -log-format json %s", rows[i].flags);
		EXPECT_EQ(2, run(script, out));
		EXPECT_TRUE(is_fatal(out, rows[i].named))
			TH_LOG("%s: %s", rows[i].flags, out);
	}
}

TEST(flags_that_there_are_not_are_refused_by_name_and_the_agent_serves)
{
	struct host h;

	if (!host_has_vsock())
		SKIP(return, "needs vsock");
	host_start(&h, true, (char *[]){ "-new-thing", "value", "--other=7", NULL });
	host_call(&h, MSG_GET_PROPERTIES, "none", ",\"Query\":\"\"");
	json_object_put(host_log_line(&h, "flag -new-thing: refused", "error", 1));
	json_object_put(host_log_line(&h, "flag --other=7: refused", "error", 1));
	host_stop(&h);
}

TEST(a_start_that_a_flag_makes_impossible_fails_and_says_why)
{
	char out[FILE_MAX];

	EXPECT_EQ(1, run("mount -o bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && "
			 "exec $gcs -v4 -log-format json -loglevel error -core-dump-location /core", out));
	EXPECT_TRUE(is_fatal(out, "core_pattern"))
		TH_LOG("%s", out);
	EXPECT_EQ(1, run("exec $gcs -v4 -log-format json -loglevel error -root-mem-reserve-bytes 0x10000000000", out));
	EXPECT_TRUE(is_fatal(out, "-root-mem-reserve-bytes"))
		TH_LOG("%s", out);
}

TEST(the_log_s_file_is_new_and_for_the_agent_alone)
{
	char out[FILE_MAX];
	struct stat st;
	struct host h;

	if (!host_has_vsock())
		SKIP(return, "needs vsock");
	ASSERT_EQ(0, run("echo old > /tmp/flags.log && chmod 644 /tmp/flags.log && rm -rf /tmp/flags.new", out));
	host_start(&h, true, (char *[]){ "-logfile", "/tmp/flags.log", NULL });
	EXPECT_EQ(0, run("head -n 1 /tmp/flags.log", out));
	EXPECT_NE(NULL, strstr(out, "started"));
	EXPECT_EQ(0, host_log_count(&h, ""));
	host_stop(&h);
	/* As init without arguments asks for it: there is no such directory yet. */
	host_start(&h, true, (char *[]){ "-logfile=/tmp/flags.new/log", NULL });
	EXPECT_EQ(0, stat("/tmp/flags.new/log", &st));
	EXPECT_EQ(S_IFREG | 0600, st.st_mode);
	EXPECT_EQ(0, stat("/tmp/flags.new", &st));
	EXPECT_EQ(S_IFDIR | 0700, st.st_mode);
	host_stop(&h);
}

TEST(cores_go_where_the_host_says)
{
	char out[FILE_MAX];
	struct host h;

	if (!host_has_vsock())
		SKIP(return, "needs vsock");
	host_start(&h, true, (char *[]){ "-core-dump-location", "/run/cores/%e.%p", NULL });
	/* Negotiated means answered, which may be before the rest has been set up; a request that needs the rest waits for it. */
	host_call(&h, MSG_GET_PROPERTIES, "none", ",\"Query\":\"\"");
	EXPECT_EQ(0, run("cat /proc/sys/kernel/core_pattern && echo core > /proc/sys/kernel/core_pattern", out));
	EXPECT_STREQ("/run/cores/%e.%p\n", out);
	host_stop(&h);
}

TEST(containers_get_all_memory_but_the_reserve)
{
	char out[FILE_MAX];
	struct host h;

	if (!host_has_vsock())
		SKIP(return, "needs vsock");
	host_start(&h, true, (char *[]){ "-root-mem-reserve-bytes=209715200", NULL });
	host_call(&h, MSG_GET_PROPERTIES, "none", ",\"Query\":\"\"");
	/* Limits are whole pages. */
	EXPECT_EQ(0, run("set -- $(free -b | grep Mem:) && cat /sys/fs/cgroup/pods/memory.max /sys/fs/cgroup/memory/pods/memory.limit_in_bytes "
			 "2>/dev/null | { read max && test $max = $(($2 - 209715200)); }", out));
	host_stop(&h);
}

/* Without huge pages the kernel would keep so much free. */
#define IS_LOWERED "set -- $(free -k | grep Mem:) && kept=$(cat /proc/sys/vm/min_free_kbytes) && echo $kept of $2 && " \
	"test $((kept * kept)) -le $(($2 * 16)) -a $(((kept + 1) * (kept + 1))) -gt $(($2 * 16))"

TEST(the_kernel_keeps_no_more_memory_free_for_huge_pages)
{
	char out[FILE_MAX], *block;
	struct host h;

	if (!host_has_vsock())
		SKIP(return, "needs vsock");
	ASSERT_EQ(0, run("echo 50000 > /proc/sys/vm/min_free_kbytes", out));
	host_start(&h, true, NULL);
	host_call(&h, MSG_GET_PROPERTIES, "none", ",\"Query\":\"\"");
	EXPECT_EQ(0, run(IS_LOWERED, out))
		TH_LOG("%s", out);
	/* The same memory, another value: it is somebody's wish. */
#define MEMORY_HAS_CHANGED() EXPECT_EQ(0, host_call(&h, MSG_MODIFY_SETTINGS, Z, \
	",\"Request\":{\"ResourceType\":\"PodCgroupMemoryLimit\",\"RequestType\":\"Update\"}"))
	ASSERT_EQ(0, run("echo 50000 > /proc/sys/vm/min_free_kbytes", out));
	MEMORY_HAS_CHANGED();
	EXPECT_EQ(0, run("grep -qx 50000 /proc/sys/vm/min_free_kbytes", out));
	/* More or less memory, as a host adds and takes it: the last blocks are the likeliest to be free. */
	if (run("for block in $(ls -d /sys/devices/system/memory/memory*[0-9] | sort -t y -k 4 -Vr); do "
		"echo offline 2>/dev/null > $block/state && echo $block && exit; done; exit 1", out) != 0) {
		host_stop(&h);
		SKIP(return, "no block of memory can be taken from this kernel");
	}
	out[strcspn(out, "\n")] = '\0';
	ASSERT_LT(0, asprintf(&block, "echo online > %s/state", out));
	ASSERT_EQ(0, run("echo 50000 > /proc/sys/vm/min_free_kbytes", out));
	MEMORY_HAS_CHANGED();
	EXPECT_EQ(0, run(IS_LOWERED, out))
		TH_LOG("%s", out);
	EXPECT_EQ(0, run(block, out));
	MEMORY_HAS_CHANGED();
	EXPECT_EQ(0, run(IS_LOWERED, out))
		TH_LOG("%s", out);
	host_stop(&h);
	free(block);
}

TEST(the_kernel_s_log_is_forwarded_up_to_the_level)
{
	struct json_object *o;
	char out[FILE_MAX];
	struct host h;

	if (!host_has_vsock())
		SKIP(return, "needs vsock");
	host_start(&h, true, (char *[]){ "-kmsgLogLevel", "5", NULL });
	ASSERT_EQ(0, run("echo \"<30>flags_test hides\" > /dev/kmsg && echo \"<29>flags_test shows\" > /dev/kmsg", out));
	o = host_log_line(&h, "kmsg read", "flags_test shows", 1);
	EXPECT_STREQ("info", json_object_get_string(json_at(o, "level")));
	EXPECT_STREQ("Notice", json_object_get_string(json_at(o, "priority")));
	EXPECT_EQ(3, json_object_get_int(json_at(o, "facility")));
	EXPECT_STREQ("flags_test shows", json_object_get_string(json_at(o, "message")));
	EXPECT_NE(NULL, json_at(o, "seq"));
	EXPECT_NE(NULL, json_at(o, "timesincebootmicro"));
	EXPECT_NE(NULL, json_at(o, "flags"));
	json_object_put(o);
	EXPECT_EQ(0, host_log_count(&h, "flags_test hides"));
	host_stop(&h);
}

TEST_HARNESS_MAIN
