// SPDX-License-Identifier: MIT
/* A network interface in the guest. */
#include "nic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jsonset.h"
#include "qmp.h"

/* Each interface has a network of its own, so that a container may have several. */
#define FIRST_NET 2

void nic_network(const char *id, char network[37])
{
	snprintf(network, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", id, id + 8, id + 12, id + 16, id + 20);
}

/* A port number up to @end, and what stands behind @end; 0: it is none. */
static unsigned long port_number(const char *text, char **end)
{
	unsigned long n = *text >= '0' && *text <= '9' ? strtoul(text, end, 10) : 0;

	return n <= 65535 ? n : 0;
}

/* One of -p in QEMU's words. */
static struct json_object *forward(const char *text, struct gcs_error *err)
{
	const char *last = strrchr(text, ':'), *host = text, *protocol;
	struct json_object *o;
	unsigned long outer, inner;
	char address[INET_ADDRSTRLEN] = "127.0.0.1", rule[96], *end = NULL;
	struct in_addr any;

	for (const char *c = text; last && c < last; c++)
		if (*c == ':')
			host = c + 1;
	if (host > text && (size_t)(host - text) <= sizeof(address))
		snprintf(address, sizeof(address), "%.*s", (int)(host - text) - 1, text);
	outer = port_number(host, &end);
	if (!last || !outer || end != last || (size_t)(host - text) > sizeof(address) || inet_pton(AF_INET, address, &any) != 1)
		goto wrong;
	inner = port_number(last + 1, &end);
	protocol = inner ? end : "?";
	if (strcmp(protocol, "") && strcmp(protocol, "/tcp") && strcmp(protocol, "/udp"))
		goto wrong;
	snprintf(rule, sizeof(rule), "%s:%s:%lu-:%lu", *protocol ? protocol + 1 : "tcp", address, outer, inner);
	o = json_object_new_object();
	set_string(o, "str", rule);
	return o;
wrong:
	gcs_fail(err, EINVAL, HR_FAIL, "-p %s: not " NIC_PUBLISH_SYNTAX, text);
	return NULL;
}

static struct json_object *forwards(struct json_object *publish, struct gcs_error *err)
{
	struct json_object *list = json_object_new_array(), *one;

	for (size_t i = 0; publish && i < json_object_array_length(publish); i++) {
		one = forward(json_object_get_string(json_object_array_get_idx(publish, i)), err);
		if (!one) {
			json_object_put(list);
			return NULL;
		}
		json_object_array_add(list, one);
	}
	return list;
}

static struct json_object *named(const char *key, const struct nic *n, const char *what)
{
	struct json_object *o = json_object_new_object();
	char name[16];

	snprintf(name, sizeof(name), "%s%u", what, n->port);
	set_string(o, key, name);
	return o;
}

static void mac(const struct nic *n, char text[18])
{
	snprintf(text, 18, "52:54:00:67:63:%02x", n->port);
}

static int plug(struct nic *n, struct json_object *list, struct gcs_error *err)
{
	struct json_object *o = named("id", n, "net");
	char text[32];

	set_string(o, "type", "user");
	set_string(o, "net", n->address.network);
	set_string(o, "host", n->address.gateway);
	set_string(o, "dns", n->address.dns);
	/* Nobody asks its DHCP server; that is where it forwards ports to. */
	set_string(o, "dhcpstart", n->address.own);
	json_object_object_add(o, "hostfwd", list);
	if (qmp_execute(n->qmp, "netdev_add", o, -1, err) < 0)
		return -1;
	n->backend = true;
	o = named("id", n, "nic");
	set_string(o, "driver", "virtio-net-pci");
	snprintf(text, sizeof(text), "port%u", n->port);
	set_string(o, "bus", text);
	snprintf(text, sizeof(text), "net%u", n->port);
	set_string(o, "netdev", text);
	mac(n, text);
	set_string(o, "mac", text);
	/* The guest is not booted from it. */
	set_string(o, "romfile", "");
	if (qmp_execute(n->qmp, "device_add", o, -1, err) < 0)
		return -1;
	n->device = true;
	return 0;
}

/* What QEMU's DHCP server would say, which need not be asked. */
static struct json_object *settings(struct nic *n)
{
	struct json_object *s = json_object_new_object(), *list, *o;
	char text[18];

	mac(n, text);
	set_string(s, "MacAddress", text);
	set_string(s, "DNSServerList", n->address.dns);
	o = json_object_new_object();
	set_string(o, "IPAddress", n->address.own);
	set_number(o, "PrefixLength", n->address.prefix);
	list = json_object_new_array();
	json_object_array_add(list, o);
	json_object_object_add(s, "IPConfigs", list);
	o = json_object_new_object();
	set_string(o, "NextHop", n->address.gateway);
	set_string(o, "DestinationPrefix", "0.0.0.0/0");
	/* Default routes of several interfaces must not be the same. */
	set_number(o, "Metric", n->port + 1);
	list = json_object_new_array();
	json_object_array_add(list, o);
	json_object_object_add(s, "Routes", list);
	return s;
}

int nic_add(struct nic *n, struct guest *g, struct vm *vm, unsigned int port, const char *network, const char *address,
	    struct json_object *publish, struct gcs_error *err)
{
	struct json_object *list;
	char own[32];

	*n = (struct nic){ .guest = g, .qmp = vm_qmp(vm), .port = port };
	snprintf(n->network, sizeof(n->network), "%s", network);
	snprintf(n->id, sizeof(n->id), "6763732d-6e69-6300-8000-%012x", port);
	snprintf(own, sizeof(own), "10.0.%u.15/24", FIRST_NET + port);
	if (nic_address_parse(address ?: own, &n->address, err) < 0)
		return -1;
	list = forwards(publish, err);
	if (!list || plug(n, list, err) < 0)
		return -1;
	if (guest_network_add(g, network, n->id, settings(n), err) < 0)
		return -1;
	n->told = true;
	return 0;
}

int nic_remove(struct nic *n, struct gcs_error *err)
{
	char name[16];

	if (n->told && guest_network_remove(n->guest, n->network, n->id, err) < 0)
		return -1;
	n->told = false;
	snprintf(name, sizeof(name), "nic%u", n->port);
	if (n->device && qmp_remove_device(n->qmp, name, err) < 0)
		return -1;
	n->device = false;
	if (n->backend && qmp_execute(n->qmp, "netdev_del", named("id", n, "net"), -1, err) < 0)
		return -1;
	n->backend = false;
	return 0;
}
