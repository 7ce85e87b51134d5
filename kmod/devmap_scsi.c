// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device map: SCSI controllers, logical units that were not scanned, ejecting
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <scsi/scsi_device.h>
#include <scsi/scsi_host.h>

#include "compat.h"
#include "devmap.h"

/* A controller; in hosts, which gcs_devs_lock protects, as long as it is registered. */
struct host {
	struct list_head node;
	struct Scsi_Host *shost;
	char *path;			/* in sysfs */
	bool on_vmbus;
	u8 guid[16];
};

/* A controller that is asked for units; in probes, which gcs_devs_lock protects, as long as there are any. */
struct probe {
	struct list_head node;
	struct list_head units;
	struct work_struct work;
	struct Scsi_Host *shost;
	struct module *driver;
};

/* A logical unit that is to be asked for; in its controller's probe until that is begun. */
struct unit {
	struct list_head node;
	u32 target;
	u64 lun;
};

static LIST_HEAD(probes);
static LIST_HEAD(hosts);	/* by path: in the order of buses and slots, whoever was probed first */

GCS_CLASS_ADD(host_add, dev)
{
	struct Scsi_Host *shost = class_to_shost(dev);
	struct host *h, *at;

	h = kzalloc(sizeof(*h), GFP_KERNEL);
	if (!h)
		return -ENOMEM;
	h->path = kobject_get_path(&shost->shost_gendev.kobj, GFP_KERNEL);
	if (!h->path) {
		kfree(h);
		return -ENOMEM;
	}
	h->shost = shost;
	h->on_vmbus = gcs_vmbus_guid(&shost->shost_gendev, h->guid);
	mutex_lock(&gcs_devs_lock);
	list_for_each_entry(at, &hosts, node)
		if (strcmp(at->path, h->path) > 0)
			break;
	list_add_tail(&h->node, &at->node);
	gcs_devs_generation++;
	gcs_dev_host_added();
	mutex_unlock(&gcs_devs_lock);
	return 0;
}

GCS_CLASS_REMOVE(host_remove, dev)
{
	struct Scsi_Host *shost = class_to_shost(dev);
	struct host *h;

	mutex_lock(&gcs_devs_lock);
	list_for_each_entry(h, &hosts, node)
		if (h->shost == shost) {
			list_del(&h->node);
			kfree(h->path);
			kfree(h);
			gcs_dev_host_gone(shost->host_no);
			break;
		}
	mutex_unlock(&gcs_devs_lock);
}

static struct class_interface host_interface = {
	.add_dev = host_add,
	.remove_dev = host_remove,
};

/* Is counted as the n-th: not one of ATA's, which have one unit a target, all there from the start. */
static bool is_numbered(const struct host *h)
{
	return !h->on_vmbus && h->shost->max_lun > 1;
}

/* Called with the lock. */
static struct host *find_host(const struct gcs_dev_addr *addr)
{
	u32 n = addr->controller;
	struct host *h;

	list_for_each_entry(h, &hosts, node)
		if (addr->flags & GCS_ADDR_GUID ?
		    h->on_vmbus && !memcmp(h->guid, addr->guid, sizeof(h->guid)) :
		    is_numbered(h) && !n--) {
			/* A driver would cut off what its host's addresses have no room for. */
			if (addr->target >= h->shost->max_id || addr->lun >= h->shost->max_lun)
				break;
			return h;
		}
	return NULL;
}

/* Called with the lock. */
int gcs_scsi_host(const struct gcs_dev_addr *addr, u32 *host_no)
{
	struct host *h = find_host(addr);

	if (!h)
		return -ENXIO;
	*host_no = h->shost->host_no;
	return 0;
}

/* Called with the lock. Returns false if the host is not one of the numbered. */
bool gcs_scsi_controller(u32 host_no, u32 *controller)
{
	struct host *h;

	*controller = 0;
	list_for_each_entry(h, &hosts, node) {
		if (h->shost->host_no == host_no)
			return is_numbered(h);
		*controller += is_numbered(h);
	}
	return false;
}

/* The next unit, to be freed; without one, nobody finds the probe any more. */
static struct unit *probe_next(struct probe *p)
{
	struct unit *u;

	mutex_lock(&gcs_devs_lock);
	u = list_first_entry_or_null(&p->units, struct unit, node);
	list_del(u ? &u->node : &p->node);
	mutex_unlock(&gcs_devs_lock);
	return u;
}

static void probe_work(struct work_struct *work)
{
	struct probe *p = container_of(work, struct probe, work);
	struct device *controller = p->shost->shost_gendev.parent;
	struct unit *u;

	/* The host is registered before its driver is ready: virtio's has yet to tell its device. */
	device_lock(controller);
	device_unlock(controller);
	/*
	 * Nothing is done for a unit that is known, and nothing is left of one that is not there. On
	 * a host that is being removed nothing is scanned.
	 */
	while ((u = probe_next(p))) {
		scsi_add_device(p->shost, 0, u->target, u->lun);
		kfree(u);
	}
	scsi_host_put(p->shost);
	module_put(p->driver);
	kfree(p);
}

