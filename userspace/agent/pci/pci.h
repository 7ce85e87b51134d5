/* SPDX-License-Identifier: MIT */
/*
 * PCI functions that the host has assigned to the VM (storage-and-network.md section 11). The host knows them by the GUID of the VMBus
 * instance that is their bus, which may have several; in a VM without VMBus a function is known by its address, such as "0000:01:00.0".
 */
#ifndef GCS_PCI_H
#define GCS_PCI_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

/* Where sysfs and devtmpfs are, and the time for all devices of a request, which the host gives up after 5 minutes; tests have their own. */
extern const char *pci_sysfs, *pci_dev;
extern int pci_deadline_ms;

/* Wait until it is there, at most until @deadline by clock_now_ms(). */
int pci_wait(const char *id, int64_t deadline, struct gcs_error *err);

struct pci_list {
	char **items;
	size_t count;
};
void pci_list_free(struct pci_list *list);

/*
 * Wait until its drivers have made device nodes ("/dev/nvme0n1"), and a moment longer if more of them come; @deadline likewise. Without any
 * it is an error. Free @nodes with pci_list_free().
 */
int pci_wait_nodes(const char *id, int64_t deadline, struct pci_list *nodes, struct gcs_error *err);

/* Wait until it is there. The addresses of its functions that are display controllers; none is an error. Free @gpus likewise. */
int pci_wait_gpus(const char *id, int64_t deadline, struct pci_list *gpus, struct gcs_error *err);

#endif
