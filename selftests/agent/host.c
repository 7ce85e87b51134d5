// SPDX-License-Identifier: MIT
/* A host for conformance tests: the agent's process, the connection, strict checks of what comes. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"
#include "host_io.h"

static void show_log(const struct host *h)
{
	char line[4200];
	FILE *f = fopen(h->log, "re");
	long from;

	if (!f)
		return;
	fseek(f, 0, SEEK_END);
	from = ftell(f) - 6000;
	fseek(f, from > 0 ? from : 0, SEEK_SET);
	if (from > 0 && !fgets(line, sizeof(line), f))
		line[0] = '\0';
	while (fgets(line, sizeof(line), f))
		fprintf(stderr, "# agent: %s", line);
	fclose(f);
}

void host_fail(const struct host *h, const char *fmt, ...)
{
	va_list ap;

	fputs("# host: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	show_log(h);
	/* The harness aborts a failed test like this. */
	abort();
}

/* --- the strict checks ------------------------------------------------------------------------ */

static bool is_guid(const char *s)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	size_t i;

	for (i = 0; form[i] && s[i]; i++)
		if (form[i] == '-' ? s[i] != '-' : !isxdigit((unsigned char)s[i]))
			return false;
	return !form[i] && !s[i];
}

static struct json_object *parse(const struct host *h, const char *text, size_t len)
{
	/* json-c's own parser, so that the agent's is not its own judge. */
	struct json_tokener *tok = json_tokener_new_ex(64);
	struct json_object *o;

	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(tok, text, len);
	if (json_tokener_get_error(tok) == json_tokener_continue)
		o = json_tokener_parse_ex(tok, "", 1);
	if (json_tokener_get_error(tok) != json_tokener_success || !json_object_is_type(o, json_type_object))
		host_fail(h, "payload is not a JSON object: %.200s", text);
	json_tokener_free(tok);
	return o;
}

static struct json_object *get(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	json_object_object_get_ex(o, key, &v);
	return v;
}

static void check_integer(const struct host *h, struct json_object *o, const char *key, int64_t min, int64_t max,
			  bool required)
{
	struct json_object *v = get(o, key);
	int64_t n = json_object_get_int64(v);

	if (!v && !required)
		return;
	if (!json_object_is_type(v, json_type_int) || n < min || n > max)
		host_fail(h, "%s is not an integer from %lld to %lld: %s", key, (long long)min, (long long)max,
			  json_object_to_json_string(o));
}

static void check_guid(const struct host *h, struct json_object *o)
{
	struct json_object *v = get(o, "ActivityId");

	if (v && (!json_object_is_type(v, json_type_string) || !is_guid(json_object_get_string(v))))
		host_fail(h, "ActivityId is no GUID: %s", json_object_to_json_string(o));
}

static void check_base(const struct host *h, struct json_object *o)
{
	struct json_object *records = get(o, "ErrorRecords"), *text = get(o, "ErrorMessage");
	bool failed;

	check_integer(h, o, "Result", INT32_MIN, INT32_MAX, true);
	check_guid(h, o);
	failed = json_object_get_int64(get(o, "Result")) != 0;
	if (failed != (text != NULL) || failed != (records != NULL))
		host_fail(h, "ErrorMessage and ErrorRecords belong to errors: %s", json_object_to_json_string(o));
	if (!failed)
		return;
	if (!json_object_is_type(text, json_type_string) || !json_object_get_string_len(text))
		host_fail(h, "ErrorMessage is empty");
	if (!json_object_is_type(records, json_type_array) || json_object_array_length(records) != 1)
		host_fail(h, "ErrorRecords is not one record");
	records = json_object_array_get_idx(records, 0);
	check_integer(h, records, "Result", INT32_MIN, INT32_MAX, true);
	check_integer(h, records, "Line", 0, UINT32_MAX, true);
	json_object_object_foreach(o, key, value) {
		(void)value;
		if (strcmp(key, "Result") && strcmp(key, "ActivityId") && strcmp(key, "ErrorMessage") &&
		    strcmp(key, "ErrorRecords"))
			host_fail(h, "%s in an error response", key);
	}
}

