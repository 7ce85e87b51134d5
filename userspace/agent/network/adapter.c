// SPDX-License-Identifier: MIT
/* Adapters: network interfaces on their way from the agent's namespace to a container's and back. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "log.h"
#include "network/internal.h"

/* Routing tables of adapters that are not the namespace's first. */
#define FIRST_TABLE 101

/* With n->lock held. */
static struct adapter **find(struct netns *n, const char *id)
{
	struct adapter **at = &n->adapters;

	while (*at && strcasecmp((*at)->id, id))
		at = &(*at)->next;
	return at;
}

static uint32_t free_table(const struct netns *n)
{
	for (uint32_t table = FIRST_TABLE;; table++) {
		const struct adapter *a = n->adapters;

		while (a && !(a->configured && a->table == table))
			a = a->next;
		if (!a)
			return table;
	}
}

static int set_mtu(struct net *net, struct adapter *a, unsigned int mtu, struct gcs_error *err)
{
	const uint16_t overhead = a->config.encap_overhead;

	if (!overhead)
		return 0;
	if (overhead >= mtu)
		return gcs_fail(err, 0, HR_INVALID_ARG, "EncapOverhead %u: its MTU is %u", overhead, mtu);
	if (net_link_set_mtu(net, a->ifindex, mtu - overhead, err) < 0)
		return -1;
	a->mtu = mtu;
	return 0;
}

/* Default routes that routers advertise would have the same rank as the one that the host has chosen. */
static bool has_default_router(const struct adapter_config *c)
{
	for (size_t i = 0; i < c->route_count; i++)
		if (c->routes[i].destination.family == AF_INET6 && !c->routes[i].destination.prefix)
			return true;
	return false;
}

static int set_addresses(struct net *net, struct adapter *a, struct gcs_error *err)
{
	const struct adapter_config *c = &a->config;

	for (size_t i = 0; i < c->ip_count; i++) {
		if (net_addr_add(net, a->ifindex, &c->ips[i], err) < 0)
			return -1;
		if (!a->table)
			continue;
		if (net_rule_add(net, &c->ips[i], a->table, err) < 0)
			return -1;
		a->rules++;
	}
	for (size_t i = 0; i < c->route_count; i++)
		if (net_route_add(net, a->ifindex, &c->routes[i], a->table, err) < 0)
			return -1;
	return 0;
}

static int configure(struct netns *n, struct adapter *a, struct gcs_error *err)
{
	_cleanup_net_ struct net here = { 0 }, there = { 0 };
	char name[IFNAMSIZ];
	unsigned int mtu;

	if (net_open(&here, -1, err) < 0 || net_open(&there, n->fd, err) < 0)
		return -1;
	if (!n->shared && net_link_move(&here, &a->ifindex, n->fd, &there, err) < 0)
		return -1;
	a->configured = true;
	if (net_link_get(&there, a->ifindex, name, &mtu, err) < 0 || set_mtu(&there, a, mtu, err) < 0 ||
	    (has_default_router(&a->config) && net_accept_routers(n->fd, name, false, err) < 0) ||
	    net_link_set_up(&there, a->ifindex, true, err) < 0)
		return -1;
	return a->config.ip_count ? set_addresses(&there, a, err) : dhcp_configure(n->fd, name, err);
}

int adapter_configure(struct netns *n, struct adapter *a, struct gcs_error *err)
{
	bool low = a->config.low_metric || (a->config.policy_routing && a != n->adapters);

	a->table = low ? free_table(n) : 0;
	if (configure(n, a, err) == 0)
		return 0;
	if (a->configured)
		adapter_unconfigure(n, a);
	return gcs_fail_prefix(err, "adapter %s", a->id);
}

/* What the host has unplugged already needs no undoing, but its rules do. */
static void note(const struct adapter *a, int ret, const struct gcs_error *err)
{
	if (ret < 0 && err->err != ENODEV)
		log_warning("adapter %s: undo: %s", a->id, err->text);
}

void adapter_unconfigure(struct netns *n, struct adapter *a)
{
	_cleanup_net_ struct net here = { 0 }, there = { 0 };
	_cleanup_close_ int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	struct gcs_error err = { 0 };
	char name[IFNAMSIZ];

	a->configured = false;
	if (own < 0 || net_open(&here, -1, &err) < 0 || net_open(&there, n->fd, &err) < 0) {
		log_warning("adapter %s: undo: %s", a->id, own < 0 ? "open the agent's network namespace" : err.text);
		return;
	}
	while (a->rules)
		note(a, net_rule_delete(&there, &a->config.ips[--a->rules], a->table, &err), &err);
	/* Its routes end with this; elsewhere all of its addresses, too. */
	note(a, net_link_set_up(&there, a->ifindex, false, &err), &err);
	if (n->shared) {
		note(a, net_addr_flush(&there, a->ifindex, &err), &err);
		if (has_default_router(&a->config) && if_indextoname(a->ifindex, name))
			note(a, net_accept_routers(n->fd, name, true, &err), &err);
	}
	if (a->mtu)
		note(a, net_link_set_mtu(&there, a->ifindex, a->mtu, &err), &err);
	a->mtu = 0;
	if (!n->shared)
		note(a, net_link_move(&there, &a->ifindex, own, &here, &err), &err);
}

