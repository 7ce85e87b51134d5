// SPDX-License-Identifier: MIT
/* `uvmctl timeline`: what a UVM has done and when, of one that runs or at the end of a run. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cleanup.h"
#include "client.h"
#include "jsonset.h"
#include "supervisor.h"
#include "timeline.h"
#include "trace.h"
#include "verbs.h"

struct json_object *timeline_take(struct guest *g, struct gcs_error *err)
{
	static const char *const argv[] = { "dmesg", NULL };
	_cleanup_free_ char *dmesg = guest_run(g, argv, err);

	return dmesg ? trace_json(dmesg) : NULL;
}

int timeline_write(struct json_object *trace, const char *path, bool json, struct gcs_error *err)
{
	FILE *to = path ? fopen(path, "we") : stdout;
	size_t length = path ? strlen(path) : 0;
	bool failed;

	if (!to)
		return gcs_fail(err, errno, HR_FAIL, "timeline %s", path);
	if (json || (length > 5 && !strcmp(path + length - 5, ".json")))
		fprintf(to, "%s\n", json_object_to_json_string_ext(trace, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		timeline_svg(trace, to);
	failed = ferror(to);
	if (path ? fclose(to) : fflush(to))
		failed = true;
	return failed ? gcs_fail(err, errno, HR_FAIL, "timeline %s: write", path ?: "to stdout") : 0;
}

/* A trace is larger than a message: it goes as a file. */
int serve_timeline(struct client *c, struct json_object *request, struct json_object *answer, struct gcs_error *err)
{
	_cleanup_json_ struct json_object *trace = timeline_take(&c->s->uvm.guest, err);
	int fd = trace ? memfd_create("timeline", MFD_CLOEXEC) : -1, ret;

	if (!trace)
		return -1;
	if (fd < 0 || json_object_to_fd(fd, trace, JSON_C_TO_STRING_PLAIN) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		ret = gcs_fail(err, errno, HR_FAIL, "timeline");
	else
		ret = control_send(c->fd, answer, &(struct control_fds){ .fds = { fd }, .count = 1 }, err) < 0 ? -1 : 1;
	if (fd >= 0)
		close(fd);
	return ret;
}

static int timeline(const struct options *o, struct gcs_error *err)
{
	_cleanup_json_ struct json_object *trace = NULL, *answer = NULL;
	const char *in = o->operand_count ? o->operands[0] : o->in;
	_cleanup_close_ int fd = client_connect(in, NULL, err);
	struct control_fds fds = { .count = 0 };

	if (fd < 0 || client_ask(fd, client_new("timeline", NULL), &fds, &answer, err) < 0)
		return -1;
	if (fds.count == 1)
		trace = json_object_from_fd(fds.fds[0]);
	control_close(&fds);
	if (!trace)
		return gcs_fail(err, 0, HR_FAIL, "timeline: the supervisor's answer is not complete");
	return timeline_write(trace, o->output, o->json, err);
}

int verb_timeline(struct options *o)
{
	struct gcs_error err = { 0 };

	return timeline(o, &err) < 0 ? verb_failed(&err, o->json) : 0;
}
