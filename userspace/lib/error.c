// SPDX-License-Identifier: MIT
/* Errors: an errno, an HRESULT for the host, and a sentence that names the object and the step. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "error.h"

int gcs_fail(struct gcs_error *err, int errnum, uint32_t hr, const char *fmt, ...)
{
	char reason[128];
	va_list ap;
	size_t n;

	if (!err)
		return -1;
	err->err = errnum;
	err->hr = hr;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	if (errnum) {
		n = strlen(err->text);
		/* The GNU strerror_r may return a string of its own. */
		snprintf(err->text + n, sizeof(err->text) - n, ": %s",
			 strerror_r(errnum, reason, sizeof(reason)));
	}
	return -1;
}

int gcs_fail_prefix(struct gcs_error *err, const char *fmt, ...)
{
	char what[GCS_ERROR_TEXT_MAX / 2];
	va_list ap;
	size_t n, rest;

	if (!err)
		return -1;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	n = strlen(what);
	rest = strnlen(err->text, sizeof(err->text) - n - 3);
	memmove(err->text + n + 2, err->text, rest);
	err->text[n + 2 + rest] = '\0';
	memcpy(err->text, what, n);
	memcpy(err->text + n, ": ", 2);
	return -1;
}