/* What the host reads of a success. */
static void check_success(const struct host *h, uint32_t type, struct json_object *o)
{
	static const struct {
		uint32_t type;
		const char *path;
		enum json_type is;
	} members[] = {
		{ MSG_NEGOTIATE_PROTOCOL, "Version", json_type_int },
		{ MSG_NEGOTIATE_PROTOCOL, "Capabilities.RuntimeOsType", json_type_string },
		{ MSG_NEGOTIATE_PROTOCOL, "Capabilities.GuestDefinedCapabilities", json_type_object },
		{ MSG_EXECUTE_PROCESS, "ProcessId", json_type_int },
		{ MSG_WAIT_FOR_PROCESS, "ExitCode", json_type_int },
		{ MSG_GET_PROPERTIES, "Properties", json_type_string },
		{ MSG_DUMP_STACKS, "GuestStacks", json_type_string },
	};

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (members[i].type == type && !json_object_is_type(json_at(o, members[i].path), members[i].is))
			host_fail(h, "%s without %s: %s", frame_type_name(type), members[i].path, json_object_to_json_string(o));
	if (type != MSG_NEGOTIATE_PROTOCOL)
		return;
	check_integer(h, o, "Version", 4, 4, true);
	if (strcasecmp(json_object_get_string(json_at(o, "Capabilities.RuntimeOsType")), "linux"))
		host_fail(h, "a guest that is not Linux: %s", json_object_to_json_string(o));
}

static void check_response(struct host *h, const struct frame *f, struct json_object *o)
{
	struct json_object *v = get(o, "Properties");
	struct answer *a = NULL;

	for (size_t i = 0; i < h->answer_count; i++)
		if (h->answers[i].id == f->id && (!a || a->json))
			a = &h->answers[i];
	if (!a)
		host_fail(h, "response with the id %llu, which is not outstanding", (unsigned long long)f->id);
	if (a->json)
		host_fail(h, "second response with the id %llu", (unsigned long long)f->id);
	if (f->type != MSG_RESPONSE_TO(a->type))
		host_fail(h, "response type 0x%08x to 0x%08x", f->type, a->type);
	check_base(h, o);
	check_integer(h, o, "ProcessId", 0, UINT32_MAX, false);
	check_integer(h, o, "ExitCode", 0, UINT32_MAX, false);
	if (v) {
		if (!json_object_is_type(v, json_type_string))
			host_fail(h, "Properties is not a string");
		json_object_put(parse(h, json_object_get_string(v), json_object_get_string_len(v)));
	}
	if (json_object_get_int64(get(o, "Result")) == 0)
		check_success(h, a->type, o);
	a->json = o;
	a->order = ++h->order;
}

static void check_notification(struct host *h, const struct frame *f, struct json_object *o)
{
	const char *id = json_object_get_string(get(o, "ContainerId"));
	const char *type = json_object_get_string(get(o, "Type"));
	const char *operation = json_object_get_string(get(o, "Operation"));

	if (f->type != MSG_NOTIFY_CONTAINER || f->id != 0)
		host_fail(h, "notification of type 0x%08x, id %llu", f->type, (unsigned long long)f->id);
	check_guid(h, o);
	check_integer(h, o, "Result", 0, 0, true);
	if (!get(o, "ActivityId") || get(o, "ResultInfo") || !type || !operation || strcmp(operation, "None"))
		host_fail(h, "notification: %s", json_object_to_json_string(o));
	for (size_t i = h->container_count; id && i-- > 0;) {
		if (strcmp(h->containers[i].id, id) != 0)
			continue;
		if (h->containers[i].notified)
			host_fail(h, "second notification for %s", id);
		h->containers[i].notified = true;
		h->containers[i].order = ++h->order;
		snprintf(h->containers[i].type, sizeof(h->containers[i].type), "%s", type);
		snprintf(h->containers[i].activity, sizeof(h->containers[i].activity), "%s",
			 json_object_get_string(get(o, "ActivityId")));
		json_object_put(o);
		return;
	}
	host_fail(h, "notification for the unknown container %s", id);
}

