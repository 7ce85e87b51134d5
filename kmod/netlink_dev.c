// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices in netlink: all that can be used, and the events that one has come or gone
 */
#include <linux/etherdevice.h>
#include <net/genetlink.h>

#include "devmap.h"
#include "internal.h"

static bool put_address(struct sk_buff *skb, const struct gcs_dev *d)
{
	const struct gcs_dev_addr *a = &d->addr;
	u32 controller;

	if (nla_put_u32(skb, GCS_A_DEV_BUS, a->bus))
		return false;
	if (a->flags & GCS_ADDR_GUID && nla_put(skb, GCS_A_DEV_GUID, sizeof(a->guid), a->guid))
		return false;
	switch (a->bus) {
	case GCS_BUS_SCSI:
		if (gcs_scsi_controller(d->host_no, &controller) &&
		    nla_put_u32(skb, GCS_A_DEV_CONTROLLER, controller))
			return false;
		return !nla_put_u32(skb, GCS_A_DEV_TARGET, a->target) &&
		       !nla_put_u64_64bit(skb, GCS_A_DEV_LUN, a->lun, GCS_A_PAD);
	case GCS_BUS_PMEM:
		return !nla_put_u32(skb, GCS_A_DEV_INDEX, a->index);
	case GCS_BUS_NET:
		return !nla_put(skb, GCS_A_DEV_MAC, sizeof(a->mac), a->mac) &&
		       !nla_put_u32(skb, GCS_A_DEV_IFINDEX, d->ifindex);
	default:
		return !nla_put_u32(skb, GCS_A_DEV_DOMAIN, a->domain) &&
		       !nla_put_u32(skb, GCS_A_DEV_DEVFN, a->devfn) &&
		       !nla_put_string(skb, GCS_A_DEV_DRIVER, d->driver);
	}
}

/* Called with the map's lock. */
static int put_dev(struct sk_buff *skb, void *object, int reason)
{
	const struct gcs_dev *d = object;
	bool is_block = d->addr.bus == GCS_BUS_SCSI || d->addr.bus == GCS_BUS_PMEM;
	struct gcs_dev_wait info = { };

	if (!put_address(skb, d) || nla_put_string(skb, GCS_A_DEV_NAME, d->name))
		return -EMSGSIZE;
	if (!is_block)
		return 0;
	/* A disk without a medium is one as well. */
	gcs_dev_fill(d, 0, &info);
	if (nla_put_u32(skb, GCS_A_DEV_MAJOR, info.major) ||
	    nla_put_u32(skb, GCS_A_DEV_MINOR, info.minor))
		return -EMSGSIZE;
	/* What is gone has neither. */
	if (d->state == GCS_DEV_USABLE &&
	    (nla_put_u32(skb, GCS_A_DEV_FLAGS, info.dev_flags) ||
	     nla_put_u64_64bit(skb, GCS_A_DEV_BYTES, info.bytes, GCS_A_PAD)))
		return -EMSGSIZE;
	return 0;
}

/* A little more than any device has. */
static size_t dev_size(void)
{
	return 8 * nla_total_size(sizeof(u32)) + 2 * nla_total_size_64bit(sizeof(u64)) +
	       nla_total_size(16) + nla_total_size(ETH_ALEN) +
	       2 * nla_total_size(sizeof_field(struct gcs_dev, name));
}

int gcs_netlink_dev_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct gcs_dev *d;

	mutex_lock(&gcs_devs_lock);
	/* Never 0, which means that nobody counts. */
	cb->seq = gcs_devs_generation * 2 + 1;
	list_for_each_entry(d, &gcs_devs, node) {
		if (d->seq <= cb->args[0])
			continue;
		if (d->state == GCS_DEV_USABLE &&
		    gcs_netlink_dump_one(skb, cb, GCS_CMD_DEV_GET, put_dev, d))
			break;
		cb->args[0] = d->seq;
	}
	mutex_unlock(&gcs_devs_lock);
	return skb->len;
}

/* Called with the map's lock. */
struct sk_buff *gcs_netlink_dev_event(struct gcs_dev *d, enum gcs_cmd cmd)
{
	return gcs_netlink_event(cmd, dev_size(), GFP_KERNEL, put_dev, d, -1);
}
