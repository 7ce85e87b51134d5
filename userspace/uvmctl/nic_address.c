// SPDX-License-Identifier: MIT
/* The IPv4 addresses of a network interface and of what is around it. */
#include "nic_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* QEMU takes none that are larger, and three hosts do not fit into those that are smaller. */
#define PREFIX_MIN 4
#define PREFIX_MAX 29

static bool parse(const char *text, uint32_t *address)
{
	struct in_addr in;

	if (inet_pton(AF_INET, text, &in) != 1)
		return false;
	*address = ntohl(in.s_addr);
	return true;
}

static void print(uint32_t address, char text[INET_ADDRSTRLEN])
{
	const struct in_addr in = { htonl(address) };

	inet_ntop(AF_INET, &in, text, INET_ADDRSTRLEN);
}

static bool is_host(uint32_t address, uint32_t network, uint32_t hosts)
{
	return (address & ~hosts) == network && address != network && address != (network | hosts);
}

/* The first one that is neither of these. */
static uint32_t free_host(uint32_t network, uint32_t a, uint32_t b)
{
	uint32_t host = network + 2;

	while (host == a || host == b)
		host++;
	return host;
}

int nic_address_parse(const char *text, struct nic_address *a, struct gcs_error *err)
{
	char own_text[16], gateway_text[16], network_text[INET_ADDRSTRLEN];
	uint32_t own, gateway = 0, network, hosts;
	int end = 0, whole = 0, words;

	words = sscanf(text, "%15[0-9.]/%2u%n,%15[0-9.]%n", own_text, &a->prefix, &end, gateway_text, &whole);
	if (words < 2 || text[words == 3 ? whole : end] || !parse(own_text, &own) || (words == 3 && !parse(gateway_text, &gateway)))
		return gcs_fail(err, EINVAL, HR_FAIL, "--ip %s: not " NIC_ADDRESS_SYNTAX, text);
	if (a->prefix < PREFIX_MIN || a->prefix > PREFIX_MAX)
		return gcs_fail(err, EINVAL, HR_FAIL, "--ip %s: PREFIX is from %d to %d", text, PREFIX_MIN, PREFIX_MAX);
	hosts = UINT32_MAX >> a->prefix;
	network = own & ~hosts;
	if (words == 2)
		gateway = free_host(network, own, own);
	if (!is_host(own, network, hosts) || !is_host(gateway, network, hosts) || own == gateway)
		return gcs_fail(err, EINVAL, HR_FAIL, "--ip %s: not two hosts of one network", text);
	print(own, a->own);
	print(gateway, a->gateway);
	print(free_host(network, own, gateway), a->dns);
	print(network, network_text);
	snprintf(a->network, sizeof(a->network), "%s/%u", network_text, a->prefix);
	return 0;
}
