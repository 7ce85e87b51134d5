/* SPDX-License-Identifier: MIT */
/*
 * The standard streams of a process in a container: a file for the process on one side, a vsock connection to the host on
 * the other. Two engines: streams and terminals of gcs.ko, and pipes with a relay on the event thread. They behave the same.
 *
 * The life of a set: stdio_new() -> the process is made with files[] -> stdio_attach() -> data flows ->
 * stdio_finish() when the process has ended -> done -> stdio_put(). Before stdio_attach(), what is
 * written stays in the kernel and readers wait.
 *
 * A set after stdio_redial() outlives the host: what it writes waits for the host's return, as long as redial.c says, and then
 * the last STDIO_KEEP bytes that the old connection took are sent once more, for nobody knows what of them has arrived. A
 * terminal's are not: a screen does not bear them twice. Of any other set the connection's end is the end of the stream.
 */
#ifndef GCS_STDIO_H
#define GCS_STDIO_H

#include <stdbool.h>
#include <stdint.h>

#include "container/container.h"
#include "error.h"

/* After the process has ended and while others still hold its output: over when nothing was written for so long. */
#define STDIO_IDLE_MS 500
/* How long everything written waits for the host's end of file. */
#define STDIO_PEER_EOF_MS 5000
/* What may be on its way to the host, or unread there, when it is lost (bridge.md 11.7). */
#define STDIO_KEEP (128 * 1024)

struct stdio;

/* Everything that was written has been handed over, or is lost for good. On the event or the calling thread. */
typedef void (*stdio_done_fn)(void *arg);

/* Choose the engine. Call once, after event_start(). */
int stdio_init(bool use_kmod, struct gcs_error *err);

/*
 * Dial what @ports asks for, in the order stdin, stdout, stderr. sockets[i] is -1 where not asked for. On failure those
 * made are closed.
 */
int stdio_dial(const struct process_stdio *ports, int sockets[3], struct gcs_error *err);

/* Close what is open of three descriptors and set them to -1. */
void stdio_close(int fds[3]);

/* The host has negotiated, or has gone with its bridge. Any thread. */
void stdio_host(bool there);

/*
 * Make the streams that @want asks for; files[i] is the process's descriptor, -1 where not wanted: the caller's to close. With @keep,
 * and of a terminal, stdio_redial() may follow.
 */
struct stdio *stdio_new(const bool want[3], bool keep, int files[3], struct gcs_error *err);

/*
 * The same for a process with a terminal: what it writes comes from the pty's @master, which stays the caller's, and what
 * the host sends goes there. The host's end of file does nothing to the terminal; its standard error is not used.
 */
struct stdio *stdio_new_tty(int master, struct gcs_error *err);

/* The same with a relay in user space, whatever the engine is: what goes to the host can be copied to a file. */
struct stdio *stdio_new_logged(const bool want[3], int files[3], struct gcs_error *err);
struct stdio *stdio_new_tty_logged(int master, struct gcs_error *err);

/* Before stdio_attach(), of a set made by these: from now on all output is appended to @log, too, which is taken over. */
void stdio_log(struct stdio *s, int log);

/* Before stdio_attach(): these ports are dialled again when the host was lost and is back; of stdin only a terminal's. */
void stdio_redial(struct stdio *s, const struct process_stdio *ports);

/*
 * Connect the streams to their sockets, which are taken over, on failure too. A stream without a socket behaves like
 * /dev/null from now on.
 */
int stdio_attach(struct stdio *s, int sockets[3], struct gcs_error *err);

/*
 * The process has ended: end stdin, deliver what is left of the output and call @done once. @deadline_ms: give up
 * undelivered output after so long; 0 = never. At most once.
 */
void stdio_finish(struct stdio *s, uint32_t deadline_ms, stdio_done_fn done, void *arg);

/* Any thread, before @done: give up undelivered output @ms from now, whatever stdio_finish() says or has said. */
void stdio_limit(struct stdio *s, uint32_t ms);

/*
 * Let go of the set. Without stdio_finish() before, everything is dropped. Who still has a terminal open is hung up when the caller has
 * closed the master. NULL is fine.
 */
void stdio_put(struct stdio *s);

/* Bytes, as gcs.ko has told: of input those that were read, or given to the terminal; of output those given to the connection. */
struct stdio_totals {
	bool known; /* the user-space engine does not count */
	uint64_t in, out, lost;
};

/* In @done: what has gone through. Input that others still read is not in it. */
struct stdio_totals stdio_totals(const struct stdio *s);

/* What the struct stdio of each engine begins with. */
struct stdio_base {
	const struct stdio_engine *engine;
	uint32_t ports[3]; /* of stdio_redial(), or 0 */
	struct stdio_totals totals;
};

/* What an engine provides; the functions above call them. */
struct stdio_engine {
	struct stdio *(*new)(const bool want[3], bool keep, int files[3], struct gcs_error *err);
	struct stdio *(*new_tty)(int master, struct gcs_error *err);
	int (*attach)(struct stdio *s, int sockets[3], struct gcs_error *err);
	void (*finish)(struct stdio *s, uint32_t deadline_ms, stdio_done_fn done, void *arg);
	void (*limit)(struct stdio *s, uint32_t ms);
	void (*log)(struct stdio *s, int log); /* the user-space one's */
	void (*put)(struct stdio *s);
};

/* stdio_kmod.c: NULL with @err without a usable gcs.ko. stdio_user.c: cannot fail. */
const struct stdio_engine *stdio_kmod_engine(struct gcs_error *err);
const struct stdio_engine *stdio_user_engine(void);

#endif
