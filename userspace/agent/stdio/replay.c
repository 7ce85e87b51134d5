// SPDX-License-Identifier: MIT
/* What a connection took last, to be sent once more on the next. */
#include <stdlib.h>
#include <string.h>

#include "stdio/replay.h"
#include "stdio/stdio.h"

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

void replay_add(struct replay *r, const char *data, size_t len)
{
	size_t at, first;

	if (!r->ring) {
		r->ring = malloc(STDIO_KEEP);
		r->sent = 0;
	}
	if (!r->ring)
		return;
	if (len > STDIO_KEEP) {
		r->sent += len - STDIO_KEEP;
		data += len - STDIO_KEEP;
		len = STDIO_KEEP;
	}
	at = r->sent % STDIO_KEEP;
	first = smaller(len, STDIO_KEEP - at);
	memcpy(r->ring + at, data, first);
	memcpy(r->ring, data + first, len - first);
	r->sent += len;
}

char *replay_take(struct replay *r, const char *rest, size_t rest_len, size_t *len)
{
	size_t kept = r->ring ? smaller(r->sent, STDIO_KEEP) : 0;
	size_t at = (r->sent - kept) % STDIO_KEEP;
	size_t first = smaller(kept, STDIO_KEEP - at);
	char *all = malloc(kept + rest_len + 1);

	if (!all)
		return NULL;
	if (kept) {
		memcpy(all, r->ring + at, first);
		memcpy(all + first, r->ring, kept - first);
	}
	if (rest_len)
		memcpy(all + kept, rest, rest_len);
	*len = kept + rest_len;
	r->sent = 0;
	return all;
}

void replay_drop(struct replay *r)
{
	free(r->ring);
	r->ring = NULL;
}
