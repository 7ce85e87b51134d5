// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device map: what can be used, who waits for it
 *
 * A device enters the map when the kernel tells of it, and from then on its work item waits for the
 * end of its driver's probe. The kernel's callbacks run under locks of its own, so they do no more
 * than to change the map.
 */
#include <linux/device/bus.h>
#include <linux/freezer.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uuid.h>

#include "devmap.h"
#include "internal.h"
#include "trace.h"

#define GCS_NO_HOST	U32_MAX

/* Who waits for a device; in gcs_waiters until it has its answer, or gives up. */
struct waiter {
	struct list_head node;
	wait_queue_head_t wait;		/* its lock: see answer() */
	struct gcs_dev_wait *arg;	/* gets the answer */
	u32 host_no;			/* of its controller, or GCS_NO_HOST */
	int err;
	bool done;			/* @err and @arg are the answer */
};

/*
 * Protects the map, the waiters and the SCSI hosts. Taken inside the class's, the rtnl and device
 * locks, with which the kernel calls; none of those is taken inside it, and nothing waits in it.
 */
DEFINE_MUTEX(gcs_devs_lock);
LIST_HEAD(gcs_devs);
u32 gcs_devs_generation;
struct workqueue_struct *gcs_devs_wq;
static LIST_HEAD(gcs_waiters);
static u64 gcs_devs_seq;
static bool gcs_devs_stopping;

/* A VMBus device is named by its instance GUID. */
bool gcs_vmbus_parse(const char *bus, const char *name, u8 guid[16])
{
	uuid_t uuid;

	if (strcmp(bus, "vmbus") || strlen(name) != UUID_STRING_LEN || uuid_parse(name, &uuid))
		return false;
	memcpy(guid, uuid.b, 16);
	return true;
}

/* By names, so that the module needs no VMBus. */
bool gcs_vmbus_guid(const struct device *dev, u8 guid[16])
{
	for (; dev; dev = dev->parent)
		if (dev->bus && gcs_vmbus_parse(dev->bus->name, dev_name(dev), guid))
			return true;
	return false;
}

static bool matches(const struct gcs_dev *d, const struct gcs_dev_addr *addr, u32 host_no)
{
	const struct gcs_dev_addr *a = &d->addr;

	if (a->bus != addr->bus)
		return false;
	if (addr->bus == GCS_BUS_SCSI)
		return d->host_no == host_no && a->target == addr->target && a->lun == addr->lun;
	if (addr->flags & GCS_ADDR_GUID)
		return a->flags & GCS_ADDR_GUID && !memcmp(a->guid, addr->guid, sizeof(a->guid));
	return a->index == addr->index && a->domain == addr->domain && a->devfn == addr->devfn &&
	       !memcmp(a->mac, addr->mac, sizeof(a->mac));
}

int gcs_dev_fill(const struct gcs_dev *d, u32 partition, struct gcs_dev_wait *out)
{
	switch (d->addr.bus) {
	case GCS_BUS_NET:
		out->ifindex = d->ifindex;
		break;
	case GCS_BUS_PCI:
		out->domain = d->addr.domain;
		out->devfn = d->addr.devfn;
		strscpy(out->driver, d->driver, sizeof(out->driver));
		break;
	default:
		return gcs_block_fill(d, partition, out);
	}
	strscpy(out->name, d->name, sizeof(out->name));
	return 0;
}

/*
 * Called with the lock, which the waiter does not need to leave: with the one inside nothing of it is
 * touched any more.
 */
static void answer(struct waiter *w, int err)
{
	list_del(&w->node);
	spin_lock(&w->wait.lock);
	w->err = err;
	w->done = true;
	wake_up_locked(&w->wait);
	spin_unlock(&w->wait.lock);
}

static bool answered(struct waiter *w)
{
	bool done;

	spin_lock(&w->wait.lock);
	done = w->done;
	spin_unlock(&w->wait.lock);
	return done;
}

static void gcs_dev_free(struct kref *ref)
{
	struct gcs_dev *d = container_of(ref, struct gcs_dev, ref);

	put_device(d->prober);
	kfree(d);
}

/* Called with the lock: so that events have the order of what they tell. */
static void tell(struct gcs_dev *d, enum gcs_cmd cmd)
{
	/* Who removes a device may wait for the lock, and the I/O of reclaim for that removal. */
	unsigned int noio = memalloc_noio_save();

	gcs_netlink_send_event(gcs_netlink_dev_event(d, cmd));
	memalloc_noio_restore(noio);
}

/* Returns when the driver's probe is over. */
static void settle(struct gcs_dev *d)
{
	if (d->addr.bus == GCS_BUS_PCI)
		gcs_pci_settle();
	/* The probe holds this lock. A PCI driver is noted under it as well, by whoever changes it. */
	device_lock(d->prober);
	if (d->addr.bus == GCS_BUS_PCI && d->prober->driver) {
		mutex_lock(&gcs_devs_lock);
		strscpy(d->driver, d->prober->driver->name, sizeof(d->driver));
		mutex_unlock(&gcs_devs_lock);
	}
	device_unlock(d->prober);
}

