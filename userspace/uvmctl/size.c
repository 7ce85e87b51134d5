// SPDX-License-Identifier: MIT
/* Sizes and numbers as people write them. */
#include "size.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX (1ull << 50)

const char *size_parse(const char *text, uint64_t unit, uint64_t *to)
{
	static const char suffixes[] = "KMGT";
	const char *suffix;
	char *end;
	uint64_t n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || end == text || *text == '-')
		return "not a size";
	if (*end) {
		suffix = strchr(suffixes, *end & ~0x20);
		if (!suffix || end[1])
			return "not a size";
		unit = 1024ull << (10 * (suffix - suffixes));
	}
	if (n > MAX / unit)
		return "too large";
	*to = n * unit;
	return NULL;
}

bool number_parse(const char **text, uint32_t *n)
{
	unsigned long long value;
	char *end;

	if (**text < '0' || **text > '9')
		return false;
	/* What does not fit into it is the largest that there is, which is too large. */
	value = strtoull(*text, &end, 10);
	*text = end;
	*n = (uint32_t)value;
	return value <= UINT32_MAX;
}
