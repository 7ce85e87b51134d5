// SPDX-License-Identifier: MIT
// unit-sources: userspace/agent/bridge/messages.c
/* The message tables against a recorded session of the reference host with the reference guest. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../userspace/agent/bridge/messages.h"
#include "frame.h"
#include "kselftest_harness.h"

#define SESSION "selftests/unit/reference-session.jsonl"

static const struct {
	uint32_t type;
	const struct json_field *table, *response;
} tables[] = {
	{ MSG_CREATE, create_message_table, create_response_table },
	{ MSG_START, plain_message_table, plain_response_table },
	{ MSG_SHUTDOWN_GRACEFUL, plain_message_table, plain_response_table },
	{ MSG_SHUTDOWN_FORCED, plain_message_table, plain_response_table },
	{ MSG_EXECUTE_PROCESS, execute_message_table, execute_response_table },
	{ MSG_WAIT_FOR_PROCESS, wait_message_table, wait_response_table },
	{ MSG_SIGNAL_PROCESS, signal_message_table, plain_response_table },
	{ MSG_RESIZE_CONSOLE, resize_message_table, plain_response_table },
	{ MSG_GET_PROPERTIES, properties_message_table, properties_response_table },
	{ MSG_MODIFY_SETTINGS, modify_message_table, plain_response_table },
	{ MSG_NEGOTIATE_PROTOCOL, negotiate_message_table, negotiate_response_table },
	{ MSG_DUMP_STACKS, plain_message_table, stacks_response_table },
	{ MSG_DELETE_CONTAINER_STATE, plain_message_table, plain_response_table },
};

struct line {
	uint32_t type;
	const char *payload;
	size_t len;
	struct json_object *tree;
};

static const struct json_field *find(uint32_t type, bool response)
{
	if (type == MSG_NOTIFY_CONTAINER)
		return notification_table;
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		if (tables[i].type == (MSG_REQUEST | (type & ~MSG_TYPE_MASK)))
			return response ? tables[i].response : tables[i].table;
	return NULL;
}

/* The next frame of the session; free with json_object_put(line->tree). */
static bool next(FILE *f, struct line *line)
{
	static char buf[1 << 20];
	struct json_object *type, *payload;
	struct gcs_error err;

	if (!fgets(buf, sizeof(buf), f))
		return false;
	line->tree = json_parse(buf, strlen(buf), &err);
	if (!json_object_object_get_ex(line->tree, "type", &type) ||
	    !json_object_object_get_ex(line->tree, "payload_raw", &payload))
		abort();
	line->type = strtoul(json_object_get_string(type), NULL, 16);
	line->payload = json_object_get_string(payload);
	line->len = json_object_get_string_len(payload);
	return true;
}

TEST(every_recorded_request_is_decoded)
{
	static const size_t size = 1024;
	FILE *f = fopen(SESSION, "r");
	char *message = calloc(1, size);
	struct gcs_error err;
	struct line line;
	int n = 0;

	ASSERT_NE(NULL, f);
	for (; next(f, &line); json_object_put(line.tree)) {
		const struct json_field *table = find(line.type, false);

		if ((line.type & MSG_TYPE_MASK) != MSG_REQUEST)
			continue;
		ASSERT_NE(NULL, table);
		EXPECT_EQ(0, json_decode(table, message, line.payload, line.len, &err))
			TH_LOG("%s: %s", frame_type_name(line.type), err.text);
		EXPECT_NE(NULL, ((struct message_base *)message)->container_id);
		json_free(table, message);
		n++;
	}
	EXPECT_LT(100, n);
	free(message);
	fclose(f);
}

TEST(settings_are_decoded)
{
	FILE *f = fopen(SESSION, "r");
	int disks = 0, layers = 0, ejects = 0, limits = 0, pmems = 0;
	struct gcs_error err;
	struct line line;

	ASSERT_NE(NULL, f);
	for (; next(f, &line); json_object_put(line.tree)) {
		struct modify_message m = { 0 };
		struct mapped_disk_settings disk = { 0 };
		struct combined_layers_settings l = { 0 };
		struct scsi_device_settings scsi = { 0 };
		struct vpmem_settings vpmem = { 0 };
		struct constraints_settings constraints = { 0 };

		if (line.type != MSG_MODIFY_SETTINGS)
			continue;
		ASSERT_EQ(0, json_decode(modify_message_table, &m, line.payload, line.len, &err));
		const char *settings = json_str(m.request.settings);
		if (strcmp(m.request.resource, "MappedVirtualDisk") == 0) {
			EXPECT_EQ(0, json_decode(mapped_disk_table, &disk, settings, strlen(settings), &err));
			EXPECT_EQ('/', disk.mount_path[0]);
			EXPECT_EQ(disk.ensure_filesystem, disk.filesystem != NULL);
			disks++;
		} else if (strcmp(m.request.resource, "CombinedLayers") == 0) {
			EXPECT_EQ(0, json_decode(combined_layers_table, &l, settings, strlen(settings), &err));
			EXPECT_EQ(strcmp(m.request.request, "Add") == 0, l.layers.count > 0);
			layers++;
		} else if (strcmp(m.request.resource, "SCSIDevice") == 0) {
			EXPECT_EQ(0, json_decode(scsi_device_table, &scsi, settings, strlen(settings), &err));
			ejects++;
		} else if (strcmp(m.request.resource, "VPMemDevice") == 0) {
			EXPECT_EQ(0, json_decode(vpmem_table, &vpmem, settings, strlen(settings), &err));
			EXPECT_EQ('/', vpmem.mount_path[0]);
			/* Its path has the offset and the size in it. */
			EXPECT_EQ(strchr(vpmem.mount_path, '-') != NULL, vpmem.mapping != NULL);
			EXPECT_TRUE(!vpmem.mapping || vpmem.mapping->size == 16777216);
			pmems++;
		} else if (strcmp(m.request.resource, "ContainerConstraints") == 0) {
			EXPECT_EQ(0, json_decode(constraints_table, &constraints, settings, strlen(settings), &err));
			EXPECT_NE(NULL, constraints.linux_);
			limits++;
		}
		json_free(mapped_disk_table, &disk);
		json_free(vpmem_table, &vpmem);
		json_free(combined_layers_table, &l);
		json_free(constraints_table, &constraints);
		json_free(modify_message_table, &m);
	}
	EXPECT_LT(5, disks);
	EXPECT_LT(5, layers);
	EXPECT_LT(3, ejects);
	EXPECT_LT(0, limits);
	EXPECT_EQ(4, pmems);
	fclose(f);
}

TEST(every_recorded_answer_is_what_our_tables_write)
{
	char *message = calloc(1, 1024), *text;
	FILE *f = fopen(SESSION, "r");
	struct gcs_error err;
	struct line line;
	int n = 0;

	ASSERT_NE(NULL, f);
	for (; next(f, &line); json_object_put(line.tree)) {
		const struct json_field *table = find(line.type, true);

		/* A list of stacks is its writer's own. */
		if ((line.type & MSG_TYPE_MASK) == MSG_REQUEST || strstr(line.payload, "GuestStacks"))
			continue;
		ASSERT_NE(NULL, table);
		ASSERT_EQ(0, json_decode(table, message, line.payload, line.len, &err));
		ASSERT_EQ(0, json_encode(table, message, &text, NULL, &err));
		EXPECT_STREQ(line.payload, text);
		json_free(table, message);
		free(text);
		n++;
	}
	EXPECT_LT(100, n);
	free(message);
	fclose(f);
}

TEST_HARNESS_MAIN
