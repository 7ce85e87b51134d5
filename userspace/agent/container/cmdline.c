// SPDX-License-Identifier: MIT
/* Split a command line into words like a shell, without expansion. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "container/internal.h"

void words_free(char **words)
{
	for (char **w = words; w && *w; w++)
		free(*w);
	free(words);
}

/* Read one word from *@at into @word, which has room for the rest of the line. Returns 0, or the quote that is not closed. */
static char read_word(const char **at, char *word)
{
	const char *p = *at;
	char quote = 0;

	for (; *p && (quote || !strchr(" \t\n", *p)); p++) {
		if (quote == '\'') {
			if (*p == '\'')
				quote = 0;
			else
				*word++ = *p;
		} else if (*p == '\\') {
			/* Between double quotes a backslash is special before these only. */
			if (quote && !(p[1] && strchr("\"\\$`\n", p[1])))
				*word++ = *p;
			else if (!p[1])
				return '\\';
			else if (*++p != '\n')
				*word++ = *p;
		} else if (quote && *p == '"') {
			quote = 0;
		} else if (!quote && (*p == '"' || *p == '\'')) {
			quote = *p;
		} else {
			*word++ = *p;
		}
	}
	*word = '\0';
	*at = p;
	return quote;
}

char **words_split(const char *line, struct gcs_error *err)
{
	/* No more words than every second character, and the NULL. */
	char **words = calloc(strlen(line) / 2 + 2, sizeof(*words));
	size_t n = 0;
	char open;

	if (!words)
		goto nomem;
	while (*(line += strspn(line, " \t\n"))) {
		words[n] = malloc(strlen(line) + 1);
		if (!words[n])
			goto nomem;
		open = read_word(&line, words[n++]);
		if (open) {
			gcs_fail(err, 0, HR_INVALID_ARG, "command line: %c without an end", open);
			words_free(words);
			return NULL;
		}
	}
	if (n)
		return words;
	gcs_fail(err, 0, HR_INVALID_ARG, "command line: empty");
	words_free(words);
	return NULL;
nomem:
	gcs_fail(err, ENOMEM, HR_FAIL, "command line");
	words_free(words);
	return NULL;
}
