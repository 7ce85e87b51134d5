/* SPDX-License-Identifier: MIT */
/* Inside network/: checked settings, finding an interface, rtnetlink, the records. */
#ifndef GCS_NETWORK_INTERNAL_H
#define GCS_NETWORK_INTERNAL_H

#include <net/if.h>
#include <pthread.h>

#include "network/network.h"

/* --- config.c: an adapter's settings, checked ------------------------------------------------- */

struct ip {
	int family;
	uint8_t bytes[16];
	uint8_t prefix;
};

struct route {
	struct ip destination; /* with prefix 0: the default route */
	bool has_gateway;
	struct ip gateway;
	uint32_t metric, low_metric;
};

struct adapter_config {
	uint8_t guid[16], mac[6];
	bool has_mac;
	bool vpci, policy_routing, low_metric;
	uint16_t encap_overhead;
	struct ip *ips;
	size_t ip_count;
	struct route *routes;
	size_t route_count;
	char **dns_search, **dns_servers; /* lower case, NULL-terminated */
};

/* On failure @c is empty; the error names the key. */
int config_read(const struct adapter_settings *s, struct adapter_config *c, struct gcs_error *err);
void config_free(struct adapter_config *c);

/* --- find.c: from the host's address to an interface ------------------------------------------ */

/* Where sysfs is; tests point it to a tree of their own. */
extern const char *network_sysfs;

/* Wait until it is there, in the agent's namespace. @ifindex is its number. */
int nic_wait(const char *id, const struct adapter_config *c, unsigned int *ifindex, struct gcs_error *err);

/* --- rtnl.c: rtnetlink in a namespace, by libnl-route ----------------------------------------- */

struct net {
	struct nl_sock *sk;
	int error; /* what the kernel has answered to the last request, an errno */
};

/* This thread goes into the namespace @fd: what it opens and starts is there. Returns what net_leave() needs, or -1. */
int net_enter(int fd, struct gcs_error *err);
void net_leave(int old);

/* @fd: the namespace; -1: the agent's. */
int net_open(struct net *net, int fd, struct gcs_error *err);
void net_close(struct net *net);

/* 0 if there is none of this name. */
unsigned int net_link_index(struct net *net, const char *name);
int net_link_get(struct net *net, unsigned int ifindex, char name[IFNAMSIZ], unsigned int *mtu, struct gcs_error *err);
int net_link_set_up(struct net *net, unsigned int ifindex, bool up, struct gcs_error *err);
int net_link_set_mtu(struct net *net, unsigned int ifindex, unsigned int mtu, struct gcs_error *err);

/* Does the interface @name of the namespace @fd take default routes from routers' IPv6 advertisements? */
int net_accept_routers(int fd, const char *name, bool accept, struct gcs_error *err);

/* To the namespace @fd, in which @to is open, under the first free name of eth0, eth1, ...; @ifindex becomes its number there. */
int net_link_move(struct net *net, unsigned int *ifindex, int fd, struct net *to, struct gcs_error *err);

int net_addr_add(struct net *net, unsigned int ifindex, const struct ip *ip, struct gcs_error *err);
/* All that the interface has, whoever has added them. */
int net_addr_flush(struct net *net, unsigned int ifindex, struct gcs_error *err);

/* What is sent from @ip is routed by @table. */
int net_rule_add(struct net *net, const struct ip *ip, uint32_t table, struct gcs_error *err);
int net_rule_delete(struct net *net, const struct ip *ip, uint32_t table, struct gcs_error *err);

/* @table 0: the main one. A gateway that no route leads to is on the link nevertheless. */
int net_route_add(struct net *net, unsigned int ifindex, const struct route *r, uint32_t table, struct gcs_error *err);

/* --- dhcp.c ----------------------------------------------------------------------------------- */

/* Ask for an address, a gateway and routes of the interface @name in the namespace @fd. */
int dhcp_configure(int fd, const char *name, struct gcs_error *err);

/* --- namespace.c, adapter.c: the records ------------------------------------------------------ */

struct adapter {
	struct adapter *next;
	char *id;
	struct adapter_config config;
	bool waiting;	      /* for its interface: nothing below is valid */
	unsigned int ifindex; /* in the namespace that it is in */
	bool configured;      /* it is in netns.fd, with what follows */
	uint32_t table;	      /* of its routes; 0 = the main one */
	unsigned int mtu;     /* to be restored, or 0 */
	size_t rules;	      /* how many of config.ips have one */
};

struct netns {
	struct netns *next;
	int refs;     /* the owner's, one of each adapter, callers'; under the table's lock */
	char *id;
	bool claimed; /* under the table's lock */
	/* Protects what follows; held over rtnetlink and DHCP. No other lock is taken inside but the table's. */
	pthread_mutex_t lock;
	int fd;	      /* the kernel's namespace; -1: no container has it */
	bool shared;  /* it is the agent's own: nothing is moved */
	struct adapter *adapters; /* in the order of their Adds */
};

/* Look up, or make, and take a reference. With @make NULL is an error, else that there is none. */
struct netns *netns_get(const char *id, bool make, struct gcs_error *err);

/* All in turn: the one after @n, whose reference is dropped; NULL begins and ends. */
struct netns *netns_next(struct netns *n);

/* The last reference frees it. */
void netns_put(struct netns *n);

/* With n->lock held: bring @a into the namespace and undo that. A failed adapter_configure() has undone itself. */
int adapter_configure(struct netns *n, struct adapter *a, struct gcs_error *err);
void adapter_unconfigure(struct netns *n, struct adapter *a);

static inline void cleanup_netns(struct netns **n)
{
	if (*n)
		netns_put(*n);
}
#define _cleanup_netns_ __attribute__((cleanup(cleanup_netns)))

static inline void cleanup_net(struct net *net)
{
	net_close(net);
}
#define _cleanup_net_ __attribute__((cleanup(cleanup_net)))

#endif
