// SPDX-License-Identifier: MIT
/* /proc/<pid>/mountinfo: a directory in the first line, then the file. */
#include "fs.h"
#include "fuzz.h"

/* A mount on @path, as the kernel writes it, is read as that. */
static void check_escapes(const char *path)
{
	char *text = malloc(4 * strlen(path) + 64), *to = text, *found = NULL;

	REQUIRE(text);
	to += sprintf(to, "31 1 8:1 / ");
	for (const char *p = path; *p; p++)
		to += strchr(" \t\n\\", *p) ? sprintf(to, "\\%03o", (unsigned char)*p) : sprintf(to, "%c", *p);
	sprintf(to, " rw shared:1 - ext4 /dev/sda rw\n");
	REQUIRE(mountinfo_below(text, path, &found, 1) == 1);
	REQUIRE(!strcmp(found, path));
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *input = fuzz_string(data, size), *rest = input, *dir = fuzz_line(&rest);
	char *text = strdup(rest), *half = strdup(rest), *all = strdup(rest), **paths, **few;
	bool plain = !strchr(rest, '\\');
	size_t count, lines = 1;

	REQUIRE(text && half && all);
	if (path_is_plain(rest))
		check_escapes(rest);
	if (path_is_plain(dir)) {
		for (const char *p = rest; (p = strchr(p, '\n')); p++)
			lines++;
		count = mountinfo_below(text, dir, NULL, 0);
		REQUIRE(count <= lines);
		paths = calloc(count + 1, sizeof(*paths));
		few = calloc(count / 2 + 1, sizeof(*few));
		REQUIRE(paths && few);
		REQUIRE(mountinfo_below(all, dir, paths, count) == count);
		REQUIRE(mountinfo_below(half, dir, few, count / 2) == count);
		for (size_t i = 0; i < count; i++) {
			REQUIRE(path_is_below(paths[i], dir));
			REQUIRE(!plain || strstr(rest, paths[i]));
			REQUIRE(i >= count / 2 || !strcmp(paths[i], few[i]));
		}
		free(paths);
		free(few);
	}
	free(text);
	free(half);
	free(all);
	free(input);
	return 0;
}
