/* SPDX-License-Identifier: MIT */
/* What a connection took last, to be sent once more on the next (bridge.md 11.7). */
#ifndef GCS_REPLAY_H
#define GCS_REPLAY_H

#include <stddef.h>
#include <stdint.h>

struct replay {
	char *ring;    /* of STDIO_KEEP bytes; NULL: nothing is kept */
	uint64_t sent; /* bytes that went into it */
};

/* These were sent. Without memory they are not kept. */
void replay_add(struct replay *r, const char *data, size_t len);

/* A new buffer of @len bytes with what is kept, and @rest behind it; nothing is kept any more. NULL without memory. */
char *replay_take(struct replay *r, const char *rest, size_t rest_len, size_t *len);

void replay_drop(struct replay *r);

#endif
