// SPDX-License-Identifier: MIT
/* The kernel's messages, forwarded to the log (boot-and-image.md 5.2). */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "event.h"
#include "kmsg.h"
#include "log.h"

/* Longer than any record of the kernel's. */
#define RECORD_MAX 8192
/* The event thread has other work than the backlog of a boot. */
#define BATCH 64

static int kmsg = -1;
static int64_t max_priority;

/* The number at *@at, which a comma ends. */
static bool take_number(char **at, uint64_t *n)
{
	char *end;

	if (**at < '0' || **at > '9')
		return false;
	*n = strtoull(*at, &end, 10);
	if (*end != ',')
		return false;
	*at = end + 1;
	return true;
}

/* "<priority and facility>,<seq>,<us>,<flags>[,...];<text>", then lines with the device. */
bool kmsg_parse(char *text, struct kmsg_record *r)
{
	char *at = text, *message = strchr(text, ';');
	uint64_t prefix;

	if (!message)
		return false;
	*message++ = '\0';
	if (!take_number(&at, &prefix) || !take_number(&at, &r->seq) || !take_number(&at, &r->us))
		return false;
	at[strcspn(at, ",")] = '\0';
	message[strcspn(message, "\n")] = '\0';
	r->priority = prefix & 7;
	r->facility = prefix >> 3;
	r->flags = at;
	r->message = message;
	return true;
}

static void forward(char *text)
{
	static const char *const names[] = { "Emerg", "Alert", "Crit", "Err", "Warning", "Notice", "Info", "Debug" };
	struct kmsg_record r;

	if (!kmsg_parse(text, &r) || r.priority > max_priority)
		return;

	const struct log_field fields[] = {
		{ .key = "priority", .text = names[r.priority] },
		{ .key = "facility", .number = r.facility },
		{ .key = "seq", .number = r.seq },
		{ .key = "timesincebootmicro", .number = r.us },
		{ .key = "flags", .text = r.flags },
		{ .key = "message", .text = r.message },
		{ 0 },
	};

	log_line(LOG_INFO, fields, "kmsg read");
}

static void on_readable(struct event *ev, uint32_t events, void *arg)
{
	char text[RECORD_MAX];

	for (int i = 0; i < BATCH; i++) {
		ssize_t n = read(kmsg, text, sizeof(text) - 1);

		if (n > 0) {
			text[n] = '\0';
			forward(text);
		} else if (n < 0 && errno == EAGAIN) {
			return;
		} else if (n < 0 && errno == EPIPE) {
			log_warning("kmsg: records were overwritten before they were read");
		} else if (n == 0 || errno != EINTR) {
			log_error("kmsg: read: %s", n ? strerror(errno) : "end of file");
			event_remove(ev);
			close(kmsg);
			return;
		}
	}
}

int kmsg_start(int64_t level, struct gcs_error *err)
{
	max_priority = level;
	if (level < 0)
		return 0;
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kmsg < 0)
		return gcs_fail(err, errno, HR_FAIL, "/dev/kmsg: open");
	if (event_add(kmsg, EPOLLIN, on_readable, NULL, err))
		return 0;
	close(kmsg);
	return -1;
}
