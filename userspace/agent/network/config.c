// SPDX-License-Identifier: MIT
/* An adapter's settings, checked, before anything is done (storage-and-network.md 10.1). */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "network/internal.h"
#include "vmbus.h"

static int bits(int family)
{
	return family == AF_INET ? 32 : 128;
}

static bool parse_address(const char *text, struct ip *ip)
{
	ip->family = strchr(text, ':') ? AF_INET6 : AF_INET;
	ip->prefix = bits(ip->family);
	return inet_pton(ip->family, text, ip->bytes) == 1;
}

static bool is_unspecified(const struct ip *ip)
{
	static const uint8_t none[16];

	return !memcmp(ip->bytes, none, bits(ip->family) / 8);
}

/* "10.0.0.0/8"; what is beyond the prefix is cleared, for the kernel would refuse it. */
static bool parse_prefix(const char *text, struct ip *ip)
{
	const char *slash = strchr(text, '/');
	char address[INET6_ADDRSTRLEN], *end;
	unsigned long prefix;

	if (!slash || slash - text >= (ptrdiff_t)sizeof(address) || !isdigit((unsigned char)slash[1]))
		return false;
	*stpncpy(address, text, slash - text) = '\0';
	prefix = strtoul(slash + 1, &end, 10);
	if (!parse_address(address, ip) || *end || prefix > ip->prefix)
		return false;
	ip->prefix = prefix;
	for (size_t bit = prefix; bit < (size_t)bits(ip->family); bit++)
		ip->bytes[bit / 8] &= ~(0x80 >> bit % 8);
	return true;
}

static int read_ips(const struct adapter_settings *s, struct adapter_config *c, struct gcs_error *err)
{
	for (size_t i = 0; i < s->ip_count; i++) {
		struct ip *ip = &c->ips[c->ip_count++];

		if (!parse_address(s->ips[i].address, ip) || s->ips[i].prefix > ip->prefix)
			return gcs_fail(err, 0, HR_INVALID_ARG, "IPConfigs[%zu]: \"%.64s\"/%u is no address with a prefix length", i,
					s->ips[i].address, s->ips[i].prefix);
		ip->prefix = s->ips[i].prefix;
	}
	return 0;
}

static int read_route(const struct route_settings *s, size_t i, struct adapter_config *c, struct gcs_error *err)
{
	struct route r = { .metric = s->metric, .low_metric = s->low_metric };

	if (!parse_prefix(s->destination, &r.destination))
		return gcs_fail(err, 0, HR_INVALID_ARG, "Routes[%zu]: DestinationPrefix \"%.64s\" is no address with a prefix length", i,
				s->destination);
	r.has_gateway = *s->next_hop;
	if (r.has_gateway && (!parse_address(s->next_hop, &r.gateway) || r.gateway.family != r.destination.family))
		return gcs_fail(err, 0, HR_INVALID_ARG, "Routes[%zu]: NextHop \"%.64s\" is no address of the family of \"%.64s\"", i,
				s->next_hop, s->destination);
	if (!r.destination.prefix && !r.has_gateway)
		return gcs_fail(err, 0, HR_INVALID_ARG, "Routes[%zu]: a default route without NextHop", i);
	if (r.has_gateway && is_unspecified(&r.gateway)) {
		/* The host's word for "there is no default gateway". */
		if (!r.destination.prefix)
			return 0;
		r.has_gateway = false;
	}
	c->routes[c->route_count++] = r;
	return 0;
}

/* Split at commas. Blanks around and empty words do not count; one inside could become a line of its own in a file. */
static int split(const char *list, const char *key, char ***words, struct gcs_error *err)
{
	size_t count = 0;

	*words = calloc(strlen(list) / 2 + 2, sizeof(**words));
	if (!*words)
		return gcs_fail(err, ENOMEM, HR_FAIL, "%s", key);
	while (*list) {
		size_t len = strcspn(list, ","), from = 0, to = len;
		char *word;

		while (from < to && isspace((unsigned char)list[from]))
			from++;
		while (from < to && isspace((unsigned char)list[to - 1]))
			to--;
		if (from < to) {
			word = (*words)[count++] = strndup(list + from, to - from);
			if (!word)
				return gcs_fail(err, ENOMEM, HR_FAIL, "%s", key);
			for (; *word; word++) {
				if (!isgraph((unsigned char)*word))
					return gcs_fail(err, 0, HR_INVALID_ARG, "%s: a blank or a control character in a name", key);
				*word = tolower((unsigned char)*word);
			}
		}
		list += len + (list[len] == ',');
	}
	return 0;
}

/* "00-15-5D-00-00-01", or with colons. */
static bool parse_mac(const char *text, uint8_t mac[6])
{
	if (strlen(text) != 17)
		return false;
	for (size_t i = 0; i < 17; i++)
		if (i % 3 == 2 ? text[i] != '-' && text[i] != ':' : !isxdigit((unsigned char)text[i]))
			return false;
	for (size_t i = 0; i < 6; i++)
		sscanf(text + 3 * i, "%2hhx", &mac[i]);
	return true;
}

static int read_all(const struct adapter_settings *s, struct adapter_config *c, struct gcs_error *err)
{
	if (!vmbus_guid_parse(s->id, c->guid))
		return gcs_fail(err, 0, HR_INVALID_ARG, "ID: not a GUID");
	c->has_mac = *s->mac;
	if (c->has_mac && !parse_mac(s->mac, c->mac))
		return gcs_fail(err, 0, HR_INVALID_ARG, "MacAddress: not six numbers of two hexadecimal digits");
	c->ips = calloc(s->ip_count + 1, sizeof(*c->ips));
	c->routes = calloc(s->route_count + 1, sizeof(*c->routes));
	if (!c->ips || !c->routes)
		return gcs_fail(err, ENOMEM, HR_FAIL, "settings");
	if (read_ips(s, c, err) < 0)
		return -1;
	for (size_t i = 0; i < s->route_count; i++)
		if (read_route(&s->routes[i], i, c, err) < 0)
			return -1;
	if (split(s->dns_search, "DNSSuffix", &c->dns_search, err) < 0)
		return -1;
	return split(s->dns_servers, "DNSServerList", &c->dns_servers, err);
}

int config_read(const struct adapter_settings *s, struct adapter_config *c, struct gcs_error *err)
{
	*c = (struct adapter_config){
		.vpci = s->vpci,
		.policy_routing = s->policy_routing,
		.low_metric = s->low_metric,
		.encap_overhead = s->encap_overhead,
	};
	if (read_all(s, c, err) == 0)
		return 0;
	config_free(c);
	return -1;
}

static void free_words(char **words)
{
	for (char **w = words; w && *w; w++)
		free(*w);
	free(words);
}

void config_free(struct adapter_config *c)
{
	free(c->ips);
	free(c->routes);
	free_words(c->dns_search);
	free_words(c->dns_servers);
	*c = (struct adapter_config){ 0 };
}
