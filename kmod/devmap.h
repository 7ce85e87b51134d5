/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the device map share
 */
#ifndef _GCS_DEVMAP_H
#define _GCS_DEVMAP_H

#include <linux/device.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/workqueue.h>

#include <linux/gcs.h>

/* What is known of a device: it is being probed, can be used, or has left its bus. */
enum gcs_dev_state {
	GCS_DEV_SEEN,
	GCS_DEV_USABLE,
	GCS_DEV_GONE,
};

/**
 * struct gcs_dev - a device in the map
 * @ref: held by the map until the device is gone, and by the work item until it has run
 * @node: in gcs_devs, until the device is gone
 * @seq: counts devices: their order in a dump
 * @work: waits for the end of the probe
 * @dev: the block device's or the PCI function's; NULL for a network interface, of which a reference
 *       would hold up its removal. Referenced until it is gone, NULL then.
 * @prober: the device whose lock is held while its driver probes it. Referenced.
 * @addr: its address; without a partition, and of a SCSI disk not on VMBus without a controller
 * @host_no: GCS_BUS_SCSI: the number of its SCSI host
 * @ifindex: GCS_BUS_NET
 * @state: enum gcs_dev_state
 * @name: the kernel's name
 * @driver: GCS_BUS_PCI: the driver bound to it
 *
 * @dev, @state, @name and @driver are protected by gcs_devs_lock, the rest does not change.
 */
struct gcs_dev {
	struct kref ref;
	struct list_head node;
	u64 seq;
	struct work_struct work;
	struct device *dev;
	struct device *prober;
	struct gcs_dev_addr addr;
	u32 host_no;
	u32 ifindex;
	u8 state;
	char name[32];
	char driver[32];
};

/* devmap.c */
extern struct mutex gcs_devs_lock;
extern struct list_head gcs_devs;
extern u32 gcs_devs_generation;
extern struct workqueue_struct *gcs_devs_wq;
struct gcs_dev *gcs_dev_alloc(enum gcs_bus bus, struct device *prober, const char *name);
void gcs_dev_add(struct gcs_dev *d);
void gcs_dev_remove(struct gcs_dev *d);
void gcs_dev_probed(const struct device *prober);
struct gcs_dev *gcs_dev_of(const struct device *dev);
int gcs_dev_fill(const struct gcs_dev *d, u32 partition, struct gcs_dev_wait *out);
void gcs_dev_host_added(void);
void gcs_dev_host_gone(u32 host_no);
bool gcs_vmbus_guid(const struct device *dev, u8 guid[16]);
bool gcs_vmbus_parse(const char *bus, const char *name, u8 guid[16]);

/* devmap_block.c */
int gcs_block_init(void);
void gcs_block_exit(void);
int gcs_block_fill(const struct gcs_dev *d, u32 partition, struct gcs_dev_wait *out);
int gcs_block_take(struct device *dev, void *holder);
void gcs_block_release(struct device *dev, void *holder);

/* devmap_scsi.c */
int gcs_scsi_init(void);
void gcs_scsi_exit(void);
int gcs_scsi_host(const struct gcs_dev_addr *addr, u32 *host_no);
bool gcs_scsi_controller(u32 host_no, u32 *controller);
int gcs_scsi_probe(const struct gcs_dev_addr *addr);
int gcs_scsi_eject(const struct gcs_dev_addr *addr);

/* devmap_net.c */
int gcs_net_init(void);
void gcs_net_exit(void);

/* devmap_pci.c */
int gcs_pci_init(void);
void gcs_pci_exit(void);
void gcs_pci_settle(void);
void gcs_pci_fill(const struct gcs_dev *d, struct gcs_dev_wait *out);

#endif /* _GCS_DEVMAP_H */
