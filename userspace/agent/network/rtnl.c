// SPDX-License-Identifier: MIT
/* rtnetlink in a network namespace, by libnl-route: interfaces, addresses, rules, routes. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <netlink/errno.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <netlink/route/rule.h>

#include "cleanup.h"
#include "fs.h"
#include "network/internal.h"

#define RULE_PRIORITY 5

int net_enter(int fd, struct gcs_error *err)
{
	_cleanup_close_ int old = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	if (old < 0 || setns(fd, CLONE_NEWNET) < 0)
		return gcs_fail(err, errno, HR_FAIL, "enter the network namespace");
	return steal_fd(&old);
}

void net_leave(int old)
{
	/* A thread that stays in the wrong namespace would do the next request's work there. */
	if (setns(old, CLONE_NEWNET) < 0)
		abort();
	close(old);
}

/* libnl has no name of its own for many of the kernel's errors. */
static int on_error(struct sockaddr_nl *from, struct nlmsgerr *e, void *arg)
{
	((struct net *)arg)->error = -e->error;
	return NL_STOP;
}

static int fail(struct net *net, int ret, struct gcs_error *err, const char *step)
{
	if (net->error)
		return gcs_fail(err, net->error, HR_FAIL, "%s", step);
	return gcs_fail(err, 0, HR_FAIL, "%s: %s", step, nl_geterror(ret));
}

int net_open(struct net *net, int fd, struct gcs_error *err)
{
	int old = -1, ret;

	*net = (struct net){ .sk = nl_socket_alloc() };
	if (!net->sk)
		return gcs_fail(err, ENOMEM, HR_FAIL, "rtnetlink");
	nl_socket_modify_err_cb(net->sk, NL_CB_CUSTOM, on_error, net);
	if (fd >= 0) {
		old = net_enter(fd, err);
		if (old < 0) {
			net_close(net);
			return -1;
		}
	}
	ret = nl_connect(net->sk, NETLINK_ROUTE);
	if (fd >= 0)
		net_leave(old);
	if (ret >= 0)
		return 0;
	net_close(net);
	return gcs_fail(err, 0, HR_FAIL, "rtnetlink: %s", nl_geterror(ret));
}

void net_close(struct net *net)
{
	nl_socket_free(net->sk);
	net->sk = NULL;
}

/* --- interfaces -------------------------------------------------------------------------------- */

static void cleanup_link(struct rtnl_link **link)
{
	rtnl_link_put(*link);
}
#define _cleanup_link_ __attribute__((cleanup(cleanup_link)))

unsigned int net_link_index(struct net *net, const char *name)
{
	_cleanup_link_ struct rtnl_link *link = NULL;

	net->error = 0;
	return rtnl_link_get_kernel(net->sk, 0, name, &link) < 0 ? 0 : rtnl_link_get_ifindex(link);
}

int net_link_get(struct net *net, unsigned int ifindex, char name[IFNAMSIZ], unsigned int *mtu, struct gcs_error *err)
{
	_cleanup_link_ struct rtnl_link *link = NULL;
	int ret;

	net->error = 0;
	ret = rtnl_link_get_kernel(net->sk, ifindex, NULL, &link);
	if (ret < 0)
		return fail(net, ret, err, "look at its interface");
	strncpy(name, rtnl_link_get_name(link), IFNAMSIZ - 1);
	name[IFNAMSIZ - 1] = '\0';
	*mtu = rtnl_link_get_mtu(link);
	return 0;
}

/* Returns 0 or libnl's error. */
static int change(struct net *net, unsigned int ifindex, struct rtnl_link *changes)
{
	_cleanup_link_ struct rtnl_link *link = rtnl_link_alloc();

	net->error = 0;
	if (!link || !changes)
		return -NLE_NOMEM;
	rtnl_link_set_ifindex(link, ifindex);
	return rtnl_link_change(net->sk, link, changes, 0);
}

int net_link_set_up(struct net *net, unsigned int ifindex, bool up, struct gcs_error *err)
{
	_cleanup_link_ struct rtnl_link *changes = rtnl_link_alloc();
	int ret;

	if (changes && up)
		rtnl_link_set_flags(changes, IFF_UP);
	else if (changes)
		rtnl_link_unset_flags(changes, IFF_UP);
	ret = change(net, ifindex, changes);
	return ret < 0 ? fail(net, ret, err, up ? "set its interface up" : "set its interface down") : 0;
}

int net_link_set_mtu(struct net *net, unsigned int ifindex, unsigned int mtu, struct gcs_error *err)
{
	_cleanup_link_ struct rtnl_link *changes = rtnl_link_alloc();
	int ret;

	if (changes)
		rtnl_link_set_mtu(changes, mtu);
	ret = change(net, ifindex, changes);
	return ret < 0 ? fail(net, ret, err, "set its MTU") : 0;
}

