// SPDX-License-Identifier: MIT
/* Programs that work on a disk for the agent: mkfs, gcscrypt. */
#include <stdlib.h>

#include "spawn.h"
#include "storage/internal.h"

int helper_run(const char *const argv[], const char *object, int deadline_ms, struct gcs_error *err)
{
	struct spawn s = { .argv = (char *const *)argv, .fds = { SPAWN_NULL, SPAWN_CAPTURE, SPAWN_CAPTURE } };
	struct spawn_result result;
	int code;

	if (spawn_run(&s, deadline_ms, &result, err) < 0)
		return gcs_fail_prefix(err, "%s", object);
	code = result.code;
	if (code) {
		for (size_t i = result.length; i && result.output[i - 1] == '\n';)
			result.output[--i] = '\0';
		gcs_fail(err, 0, HR_FAIL, "%s: %s: exit code %d: %.300s", object, argv[0], code, result.output);
	}
	free(result.output);
	return code ? -1 : 0;
}
