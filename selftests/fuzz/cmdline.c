// SPDX-License-Identifier: MIT
/* Command lines that are split into words. */
#include "container/internal.h"
#include "fuzz.h"

/* The words, each between single quotes. */
static char *quote(char **words, size_t room)
{
	char *line = malloc(room), *to = line;

	REQUIRE(line);
	for (; *words; words++) {
		*to++ = '\'';
		for (const char *p = *words; *p; p++)
			to = *p == '\'' ? stpcpy(to, "'\\''") : (*to = *p, to + 1);
		to = stpcpy(to, "' ");
	}
	*to = '\0';
	return line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = fuzz_string(data, size), *quoted;
	struct gcs_error err = { 0 };
	char **words = words_split(line, &err), **again;
	size_t length = 0, n = 0;

	if (!words) {
		REQUIRE(err.hr == HR_INVALID_ARG && *err.text);
		free(line);
		return 0;
	}
	for (; words[n]; n++)
		length += strlen(words[n]);
	REQUIRE(n && length <= strlen(line));
	quoted = quote(words, 4 * length + 4 * n + 1);
	again = words_split(quoted, &err);
	REQUIRE(again);
	for (size_t i = 0; i <= n; i++)
		REQUIRE(words[i] && again[i] ? !strcmp(words[i], again[i]) : words[i] == again[i]);
	words_free(again);
	words_free(words);
	free(quoted);
	free(line);
	return 0;
}
