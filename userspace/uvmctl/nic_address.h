/* SPDX-License-Identifier: MIT */
/* The IPv4 addresses of a network interface and of what is around it. */
#ifndef UVMCTL_NIC_ADDRESS_H
#define UVMCTL_NIC_ADDRESS_H

#include <netinet/in.h>

#include "error.h"

#define NIC_ADDRESS_SYNTAX "ADDRESS/PREFIX[,GATEWAY]"

struct nic_address {
	char own[INET_ADDRSTRLEN], gateway[INET_ADDRSTRLEN], dns[INET_ADDRSTRLEN], network[INET_ADDRSTRLEN + 3];
	unsigned int prefix;
};

/*
 * Read NIC_ADDRESS_SYNTAX. Without a gateway it is the network's second address, or the third if the second is ADDRESS; the name server is
 * the next one that is free. Returns 0, or -1 with @err.
 */
int nic_address_parse(const char *text, struct nic_address *a, struct gcs_error *err);

#endif