/* Called with the lock, until whose release the work item finds nothing to do. */
static struct probe *probe_start(struct Scsi_Host *shost)
{
	/* As in tell(). */
	struct probe *p = kzalloc(sizeof(*p), GFP_NOIO);

	if (!p)
		return ERR_PTR(-ENOMEM);
	INIT_LIST_HEAD(&p->units);
	INIT_WORK(&p->work, probe_work);
	/* The driver is called before the SCSI layer looks whether the host is being removed. */
	p->driver = shost->hostt->module;
	if (!try_module_get(p->driver))
		goto err_module;
	p->shost = scsi_host_get(shost);
	if (!p->shost)
		goto err_host;
	list_add(&p->node, &probes);
	queue_work(gcs_devs_wq, &p->work);
	return p;

err_host:
	module_put(p->driver);
err_module:
	kfree(p);
	return ERR_PTR(-ENXIO);
}

static struct probe *probe_of(const struct Scsi_Host *shost)
{
	struct probe *p;

	list_for_each_entry(p, &probes, node)
		if (p->shost == shost)
			return p;
	return NULL;
}

/*
 * Called with the lock, which must not be held while the unit is asked, and nor may who waits for it:
 * it would not come out before a unit that does not answer is given up. The SCSI layer asks a controller for
 * one unit at a time, so one work item does, however many are waited for. Who comes while a unit is
 * being asked cannot know whether it was there when it was, and it is asked once more.
 */
int gcs_scsi_probe(const struct gcs_dev_addr *addr)
{
	struct Scsi_Host *shost = find_host(addr)->shost;
	struct probe *p = probe_of(shost);
	struct unit *u;

	if (p)
		list_for_each_entry(u, &p->units, node)
			if (u->target == addr->target && u->lun == addr->lun)
				return 0;
	u = kmalloc(sizeof(*u), GFP_NOIO);
	if (!u)
		return -ENOMEM;
	if (!p)
		p = probe_start(shost);
	if (IS_ERR(p)) {
		kfree(u);
		return PTR_ERR(p);
	}
	u->target = addr->target;
	u->lun = addr->lun;
	list_add_tail(&u->node, &p->units);
	return 0;
}

static struct scsi_device *get_unit(const struct gcs_dev_addr *addr)
{
	struct scsi_device *sdev = NULL;
	struct Scsi_Host *shost = NULL;
	struct host *h;

	mutex_lock(&gcs_devs_lock);
	h = find_host(addr);
	if (h)
		shost = scsi_host_get(h->shost);
	mutex_unlock(&gcs_devs_lock);
	if (!shost)
		return ERR_PTR(-ENXIO);
	sdev = scsi_device_lookup(shost, 0, addr->target, addr->lun);
	scsi_host_put(shost);
	return sdev ?: ERR_PTR(-ENODEV);
}

int gcs_scsi_eject(const struct gcs_dev_addr *addr)
{
	struct device *disk = NULL;
	struct scsi_device *sdev;
	struct gcs_dev *d;
	int err;

	sdev = get_unit(addr);
	if (IS_ERR(sdev))
		return PTR_ERR(sdev);

	/* A probe that runs may yet make a disk of it. */
	err = device_lock_interruptible(&sdev->sdev_gendev);
	if (err)
		goto out;
	device_unlock(&sdev->sdev_gendev);

	mutex_lock(&gcs_devs_lock);
	list_for_each_entry(d, &gcs_devs, node)
		if (d->prober == &sdev->sdev_gendev) {
			disk = get_device(d->dev);
			break;
		}
	mutex_unlock(&gcs_devs_lock);

	/* Without one, nobody can say whether it is in use; it may be about to be probed. */
	err = -ENODEV;
	if (!disk)
		goto out;
	err = gcs_block_take(disk, sdev);
	if (!err) {
		scsi_remove_device(sdev);
		gcs_block_release(disk, sdev);
	}
	put_device(disk);
out:
	scsi_device_put(sdev);
	return err;
}

static int on_bus_event(struct notifier_block *nb, unsigned long event, void *ptr)
{
	if (event == BUS_NOTIFY_BOUND_DRIVER)
		gcs_dev_probed(ptr);
	return NOTIFY_DONE;
}

static struct notifier_block bus_notifier = {
	.notifier_call = on_bus_event,
};

static typeof_member(struct device, bus) scsi_bus;

int __init gcs_scsi_init(void)
{
	static const struct scsi_host_template none = {
		.module = THIS_MODULE,
		.name = "gcs",
	};
	/* The class and the bus are not exported, but every SCSI host points to them. */
	struct Scsi_Host *shost = gcs_scsi_host_alloc(&none);
	int err;

	if (!shost)
		return -ENOMEM;
	host_interface.class = shost->shost_dev.class;
	scsi_bus = shost->shost_gendev.bus;
	scsi_host_put(shost);
	err = bus_register_notifier(scsi_bus, &bus_notifier);
	if (err)
		return err;
	err = class_interface_register(&host_interface);
	if (err)
		bus_unregister_notifier(scsi_bus, &bus_notifier);
	return err;
}

void gcs_scsi_exit(void)
{
	class_interface_unregister(&host_interface);
	bus_unregister_notifier(scsi_bus, &bus_notifier);
}
