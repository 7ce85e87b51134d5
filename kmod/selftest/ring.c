// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ring's positions count bytes and wrap at 2^32: what is queued and what fits must not notice
 */
#include <linux/slab.h>

#include "../internal.h"
#include "selftest.h"

/* @kept bytes before @head were sent and may be sent again: they take room, too. */
static bool ring_at(struct gcs_stream *s, u32 head, u32 kept)
{
	static const u32 fills[] = { 0, 1, 9, 10, 11, PIPE_BUF, GCS_RING_SIZE - 1, GCS_RING_SIZE };
	bool ok = true;
	unsigned int i;

	s->size = kept ? 2 * GCS_RING_SIZE : GCS_RING_SIZE;
	s->kept = head - kept;
	for (i = 0; i < ARRAY_SIZE(fills); i++) {
		s->head = head;
		s->tail = head + fills[i];
		s->reserved = 0;
		ok &= EXPECT(gcs_stream_queued(s) == fills[i]);
		ok &= EXPECT(gcs_stream_room(s) == s->size - kept - fills[i]);
		/* The place of a write that is being sent is taken, but nothing is in it. */
		s->reserved = min_t(u32, fills[i], PIPE_BUF);
		ok &= EXPECT(gcs_stream_queued(s) == fills[i] - s->reserved);
		ok &= EXPECT(gcs_stream_room(s) == s->size - kept - fills[i]);
	}
	return ok;
}

static bool live(struct gcs_stream *s, u8 state)
{
	s->state = state;
	return gcs_stream_live(s);
}

static bool ring(struct gcs_stream *s)
{
	static const u32 heads[] = { 0, 99, S32_MAX, U32_MAX - GCS_RING_SIZE, U32_MAX - 10, U32_MAX };
	bool ok = true;
	unsigned int i;

	/* A position's place in the ring must be the same before and after the wrap. */
	ok &= EXPECT((1ULL << 32) % GCS_RING_SIZE == 0);
	ok &= EXPECT(GCS_RING_SIZE >= 2 * PIPE_BUF);
	for (i = 0; i < ARRAY_SIZE(heads); i++) {
		ok &= EXPECT(ring_at(s, heads[i], 0));
		ok &= EXPECT(ring_at(s, heads[i], 100));
		ok &= EXPECT(ring_at(s, heads[i], GCS_RING_SIZE));
	}

	ok &= EXPECT(live(s, GCS_STATE_DETACHED));
	ok &= EXPECT(live(s, GCS_STATE_OPEN));
	ok &= EXPECT(live(s, GCS_STATE_LOST));
	ok &= EXPECT(!live(s, GCS_STATE_DRAINING));
	ok &= EXPECT(!live(s, GCS_STATE_CLOSING));
	ok &= EXPECT(!live(s, GCS_STATE_BROKEN));
	ok &= EXPECT(!live(s, GCS_STATE_FINISHED));
	/* Told to take no more, whatever the state. */
	s->sealed = true;
	ok &= EXPECT(!live(s, GCS_STATE_OPEN));
	return ok;
}

bool gcs_selftest_ring(void)
{
	struct gcs_stream *s = kzalloc(sizeof(*s), GFP_KERNEL);
	bool ok = s && ring(s);

	kfree(s);
	return ok;
}
