// SPDX-License-Identifier: MIT
/* Conformance: frames, negotiation, JSON, the error of each message (bridge.md 3 to 9 and 16). Needs no stdio. */
#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host.h"
#include "kselftest_harness.h"

#define E_NOTIMPL (-2147467263)
#define E_FAIL (-2147467259)
#define E_INVALIDARG (-2147024809)
#define E_NOT_FOUND (-2147023728)
#define E_TIMEOUT (-1070137079)
#define E_VERSION (-1070137076)
#define E_JSON (-1070137075)
#define E_NO_SYSTEM (-1070137074)

FIXTURE(protocol)
{
	struct host h;
};

FIXTURE_SETUP(protocol)
{
	host_start(&self->h, false, NULL);
}

FIXTURE_TEARDOWN(protocol)
{
	host_stop(&self->h);
}

TEST_F(protocol, the_recorded_negotiation_gets_the_recorded_answer)
{
	static const char request[] = "\x01\x0b\x10\x10\x7d\0\0\0\0\0\0\0\0\0\0\0"
				      "{\"ContainerId\":\"\",\"ActivityId\":\"" Z "\",\"MinimumVersion\":4,"
				      "\"MaximumVersion\":4}\n";
	static const char answer[] =
		"\x01\x0b\x10\x20\x56\x01\0\0\0\0\0\0\0\0\0\0"
		"{\"Result\":0,\"ActivityId\":\"" Z "\",\"Version\":4,\"Capabilities\":{\"SupportedSchemaVersions\":"
		"[{\"Major\":2,\"Minor\":1}],\"RuntimeOsType\":\"Linux\",\"GuestDefinedCapabilities\":{"
		"\"NamespaceAddRequestSupported\":true,\"SignalProcessSupported\":true,\"DumpStacksSupported\":true,"
		"\"DeleteContainerStateSupported\":true}}}";
	char buf[sizeof(answer)];
	struct frame f;
	struct gcs_error err;

	ASSERT_EQ(343, sizeof(answer));
	host_send_raw(&self->h, request, sizeof(request) - 1);
	ASSERT_EQ(1, frame_read(self->h.fd, FRAME_MAX_TO_HOST, &f, &err));
	EXPECT_EQ(0x20100B01, f.type);
	EXPECT_EQ(0, f.id);
	ASSERT_EQ(326, f.length);
	memcpy(buf, f.payload, f.length);
	EXPECT_EQ(0, memcmp(answer + 16, buf, 326));
	free(f.payload);
}

static int64_t negotiate(struct host *h, int min, int max)
{
	return host_call(h, MSG_NEGOTIATE_PROTOCOL, "", ",\"MinimumVersion\":%d,\"MaximumVersion\":%d", min, max);
}

TEST_F(protocol, versions_must_overlap)
{
	EXPECT_EQ(E_VERSION, negotiate(&self->h, 1, 3));
	EXPECT_EQ(E_VERSION, negotiate(&self->h, 5, 6));
	EXPECT_EQ(E_VERSION, negotiate(&self->h, 0, 0));
	/* A failure leaves the connection as it was. */
	EXPECT_EQ(0, negotiate(&self->h, 2, 7));
	EXPECT_EQ(4, answer_number(host_last(&self->h), "Version"));
}

