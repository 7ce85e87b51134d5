// SPDX-License-Identifier: MIT
/* Closing what may wait. */
#include <pthread.h>
#include <stdint.h>
#include <unistd.h>

#include "event.h"

static void *run(void *arg)
{
	close((int)(intptr_t)arg);
	return NULL;
}

void close_aside(int fd)
{
	pthread_t thread;

	if (isatty(fd) && pthread_create(&thread, NULL, run, (void *)(intptr_t)fd) == 0)
		pthread_detach(thread);
	else
		close(fd);
}
