/* SPDX-License-Identifier: MIT */
/*
 * A host for conformance tests, as strict as the real one: whatever would make that kill the bridge (bridge.md 4 and
 * 5.3) ends the test with the reason. It starts the agent and talks to it over vsock loopback, or over a socket pair
 * where there is none (then nothing that needs stdio ports can be tested).
 *
 * Environment: GCS_AGENT (default /bin/gcs); GCS_ENGINE=kmod|user (kmod); GCS_TRANSPORT=vsock|pair (vsock);
 * GCS_RUNTIME=crun|runc (crun).
 */
#ifndef GCS_TEST_HOST_H
#define GCS_TEST_HOST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <json-c/json.h>

#include "error.h"
#include "frame.h"

#include "../vm/slow.h"

#define Z NULL_GUID
#define WAIT_MS scaled(30000) /* more than any answer may take on a slow machine */

struct answer {
	uint64_t id;
	uint32_t type;
	struct json_object *json; /* NULL while outstanding */
	unsigned int order;	  /* of arrival, notifications included; from 1 */
};

struct host {
	bool vsock;
	int listener;
	int fd; /* the bridge */
	pid_t agent;
	char log[64]; /* the agent's stderr */
	uint64_t next_id;
	uint32_t next_port;
	unsigned int order;
	struct answer answers[4096];
	size_t answer_count;
	struct {
		char id[130];
		bool notified;
		unsigned int order;
		char type[32], activity[40];
	} containers[128];
	size_t container_count;
};

/* Start the agent and accept its connection; with @negotiate, negotiate. Further flags in @args, or NULL. */
void host_start(struct host *h, bool negotiate, char *const args[]);

/* End the agent. It must be alive until then. Its log's lines must all be what the host's log reader takes. */
void host_stop(struct host *h);

/* Is this end of the test's life on a real vsock? */
bool host_has_vsock(void);

/* The fixture of tests that want a guest which has negotiated over vsock, and nothing else: self->h. */
#define HOST_FIXTURE(fixture)				\
	FIXTURE(fixture)				\
	{						\
		struct host h;				\
	};						\
							\
	FIXTURE_SETUP(fixture)				\
	{						\
		if (!host_has_vsock())			\
			SKIP(_exit(255), "needs vsock");	\
		host_start(&self->h, true, NULL);	\
	}						\
							\
	FIXTURE_TEARDOWN(fixture)			\
	{						\
		host_stop(&self->h);			\
	}

/* Lose the connection, or accept the next one; listen again after closing h->listener. */
void host_drop(struct host *h);
void host_listen_bridge(struct host *h);
void host_accept_bridge(struct host *h, int ms);
void host_negotiate(struct host *h);

/* Does the agent close the connection within @ms? */
bool host_sees_close(struct host *h, int ms);

/* Send a frame as it is. */
void host_send_raw(struct host *h, const void *data, size_t len);
void host_send_frame(struct host *h, uint32_t type, uint64_t id, const char *payload);

/* Send a request as the host does; its id becomes an outstanding one. */
uint64_t host_send(struct host *h, uint32_t type, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The same with "ContainerId" and "ActivityId" in front of what @fmt makes, which begins with a comma or is "". */
uint64_t host_ask(struct host *h, uint32_t type, const char *cid, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Make an id outstanding that host_send() did not. */
void host_expect(struct host *h, uint64_t id, uint32_t type);

/* The id is not outstanding any more: an answer to it ends the test. */
void host_forget(struct host *h, uint64_t id);

/* Forget what is over: requests that are answered, containers that are notified. For tests with more than there is room for. */
void host_forget_over(struct host *h);

/* Wait for an answer, at most WAIT_MS; the test ends if it does not come. */
const struct answer *host_answer(struct host *h, uint64_t id);

/* Is there an answer within @ms? */
bool host_answered(struct host *h, uint64_t id, int ms);

/* host_ask() and host_answer(); the answer's Result. */
int64_t host_call(struct host *h, uint32_t type, const char *cid, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* The last call's answer. */
const struct answer *host_last(const struct host *h);

int64_t answer_result(const struct answer *a);
int64_t answer_number(const struct answer *a, const char *key); /* the test ends if it is not there */
const char *answer_text(const struct answer *a, const char *key); /* NULL if it is not there */

/* The host's record of a container that it is about to create: from now on one notification may come. */
void host_register(struct host *h, const char *cid);

/* Wait until the container's exit is notified; returns its type. @order as in struct answer, may be NULL. */
const char *host_notified(struct host *h, const char *cid, unsigned int *order);

/* The activity id of that notification. */
const char *host_notified_activity(struct host *h, const char *cid);

/* Read what arrives within @ms without a wish: to see that nothing wrong does. */
void host_watch(struct host *h, int ms);

/* --- stdio (vsock only) ---------------------------------------------------------------------- */

struct host_stream {
	uint32_t port;
	int listener;
	int fd; /* -1 until host_stream_accept() */
};

void host_stream_listen(struct host *h, struct host_stream *s);
void host_stream_accept(struct host_stream *s);
void host_stream_close(struct host_stream *s);

/* Close, and listen on the same port: a host that has been away. */
void host_stream_again(struct host *h, struct host_stream *s);

/*
 * Everything until the end of the stream, at most WAIT_MS between two parts; malloc'd, NUL-terminated. Then closes, as
 * the host does.
 */
char *host_stream_read(struct host_stream *s, size_t *len);

/* --- the agent's log (host_log.c) -------------------------------------------------------------- */

/* The @n-th line (from 1) that has both texts; waits for it, or the test ends. */
struct json_object *host_log_line(const struct host *h, const char *text, const char *text2, int n);

/* How many lines have it by now? */
int host_log_count(const struct host *h, const char *text);

/* The value of a path such as "memory.usage.limit"; NULL if it is not there. */
struct json_object *json_at(struct json_object *o, const char *path);

/* --- helpers --------------------------------------------------------------------------------- */

/* Print the reason and the end of the agent's log, and end this test as failed. */
void host_fail(const struct host *h, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));

/* @text as a JSON string with its quotes; malloc'd. */
char *quoted(const char *text);

/*
 * ExecuteProcess; streams NULL if not wanted, the others are accepted. @more: members of ProcessParameters beside those that ask for
 * streams, with a comma in front, or "". Returns the pid, or the Result if that is not 0.
 */
int64_t host_execute(struct host *h, const char *cid, const char *more, struct host_stream *in, struct host_stream *out,
		     struct host_stream *err);

/*
 * ExecuteProcess of a program of the VM: JSON list of its words. Otherwise as host_execute().
 */
int64_t host_external(struct host *h, const char *args, struct host_stream *in, struct host_stream *out,
		      struct host_stream *err);

/* WaitForProcess to the end; its exit code, or the Result if that is not 0. */
int64_t host_wait(struct host *h, const char *cid, int64_t pid);

#endif
