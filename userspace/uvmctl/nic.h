/* SPDX-License-Identifier: MIT */
/* A network interface in the guest, behind QEMU's own network stack: what it may reach is what this user may reach. */
#ifndef UVMCTL_NIC_H
#define UVMCTL_NIC_H

#include <json-c/json_object.h>

#include "guest.h"
#include "nic_address.h"
#include "qemu.h"

#define NIC_MAX VM_PORTS
#define NIC_PUBLISH_SYNTAX "[ADDRESS:]PORT:CONTAINERPORT[/tcp|/udp]"

struct nic {
	struct guest *guest;
	struct qmp *qmp;
	unsigned int port; /* of the machine, where it is plugged in */
	char network[37], id[37];
	struct nic_address address;
	bool backend, device, told; /* what there is of it */
};

/* The network of container @id: its GUID, by which guest and host mean the same. */
void nic_network(const char *id, char network[37]);

/*
 * Plug one into @port for @network. @address: NIC_ADDRESS_SYNTAX, NULL: one of the port's own network. @publish: an array of strings, NIC_PUBLISH_SYNTAX, or NULL. -1 with @err: what is left of it, if
 * anything, nic_remove() takes away, which may be repeated when it has failed.
 */
int nic_add(struct nic *n, struct guest *g, struct vm *vm, unsigned int port, const char *network, const char *address,
	    struct json_object *publish, struct gcs_error *err);
int nic_remove(struct nic *n, struct gcs_error *err);

#endif
