// SPDX-License-Identifier: MIT
/* Commands of the test VM, of which a test wants to see what they print. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "shell.h"

char *vm_shell(const struct host *h, const char *format, ...)
{
	char *command, *text = calloc(1, 1 << 14);
	va_list ap;
	FILE *f;

	va_start(ap, format);
	if (vasprintf(&command, format, ap) < 0)
		host_fail(h, "no memory");
	va_end(ap);
	f = popen(command, "re");
	if (!f || !text)
		host_fail(h, "%s", command);
	text[fread(text, 1, (1 << 14) - 1, f)] = '\0';
	pclose(f);
	free(command);
	return text;
}
