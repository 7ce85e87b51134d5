// SPDX-License-Identifier: MIT
/* Adapters' settings, and the records of namespaces (storage-and-network.md 10). */
#include <arpa/inet.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "network/internal.h"
#include "kselftest_harness.h"

#define GUID "0110F83B-de10-5172-a266-78bca56bf50a"

static struct adapter_settings settings(void)
{
	return (struct adapter_settings){ .namespace = "n", .id = GUID, .mac = "", .dns_search = "", .dns_servers = "" };
}

TEST(what_the_host_says_is_checked_before_it_is_done)
{
	static const struct {
		const char *id, *mac, *address, *next_hop, *destination, *servers;
		uint8_t prefix;
		const char *text;
	} cases[] = {
		{ .id = "", .text = "ID" },
		{ .id = "0110f83bde105172a26678bca56bf50a", .text = "ID" },
		{ .id = "0110f83b-de10-5172-a266-78bca56bf50/", .text = "ID" },
		{ .mac = "00-15-5D-00-00-0", .text = "MacAddress" },
		{ .mac = "00-15-5D-00-00-0g", .text = "MacAddress" },
		{ .address = "10.0.0.1", .prefix = 33, .text = "IPConfigs[0]" },
		{ .address = "fd00::1", .prefix = 129, .text = "IPConfigs[0]" },
		{ .address = "10.0.0.256", .prefix = 24, .text = "10.0.0.256" },
		{ .address = "", .text = "IPConfigs[0]" },
		{ .next_hop = "10.0.0.1", .destination = "10.0.0.0", .text = "DestinationPrefix" },
		{ .next_hop = "10.0.0.1", .destination = "10.0.0.0/33", .text = "DestinationPrefix" },
		{ .next_hop = "10.0.0.1", .destination = "10.0.0.0/-1", .text = "DestinationPrefix" },
		{ .next_hop = "10.0.0.1", .destination = "10.0.0.0/8x", .text = "DestinationPrefix" },
		{ .next_hop = "gateway", .destination = "10.0.0.0/8", .text = "NextHop" },
		{ .next_hop = "fd00::1", .destination = "10.0.0.0/8", .text = "NextHop" },
		{ .next_hop = "", .destination = "::/0", .text = "default route" },
		{ .servers = "10.0.0.1,1.1.1.1\noptions debug", .text = "DNSServerList" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct ip_settings ip = { cases[i].address, cases[i].prefix };
		struct route_settings route = { cases[i].next_hop, cases[i].destination, 0, 0 };
		struct adapter_settings s = settings();
		struct adapter_config c;
		struct gcs_error err;

		if (cases[i].id)
			s.id = cases[i].id;
		if (cases[i].mac)
			s.mac = cases[i].mac;
		if (cases[i].servers)
			s.dns_servers = cases[i].servers;
		s.ips = &ip;
		s.ip_count = cases[i].address ? 1 : 0;
		s.routes = &route;
		s.route_count = cases[i].destination ? 1 : 0;
		EXPECT_EQ(-1, config_read(&s, &c, &err)) TH_LOG("%s", cases[i].text);
		EXPECT_EQ(HR_INVALID_ARG, err.hr);
		EXPECT_NE(NULL, strstr(err.text, cases[i].text)) TH_LOG("%s instead of %s", err.text, cases[i].text);
	}
}

TEST(settings_are_understood_whatever_their_form)
{
	const struct ip_settings ips[] = { { "10.0.0.5", 24 }, { "fd00::5", 64 } };
	const struct route_settings routes[] = {
		{ "10.0.0.1", "0.0.0.0/0", 0, 500 },  { "0.0.0.0", "0.0.0.0/0", 0, 500 }, { "::", "0::0/0", 0, 500 },
		{ "0.0.0.0", "10.255.1.2/9", 7, 7 }, { "", "fd01:ffff::/17", 0, 500 },
	};
	static const uint8_t mac[] = { 0, 0x15, 0x5d, 0, 0, 1 }, guid[] = { 0x01, 0x10, 0xf8, 0x3b, 0xde };
	struct adapter_settings s = settings();
	char text[INET6_ADDRSTRLEN];
	struct adapter_config c;
	struct gcs_error err;

	s.mac = "00-15-5D:00-00-01";
	s.ips = ips;
	s.ip_count = 2;
	s.routes = routes;
	s.route_count = 5;
	s.dns_search = " Example.ORG ,, b ,";
	ASSERT_EQ(0, config_read(&s, &c, &err)) TH_LOG("%s", err.text);
	EXPECT_EQ(0, memcmp(mac, c.mac, 6));
	EXPECT_EQ(0, memcmp(guid, c.guid, sizeof(guid)));
	ASSERT_EQ(2, c.ip_count);
	EXPECT_EQ(64, c.ips[1].prefix);
	/* The host's words for "no default gateway" are no routes. */
	ASSERT_EQ(3, c.route_count);
	EXPECT_TRUE(c.routes[0].has_gateway);
	EXPECT_EQ(0, c.routes[0].destination.prefix);
	EXPECT_FALSE(c.routes[1].has_gateway);
	EXPECT_STREQ("10.128.0.0", inet_ntop(AF_INET, c.routes[1].destination.bytes, text, sizeof(text)));
	EXPECT_EQ(7, c.routes[1].metric);
	EXPECT_FALSE(c.routes[2].has_gateway);
	EXPECT_STREQ("fd01:8000::", inet_ntop(AF_INET6, c.routes[2].destination.bytes, text, sizeof(text)));
	EXPECT_STREQ("example.org", c.dns_search[0]);
	EXPECT_STREQ("b", c.dns_search[1]);
	EXPECT_EQ(NULL, c.dns_search[2]);
	EXPECT_EQ(NULL, c.dns_servers[0]);
	config_free(&c);
}

/* In a tree as VMBus makes it "lo" is the interface of each device. */
TEST(on_vmbus_an_interface_is_found_by_its_guid)
{
	static const char id[] = "0110f83b-de10-5172-a266-78bca56bf50a";
	char dir[] = "/tmp/test_network.XXXXXX", command[512];
	struct adapter_config c = { 0 };
	unsigned int ifindex;
	struct gcs_error err;

	ASSERT_NE(NULL, mkdtemp(dir));
	network_sysfs = dir;
	snprintf(command, sizeof(command), "cd %s && mkdir -p bus/vmbus/devices/%s/net/lo "
		 "bus/vmbus/devices/%s/pci8a3f:00/8a3f:00:00.0/net/lo", dir, id, id);
	ASSERT_EQ(0, system(command));
	for (int vpci = 0; vpci < 2; vpci++) {
		c.vpci = vpci;
		ifindex = 0;
		EXPECT_EQ(0, nic_wait(id, &c, &ifindex, &err)) TH_LOG("%s", err.text);
		EXPECT_EQ(if_nametoindex("lo"), ifindex);
	}
	snprintf(command, sizeof(command), "rm -r %s", dir);
	EXPECT_EQ(0, system(command));
	/* No VMBus, and nothing else to go by. */
	EXPECT_EQ(-1, nic_wait(id, &c, &ifindex, &err));
	EXPECT_NE(NULL, strstr(err.text, "MacAddress"));
	network_sysfs = "/sys";
}

static int open_files(void)
{
	_cleanup_dir_ DIR *d = opendir("/proc/self/fd");
	int count = 0;

	while (d && readdir(d))
		count++;
	return count;
}

/* The same tree, in a namespace of the test's own: there "lo" is an adapter that needs not be moved. */
TEST(an_adapter_is_configured_where_it_is_and_leaves_nothing)
{
	static const char id[] = "0110f83b-de10-5172-a266-78bca56bf50a";
	const struct ip_settings ips[] = { { "10.1.2.3", 24 }, { "fd00:a::3", 64 } };
	struct route_settings routes[] = { { "", "10.5.0.0/16", 0, 500 }, { "10.6.0.1", "10.7.0.0/16", 9, 9 } };
	char dir[] = "/tmp/test_network.XXXXXX", command[512];
	struct adapter_settings s = settings();
	struct gcs_error err;
	struct netns *n, *other;
	int files = open_files();
	char *text;

	if (unshare(CLONE_NEWNET) < 0 || system("ip -V >/dev/null 2>&1") != 0)
		SKIP(return, "needs a network namespace, and ip to look at it");
	ASSERT_NE(NULL, mkdtemp(dir));
	network_sysfs = dir;
	snprintf(command, sizeof(command), "mkdir -p %s/bus/vmbus/devices/%s/net/lo", dir, id);
	ASSERT_EQ(0, system(command));
	s.ips = ips;
	s.ip_count = 2;
	s.routes = routes;
	s.route_count = 2;
	s.low_metric = true;
	s.encap_overhead = 36;
	s.dns_servers = "10.0.0.1,10.0.0.1,10.0.0.2";
	s.dns_search = "a,b";
	ASSERT_EQ(0, adapter_add(&s, &err)) TH_LOG("%s", err.text);
	EXPECT_EQ(-1, adapter_add(&s, &err));
	ASSERT_EQ(0, netns_claim("N", false, &n, &err)) TH_LOG("%s", err.text);
	EXPECT_EQ(-1, netns_claim("n", true, &other, &err));
	text = netns_resolv_conf(n, &err);
	EXPECT_STREQ("search a b\nnameserver 10.0.0.1\nnameserver 10.0.0.2\n", text);
	free(text);

	/* Twice: what was undone can be done again. */
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, netns_attach(n, getpid(), &err)) TH_LOG("%s", err.text);
		EXPECT_EQ(0, system("ip addr show lo | grep -q 'mtu 65500' && ip addr show lo | grep -q 'inet 10.1.2.3/24 brd 10.1.2.255' && "
				    "ip rule | grep -q 'from 10.1.2.3 lookup 101' && ip -6 rule | grep -q 'from fd00:a::3 lookup 101' && "
				    "ip route show table 101 | grep -q '^10.5.0.0/16 dev lo scope link metric 500' && "
				    "ip route show table 101 | grep -q '^10.7.0.0/16 via 10.6.0.1 dev lo metric 9 onlink'"));
		netns_release(n);
		EXPECT_EQ(0, system("ip addr show lo | grep -q 'mtu 65536 .* DOWN' && ! ip addr show lo | grep inet && "
				    "! ip rule | grep 101 && ! ip -6 rule | grep 101"));
		ASSERT_EQ(0, netns_claim("n", false, &n, &err)) TH_LOG("%s", err.text);
	}
	EXPECT_EQ(0, adapter_remove("", GUID, &err)) TH_LOG("%s", err.text);
	ASSERT_EQ(0, netns_attach(n, getpid(), &err)) TH_LOG("%s", err.text);

	/* One that comes when the namespace is in use, and fails at its last step. */
	routes[1].next_hop = "224.0.0.1";
	EXPECT_EQ(-1, adapter_add(&s, &err));
	EXPECT_NE(NULL, strstr(err.text, "10.7.0.0/16 by 224.0.0.1")) TH_LOG("%s", err.text);
	EXPECT_EQ(0, system("! ip addr show lo | grep inet && ! ip rule | grep 101"));
	netns_release(n);
	EXPECT_EQ(-1, netns_claim("n", false, &n, &err));
	EXPECT_EQ(HR_NOT_FOUND, err.hr);
	EXPECT_EQ(files, open_files());
	snprintf(command, sizeof(command), "rm -r %s", dir);
	EXPECT_EQ(0, system(command));
}

TEST_HARNESS_MAIN
