// SPDX-License-Identifier: GPL-2.0-only
/*
 * Streams in netlink: one, all of them, and the events that one has finished or lost its connection
 */
#include <net/genetlink.h>

#include "internal.h"

/* The counters belong together: one lock, one message. @reason: -1 before the end. */
static int put_stream(struct sk_buff *skb, void *object, int reason)
{
	struct gcs_stream *s = object;
	int err = 0;

	spin_lock(&s->lock);
	/* On its way out: the event has the last word. */
	if (s->state == GCS_STATE_FINISHED && reason < 0)
		err = -ENOENT;
	else if (nla_put_u64_64bit(skb, GCS_A_STREAM_ID, s->id, GCS_A_PAD) ||
	    nla_put_u64_64bit(skb, GCS_A_STREAM_COOKIE, s->cookie, GCS_A_PAD) ||
	    nla_put_u32(skb, GCS_A_STREAM_FLAGS, s->flags) ||
	    nla_put_u32(skb, GCS_A_STREAM_STATE, s->state) ||
	    nla_put_u64_64bit(skb, GCS_A_STREAM_BYTES_IN, gcs_stream_in(s), GCS_A_PAD) ||
	    nla_put_u64_64bit(skb, GCS_A_STREAM_BYTES_OUT, gcs_stream_out(s), GCS_A_PAD) ||
	    nla_put_u64_64bit(skb, GCS_A_STREAM_LOST, s->lost, GCS_A_PAD) ||
	    nla_put_u64_64bit(skb, GCS_A_STREAM_QUEUED, gcs_stream_queued(s), GCS_A_PAD) ||
	    nla_put_u64_64bit(skb, GCS_A_STREAM_INLINE, s->inlines, GCS_A_PAD) ||
	    nla_put_u64_64bit(skb, GCS_A_STREAM_FLUSHES, s->flushes, GCS_A_PAD) ||
	    nla_put_u64_64bit(skb, GCS_A_STREAM_STALLS, s->stalls, GCS_A_PAD) ||
	    (s->keep &&
	     nla_put_u64_64bit(skb, GCS_A_STREAM_KEPT, gcs_stream_oldest(s), GCS_A_PAD)) ||
	    (reason >= 0 && nla_put_u32(skb, GCS_A_STREAM_REASON, reason)))
		err = -EMSGSIZE;
	spin_unlock(&s->lock);
	return err;
}

static size_t stream_size(void)
{
	return 10 * nla_total_size_64bit(sizeof(u64)) + 3 * nla_total_size(sizeof(u32));
}

int gcs_netlink_stream_get(struct sk_buff *skb, struct genl_info *info)
{
	struct gcs_stream *s;
	int err;

	if (GENL_REQ_ATTR_CHECK(info, GCS_A_STREAM_ID))
		return -EINVAL;
	s = gcs_stream_find(nla_get_u64(info->attrs[GCS_A_STREAM_ID]));
	if (!s)
		return -ENOENT;
	err = gcs_netlink_answer(info, GCS_CMD_STREAM_GET, stream_size(), put_stream, s);
	gcs_stream_put(s);
	return err;
}

int gcs_netlink_stream_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	u64 id = cb->args[0];
	struct gcs_stream *s;
	int err;

	/* Never 0, which means that nobody counts. */
	cb->seq = (u32)atomic_read(&gcs_streams_generation) * 2 + 1;
	while ((s = gcs_stream_next(&id))) {
		err = gcs_netlink_dump_one(skb, cb, GCS_CMD_STREAM_GET, put_stream, s);
		gcs_stream_put(s);
		if (err == -EMSGSIZE)
			break;
		id++;
	}
	cb->args[0] = id;
	return skb->len;
}

/*
 * That of the end is made after the stream has left the array: whoever dumps after the event does not
 * see it.
 */
struct sk_buff *gcs_netlink_stream_event(struct gcs_stream *s, u8 cmd, int reason)
{
	return gcs_netlink_event(cmd, stream_size(), GFP_KERNEL_ACCOUNT, put_stream, s, reason);
}