/* Read one frame before @deadline. Returns false if none comes. */
static bool receive(struct host *h, int64_t deadline)
{
	struct gcs_error err;
	struct json_object *o;
	struct frame f;
	int ret;

	if (h->fd < 0)
		host_fail(h, "there is no connection to wait on");
	if (!host_readable(h->fd, deadline))
		return false;
	ret = frame_read(h->fd, FRAME_MAX_TO_HOST, &f, &err);
	if (ret <= 0)
		host_fail(h, "the connection has ended: %s", ret ? err.text : "end of file");
	o = parse(h, f.payload, f.length);
	free(f.payload);
	if ((f.type & MSG_TYPE_MASK) == MSG_RESPONSE)
		check_response(h, &f, o);
	else
		check_notification(h, &f, o);
	return true;
}

/* --- requests and answers --------------------------------------------------------------------- */

void host_send_raw(struct host *h, const void *data, size_t len)
{
	const char *p = data;
	ssize_t n;

	for (; len; p += n, len -= n) {
		n = send(h->fd, p, len, MSG_NOSIGNAL);
		if (n < 0)
			host_fail(h, "send: %s", strerror(errno));
	}
}

void host_send_frame(struct host *h, uint32_t type, uint64_t id, const char *payload)
{
	struct frame f = { .type = type, .id = id, .length = strlen(payload), .payload = (char *)payload };
	struct gcs_error err;

	if (frame_write(h->fd, UINT32_MAX, &f, &err) < 0)
		host_fail(h, "%s", err.text);
}

void host_expect(struct host *h, uint64_t id, uint32_t type)
{
	if (h->answer_count == sizeof(h->answers) / sizeof(h->answers[0]))
		host_fail(h, "too many requests in one test");
	h->answers[h->answer_count++] = (struct answer){ .id = id, .type = type };
}

static uint64_t send_text(struct host *h, uint32_t type, char *text)
{
	uint64_t id = h->next_id++;

	host_expect(h, id, type);
	host_send_frame(h, type, id, text);
	free(text);
	return id;
}

uint64_t host_send(struct host *h, uint32_t type, const char *fmt, ...)
{
	char *text, *line;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0 || asprintf(&line, "%s\n", text) < 0)
		host_fail(h, "no memory");
	va_end(ap);
	free(text);
	return send_text(h, type, line);
}

static uint64_t vask(struct host *h, uint32_t type, const char *cid, const char *fmt, va_list ap)
{
	char *more, *text;

	if (vasprintf(&more, fmt, ap) < 0 ||
	    asprintf(&text, "{\"ContainerId\":\"%s\",\"ActivityId\":\"" Z "\"%s}\n", cid, more) < 0)
		host_fail(h, "no memory");
	free(more);
	return send_text(h, type, text);
}

uint64_t host_ask(struct host *h, uint32_t type, const char *cid, const char *fmt, ...)
{
	uint64_t id;
	va_list ap;

	va_start(ap, fmt);
	id = vask(h, type, cid, fmt, ap);
	va_end(ap);
	return id;
}

static struct answer *find(struct host *h, uint64_t id)
{
	for (size_t i = h->answer_count; i-- > 0;)
		if (h->answers[i].id == id)
			return &h->answers[i];
	host_fail(h, "id %llu was never sent", (unsigned long long)id);
}

void host_forget(struct host *h, uint64_t id)
{
	*find(h, id) = h->answers[--h->answer_count];
}

