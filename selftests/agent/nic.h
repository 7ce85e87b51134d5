/* SPDX-License-Identifier: MIT */
/*
 * Network interfaces that come and go: virtio-net, plugged by QEMU (scripts/vm --hotplug) into one hub, to which QEMU's user network
 * belongs, too. That is 10.0.2.2 and fec0::2, which answer pings; 10.0.2.100 port 7, which says "far"; a DHCP server
 * that gives 10.0.2.15.
 */
#ifndef GCS_TEST_NIC_H
#define GCS_TEST_NIC_H

#include "host.h"

#define NICS 3 /* as many slots are free */

/* Interface @n as the host names it, the number in the last digit. */
#define NIC_GUID "6B5D9D4C-21FA-4A00-8C3E-00000000000%d"
#define NIC_MAC "52-54-00-12-35-0%d"

/* Is there such a QEMU? */
bool nic_init(void);

/* Plug or unplug; that the kernel sees it is for the test to wait for. The test ends if QEMU refuses. */
void nic_plug(const struct host *h, int n);
void nic_unplug(const struct host *h, int n);

/* Wait until the interface is in this network namespace; its name, or the test ends. */
const char *nic_name(const struct host *h, int n);

#endif
