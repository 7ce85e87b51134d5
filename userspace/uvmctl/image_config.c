// SPDX-License-Identifier: MIT
/* How an image wants to be run, and what the command line makes of that. */
#include "image_config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

const struct json_field image_config_table[] = {
	JSON_STRINGS(struct image_config, entrypoint, "Entrypoint"),
	JSON_STRINGS(struct image_config, command, "Cmd"),
	JSON_STRINGS(struct image_config, env, "Env"),
	JSON_STRING(struct image_config, cwd, "WorkingDir"),
	JSON_STRING(struct image_config, user, "User"),
	JSON_STRING(struct image_config, stop_signal, "StopSignal"),
	JSON_END
};

static size_t length(char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

/* The strings stay whose they are. */
static char **join(char *const *first, char *const *second, struct gcs_error *err)
{
	size_t n = length(first);
	char **list = calloc(n + length(second) + 1, sizeof(*list));

	if (!list) {
		gcs_fail(err, ENOMEM, HR_FAIL, "image");
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		list[i] = first[i];
	for (size_t i = 0; i < length(second); i++)
		list[n + i] = second[i];
	return list;
}

char **image_argv(const struct image_config *config, char *entrypoint, char *const *command, struct gcs_error *err)
{
	char *own[] = { entrypoint && *entrypoint ? entrypoint : NULL, NULL };
	char *const *first = entrypoint ? own : config->entrypoint;

	if (!length(command) && !entrypoint)
		command = config->command;
	if (length(first) || length(command))
		return join(first, command, err);
	gcs_fail(err, 0, HR_FAIL, "no COMMAND given, and the image has none");
	return NULL;
}

char **image_env(const struct image_config *config, char *first, char *const *more, struct gcs_error *err)
{
	char *one[] = { first, NULL };
	_cleanup_free_ char **own = join(one, config->env, err);

	return own ? join(own, more, err) : NULL;
}

char **image_config_list(const char *text, struct gcs_error *err)
{
	char **list = calloc(2, sizeof(*list));

	if (list)
		list[0] = strdup(text);
	if (list && list[0])
		return list;
	free(list);
	gcs_fail(err, ENOMEM, HR_FAIL, "image");
	return NULL;
}

void image_config_free(struct image_config *c)
{
	json_free(image_config_table, c);
}