void host_forget_over(struct host *h)
{
	size_t requests = 0, containers = 0;

	for (size_t i = 0; i < h->answer_count; i++) {
		if (h->answers[i].json)
			json_object_put(h->answers[i].json);
		else
			h->answers[requests++] = h->answers[i];
	}
	for (size_t i = 0; i < h->container_count; i++)
		if (!h->containers[i].notified)
			h->containers[containers++] = h->containers[i];
	h->answer_count = requests;
	h->container_count = containers;
}

bool host_answered(struct host *h, uint64_t id, int ms)
{
	int64_t deadline = host_now_ms() + ms;

	while (!find(h, id)->json)
		if (!receive(h, deadline))
			return false;
	return true;
}

const struct answer *host_answer(struct host *h, uint64_t id)
{
	if (!host_answered(h, id, WAIT_MS))
		host_fail(h, "no answer to %s, id %llu", frame_type_name(find(h, id)->type), (unsigned long long)id);
	return find(h, id);
}

int64_t host_call(struct host *h, uint32_t type, const char *cid, const char *fmt, ...)
{
	uint64_t id;
	va_list ap;

	va_start(ap, fmt);
	id = vask(h, type, cid, fmt, ap);
	va_end(ap);
	return answer_result(host_answer(h, id));
}

const struct answer *host_last(const struct host *h)
{
	return &h->answers[h->answer_count - 1];
}

int64_t answer_result(const struct answer *a)
{
	return json_object_get_int64(get(a->json, "Result"));
}

int64_t answer_number(const struct answer *a, const char *key)
{
	struct json_object *v = get(a->json, key);

	if (!v) {
		fprintf(stderr, "# host: no %s in %s\n", key, json_object_to_json_string(a->json));
		abort();
	}
	return json_object_get_int64(v);
}

const char *answer_text(const struct answer *a, const char *key)
{
	struct json_object *v = get(a->json, key);

	return v ? json_object_get_string(v) : NULL;
}

void host_register(struct host *h, const char *cid)
{
	if (h->container_count == sizeof(h->containers) / sizeof(h->containers[0]))
		host_fail(h, "too many containers in one test");
	memset(&h->containers[h->container_count], 0, sizeof(h->containers[0]));
	snprintf(h->containers[h->container_count++].id, sizeof(h->containers[0].id), "%s", cid);
}

static size_t find_container(const struct host *h, const char *cid)
{
	size_t i = h->container_count;

	do
		if (i-- == 0)
			host_fail(h, "%s was not registered", cid);
	while (strcmp(h->containers[i].id, cid));
	return i;
}

const char *host_notified(struct host *h, const char *cid, unsigned int *order)
{
	int64_t deadline = host_now_ms() + WAIT_MS;
	size_t i = find_container(h, cid);

	while (!h->containers[i].notified)
		if (!receive(h, deadline))
			host_fail(h, "no notification for %s", cid);
	if (order)
		*order = h->containers[i].order;
	return h->containers[i].type;
}

const char *host_notified_activity(struct host *h, const char *cid)
{
	host_notified(h, cid, NULL);
	return h->containers[find_container(h, cid)].activity;
}

void host_watch(struct host *h, int ms)
{
	int64_t deadline = host_now_ms() + ms;

	while (receive(h, deadline))
		;
}

/* --- the agent and the connection ------------------------------------------------------------- */

bool host_has_vsock(void)
{
	const char *transport = getenv("GCS_TRANSPORT");

	return !transport || strcmp(transport, "pair");
}

