/* SPDX-License-Identifier: MIT */
/* JSON text: syntax, tokens and strings. Private to json_*.c. */
#ifndef GCS_JSON_SCAN_H
#define GCS_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

/*
 * The functions below json_scan_check() walk a text that it has accepted: they need no checks and go from
 * the first byte of a value to the byte after it.
 */

/* Is the text one JSON value? Returns 0, or -1 with @err, which tells the byte and what is wrong there. */
int json_scan_check(const char *text, size_t len, struct gcs_error *err);

/* The first byte that is not white space. */
const char *json_scan_space(const char *p, const char *end);

/* The byte after the value at @p. */
const char *json_scan_skip(const char *p, const char *end);

/*
 * Decode the string at @p (its opening quote) into @out; with @out NULL only count. *@len is the number of
 * bytes, up to three for one of the text. *@nul tells whether one of them is NUL. Returns the byte after the string.
 */
const char *json_scan_string(const char *p, char *out, size_t *len, bool *nul);

/* As above, into malloc'd memory with a NUL at the end; NULL = no memory. */
char *json_scan_strdup(const char **p, size_t *len, bool *nul);

/* Length of the valid UTF-8 sequence at @p, 0 if there is none. */
size_t json_utf8_length(const unsigned char *p, const unsigned char *end);

/* The string that stands for what is not UTF-8. */
#define JSON_REPLACEMENT "\xEF\xBF\xBD"

#endif
