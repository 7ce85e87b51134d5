// SPDX-License-Identifier: MIT
/* Where the time of a run goes. */
#include "timing.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include <json-c/json.h>

double timing_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

void timing_value(struct json_object *figures, const char *name, double value)
{
	char text[32];

	snprintf(text, sizeof(text), "%.3f", value);
	json_object_object_add(figures, name, json_object_new_double_s(value, text));
}

void timing_since(struct json_object *figures, const char *name, double since)
{
	timing_value(figures, name, timing_now() - since);
}

void timing_count(struct json_object *figures, const char *name, uint64_t count)
{
	json_object_object_add(figures, name, json_object_new_uint64(count));
}

int timing_write(struct json_object *figures, const char *path, struct gcs_error *err)
{
	FILE *f = fopen(path, "we");

	if (!f)
		return gcs_fail(err, errno, HR_FAIL, "%s", path);
	fprintf(f, "%s\n", json_object_to_json_string_ext(figures, JSON_C_TO_STRING_PRETTY));
	return fclose(f) ? gcs_fail(err, errno, HR_FAIL, "%s: write", path) : 0;
}