TEST_F(protocol, negotiation_comes_first_and_once)
{
	static const uint32_t types[] = {
		MSG_CREATE, MSG_START, MSG_SHUTDOWN_GRACEFUL, MSG_SHUTDOWN_FORCED, MSG_EXECUTE_PROCESS,
		MSG_WAIT_FOR_PROCESS, MSG_SIGNAL_PROCESS, MSG_RESIZE_CONSOLE, MSG_GET_PROPERTIES, MSG_MODIFY_SETTINGS,
		MSG_DUMP_STACKS, MSG_DELETE_CONTAINER_STATE,
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		EXPECT_EQ(E_NOTIMPL, host_call(&self->h, types[i], "x", "%s", ""));
	EXPECT_EQ(0, negotiate(&self->h, 4, 4));
	EXPECT_EQ(E_NOTIMPL, negotiate(&self->h, 4, 4));
	EXPECT_EQ(0, host_call(&self->h, MSG_START, "x", "%s", ""));
}

TEST_F(protocol, a_bad_negotiation_is_bad_json_without_activity)
{
	struct host *h = &self->h;
	static const char *const texts[] = { "", "{\"MinimumVersion\":4", "x", "[", "{\"MinimumVersion\":4}{}" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		uint64_t id = h->next_id++;

		host_expect(h, id, MSG_NEGOTIATE_PROTOCOL);
		host_send_frame(h, MSG_NEGOTIATE_PROTOCOL, id, texts[i]);
		EXPECT_EQ(E_JSON, answer_result(host_answer(h, id)));
		EXPECT_EQ(NULL, answer_text(host_last(h), "ActivityId"));
	}
	EXPECT_EQ(E_JSON, host_call(h, MSG_NEGOTIATE_PROTOCOL, "", ",\"MinimumVersion\":4.0,\"MaximumVersion\":4"));
	/* The type is wrong, but the activity could be read. */
	EXPECT_STREQ(Z, answer_text(host_last(h), "ActivityId"));
	EXPECT_EQ(E_JSON, host_call(h, MSG_NEGOTIATE_PROTOCOL, "", ",\"MinimumVersion\":\"4\",\"MaximumVersion\":4"));
	EXPECT_EQ(E_JSON, host_call(h, MSG_NEGOTIATE_PROTOCOL, "", ",\"MaximumVersion\":4294967296"));
	EXPECT_EQ(0, negotiate(h, 4, 4));
}

TEST_F(protocol, keys_match_without_case_and_the_later_duplicate_wins)
{
	EXPECT_EQ(0, host_call(&self->h, MSG_NEGOTIATE_PROTOCOL, "",
			       ",\"minimumversion\":4,\"MAXIMUMVERSION\":1,\"MaximumVersion\":4,\"Other\":[{\"x\":1.5}]"));
}

FIXTURE(errors)
{
	struct host h;
};

FIXTURE_SETUP(errors)
{
	host_start(&self->h, true, NULL);
}

FIXTURE_TEARDOWN(errors)
{
	host_stop(&self->h);
}

TEST_F(errors, unknown_types_are_not_implemented)
{
	struct host *h = &self->h;
	uint64_t id;

	EXPECT_EQ(E_NOTIMPL, host_call(h, 0x10100E01, Z, "%s", ""));
	EXPECT_EQ(E_NOTIMPL, host_call(h, 0x10100F01, Z, "%s", ""));
	EXPECT_EQ(E_NOTIMPL, host_call(h, 0x10200101, Z, "%s", ""));
	EXPECT_EQ(E_NOTIMPL, host_call(h, 0x10100202, Z, "%s", "")); /* another version */
	EXPECT_STREQ(Z, answer_text(host_last(h), "ActivityId"));
	/* Not even a request; not even JSON. */
	id = h->next_id++;
	host_expect(h, id, 0x30100101);
	host_send_frame(h, 0x30100101, id, "!");
	EXPECT_EQ(E_NOTIMPL, answer_result(host_answer(h, id)));
}

TEST_F(errors, activity_is_echoed_if_the_host_could_read_it)
{
	static const struct {
		const char *json, *echo;
	} cases[] = {
		{ ",\"ActivityId\":\"8E8e2f0c-0000-1111-2222-000000000001\"", "8E8e2f0c-0000-1111-2222-000000000001" },
		{ "", NULL },
		{ ",\"ActivityId\":\"\"", NULL },
		{ ",\"ActivityId\":null", NULL },
		{ ",\"ActivityId\":\"{8e8e2f0c-0000-1111-2222-000000000001}\"", NULL },
		{ ",\"ActivityId\":\"8e8e2f0c-0000-1111-2222-00000000000g\"", NULL },
		{ ",\"ActivityId\":\"hello\"", NULL },
	};
	struct host *h = &self->h;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t id = host_send(h, MSG_START, "{\"ContainerId\":\"x\"%s}", cases[i].json);

		EXPECT_EQ(0, answer_result(host_answer(h, id)));
		if (cases[i].echo) {
			EXPECT_STREQ(cases[i].echo, answer_text(host_last(h), "ActivityId"));
		} else {
			EXPECT_EQ(NULL, answer_text(host_last(h), "ActivityId"));
		}
	}
}

