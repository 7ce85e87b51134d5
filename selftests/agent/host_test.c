// SPDX-License-Identifier: MIT
/* The host of these tests: what would make the real one kill the bridge ends a test (bridge.md 3, 4, 5.3, 6). */
#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"
#include "kselftest_harness.h"

#define N "{\"ContainerId\":\"known\",\"ActivityId\":\"" Z "\",\"Type\":\"UnexpectedExit\",\"Operation\":\"None\",\"Result\":0"
#define RECORD "{\"Result\":-1,\"Message\":\"m\",\"ModuleName\":\"gcs\",\"FileName\":\"\",\"Line\":"
#define ERROR "{\"Result\":-1,\"ErrorMessage\":\"m\",\"ErrorRecords\":[" RECORD "0}]"
#define CAPABILITIES "\"Capabilities\":{\"RuntimeOsType\":\"Linux\",\"GuestDefinedCapabilities\":{}}"

/* Outstanding in each case. */
enum { START = 5, PROPERTIES, NEGOTIATE, WAIT, EXECUTE, STACKS };

static const struct {
	uint32_t type;
	uint64_t id;
	const char *json, *reason; /* NULL: it is as it should be */
} cases[] = {
	{ 0x20100201, START, "{\"Result\":0}", NULL },
	{ 0x20100201, START, "{\"Result\":0,\"ActivityId\":\"" Z "\"}", NULL },
	{ 0x20100201, START, ERROR "}", NULL },
	{ 0x20100201, START, "", "not a JSON object" },
	{ 0x20100201, START, "null", "not a JSON object" },
	{ 0x20100201, START, "{\"Result\":0}x", "not a JSON object" },
	{ 0x20100201, START, "{\"Result\":0,\"a\":\"\xff\"}", "not a JSON object" },
	{ 0x20100201, START, "{}", "Result is not" },
	{ 0x20100201, START, "{\"Result\":3224830222}", "Result is not" },
	{ 0x20100201, START, "{\"Result\":0,\"ActivityId\":\"\"}", "no GUID" },
	{ 0x20100201, START, "{\"Result\":0,\"ActivityId\":\"{" Z "}\"}", "no GUID" },
	{ 0x20100201, START, "{\"Result\":-1}", "belong to errors" },
	{ 0x20100201, START, "{\"Result\":0,\"ErrorMessage\":\"m\"}", "belong to errors" },
	{ 0x20100201, START, "{\"Result\":-1,\"ErrorMessage\":\"\",\"ErrorRecords\":[" RECORD "0}]}", "ErrorMessage is empty" },
	{ 0x20100201, START, "{\"Result\":-1,\"ErrorMessage\":\"m\",\"ErrorRecords\":[" RECORD "-1}]}", "Line is not" },
	{ 0x20100201, START, ERROR ",\"ExitCode\":0}", "ExitCode in an error" },
	{ 0x20100201, 99, "{\"Result\":0}", "not outstanding" },
	{ 0x20100301, START, "{\"Result\":0}", "response type" },
	{ 0x10100201, START, "{\"Result\":0}", "notification of type" },
	{ 0x40100201, START, "{\"Result\":0}", "notification of type" },
	{ 0x20100901, PROPERTIES, "{\"Result\":0,\"Properties\":\"{}\"}", NULL },
	{ 0x20100901, PROPERTIES, "{\"Result\":0,\"Properties\":\"\"}", "not a JSON object" },
	{ 0x20100901, PROPERTIES, "{\"Result\":0,\"Properties\":{}}", "not a string" },
	{ 0x20100901, PROPERTIES, "{\"Result\":0}", "without Properties" },
	{ 0x20100B01, NEGOTIATE, "{\"Result\":0,\"Version\":4," CAPABILITIES "}", NULL },
	{ 0x20100B01, NEGOTIATE, "{\"Result\":0,\"Version\":5," CAPABILITIES "}", "Version is not" },
	{ 0x20100B01, NEGOTIATE, "{\"Result\":0,\"Version\":4,\"Capabilities\":{\"RuntimeOsType\":\"Linux\"}}",
	  "without Capabilities.GuestDefinedCapabilities" },
	{ 0x20100B01, NEGOTIATE, "{\"Result\":0,\"Version\":4,\"Capabilities\":{\"RuntimeOsType\":\"\",\"GuestDefinedCapabilities\":{}}}",
	  "not Linux" },
	{ 0x20100601, WAIT, "{\"Result\":0,\"ExitCode\":4294967295}", NULL },
	{ 0x20100601, WAIT, "{\"Result\":0,\"ExitCode\":-1}", "ExitCode is not" },
	{ 0x20100601, WAIT, "{\"Result\":0}", "without ExitCode" },
	{ 0x20100501, EXECUTE, "{\"Result\":0,\"ProcessId\":4294967296}", "ProcessId is not" },
	{ 0x20100501, EXECUTE, "{\"Result\":0}", "without ProcessId" },
	{ 0x20100C01, STACKS, "{\"Result\":0}", "without GuestStacks" },
	{ 0x30100101, 0, N "}", NULL },
	{ 0x30100101, 1, N "}", "notification of type" },
	{ 0x30100201, 0, N "}", "notification of type" },
	{ 0x30100101, 0, N ",\"ResultInfo\":\"\"}", "notification: " },
	{ 0x30100101, 0, "{\"ContainerId\":\"known\",\"ActivityId\":\"\",\"Type\":\"UnexpectedExit\",\"Operation\":\"None\",\"Result\":0}",
	  "no GUID" },
	{ 0x30100101, 0, "{\"ContainerId\":\"other\",\"ActivityId\":\"" Z "\",\"Type\":\"UnexpectedExit\",\"Operation\":\"None\","
			 "\"Result\":0}", "unknown container" },
};

