// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device map: PCI functions
 */
#include <linux/pci.h>

#include "devmap.h"

/* Who adds functions holds this lock until drivers have been found for all of them. */
void gcs_pci_settle(void)
{
	pci_lock_rescan_remove();
	pci_unlock_rescan_remove();
}

static int add(struct device *dev, void *unused)
{
	struct pci_dev *pdev = to_pci_dev(dev);
	struct gcs_dev *d;

	d = gcs_dev_alloc(GCS_BUS_PCI, dev, dev_name(dev));
	if (!d)
		return 0;
	d->addr.domain = pci_domain_nr(pdev->bus);
	d->addr.devfn = PCI_DEVID(pdev->bus->number, pdev->devfn);
	d->dev = get_device(dev);
	gcs_dev_add(d);
	return 0;
}

static int on_event(struct notifier_block *nb, unsigned long event, void *ptr)
{
	struct device *dev = ptr;
	struct gcs_dev *d;

	if (event == BUS_NOTIFY_ADD_DEVICE) {
		add(dev, NULL);
		return NOTIFY_DONE;
	}
	mutex_lock(&gcs_devs_lock);
	d = gcs_dev_of(dev);
	if (!d)
		goto out;
	switch (event) {
	case BUS_NOTIFY_DEL_DEVICE:
		gcs_dev_remove(d);
		break;
	case BUS_NOTIFY_BOUND_DRIVER:
		strscpy(d->driver, dev->driver->name, sizeof(d->driver));
		break;
	case BUS_NOTIFY_UNBOUND_DRIVER:
		d->driver[0] = '\0';
		break;
	}
out:
	mutex_unlock(&gcs_devs_lock);
	return NOTIFY_DONE;
}

static struct notifier_block notifier = {
	.notifier_call = on_event,
};

int __init gcs_pci_init(void)
{
	int err;

	/* So that none comes or goes between the two. */
	pci_lock_rescan_remove();
	err = bus_register_notifier(&pci_bus_type, &notifier);
	if (!err)
		bus_for_each_dev(&pci_bus_type, NULL, NULL, add);
	pci_unlock_rescan_remove();
	return err;
}

void gcs_pci_exit(void)
{
	bus_unregister_notifier(&pci_bus_type, &notifier);
}