TEST_F(errors, ids_are_opaque_and_twice_the_same_is_answered_twice)
{
	static const uint64_t ids[] = { 0, 1, UINT64_MAX, 0x8000000000000000, 77, 77 };
	struct host *h = &self->h;

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		host_expect(h, ids[i], MSG_START);
		host_send_frame(h, MSG_START, ids[i], "{}");
		EXPECT_EQ(0, answer_result(host_answer(h, ids[i])));
	}
}

TEST_F(errors, the_trace_context_must_hold_strings)
{
	struct host *h = &self->h;

	EXPECT_EQ(E_JSON, host_call(h, MSG_START, "x", ",\"otsc\":{\"traceparent\":5}"));
	EXPECT_EQ(0, host_call(h, MSG_START, "x", ",\"otsc\":{\"traceparent\":\"00-a041664addf473670708207e15e82c6b-"
						  "35b529367aa1b56b-01\"},\"ocsc\":{\"TraceID\":1}"));
	EXPECT_EQ(0, host_call(h, MSG_START, "x", ",\"otsc\":null"));
}

TEST_F(errors, an_unknown_container_has_its_code_everywhere)
{
	struct host *h = &self->h;
	static const uint32_t types[] = { MSG_SHUTDOWN_GRACEFUL, MSG_SHUTDOWN_FORCED, MSG_DELETE_CONTAINER_STATE,
					  MSG_GET_PROPERTIES, MSG_WAIT_FOR_PROCESS, MSG_SIGNAL_PROCESS,
					  MSG_RESIZE_CONSOLE };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		EXPECT_EQ(E_NO_SYSTEM, host_call(h, types[i], "nope", ",\"ProcessId\":1"));
	EXPECT_EQ(E_NO_SYSTEM, host_call(h, MSG_EXECUTE_PROCESS, "nope", ",\"Settings\":{\"ProcessParameters\":\"{}\"}"));
	EXPECT_EQ(E_NO_SYSTEM, host_call(h, MSG_MODIFY_SETTINGS, "nope",
					 ",\"Request\":{\"ResourceType\":\"ContainerConstraints\",\"Settings\":{}}"));
	EXPECT_EQ(0, host_call(h, MSG_START, "nope", "%s", ""));
}

TEST_F(errors, unknown_processes_of_the_vm_are_not_found)
{
	struct host *h = &self->h;

	EXPECT_EQ(E_NOT_FOUND, host_call(h, MSG_WAIT_FOR_PROCESS, Z, ",\"ProcessId\":1,\"TimeoutInMs\":4294967295"));
	EXPECT_EQ(E_NOT_FOUND, host_call(h, MSG_WAIT_FOR_PROCESS, Z, "%s", ""));
	EXPECT_EQ(E_NOT_FOUND, host_call(h, MSG_SIGNAL_PROCESS, Z, ",\"ProcessId\":1"));
	EXPECT_EQ(E_NOT_FOUND, host_call(h, MSG_RESIZE_CONSOLE, Z, ",\"ProcessId\":1,\"Height\":1,\"Width\":1"));
}

TEST_F(errors, fields_of_the_wrong_type_or_range_are_bad_json)
{
	struct host *h = &self->h;

	EXPECT_EQ(E_JSON, host_call(h, MSG_SIGNAL_PROCESS, "x", ",\"Options\":{\"Signal\":\"CtrlC\"}"));
	EXPECT_EQ(E_JSON, host_call(h, MSG_SIGNAL_PROCESS, "x", ",\"ProcessId\":-1"));
	EXPECT_EQ(E_JSON, host_call(h, MSG_RESIZE_CONSOLE, "x", ",\"Height\":70000,\"Width\":1"));
	EXPECT_EQ(E_JSON, host_call(h, MSG_WAIT_FOR_PROCESS, "x", ",\"TimeoutInMs\":4294967296"));
	EXPECT_EQ(E_JSON, host_call(h, MSG_START, "x\\u0000y", "%s", ""));
	EXPECT_EQ(E_JSON, host_call(h, MSG_EXECUTE_PROCESS, Z, ",\"Settings\":{\"ProcessParameters\":{}}"));
	EXPECT_EQ(E_JSON, host_call(h, MSG_EXECUTE_PROCESS, Z, ",\"Settings\":{\"ProcessParameters\":\"{\"}"));
	EXPECT_EQ(E_JSON, host_call(h, MSG_EXECUTE_PROCESS, Z, ",\"Settings\":{}"));
	EXPECT_EQ(E_JSON, host_call(h, MSG_EXECUTE_PROCESS, Z, "%s", ""));
	EXPECT_EQ(E_JSON, host_call(h, MSG_EXECUTE_PROCESS, Z,
				    ",\"Settings\":{\"ProcessParameters\":\"{\\\"CommandArgs\\\":[\\\"a\\\\u0000\\\"]}\"}"));
}