static void free_adapter(struct adapter *a)
{
	config_free(&a->config);
	free(a->id);
	free(a);
}

/* Its place among the namespace's adapters is that of its Add, however long it is waited for. */
static int enlist(struct netns *n, struct adapter *a, struct gcs_error *err)
{
	struct adapter **at;

	pthread_mutex_lock(&n->lock);
	at = find(n, a->id);
	if (!*at)
		*at = a;
	pthread_mutex_unlock(&n->lock);
	return *at == a ? 0 : gcs_fail(err, EEXIST, HR_FAIL, "network namespace \"%s\"", n->id);
}

static int bring(struct netns *n, struct adapter *a, struct gcs_error *err)
{
	unsigned int ifindex;
	int ret = nic_wait(a->id, &a->config, &ifindex, err);

	if (ret < 0)
		gcs_fail_prefix(err, "adapter %s", a->id);
	pthread_mutex_lock(&n->lock);
	if (ret == 0) {
		a->ifindex = ifindex;
		a->waiting = false;
		if (n->fd >= 0)
			ret = adapter_configure(n, a, err);
	}
	if (ret < 0)
		*find(n, a->id) = a->next;
	pthread_mutex_unlock(&n->lock);
	return ret;
}

static struct adapter *make_adapter(const struct adapter_settings *s, struct gcs_error *err)
{
	struct adapter *a = calloc(1, sizeof(*a));

	if (!a || !(a->id = strdup(s->id))) {
		gcs_fail(err, ENOMEM, HR_FAIL, "adapter %s", s->id);
		free(a);
		return NULL;
	}
	/* As it is on the bus. */
	for (char *c = a->id; *c; c++)
		*c = tolower((unsigned char)*c);
	a->waiting = true;
	if (config_read(s, &a->config, err) == 0)
		return a;
	gcs_fail_prefix(err, "adapter %.64s", a->id);
	free_adapter(a);
	return NULL;
}

int adapter_add(const struct adapter_settings *s, struct gcs_error *err)
{
	_cleanup_netns_ struct netns *n = NULL;
	struct adapter *a;

	if (!*s->namespace)
		return gcs_fail(err, 0, HR_INVALID_ARG, "adapter %.64s: NamespaceID: missing", s->id);
	a = make_adapter(s, err);
	if (!a)
		return -1;
	n = netns_get(s->namespace, true, err);
	if (!n || enlist(n, a, err) < 0) {
		gcs_fail_prefix(err, "adapter %s", a->id);
		free_adapter(a);
		return -1;
	}
	if (bring(n, a, err) < 0) {
		free_adapter(a);
		return -1;
	}
	/* The reference is the adapter's from now on. */
	n = NULL;
	return 0;
}

/* Returns 1 if it was there. */
static int remove_from(struct netns *n, const char *id, struct gcs_error *err)
{
	struct adapter **at, *a;
	int ret = 0;

	pthread_mutex_lock(&n->lock);
	at = find(n, id);
	a = *at;
	if (a && a->waiting) {
		ret = gcs_fail(err, EBUSY, HR_FAIL, "adapter %s: remove: it is still waited for", a->id);
	} else if (a) {
		if (a->configured)
			adapter_unconfigure(n, a);
		*at = a->next;
		ret = 1;
	}
	pthread_mutex_unlock(&n->lock);
	if (ret == 1) {
		free_adapter(a);
		netns_put(n);
	}
	return ret;
}

int adapter_remove(const char *namespace, const char *id, struct gcs_error *err)
{
	struct netns *n = *namespace ? netns_get(namespace, false, NULL) : netns_next(NULL);
	int ret = 0;

	while (n) {
		ret = remove_from(n, id, err);
		if (ret || *namespace) {
			netns_put(n);
			break;
		}
		n = netns_next(n);
	}
	if (!ret)
		log_info("adapter %.64s: remove: there is none in network namespace \"%.64s\"", id, namespace);
	return ret < 0 ? -1 : 0;
}