/* Called with the lock: its probe is over. */
static void usable(struct gcs_dev *d)
{
	struct waiter *w, *next;

	if (d->state != GCS_DEV_SEEN)
		return;
	trace_gcs_dev_usable(d);
	d->state = GCS_DEV_USABLE;
	gcs_devs_generation++;
	list_for_each_entry_safe(w, next, &gcs_waiters, node)
		if (matches(d, &w->arg->addr, w->host_no))
			answer(w, gcs_dev_fill(d, w->arg->addr.partition, w->arg));
	tell(d, GCS_CMD_DEV_ADDED);
}

static void dev_work(struct work_struct *work)
{
	struct gcs_dev *d = container_of(work, struct gcs_dev, work);

	settle(d);

	mutex_lock(&gcs_devs_lock);
	usable(d);
	mutex_unlock(&gcs_devs_lock);
	kref_put(&d->ref, gcs_dev_free);
}

/* The driver of @prober says so itself, which is sooner than when the work item gets the lock. */
void gcs_dev_probed(const struct device *prober)
{
	struct gcs_dev *d;

	mutex_lock(&gcs_devs_lock);
	list_for_each_entry(d, &gcs_devs, node)
		if (d->prober == prober)
			usable(d);
	mutex_unlock(&gcs_devs_lock);
}

struct gcs_dev *gcs_dev_alloc(enum gcs_bus bus, struct device *prober, const char *name)
{
	struct gcs_dev *d = kzalloc(sizeof(*d), GFP_KERNEL);

	/* The allocator has said so: this device will not be in the map. */
	if (!d)
		return NULL;
	kref_init(&d->ref);
	INIT_WORK(&d->work, dev_work);
	d->prober = get_device(prober);
	d->addr.bus = bus;
	if (gcs_vmbus_guid(prober, d->addr.guid))
		d->addr.flags = GCS_ADDR_GUID;
	strscpy(d->name, name, sizeof(d->name));
	return d;
}

void gcs_dev_add(struct gcs_dev *d)
{
	trace_gcs_dev_seen(d);
	mutex_lock(&gcs_devs_lock);
	d->seq = ++gcs_devs_seq;
	list_add_tail(&d->node, &gcs_devs);
	kref_get(&d->ref);
	queue_work(gcs_devs_wq, &d->work);
	mutex_unlock(&gcs_devs_lock);
}

/*
 * The device is leaving its bus. Called with the lock.
 *
 * Nothing is put off. The event must come before that of the next device at the same address. And
 * if sd is bound to the unit again, it waits until its last disk is released, and holds the lock
 * meanwhile for which the work item waits.
 */
void gcs_dev_remove(struct gcs_dev *d)
{
	bool was_usable = d->state == GCS_DEV_USABLE;
	struct waiter *w, *next;

	trace_gcs_dev_gone(d);
	/* Who waits for one that can be used has its answer. */
	list_for_each_entry_safe(w, next, &gcs_waiters, node)
		if (matches(d, &w->arg->addr, w->host_no))
			answer(w, -ENODEV);
	d->state = GCS_DEV_GONE;
	gcs_devs_generation++;
	list_del(&d->node);
	/* If the module goes, nothing has happened to the device. */
	if (was_usable && !gcs_devs_stopping)
		tell(d, GCS_CMD_DEV_REMOVED);
	put_device(d->dev);
	d->dev = NULL;
	kref_put(&d->ref, gcs_dev_free);
}

/* Called with the lock. */
struct gcs_dev *gcs_dev_of(const struct device *dev)
{
	struct gcs_dev *d;

	list_for_each_entry(d, &gcs_devs, node)
		if (d->dev == dev)
			return d;
	return NULL;
}

/* Called with the lock. */
void gcs_dev_host_gone(u32 host_no)
{
	struct waiter *w, *next;

	gcs_devs_generation++;
	list_for_each_entry_safe(w, next, &gcs_waiters, node)
		if (w->arg->addr.bus == GCS_BUS_SCSI && w->host_no == host_no)
			answer(w, -ENODEV);
}

/* Nothing may be set but what is part of the address. */
static int check_addr(const struct gcs_dev_addr *addr)
{
	struct gcs_dev_addr a = { .bus = addr->bus };
	bool has_guid = addr->bus != GCS_BUS_PMEM && addr->flags & GCS_ADDR_GUID;

	if (has_guid) {
		a.flags = GCS_ADDR_GUID;
		memcpy(a.guid, addr->guid, sizeof(a.guid));
	}
	switch (addr->bus) {
	case GCS_BUS_SCSI:
		if (!has_guid)
			a.controller = addr->controller;
		a.target = addr->target;
		a.lun = addr->lun;
		a.partition = addr->partition;
		break;
	case GCS_BUS_PMEM:
		a.index = addr->index;
		break;
	case GCS_BUS_NET:
		if (!has_guid)
			memcpy(a.mac, addr->mac, sizeof(a.mac));
		break;
	case GCS_BUS_PCI:
		if (!has_guid) {
			a.domain = addr->domain;
			a.devfn = addr->devfn;
		}
		break;
	default:
		return -EINVAL;
	}
	return memcmp(addr, &a, sizeof(a)) ? -EINVAL : 0;
}

