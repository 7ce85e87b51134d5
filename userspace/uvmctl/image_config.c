// SPDX-License-Identifier: MIT
/* How an image wants to be run, and what the command line makes of that. */
#include "image_config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t length(char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

char **image_argv(const struct image_config *config, char *entrypoint, char *const *command, struct gcs_error *err)
{
	char *own[] = { entrypoint && *entrypoint ? entrypoint : NULL, NULL };
	char *const *lists[2] = { entrypoint ? own : config->entrypoint, command };
	char **argv;
	size_t n = 0;

	if (!length(command) && !entrypoint)
		lists[1] = config->command;
	if (!length(lists[0]) && !length(lists[1])) {
		gcs_fail(err, 0, HR_FAIL, "no COMMAND given, and the image has none");
		return NULL;
	}
	argv = calloc(length(lists[0]) + length(lists[1]) + 1, sizeof(*argv));
	if (!argv) {
		gcs_fail(err, ENOMEM, HR_FAIL, "command");
		return NULL;
	}
	for (int i = 0; i < 2; i++)
		for (size_t k = 0; k < length(lists[i]); k++)
			argv[n++] = lists[i][k];
	return argv;
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

static void free_list(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

void image_config_free(struct image_config *c)
{
	free_list(c->entrypoint);
	free_list(c->command);
	free_list(c->env);
	free(c->cwd);
	free(c->user);
	free(c->stop_signal);
	*c = (struct image_config){ .cwd = NULL };
}
