// SPDX-License-Identifier: MIT
/* Messages of init. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "init.h"

void init_log(int level, const char *fmt, ...)
{
	char text[512], line[544];
	va_list ap;
	int fd, n;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* /dev/kmsg takes a record a write. The kernel shows it on the console as far as "quiet" lets it. */
	n = snprintf(line, sizeof(line), "<%d>init: %s\n", level, text);
	fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (write(fd, line, (size_t)n) == n && level > 4)
			n = 0; /* told */
		close(fd);
	}
	if (n)
		fprintf(stderr, "init: %s\n", text);
}

void init_die(const char *what)
{
	int e = errno;

	init_log(3, "%s: %s", what, strerror(e));
	exit(e);
}