static void run_agent(struct host *h, char *const args[], int pair)
{
	const char *engine = getenv("GCS_ENGINE"), *agent = getenv("GCS_AGENT"), *runtime = getenv("GCS_RUNTIME");
	char *argv[32] = { "gcs", "-v4", "-log-format", "json", "-loglevel", "debug" };
	int n = 6, log;

	if (engine && strcmp(engine, "user") == 0)
		argv[n++] = "--no-kmod";
	if (runtime) {
		argv[n++] = "-runtime";
		argv[n++] = (char *)runtime;
	}
	if (pair >= 0)
		argv[n++] = "-use-inouterr";
	while (args && *args)
		argv[n++] = *args++;
	/* A test that ends without host_stop() takes its agent along. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	log = open(h->log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	if (log < 0 || dup2(log, 2) < 0 || (pair >= 0 && (dup2(pair, 0) < 0 || dup2(pair, 1) < 0)))
		_exit(126);
	setenv("GCS_VSOCK_CID", "1", 1);
	execv(agent ? agent : "/bin/gcs", argv);
	_exit(127);
}

void host_start(struct host *h, bool negotiate, char *const args[])
{
	int pair[2] = { -1, -1 };

	memset(h, 0, sizeof(*h));
	h->vsock = host_has_vsock();
	h->fd = h->listener = -1;
	h->next_port = PORT_STDIO_FIRST;
	snprintf(h->log, sizeof(h->log), "/tmp/agent.%d.log", getpid());
	if (h->vsock)
		host_listen_bridge(h);
	else if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		host_fail(h, "socketpair: %s", strerror(errno));
	h->agent = fork();
	if (h->agent < 0)
		host_fail(h, "fork: %s", strerror(errno));
	if (h->agent == 0)
		run_agent(h, args, pair[1]);
	if (h->vsock) {
		host_accept_bridge(h, WAIT_MS);
	} else {
		close(pair[1]);
		h->fd = pair[0];
	}
	if (negotiate)
		host_negotiate(h);
}

static void check_log(const struct host *h)
{
	FILE *f = fopen(h->log, "re");
	char line[8192];

	while (f && fgets(line, sizeof(line), f)) {
		size_t n = strlen(line);
		struct json_object *o;

		/* SIGKILL cuts what is being written where a page ends: that can only be the last line. */
		if (!n || line[n - 1] != '\n') {
			if (!n || fgetc(f) != EOF)
				host_fail(h, "log line without an end: %s", line);
			break;
		}
		o = parse(h, line, n - 1);
		if (!get(o, "time") || !get(o, "level") || !get(o, "msg"))
			host_fail(h, "log line: %s", line);
		json_object_put(o);
	}
	if (f)
		fclose(f);
}

void host_stop(struct host *h)
{
	int status;

	if (waitpid(h->agent, &status, WNOHANG) != 0)
		host_fail(h, "the agent has ended, status 0x%x", status);
	kill(h->agent, SIGKILL);
	waitpid(h->agent, &status, 0);
	check_log(h);
	unlink(h->log);
	if (h->fd >= 0)
		close(h->fd);
	if (h->listener >= 0)
		close(h->listener);
	for (size_t i = 0; i < h->answer_count; i++)
		json_object_put(h->answers[i].json);
}

void host_drop(struct host *h)
{
	close(h->fd);
	h->fd = -1;
}

void host_listen_bridge(struct host *h)
{
	h->listener = host_listen(h, PORT_BRIDGE);
}

void host_accept_bridge(struct host *h, int ms)
{
	if (!host_readable(h->listener, host_now_ms() + ms))
		host_fail(h, "the agent does not connect");
	h->fd = accept4(h->listener, NULL, NULL, SOCK_CLOEXEC);
	if (h->fd < 0)
		host_fail(h, "accept: %s", strerror(errno));
}

void host_negotiate(struct host *h)
{
	uint64_t id = host_send(h, MSG_NEGOTIATE_PROTOCOL, "{\"ContainerId\":\"\",\"ActivityId\":\"" Z "\","
							   "\"MinimumVersion\":4,\"MaximumVersion\":4}");

	if (answer_result(host_answer(h, id)) != 0)
		host_fail(h, "negotiation: %s", json_object_to_json_string(host_last(h)->json));
}

bool host_sees_close(struct host *h, int ms)
{
	char c;

	if (!host_readable(h->fd, host_now_ms() + ms) || recv(h->fd, &c, 1, 0) > 0)
		return false;
	host_drop(h);
	return true;
}
