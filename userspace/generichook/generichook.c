// SPDX-License-Identifier: MIT
/*
 * generichook PROGRAM [ARG...]
 *
 * A hook of an OCI runtime that becomes another program, which knows nothing of runtimes: {{pid}} and {{id}} in its arguments and in the
 * environment are what the container's state on stdin says. Errors are one line on stderr.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

extern char **environ;

static int fail(const char *object, const char *step)
{
	fprintf(stderr, "generichook: %s: %s\n", object, step);
	return 1;
}

/* The value of what stands between the braces, or NULL. */
static const char *value_of(struct json_object *state, const char *name, size_t len)
{
	static const char *const known[] = { "pid", "id" };
	struct json_object *v;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strlen(known[i]) == len && !strncmp(known[i], name, len) && json_object_object_get_ex(state, known[i], &v))
			return json_object_get_string(v);
	return NULL;
}

/* Replaces what is known; anything else in braces stays. *@word becomes malloc'd. */
static int replace(struct json_object *state, char **word)
{
	const char *at = *word;
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return -1;
	while (*at) {
		const char *open = strstr(at, "{{"), *close = open ? strstr(open, "}}") : NULL;
		const char *value = close ? value_of(state, open + 2, close - open - 2) : NULL;

		if (!close) {
			fputs(at, f);
			break;
		}
		if (value)
			fprintf(f, "%.*s%s", (int)(open - at), at, value);
		else
			fprintf(f, "%.*s", (int)(close + 2 - at), at);
		at = close + 2;
	}
	if (fclose(f) != 0)
		return -1;
	*word = text;
	return 0;
}

int main(int argc, char **argv)
{
	struct json_object *state;

	if (argc < 2)
		return fail("usage", "generichook PROGRAM [ARG...], with the container's state on stdin");
	state = json_object_from_fd(STDIN_FILENO);
	if (!json_object_is_type(state, json_type_object))
		return fail("the container's state on stdin", "not an object");
	for (int i = 1; i < argc; i++)
		if (replace(state, &argv[i]) < 0)
			return fail(argv[i], strerror(errno));
	for (char **e = environ; *e; e++)
		if (replace(state, e) < 0)
			return fail(*e, strerror(errno));
	execvp(argv[1], argv + 1);
	return fail(argv[1], strerror(errno));
}