int net_accept_routers(int fd, const char *name, bool accept, struct gcs_error *err)
{
	char path[96];
	int old, ret;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/accept_ra_defrtr", name);
	/* There it is that of the namespace which the thread is in. */
	old = net_enter(fd, err);
	if (old < 0)
		return -1;
	ret = fs_poke(path, accept ? "1" : "0", err);
	net_leave(old);
	return ret;
}

int net_link_move(struct net *net, unsigned int *ifindex, int fd, struct net *to, struct gcs_error *err)
{
	char name[IFNAMSIZ];

	for (unsigned int i = 0;; i++) {
		_cleanup_link_ struct rtnl_link *changes = NULL;
		int ret;

		snprintf(name, sizeof(name), "eth%u", i);
		if (net_link_index(to, name))
			continue;
		changes = rtnl_link_alloc();
		if (changes) {
			/* One step: its present name may be taken there. */
			rtnl_link_set_name(changes, name);
			rtnl_link_set_ns_fd(changes, fd);
		}
		ret = change(net, *ifindex, changes);
		if (ret >= 0)
			break;
		/* Somebody in the namespace was faster with this name. */
		if (net->error != EEXIST)
			return fail(net, ret, err, "move its interface to the namespace");
	}
	/* Its number may be taken there, too. */
	*ifindex = net_link_index(to, name);
	return *ifindex ? 0 : gcs_fail(err, ENODEV, HR_FAIL, "look for its interface in the namespace");
}

/* --- addresses and rules ------------------------------------------------------------------------ */

static void cleanup_nl_addr(struct nl_addr **a)
{
	nl_addr_put(*a);
}
#define _cleanup_nl_addr_ __attribute__((cleanup(cleanup_nl_addr)))

static size_t length(const struct ip *ip)
{
	return ip->family == AF_INET ? 4 : 16;
}

static struct nl_addr *nl_address(const struct ip *ip, uint8_t prefix)
{
	struct nl_addr *a = nl_addr_build(ip->family, ip->bytes, length(ip));

	if (a)
		nl_addr_set_prefixlen(a, prefix);
	return a;
}

static void print(const struct ip *ip, char text[INET6_ADDRSTRLEN])
{
	if (!inet_ntop(ip->family, ip->bytes, text, INET6_ADDRSTRLEN))
		*text = '\0';
}

static void cleanup_rtnl_addr(struct rtnl_addr **a)
{
	rtnl_addr_put(*a);
}

static int add_address(struct net *net, unsigned int ifindex, const struct ip *ip)
{
	__attribute__((cleanup(cleanup_rtnl_addr))) struct rtnl_addr *a = rtnl_addr_alloc();
	_cleanup_nl_addr_ struct nl_addr *local = nl_address(ip, ip->prefix), *broadcast = NULL;

	net->error = 0;
	if (!a || !local || rtnl_addr_set_local(a, local) < 0)
		return -NLE_NOMEM;
	rtnl_addr_set_ifindex(a, ifindex);
	rtnl_addr_set_scope(a, RT_SCOPE_UNIVERSE);
	if (ip->family == AF_INET && ip->prefix < 31) {
		struct ip all = *ip;

		for (size_t bit = ip->prefix; bit < 32; bit++)
			all.bytes[bit / 8] |= 0x80 >> bit % 8;
		broadcast = nl_address(&all, 32);
		if (!broadcast || rtnl_addr_set_broadcast(a, broadcast) < 0)
			return -NLE_NOMEM;
	}
	return rtnl_addr_add(net->sk, a, NLM_F_EXCL);
}

static int ip_failed(struct net *net, int ret, const struct ip *ip, const char *step, struct gcs_error *err)
{
	char text[INET6_ADDRSTRLEN];

	print(ip, text);
	fail(net, ret, err, step);
	return gcs_fail_prefix(err, "address %s/%u", text, ip->prefix);
}

int net_addr_add(struct net *net, unsigned int ifindex, const struct ip *ip, struct gcs_error *err)
{
	int ret = add_address(net, ifindex, ip);

	return ret < 0 ? ip_failed(net, ret, ip, "add it", err) : 0;
}

int net_addr_flush(struct net *net, unsigned int ifindex, struct gcs_error *err)
{
	struct nl_cache *all;
	int ret;

	net->error = 0;
	ret = rtnl_addr_alloc_cache(net->sk, &all);
	if (ret < 0)
		return fail(net, ret, err, "list its addresses");
	for (struct nl_object *o = nl_cache_get_first(all); o && ret >= 0; o = nl_cache_get_next(o))
		if (rtnl_addr_get_ifindex((struct rtnl_addr *)o) == (int)ifindex)
			ret = rtnl_addr_delete(net->sk, (struct rtnl_addr *)o, 0);
	nl_cache_free(all);
	return ret < 0 ? fail(net, ret, err, "delete its addresses") : 0;
}