TEST_F(errors, properties_of_the_vm_and_bad_queries)
{
	struct host *h = &self->h;

	EXPECT_EQ(E_FAIL, host_call(h, MSG_GET_PROPERTIES, Z, ",\"Query\":\"\""));
	EXPECT_EQ(E_FAIL, host_call(h, MSG_GET_PROPERTIES, Z, "%s", ""));
	EXPECT_EQ(E_JSON, host_call(h, MSG_GET_PROPERTIES, Z, ",\"Query\":\"{\""));
	EXPECT_EQ(E_JSON, host_call(h, MSG_GET_PROPERTIES, Z, ",\"Query\":{}"));
	EXPECT_EQ(E_JSON, host_call(h, MSG_GET_PROPERTIES, Z, ",\"Query\":\"{\\\"PropertyTypes\\\":[1]}\""));
}

static int64_t modify(struct host *h, const char *id, const char *request)
{
	return host_call(h, MSG_MODIFY_SETTINGS, id, ",\"Request\":%s", request);
}

TEST_F(errors, modify_settings_checks_in_the_order_of_the_reference)
{
	struct host *h = &self->h;

	EXPECT_EQ(E_JSON, host_call(h, MSG_MODIFY_SETTINGS, Z, "%s", ""));
	EXPECT_EQ(E_JSON, modify(h, Z, "null"));
	EXPECT_EQ(E_JSON, modify(h, Z, "\"{}\""));
	EXPECT_EQ(E_FAIL, modify(h, Z, "{}"));
	EXPECT_EQ(E_FAIL, modify(h, Z, "{\"ResourceType\":\"Foo\",\"Settings\":{}}"));
	EXPECT_NE(NULL, strstr(answer_text(host_last(h), "ErrorMessage"), "invalid ResourceType 'Foo'"));
	/* Values are compared with their case; an unknown type comes before the target. */
	EXPECT_EQ(E_FAIL, modify(h, "nope", "{\"ResourceType\":\"scsidevice\",\"Settings\":{}}"));
	EXPECT_EQ(E_JSON, modify(h, Z, "{\"ResourceType\":\"SCSIDevice\",\"RequestType\":\"Remove\"}"));
	EXPECT_EQ(E_JSON, modify(h, Z, "{\"ResourceType\":\"SCSIDevice\",\"RequestType\":\"Remove\",\"Settings\":null}"));
	EXPECT_EQ(E_JSON, modify(h, Z, "{\"ResourceType\":\"SCSIDevice\",\"RequestType\":\"Remove\",\"Settings\":[]}"));
	EXPECT_EQ(E_JSON, modify(h, Z, "{\"ResourceType\":\"SCSIDevice\",\"Settings\":{\"Lun\":256}}"));
	EXPECT_EQ(E_FAIL, modify(h, Z, "{\"ResourceType\":\"SCSIDevice\",\"RequestType\":\"Add\",\"Settings\":{}}"));
	EXPECT_EQ(E_FAIL, modify(h, Z, "{\"ResourceType\":\"SCSIDevice\",\"Settings\":{}}"));
	EXPECT_NE(NULL, strstr(answer_text(host_last(h), "ErrorMessage"), "the RequestType \"Add\" is not supported"));
	EXPECT_EQ(E_FAIL, modify(h, Z, "{\"ResourceType\":\"PodCgroupMemoryLimit\"}"));
	EXPECT_EQ(E_FAIL, modify(h, Z, "{\"ResourceType\":\"HvSocket\",\"Settings\":{}}"));
	EXPECT_EQ(E_NO_SYSTEM, modify(h, "nope", "{\"ResourceType\":\"SCSIDevice\",\"Settings\":{}}"));
	EXPECT_EQ(E_JSON, modify(h, Z, "{\"ResourceType\":\"VPCIDevice\"}"));
}

