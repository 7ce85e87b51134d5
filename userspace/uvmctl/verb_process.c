// SPDX-License-Identifier: MIT
/* `uvmctl start`, `attach`, `exec`, `kill`, `wait`, and `run` in a UVM that runs: processes of containers. */
#include <limits.h>
#include <stdio.h>

#include "cleanup.h"
#include "client.h"
#include "jsonset.h"
#include "size.h"
#include "verbs.h"

/* Ask, with no answer of interest. */
static int simple(const struct options *o, struct json_object *request)
{
	struct gcs_error err = { 0 };

	return client_request(o->in, request, NULL, &err) < 0 ? verb_failed(&err, o->json) : 0;
}

static int start(const struct options *o, const char *container, bool attach)
{
	struct json_object *request = client_new("start", container);

	if (!attach)
		return simple(o, request);
	set_bool(request, "attach", true);
	return client_session(o, request);
}

int verb_start(struct options *o)
{
	return start(o, o->operands[0], o->attach);
}

int verb_run_in(struct options *o)
{
	_cleanup_json_ struct json_object *answer = NULL;
	struct gcs_error err = { 0 };
	const char *name;
	int ret;

	if (container_create(o, !o->detach, false, &answer, &err) < 0)
		return verb_failed(&err, o->json);
	name = get_string(answer, "name");
	ret = start(o, name, !o->detach);
	if (o->detach && ret == 0)
		printf("%s\n", name);
	return ret;
}

/* With an exec's process by its PID, as `ps` shows it: what does not look like one must not be the container's first process. */
static struct json_object *request_for_process(const struct options *o, const char *verb)
{
	struct json_object *request;
	const char *end = o->operand_count > 1 ? o->operands[1] : NULL;
	uint32_t pid = 0;

	if (end && (!number_parse(&end, &pid) || *end || !pid || pid > INT_MAX)) {
		fprintf(stderr, "uvmctl: %s: PID '%s': not a number as `uvmctl ps` shows it\n", verb, o->operands[1]);
		return NULL;
	}
	request = client_new(verb, o->operands[0]);
	if (pid)
		set_number(request, "pid", pid);
	return request;
}

int verb_attach(struct options *o)
{
	struct json_object *request = request_for_process(o, "attach");

	return request ? client_session(o, request) : EXIT_OWN;
}

int verb_exec(struct options *o)
{
	struct json_object *request = client_new("exec", o->operands[0]);

	json_object_object_add(request, "args", strings((const char *const *)o->operands + 1));
	json_object_object_add(request, "env", strings((const char *const *)o->env));
	if (o->cwd)
		set_string(request, "cwd", o->cwd);
	if (o->user)
		set_string(request, "user", o->user);
	set_bool(request, "tty", o->tty);
	set_bool(request, "interactive", o->interactive);
	if (!o->detach)
		return client_session(o, request);
	set_bool(request, "detach", true);
	return simple(o, request);
}

int verb_kill(struct options *o)
{
	struct json_object *request = request_for_process(o, "kill");

	if (!request)
		return EXIT_OWN;
	set_number(request, "signal", o->signal);
	return simple(o, request);
}

int verb_stop(struct options *o)
{
	struct json_object *request = client_new("stop", o->operands[0]);

	set_number(request, "seconds", o->stop_s);
	return simple(o, request);
}

int verb_wait(struct options *o)
{
	_cleanup_json_ struct json_object *answer = NULL;
	struct json_object *request = request_for_process(o, "wait");
	struct gcs_error err = { 0 };

	if (!request)
		return EXIT_OWN;
	if (client_request(o->in, request, &answer, &err) < 0)
		return verb_failed(&err, o->json);
	printf("%lld\n", (long long)get_number(answer, "exit_code"));
	return 0;
}