static void cleanup_rule(struct rtnl_rule **r)
{
	rtnl_rule_put(*r);
}

static int rule_request(struct net *net, const struct ip *ip, uint32_t table, bool add)
{
	__attribute__((cleanup(cleanup_rule))) struct rtnl_rule *r = rtnl_rule_alloc();
	_cleanup_nl_addr_ struct nl_addr *source = nl_address(ip, length(ip) * 8);

	net->error = 0;
	if (!r || !source)
		return -NLE_NOMEM;
	rtnl_rule_set_family(r, ip->family);
	rtnl_rule_set_prio(r, RULE_PRIORITY);
	rtnl_rule_set_table(r, table);
	rtnl_rule_set_action(r, FR_ACT_TO_TBL);
	if (rtnl_rule_set_src(r, source) < 0)
		return -NLE_NOMEM;
	return add ? rtnl_rule_add(net->sk, r, NLM_F_EXCL) : rtnl_rule_delete(net->sk, r, 0);
}

int net_rule_add(struct net *net, const struct ip *ip, uint32_t table, struct gcs_error *err)
{
	int ret = rule_request(net, ip, table, true);

	return ret < 0 ? ip_failed(net, ret, ip, "add the rule for what is sent from it", err) : 0;
}

int net_rule_delete(struct net *net, const struct ip *ip, uint32_t table, struct gcs_error *err)
{
	int ret = rule_request(net, ip, table, false);

	return ret < 0 ? ip_failed(net, ret, ip, "delete the rule for what is sent from it", err) : 0;
}

/* --- routes ------------------------------------------------------------------------------------- */

static void cleanup_route(struct rtnl_route **r)
{
	rtnl_route_put(*r);
}

static int route_request(struct net *net, unsigned int ifindex, const struct route *r, uint32_t table, bool onlink)
{
	__attribute__((cleanup(cleanup_route))) struct rtnl_route *route = rtnl_route_alloc();
	_cleanup_nl_addr_ struct nl_addr *destination = nl_address(&r->destination, r->destination.prefix);
	_cleanup_nl_addr_ struct nl_addr *gateway = r->has_gateway ? nl_address(&r->gateway, r->gateway.prefix) : NULL;
	struct rtnl_nexthop *hop = rtnl_route_nh_alloc();
	uint32_t metric = table ? r->low_metric : r->metric;

	net->error = 0;
	if (!hop)
		return -NLE_NOMEM;
	rtnl_route_nh_set_ifindex(hop, ifindex);
	if (gateway)
		rtnl_route_nh_set_gateway(hop, gateway);
	if (!route || !destination || (r->has_gateway && !gateway) || rtnl_route_set_dst(route, destination) < 0) {
		rtnl_route_nh_free(hop);
		return -NLE_NOMEM;
	}
	rtnl_route_add_nexthop(route, hop);
	rtnl_route_set_family(route, r->destination.family);
	rtnl_route_set_table(route, table ? table : RT_TABLE_MAIN);
	rtnl_route_set_protocol(route, RTPROT_BOOT);
	rtnl_route_set_type(route, RTN_UNICAST);
	/* A gateway that is reached by a route on the link must find one of that scope. */
	rtnl_route_set_scope(route, r->has_gateway || r->destination.family == AF_INET6 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK);
	if (metric)
		rtnl_route_set_priority(route, metric);
	if (onlink)
		rtnl_route_set_flags(route, RTNH_F_ONLINK);
	return rtnl_route_add(net->sk, route, NLM_F_EXCL);
}

int net_route_add(struct net *net, unsigned int ifindex, const struct route *r, uint32_t table, struct gcs_error *err)
{
	char to[INET6_ADDRSTRLEN], by[INET6_ADDRSTRLEN] = "";
	int ret = route_request(net, ifindex, r, table, false);

	/* The gateway is in no subnet of the adapter: IPv4 and IPv6 have different words for it. */
	if (ret < 0 && r->has_gateway && (net->error == ENETUNREACH || net->error == EHOSTUNREACH))
		ret = route_request(net, ifindex, r, table, true);
	if (ret >= 0)
		return 0;
	print(&r->destination, to);
	if (r->has_gateway)
		print(&r->gateway, by);
	fail(net, ret, err, "add it");
	return gcs_fail_prefix(err, "route to %s/%u%s%s", to, r->destination.prefix, *by ? " by " : "", by);
}