/*
 * Called with the lock: is it there? A controller is asked for a unit that is not. Returns -ETIME if
 * there is nothing yet.
 */
static int look(struct waiter *w)
{
	struct gcs_dev_wait *arg = w->arg;
	struct gcs_dev *d;
	int err;

	if (arg->addr.bus == GCS_BUS_SCSI) {
		err = gcs_scsi_host(&arg->addr, &w->host_no);
		if (err)
			return err;
	}
	list_for_each_entry(d, &gcs_devs, node)
		if (matches(d, &arg->addr, w->host_no))
			return d->state == GCS_DEV_USABLE ?
				       gcs_dev_fill(d, arg->addr.partition, arg) : -ETIME;
	/* Of a logical unit that was not scanned the kernel may never tell: it is probed now. */
	if (arg->addr.bus == GCS_BUS_SCSI && arg->timeout_ms) {
		err = gcs_scsi_probe(&arg->addr);
		if (err)
			return err;
	}
	return -ETIME;
}

/* Called with the lock. */
void gcs_dev_host_added(void)
{
	struct waiter *w, *next;
	int err;

	list_for_each_entry_safe(w, next, &gcs_waiters, node) {
		if (w->arg->addr.bus != GCS_BUS_SCSI || w->host_no != GCS_NO_HOST)
			continue;
		err = look(w);
		if (err != -ETIME && err != -ENXIO)
			answer(w, err);
	}
}

int gcs_dev_wait(struct gcs_dev_wait *arg)
{
	struct waiter w = { .arg = arg, .host_no = GCS_NO_HOST };
	bool forever = arg->timeout_ms == U32_MAX;
	long left;
	int err;

	err = check_addr(&arg->addr);
	if (err)
		return err;
	init_waitqueue_head(&w.wait);

	mutex_lock(&gcs_devs_lock);
	err = look(&w);
	if (err != -ETIME && !(err == -ENXIO && arg->flags & GCS_WAIT_CONTROLLER))
		goto out;
	if (!arg->timeout_ms)
		goto out;
	list_add_tail(&w.node, &gcs_waiters);
	mutex_unlock(&gcs_devs_lock);

	left = wait_event_freezable_timeout(w.wait, answered(&w), forever ? MAX_SCHEDULE_TIMEOUT :
					    gcs_jiffies(arg->timeout_ms));
	if (left > 0)
		return w.err;

	mutex_lock(&gcs_devs_lock);
	if (w.done) {
		err = w.err;
		goto out;
	}
	list_del(&w.node);
	if (left < 0)
		/* Begun again it would wait for the whole time again. */
		err = forever ? -ERESTARTSYS : -EINTR;
	else if (arg->addr.bus == GCS_BUS_SCSI && w.host_no == GCS_NO_HOST)
		err = -ENXIO;
	else
		err = -ETIME;
out:
	mutex_unlock(&gcs_devs_lock);
	return err;
}

int gcs_dev_eject(const struct gcs_dev_addr *addr)
{
	int err = check_addr(addr);

	if (err)
		return err;
	if (addr->bus != GCS_BUS_SCSI)
		return -EOPNOTSUPP;
	if (addr->partition)
		return -EINVAL;
	return gcs_scsi_eject(addr);
}

static void empty(void)
{
	struct gcs_dev *d, *next;

	mutex_lock(&gcs_devs_lock);
	list_for_each_entry_safe(d, next, &gcs_devs, node)
		gcs_dev_remove(d);
	mutex_unlock(&gcs_devs_lock);
	destroy_workqueue(gcs_devs_wq);
}

int __init gcs_devmap_init(void)
{
	int err;

	/* A probe may take long: the others' work goes on. */
	gcs_devs_wq = alloc_workqueue("gcs_dev", WQ_UNBOUND, 0);
	if (!gcs_devs_wq)
		return -ENOMEM;
	err = gcs_scsi_init();
	if (err)
		goto err_scsi;
	err = gcs_block_init();
	if (err)
		goto err_block;
	err = gcs_net_init();
	if (err)
		goto err_net;
	err = gcs_pci_init();
	if (err)
		goto err_pci;
	return 0;

err_pci:
	gcs_net_exit();
err_net:
	gcs_block_exit();
err_block:
	gcs_scsi_exit();
err_scsi:
	empty();
	return err;
}

void gcs_devmap_exit(void)
{
	mutex_lock(&gcs_devs_lock);
	gcs_devs_stopping = true;
	mutex_unlock(&gcs_devs_lock);
	gcs_pci_exit();
	gcs_net_exit();
	gcs_block_exit();
	gcs_scsi_exit();
	empty();
}
