// SPDX-License-Identifier: MIT
/* The connection to the host: dial, read frames, dial again. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "bridge.h"
#include "cleanup.h"
#include "frame.h"
#include "jobs.h"
#include "log.h"
#include "request.h"
#include "vsock.h"
#include "writer.h"

/*
 * There is no event for "the host listens again", which happens after a live migration: dial every 100 ms
 * (bridge.md 2.1 and 2.3).
 */
#define REDIAL_NS 100000000

#define WORKERS 16

static struct bridge_options options;
static pthread_t reader;

static void wait_redial(int timer)
{
	struct itimerspec it = { .it_value.tv_nsec = REDIAL_NS };
	uint64_t n;

	timerfd_settime(timer, 0, &it, NULL);
	while (read(timer, &n, sizeof(n)) < 0 && errno == EINTR)
		;
}

/* Read until the end. Returns the number of frames. */
static uint64_t serve(int in, int out)
{
	connection_t connection = writer_attach(out);
	struct gcs_error err;
	struct frame f;
	uint64_t n = 0;
	int ret;

	log_info("bridge: connection %" PRIu64, connection);
	while ((ret = frame_read(in, FRAME_MAX_TO_GUEST, &f, &err)) > 0) {
		request_submit(&f, connection);
		n++;
	}
	if (ret < 0)
		log_error("%s", err.text);
	log_info("bridge: connection %" PRIu64 " has ended after %" PRIu64 " requests", connection, n);
	return n;
}

static void *run_dialled(void *arg)
{
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	struct gcs_error err;
	int last_errno = 0;

	for (;;) {
		_cleanup_close_ int fd = vsock_dial(PORT_BRIDGE, &err);

		if (fd < 0) {
			/* Ten a second: once for each reason is enough. */
			if (err.err != last_errno)
				log_warning("bridge: %s; dialling again", err.text);
			last_errno = err.err;
			wait_redial(timer);
			continue;
		}
		last_errno = 0;
		/* A host that accepts and hangs up is not there yet. */
		bool worked = serve(fd, fd) > 0;

		shutdown(fd, SHUT_RDWR);
		writer_detach();
		container_host(false);
		if (!worked)
			wait_redial(timer);
	}
	return NULL;
}

static void *run_given(void *arg)
{
	serve(options.in, options.out);
	jobs_drain();
	writer_flush();
	return NULL;
}

int bridge_start(const struct bridge_options *o, struct gcs_error *err)
{
	int ret;

	options = *o;
	request_init(o);
	jobs_init(o->confidential ? 1 : WORKERS);
	if (writer_start(err) < 0)
		return -1;
	ret = pthread_create(&reader, NULL, o->in >= 0 ? run_given : run_dialled, NULL);
	if (ret)
		return gcs_fail(err, ret, HR_FAIL, "bridge: start the reader");
	pthread_setname_np(reader, "reader");
	return 0;
}

bool bridge_is_given(void)
{
	return options.in >= 0;
}

void bridge_ready(void)
{
	request_ready();
}

void bridge_join(void)
{
	pthread_join(reader, NULL);
}
