// SPDX-License-Identifier: MIT
/* Requests to the VM itself: NegotiateProtocol, DumpStacks, power off. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs.h"
#include "module.h"
#include "network/network.h"
#include "request.h"
#include "storage/storage.h"

#define VERSION 4

/* As long as the text may be in the frame, where each byte may be escaped (bridge.md 9.11). */
#define STACKS_MAX (48u << 10)

int handle_negotiate(struct request *rq, void *message, void *response, struct gcs_error *err)
{
	const struct negotiate_message *m = message;
	struct negotiate_response *r = response;
	struct schema_version *schema;

	if (m->maximum < VERSION || m->minimum > VERSION)
		return gcs_fail(err, 0, HR_UNSUPPORTED_VERSION,
				"NegotiateProtocol: the host speaks versions %u to %u, this guest %u", m->minimum,
				m->maximum, VERSION);
	schema = malloc(sizeof(*schema));
	r->capabilities.os = strdup("Linux");
	r->capabilities.schemas = (struct json_objects){ schema, schema ? 1 : 0 };
	if (!schema || !r->capabilities.os)
		return gcs_fail(err, ENOMEM, HR_FAIL, "NegotiateProtocol");
	*schema = (struct schema_version){ 2, 1 };
	r->version = VERSION;
	r->capabilities.guest = (struct guest_capabilities){
		.namespace_add = true,
		.signal_process = true,
		.dump_stacks = true,
		.delete_container_state = true,
	};
	container_host(true);
	return 0;
}

static void dump_file(FILE *out, const char *tid, const char *name)
{
	_cleanup_free_ char *text = NULL;
	char path[320];

	snprintf(path, sizeof(path), "/proc/self/task/%s/%s", tid, name);
	text = fs_read(path, 4096, NULL);
	if (text && *text)
		fprintf(out, "  %s: %s%s", name, text, text[strlen(text) - 1] == '\n' ? "" : "\n");
}

static void dump_state(FILE *out, const char *tid)
{
	_cleanup_free_ char *text = NULL;
	char path[320], *state;

	snprintf(path, sizeof(path), "/proc/self/task/%s/status", tid);
	text = fs_read(path, 8192, NULL);
	state = text ? strstr(text, "State:\t") : NULL;
	if (state)
		fprintf(out, "  state: %.*s\n", (int)strcspn(state + 7, "\n"), state + 7);
}

static void dump_threads(FILE *out)
{
	_cleanup_dir_ DIR *d = opendir("/proc/self/task");
	struct dirent *e;

	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		fprintf(out, "thread %s\n", e->d_name);
		dump_file(out, e->d_name, "comm");
		dump_state(out, e->d_name);
		dump_file(out, e->d_name, "wchan");
		dump_file(out, e->d_name, "syscall");
		dump_file(out, e->d_name, "stack");
	}
}

int handle_dump_stacks(struct request *rq, void *message, void *response, struct gcs_error *err)
{
	struct stacks_response *r = response;
	size_t len, used;
	FILE *out = open_memstream(&r->stacks, &len);

	if (!out)
		return gcs_fail(err, errno, HR_FAIL, "DumpStacks");
	/* Threads and pods are few: what is cut off are the many: requests, streams, disks and layers. */
	dump_threads(out);
	netns_dump(out);
	request_dump(out);
	module_dump(out);
	owned_dump(out);
	if (fclose(out) != 0 || !r->stacks)
		return gcs_fail(err, errno, HR_FAIL, "DumpStacks");
	/* Cut where its escaped form reaches the limit. */
	_cleanup_free_ char *escaped = malloc(STACKS_MAX);

	if (!escaped)
		return gcs_fail(err, ENOMEM, HR_FAIL, "DumpStacks");
	json_escape(escaped, STACKS_MAX, r->stacks, len, &used);
	r->stacks[used] = '\0';
	return 0;
}

static int power_off(struct gcs_error *err)
{
	log_info("the host asks to power off");
	sync();
	/* On stdin and stdout there is no VM that is ours. */
	if (bridge_is_given())
		exit(0);
	if (reboot(RB_POWER_OFF) < 0)
		return gcs_fail(err, errno, HR_FAIL, "power off");
	return REQUEST_SILENT;
}

int handle_shutdown(struct request *rq, void *message, void *response, struct gcs_error *err)
{
	const char *id = json_str(request_base(rq)->container_id);

	if (strcmp(id, NULL_GUID) == 0)
		return power_off(err);
	return container_shutdown(id, rq->type == MSG_SHUTDOWN_GRACEFUL, err);
}