FIXTURE(host)
{
	struct host h;
	int guest;
	char said[1000]; /* the reason for which the host ended its test */
};

FIXTURE_SETUP(host)
{
	struct host *h = &self->h;
	int pair[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	h->fd = pair[0];
	self->guest = pair[1];
	host_expect(h, START, MSG_START);
	host_expect(h, PROPERTIES, MSG_GET_PROPERTIES);
	host_expect(h, NEGOTIATE, MSG_NEGOTIATE_PROTOCOL);
	host_expect(h, WAIT, MSG_WAIT_FOR_PROCESS);
	host_expect(h, EXECUTE, MSG_EXECUTE_PROCESS);
	host_expect(h, STACKS, MSG_DUMP_STACKS);
	host_register(h, "known");
}

FIXTURE_TEARDOWN(host)
{
	close(self->h.fd);
	close(self->guest);
}

/* Let a host of its own read what was sent. Does it take it? */
static bool takes(FIXTURE_DATA(host) *self)
{
	int reason[2], status;
	size_t n = 0;
	ssize_t part;
	pid_t pid;

	if (pipe(reason) < 0)
		abort();
	pid = fork();
	if (pid == 0) {
		dup2(reason[1], STDERR_FILENO);
		close(reason[1]);
		host_watch(&self->h, 0);
		_exit(0);
	}
	close(reason[1]);
	while ((part = read(reason[0], self->said + n, sizeof(self->said) - 1 - n)) > 0)
		n += part;
	self->said[n] = '\0';
	close(reason[0]);
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || (!WIFEXITED(status) && !WIFSIGNALED(status)))
		abort();
	return WIFEXITED(status);
}

static void say(FIXTURE_DATA(host) *self, uint32_t type, uint64_t id, const char *json)
{
	struct frame f = { .type = type, .id = id, .length = strlen(json), .payload = (char *)json };

	if (frame_write(self->guest, UINT32_MAX, &f, NULL) < 0)
		abort();
}

TEST_F(host, takes_what_the_real_one_takes_and_nothing_else)
{
	char rest[4096];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		say(self, cases[i].type, cases[i].id, cases[i].json);
		EXPECT_EQ(!cases[i].reason, takes(self)) TH_LOG("case %zu: %s", i, cases[i].json);
		if (cases[i].reason) {
			EXPECT_NE(NULL, strstr(self->said, cases[i].reason)) TH_LOG("case %zu: %s", i, self->said);
		}
		while (recv(self->h.fd, rest, sizeof(rest), MSG_DONTWAIT) > 0)
			;
	}
}

TEST_F(host, an_answer_and_a_notification_come_once)
{
	say(self, 0x20100201, START, "{\"Result\":0}");
	say(self, 0x20100201, START, "{\"Result\":0}");
	EXPECT_FALSE(takes(self));
	EXPECT_NE(NULL, strstr(self->said, "second response")) TH_LOG("%s", self->said);
	say(self, 0x30100101, 0, N "}");
	say(self, 0x30100101, 0, N "}");
	EXPECT_FALSE(takes(self));
	EXPECT_NE(NULL, strstr(self->said, "second notification")) TH_LOG("%s", self->said);
}

TEST_F(host, frames_have_the_sizes_that_it_reads)
{
	static const struct {
		uint32_t size;
		bool taken;
	} sizes[] = { { 15, false }, { 65537, false }, { 65536, true } };
	char *frame = malloc(65536), rest[4096];

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct frame_header header = { htole32(0x20100201), htole32(sizes[i].size), htole64(START) };
		size_t length = sizes[i].taken ? sizes[i].size : sizeof(header);

		memset(frame, ' ', 65536);
		memcpy(frame, &header, sizeof(header));
		memcpy(frame + sizeof(header), "{\"Result\":0}", 12);
		ASSERT_EQ((ssize_t)length, send(self->guest, frame, length, 0));
		EXPECT_EQ(sizes[i].taken, takes(self)) TH_LOG("%u", sizes[i].size);
		while (recv(self->h.fd, rest, sizeof(rest), MSG_DONTWAIT) > 0)
			;
	}
	free(frame);
}

TEST_HARNESS_MAIN
