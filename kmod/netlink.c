// SPDX-License-Identifier: GPL-2.0-only
/*
 * Generic netlink family "gcs": what there is, and what has happened
 *
 * The messages are made in netlink_stream.c, netlink_tty.c and netlink_dev.c.
 */
#include <linux/module.h>
#include <net/genetlink.h>

#include "internal.h"
#include "tty.h"

static const struct nla_policy stream_get_policy[GCS_A_STREAM_ID + 1] = {
	[GCS_A_STREAM_ID] = { .type = NLA_U64 },
};

static const struct nla_policy tty_get_policy[GCS_A_TTY_ID + 1] = {
	[GCS_A_TTY_ID] = { .type = NLA_U64 },
};

enum {
	GCS_GROUP_EVENTS,
};

static const struct genl_multicast_group gcs_groups[] = {
	[GCS_GROUP_EVENTS] = {
		.name = GCS_GENL_GROUP_EVENTS,
		.flags = GENL_MCAST_CAP_NET_ADMIN,
	},
};

/* A dump has no filter. */
static int dump_start(struct netlink_callback *cb)
{
	return nlmsg_attrlen(cb->nlh, GENL_HDRLEN) ? -EINVAL : 0;
}

static const struct genl_ops gcs_ops[] = {
	{
		.cmd = GCS_CMD_STREAM_GET,
		.flags = GENL_ADMIN_PERM,
		.policy = stream_get_policy,
		.maxattr = ARRAY_SIZE(stream_get_policy) - 1,
		.doit = gcs_netlink_stream_get,
		.start = dump_start,
		.dumpit = gcs_netlink_stream_dump,
	},
	{
		.cmd = GCS_CMD_TTY_GET,
		.flags = GENL_ADMIN_PERM,
		.policy = tty_get_policy,
		.maxattr = ARRAY_SIZE(tty_get_policy) - 1,
		.doit = gcs_netlink_tty_get,
		.start = dump_start,
		.dumpit = gcs_netlink_tty_dump,
	},
	{
		.cmd = GCS_CMD_DEV_GET,
		.flags = GENL_ADMIN_PERM,
		.start = dump_start,
		.dumpit = gcs_netlink_dev_dump,
	},
};

struct genl_family gcs_family __ro_after_init = {
	.name = GCS_GENL_NAME,
	.version = GCS_GENL_VERSION,
	.module = THIS_MODULE,
	.ops = gcs_ops,
	.n_ops = ARRAY_SIZE(gcs_ops),
	.mcgrps = gcs_groups,
	.n_mcgrps = ARRAY_SIZE(gcs_groups),
	.parallel_ops = true,
};

/* Answers a request for one object: a message of at most @size bytes. */
int gcs_netlink_answer(struct genl_info *info, u8 cmd, size_t size, gcs_netlink_put put, void *object)
{
	struct sk_buff *msg = genlmsg_new(size, GFP_KERNEL);
	int err = -EMSGSIZE;
	void *hdr;

	if (!msg)
		return -ENOMEM;
	hdr = genlmsg_put_reply(msg, info, &gcs_family, 0, cmd);
	if (hdr)
		err = put(msg, object, -1);
	if (err) {
		nlmsg_free(msg);
		return err;
	}
	genlmsg_end(msg, hdr);
	return genlmsg_reply(msg, info);
}

/* One object of a dump, after cb->seq was set. Returns what @put says; -EMSGSIZE: the next message has room. */
int gcs_netlink_dump_one(struct sk_buff *skb, struct netlink_callback *cb, u8 cmd,
			 gcs_netlink_put put, void *object)
{
	void *hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, &gcs_family,
				NLM_F_MULTI, cmd);
	int err;

	if (!hdr)
		return -EMSGSIZE;
	err = put(skb, object, -1);
	if (err) {
		genlmsg_cancel(skb, hdr);
		return err;
	}
	genl_dump_check_consistent(cb, hdr);
	genlmsg_end(skb, hdr);
	return 0;
}

/* The event @cmd of an object, to be sent; or NULL without memory. */
struct sk_buff *gcs_netlink_event(u8 cmd, size_t size, gfp_t gfp, gcs_netlink_put put, void *object,
				  int reason)
{
	struct sk_buff *msg = genlmsg_new(size, gfp);
	void *hdr;

	if (!msg)
		return NULL;
	hdr = genlmsg_put(msg, 0, 0, &gcs_family, 0, cmd);
	if (!hdr || put(msg, object, reason)) {
		nlmsg_free(msg);
		return NULL;
	}
	genlmsg_end(msg, hdr);
	return msg;
}

/* Without an event, for want of memory, listeners get ENOBUFS, and dump. */
void gcs_netlink_send_event(struct sk_buff *event)
{
	if (event)
		genlmsg_multicast(&gcs_family, event, 0, GCS_GROUP_EVENTS, GFP_KERNEL);
	else
		genl_set_err(&gcs_family, &init_net, 0, GCS_GROUP_EVENTS, -ENOBUFS);
}

int __init gcs_netlink_init(void)
{
	return genl_register_family(&gcs_family);
}

void gcs_netlink_exit(void)
{
	genl_unregister_family(&gcs_family);
}