TEST_F(errors, create_refuses_what_it_cannot_run)
{
	struct host *h = &self->h;

	EXPECT_EQ(E_JSON, host_call(h, MSG_CREATE, "c1", "%s", ""));
	EXPECT_EQ(E_JSON, host_call(h, MSG_CREATE, "c1", ",\"ContainerConfig\":{}"));
	EXPECT_EQ(E_JSON, host_call(h, MSG_CREATE, "c1", ",\"ContainerConfig\":\"\""));
	EXPECT_EQ(E_JSON, host_call(h, MSG_CREATE, "c1", ",\"ContainerConfig\":\"{}\"")); /* schema 0.0 */
	EXPECT_EQ(E_JSON, host_call(h, MSG_CREATE, "c1",
				    ",\"ContainerConfig\":\"{\\\"SchemaVersion\\\":{\\\"Major\\\":1}}\""));
	EXPECT_EQ(E_JSON, host_call(h, MSG_CREATE, "c1",
				    ",\"ContainerConfig\":\"{\\\"SchemaVersion\\\":{\\\"Major\\\":2,\\\"Minor\\\":0}}\""));
	/* No specification at all. */
	EXPECT_EQ(E_JSON, host_call(h, MSG_CREATE, "c1",
				    ",\"ContainerConfig\":\"{\\\"SchemaVersion\\\":{\\\"Major\\\":2,\\\"Minor\\\":1},"
				    "\\\"OciBundlePath\\\":\\\"/run/gcs/c/c1\\\"}\""));
	/* One without process, root or linux. */
	EXPECT_EQ(E_JSON, host_call(h, MSG_CREATE, "c1",
				    ",\"ContainerConfig\":\"{\\\"SchemaVersion\\\":{\\\"Major\\\":2,\\\"Minor\\\":1},"
				    "\\\"OciBundlePath\\\":\\\"/run/gcs/c/c1\\\",\\\"OciSpecification\\\":{}}\""));
	/* Nothing is left of them. */
	EXPECT_EQ(E_NO_SYSTEM, host_call(h, MSG_DELETE_CONTAINER_STATE, "c1", "%s", ""));
	EXPECT_NE(0, access("/run/gcs/c/c1", F_OK));
}

/* Create with these, and a specification that is not looked at. */
static int64_t create_with(struct host *h, const char *id, const char *bundle, const char *scratch)
{
	return host_call(h, MSG_CREATE, id, ",\"ContainerConfig\":\"{\\\"SchemaVersion\\\":{\\\"Major\\\":2,\\\"Minor\\\":1},"
			 "\\\"OciBundlePath\\\":\\\"%s\\\",\\\"ScratchDirPath\\\":\\\"%s\\\",\\\"OciSpecification\\\":{}}\"", bundle, scratch);
}

TEST_F(errors, ids_become_paths_and_are_checked)
{
	static const char *const ids[] = { "", ".", "..", "../x", "a/b", "a b", "a\\nb", "\\u00e9", "a..b" };
	static const char *const paths[] = { "x", "/", "/run/../x", "/run/./x", "/run//x" };
	struct host *h = &self->h;
	char long_id[130];

	memset(long_id, 'a', 129);
	long_id[129] = '\0';
	for (size_t i = 0; i <= sizeof(ids) / sizeof(ids[0]); i++) {
		const char *id = i < sizeof(ids) / sizeof(ids[0]) ? ids[i] : long_id;

		EXPECT_EQ(E_INVALIDARG, create_with(h, id, "/run/gcs/c/x", ""));
		EXPECT_NE(NULL, strstr(answer_text(host_last(h), "ErrorMessage"), "container id"));
	}
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		EXPECT_EQ(E_INVALIDARG, create_with(h, "x", paths[i], ""));
		EXPECT_NE(NULL, strstr(answer_text(host_last(h), "ErrorMessage"), "OciBundlePath"));
		EXPECT_EQ(E_INVALIDARG, create_with(h, "x", "/run/gcs/c/x", paths[i]));
		EXPECT_NE(NULL, strstr(answer_text(host_last(h), "ErrorMessage"), "ScratchDirPath"));
	}
	EXPECT_EQ(E_INVALIDARG, create_with(h, "x", "", ""));
	/* One byte less and it is the specification that is missed. */
	long_id[128] = '\0';
	EXPECT_EQ(E_JSON, create_with(h, long_id, "/run/gcs/c/x", ""));
}

