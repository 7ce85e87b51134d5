// SPDX-License-Identifier: GPL-2.0-only
/*
 * Terminals in netlink: one, all of them, and the event that one has finished
 */
#include <net/genetlink.h>

#include "internal.h"
#include "tty.h"

/* The counters belong together: they are read under one lock, in one message. @reason: -1 before the end. */
static int put_tty(struct sk_buff *skb, void *object, int reason)
{
	struct gcs_tty *t = object;
	u32 queued;
	int err = 0;

	spin_lock(&t->lock);
	queued = gcs_tty_queued(&t->in) + gcs_tty_queued(&t->out);
	/* On its way out: the event has the last word. */
	if (t->state == GCS_TTY_STATE_FINISHED && reason < 0)
		err = -ENOENT;
	else if (nla_put_u64_64bit(skb, GCS_A_TTY_ID, t->id, GCS_A_PAD) ||
	    nla_put_u64_64bit(skb, GCS_A_TTY_COOKIE, t->cookie, GCS_A_PAD) ||
	    nla_put_u32(skb, GCS_A_TTY_STATE, t->state) ||
	    nla_put_u64_64bit(skb, GCS_A_TTY_IN, t->in.moved, GCS_A_PAD) ||
	    nla_put_u64_64bit(skb, GCS_A_TTY_OUT, t->out.moved, GCS_A_PAD) ||
	    nla_put_u64_64bit(skb, GCS_A_TTY_IN_LOST, t->in.lost, GCS_A_PAD) ||
	    nla_put_u64_64bit(skb, GCS_A_TTY_OUT_LOST, t->out.lost, GCS_A_PAD) ||
	    nla_put_u64_64bit(skb, GCS_A_TTY_QUEUED, queued, GCS_A_PAD) ||
	    (reason >= 0 && nla_put_u32(skb, GCS_A_TTY_REASON, reason)))
		err = -EMSGSIZE;
	spin_unlock(&t->lock);
	return err;
}

static size_t tty_size(void)
{
	return 7 * nla_total_size_64bit(sizeof(u64)) + 2 * nla_total_size(sizeof(u32));
}

int gcs_netlink_tty_get(struct sk_buff *skb, struct genl_info *info)
{
	struct gcs_tty *t;
	int err;

	if (GENL_REQ_ATTR_CHECK(info, GCS_A_TTY_ID))
		return -EINVAL;
	t = gcs_tty_find(nla_get_u64(info->attrs[GCS_A_TTY_ID]));
	if (!t)
		return -ENOENT;
	err = gcs_netlink_answer(info, GCS_CMD_TTY_GET, tty_size(), put_tty, t);
	gcs_tty_put(t);
	return err;
}

int gcs_netlink_tty_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	u64 id = cb->args[0];
	struct gcs_tty *t;
	int err;

	/* Never 0, which means that nobody counts. */
	cb->seq = (u32)atomic_read(&gcs_ttys_generation) * 2 + 1;
	while ((t = gcs_tty_next(&id))) {
		err = gcs_netlink_dump_one(skb, cb, GCS_CMD_TTY_GET, put_tty, t);
		gcs_tty_put(t);
		if (err == -EMSGSIZE)
			break;
		id++;
	}
	cb->args[0] = id;
	return skb->len;
}

/* Made after the tty has left the array: whoever dumps after the event does not see it. */
struct sk_buff *gcs_netlink_tty_event(struct gcs_tty *t, enum gcs_stream_reason reason)
{
	return gcs_netlink_event(GCS_CMD_TTY_FINISHED, tty_size(), GFP_KERNEL_ACCOUNT, put_tty, t,
				 reason);
}
