// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device map: network interfaces of the initial network namespace
 *
 * One that is moved to another namespace is gone: who waits for a NIC is to configure it, and what is
 * elsewhere belongs to somebody already. When it comes back it is added again.
 */
#include <linux/etherdevice.h>
#include <linux/netdevice.h>
#include <net/net_namespace.h>

#include "devmap.h"

static struct gcs_dev *find(const struct net_device *dev)
{
	struct gcs_dev *d;

	list_for_each_entry(d, &gcs_devs, node)
		if (d->addr.bus == GCS_BUS_NET && d->ifindex == dev->ifindex)
			return d;
	return NULL;
}

static void add(struct net_device *dev)
{
	struct gcs_dev *d;

	/* Made by software, or of another kind. */
	if (!dev->dev.parent || dev->addr_len != ETH_ALEN)
		return;
	d = gcs_dev_alloc(GCS_BUS_NET, dev->dev.parent, dev->name);
	if (!d)
		return;
	d->ifindex = dev->ifindex;
	memcpy(d->addr.mac, dev->perm_addr, ETH_ALEN);
	gcs_dev_add(d);
}

static int on_event(struct notifier_block *nb, unsigned long event, void *ptr)
{
	struct net_device *dev = netdev_notifier_info_to_dev(ptr);
	struct gcs_dev *d;

	switch (event) {
	case NETDEV_REGISTER:
		add(dev);
		break;
	case NETDEV_UNREGISTER:
	case NETDEV_CHANGENAME:
		mutex_lock(&gcs_devs_lock);
		d = find(dev);
		if (d && event == NETDEV_UNREGISTER)
			gcs_dev_remove(d);
		else if (d)
			strscpy(d->name, dev->name, sizeof(d->name));
		mutex_unlock(&gcs_devs_lock);
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block notifier = {
	.notifier_call = on_event,
};

/* Tells of those that are there, too. */
int __init gcs_net_init(void)
{
	return register_netdevice_notifier_net(&init_net, &notifier);
}

void gcs_net_exit(void)
{
	unregister_netdevice_notifier_net(&init_net, &notifier);
}