TEST_F(errors, external_processes_need_a_command)
{
	struct host *h = &self->h;

	EXPECT_EQ(E_INVALIDARG, host_call(h, MSG_EXECUTE_PROCESS, Z, ",\"Settings\":{\"ProcessParameters\":\"{}\"}"));
	EXPECT_EQ(E_INVALIDARG, host_call(h, MSG_EXECUTE_PROCESS, Z,
					  ",\"Settings\":{\"ProcessParameters\":\"{\\\"CommandArgs\\\":[]}\"}"));
	EXPECT_EQ(E_FAIL, host_external(h, "[\"/does/not/exist\"]", NULL, NULL, NULL));
	EXPECT_EQ(E_FAIL, host_external(h, "[\"does-not-exist\"]", NULL, NULL, NULL));
}

TEST_F(errors, stacks_need_no_payload_and_fit_the_frame)
{
	struct host *h = &self->h;
	uint64_t waits[100], id;
	int64_t pid = host_external(h, "[\"sleep\",\"1000\"]", NULL, NULL, NULL);

	ASSERT_LT(0, pid);
	for (int i = 0; i < 100; i++)
		waits[i] = host_ask(h, MSG_WAIT_FOR_PROCESS, Z, ",\"ProcessId\":%lld,\"TimeoutInMs\":4294967295",
				    (long long)pid);
	id = h->next_id++;
	host_expect(h, id, MSG_DUMP_STACKS);
	host_send_frame(h, MSG_DUMP_STACKS, id, "");
	EXPECT_EQ(0, answer_result(host_answer(h, id)));
	EXPECT_EQ(0, host_call(h, MSG_DUMP_STACKS, Z, "%s", ""));
	EXPECT_NE(NULL, strstr(answer_text(host_last(h), "GuestStacks"), "WaitForProcess"));
	EXPECT_NE(NULL, strstr(answer_text(host_last(h), "GuestStacks"), "reader"));
	EXPECT_NE(NULL, strstr(answer_text(host_last(h), "GuestStacks"), "state: S (sleeping)"));
	EXPECT_NE(NULL, strstr(answer_text(host_last(h), "GuestStacks"), "state: R (running)"));
	EXPECT_EQ(0, host_call(h, MSG_SIGNAL_PROCESS, Z, ",\"ProcessId\":%lld", (long long)pid));
	for (int i = 0; i < 100; i++)
		EXPECT_EQ(137, answer_number(host_answer(h, waits[i]), "ExitCode"));
}

TEST_F(errors, long_and_odd_texts_come_back_in_frames_that_the_host_takes)
{
	struct host *h = &self->h;
	char *text = malloc(300000);

	/* The error names the type: quotes double, control characters grow six times, invalid UTF-8 is replaced. */
	memset(text, '"', 100000);
	for (int i = 0; i < 100000; i += 2)
		text[i] = '\\';
	text[100000] = '\0';
	EXPECT_EQ(E_FAIL, modify(h, Z, "{\"ResourceType\":\"\xff\xfe\\u0001\\ud800\",\"Settings\":{}}"));
	EXPECT_EQ(E_FAIL, host_call(h, MSG_MODIFY_SETTINGS, Z, ",\"Request\":{\"ResourceType\":\"%s\"}", text));
	EXPECT_EQ(E_NO_SYSTEM, host_call(h, MSG_DELETE_CONTAINER_STATE, text, "%s", ""));
	free(text);
}

TEST_F(errors, large_requests_are_normal)
{
	size_t len = (15u << 20);
	char *text = malloc(len + 1);

	memset(text, 'x', len);
	text[len] = '\0';
	EXPECT_EQ(0, host_call(&self->h, MSG_START, "x", ",\"Big\":\"%s\"", text));
	free(text);
}

TEST_F(errors, many_requests_at_once_are_all_answered_once)
{
	struct host *h = &self->h;
	uint64_t first = h->next_id;

	for (int i = 0; i < 1000; i++)
		host_ask(h, i % 2 ? MSG_START : MSG_GET_PROPERTIES, "x", "%s", "");
	for (int i = 0; i < 1000; i++)
		EXPECT_EQ(i % 2 ? 0 : E_NO_SYSTEM, answer_result(host_answer(h, first + i)));
	host_watch(h, 100);
}

TEST_HARNESS_MAIN
