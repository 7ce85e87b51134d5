// SPDX-License-Identifier: MIT
/* `uvmctl create`, `rm`, `ps`: containers of a UVM. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "client.h"
#include "image.h"
#include "jsonset.h"
#include "table.h"
#include "terminal.h"
#include "verbs.h"
#include "volume.h"

int exit_code_of(const struct gcs_error *err)
{
	bool command = strstr(err->text, "guest: ") && (strstr(err->text, "executable") || strstr(err->text, "exec:"));

	if (command && (strstr(err->text, "not found") || strstr(err->text, "No such file or directory")))
		return EXIT_NOT_FOUND;
	if ((command && (strstr(err->text, "Permission denied") || strstr(err->text, "not permitted"))) ||
	    (strstr(err->text, "guest: ") && strstr(err->text, "Exec format error")))
		return EXIT_NOT_EXECUTABLE;
	return EXIT_OWN;
}

int verb_failed(const struct gcs_error *err, bool json)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();

	set_string(o, "error", err->text);
	if (json)
		fprintf(stderr, "%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	else
		fprintf(stderr, "uvmctl: %s\n", err->text);
	return exit_code_of(err);
}

/* The image is read by who asks, so that nobody gets at files by the supervisor that are not his. */
int container_create(const struct options *o, bool remove, bool sandbox, struct json_object **answer, struct gcs_error *err)
{
	struct json_object *request = client_new("create", NULL);
	__attribute__((cleanup(image_close))) struct image image = { .layer_count = 0 };
	__attribute__((cleanup(image_process_free))) struct image_process process = { .args = NULL };
	struct control_fds fds = { .count = 0 };
	_cleanup_close_ int fd = -1;
	__attribute__((cleanup(volumes_close))) struct volumes volumes = { .count = 0 };
	uint16_t rows, columns;

	if (o->name)
		set_string(request, "name", o->name);
	if (o->pod)
		set_string(request, "pod", o->pod);
	set_bool(request, "sandbox", sandbox);
	set_string(request, "image", o->operands[0]);
	set_number(request, "scratch", (int64_t)o->scratch_size);
	if (o->layers)
		set_string(request, "layers", o->layers == LAYERS_PMEM ? "pmem" : "scsi");
	set_number(request, "memory_limit", (int64_t)o->limits.memory);
	set_number(request, "cpu_limit_milli", o->limits.cpu_milli);
	set_number(request, "pids_limit", o->limits.pids);
	set_bool(request, "tty", o->tty);
	set_bool(request, "interactive", o->interactive);
	set_bool(request, "remove", remove);
	if (o->tty && terminal_size(&rows, &columns)) {
		set_number(request, "rows", rows);
		set_number(request, "columns", columns);
	}
	/* Without a UVM, making the disk would be in vain. */
	fd = client_connect(o->in, NULL, err);
	if (fd < 0 || image_open(o->operands[0], &o->image, &image, err) < 0 ||
	    image_process(&image, o, &process, err) < 0 || volumes_open(o, &volumes, request, err) < 0) {
		json_object_put(request);
		return -1;
	}
	json_object_object_add(request, "args", strings((const char *const *)process.args));
	json_object_object_add(request, "env", strings((const char *const *)process.env));
	set_string(request, "cwd", process.cwd);
	set_string(request, "user", process.user);
	/* What it wants to be stopped by; one that nobody knows is as good as none. */
	set_number(request, "stop_signal", image.config.stop_signal ? signal_by_name(image.config.stop_signal) : 0);
	while (fds.count < image.layer_count) {
		fds.fds[fds.count] = image.layers[fds.count];
		fds.count++;
	}
	if (fds.count + volumes.count > FDS_MAX) {
		json_object_put(request);
		return gcs_fail(err, E2BIG, HR_FAIL, "%u layers and %u disks: more than %d", fds.count, volumes.count, FDS_MAX);
	}
	for (unsigned int i = 0; i < volumes.count; i++)
		fds.fds[fds.count++] = volumes.fds[i];
	return client_ask(fd, request, &fds, answer, err);
}

int verb_create(struct options *o)
{
	_cleanup_json_ struct json_object *answer = NULL;
	struct gcs_error err = { 0 };

	if (container_create(o, false, false, &answer, &err) < 0)
		return verb_failed(&err, o->json);
	printf("%s\n", get_string(answer, "name"));
	return 0;
}

int verb_rm(struct options *o)
{
	int ret = 0;

	for (int i = 0; i < o->operand_count; i++) {
		struct json_object *request = client_new("rm", o->operands[i]);
		struct gcs_error err = { 0 };

		set_bool(request, "force", o->force);
		if (client_request(o->in, request, NULL, &err) < 0)
			ret = verb_failed(&err, o->json);
	}
	return ret;
}

/* The processes that exec has started are rows of their own, below their container. */
static struct json_object *rows_of(struct json_object *containers)
{
	struct json_object *rows = json_object_new_array();

	for (size_t i = 0; i < json_object_array_length(containers); i++) {
		struct json_object *c = json_object_array_get_idx(containers, i), *execs = get_array(c, "execs");

		json_object_array_add(rows, json_object_get(c));
		for (size_t j = 0; execs && j < json_object_array_length(execs); j++) {
			struct json_object *row = json_object_get(json_object_array_get_idx(execs, j));

			set_string(row, "name", "  exec");
			json_object_array_add(rows, row);
		}
	}
	return rows;
}

int verb_ps(struct options *o)
{
	static const struct table_column columns[] = { { "CONTAINER", "name" }, { "STATE", "state" }, { "PID", "pid" },
						       { "CODE", "exit_code" }, { "POD", "pod" }, { "IMAGE", "image" }, { "COMMAND", "command" } };
	_cleanup_json_ struct json_object *answer = NULL, *rows = NULL;
	struct gcs_error err = { 0 };

	if (client_request(o->in, client_new("ps", NULL), &answer, &err) < 0)
		return verb_failed(&err, o->json);
	rows = o->json ? json_object_get(get_array(answer, "containers")) : rows_of(get_array(answer, "containers"));
	table_print(stdout, rows, columns, sizeof(columns) / sizeof(columns[0]), o->json);
	return 0;
}
