/* SPDX-License-Identifier: MIT */
/* Network namespaces and adapters as the host knows them (storage-and-network.md section 10). Any thread. */
#ifndef GCS_NETWORK_H
#define GCS_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "error.h"

/* --- adapter.c: network interfaces, which the host adds to a namespace ------------------------ */

struct ip_settings {
	const char *address;
	uint8_t prefix;
};

struct route_settings {
	const char *next_hop;	 /* "" = none, the destination is on the link */
	const char *destination; /* with a prefix length */
	uint32_t metric;	 /* 0 = the kernel's choice */
	uint32_t low_metric;	 /* the same of an adapter with a table of its own */
};

/* All strings are there, "" if the host has left them out. */
struct adapter_settings {
	const char *namespace;
	const char *id;		 /* its GUID: the VMBus instance */
	const char *mac;	 /* without VMBus this is what it is known by */
	const char *dns_search;	 /* comma-separated */
	const char *dns_servers; /* likewise */
	uint16_t encap_overhead; /* less MTU, for what is put around each packet outside of the VM */
	bool vpci;		 /* a PCI function behind VMBus */
	bool policy_routing;	 /* all but the namespace's first have a routing table of their own, for what they send */
	bool low_metric;	 /* this one has, even if it is the first */
	const struct ip_settings *ips;
	size_t ip_count; /* 0: DHCP */
	const struct route_settings *routes;
	size_t route_count;
};

/*
 * Wait for the interface, and note it for the namespace. It is configured when a container has that namespace: now, or when
 * one claims it. On failure it is as if never added.
 */
int adapter_add(const struct adapter_settings *s, struct gcs_error *err);

/* Take it out of its namespace, "" = whichever it is in. An adapter or a namespace that is not there is success. */
int adapter_remove(const char *namespace, const char *id, struct gcs_error *err);

/* --- namespace.c ------------------------------------------------------------------------------ */

struct netns;

/*
 * Take the record of the namespace @id for a container, which is its only owner until netns_release(). There is one if the
 * host has added an adapter to it; otherwise it is made if @make, or the error is HR_NOT_FOUND. "" with @make is
 * a namespace that nobody else can name.
 */
int netns_claim(const char *id, bool make, struct netns **n, struct gcs_error *err);

/* What the adapters so far make of /etc/resolv.conf; malloc'd. */
char *netns_resolv_conf(struct netns *n, struct gcs_error *err);

/*
 * The namespace is that of the process @pid: its adapters go there and are configured, those that come later, too. On failure
 * they are where they were before.
 */
int netns_attach(struct netns *n, pid_t pid, struct gcs_error *err);

/* What there is, for whoever looks for the one that hangs. */
void netns_dump(FILE *out);

/* The adapters come back, and somebody else may claim the namespace. NULL is fine. */
void netns_release(struct netns *n);

#endif
