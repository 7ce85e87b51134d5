// SPDX-License-Identifier: MIT
/*
 * Conformance: adapters in a pod's network namespace (storage-and-network.md section 10), with interfaces that QEMU plugs, and what
 * goes over them.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "nic.h"
#include "pod.h"
#include "shell.h"
#include "kselftest_harness.h"

#define E_FAIL (-2147467259)
#define E_ARG (-2147024809)
#define E_JSON (-1070137075)
#define E_NOT_FOUND (-2147023728)

#define FOREVER "[\"sleep\",\"1000\"]"
#define NAMESPACE "8F3A2B10-99CE-4D4B-A2A5-F1F6A5B0B0%02d"

FIXTURE(network)
{
	struct host h;
	bool plugged[NICS];
	char *before;
};

/* vm_shell() in the namespace of a process. */
#define in_pod(h, pid, format, ...) \
	vm_shell(h, "nsenter -t %d -n sh -c '" format "' 2>&1", (int)(pid), ##__VA_ARGS__)

/* Everything about the agent's own namespace, but numbers and names of interfaces, which the order of events decides. */
static char *own_network(struct host *h)
{
	return vm_shell(h, "for i in /sys/class/net/*; do cat $i/address $i/mtu $i/flags; done | sort; ip addr | grep inet; "
			"ip route; ip -6 route | grep -v lo; ip rule");
}

FIXTURE_SETUP(network)
{
	if (!host_has_vsock() || !nic_init())
		SKIP(_exit(255), "needs vsock, and a VM with --hotplug");
	host_start(&self->h, true, NULL);
	/* An answer tells that the agent has set itself up. */
	host_call(&self->h, MSG_START, "none", "%s", "");
	self->before = own_network(&self->h);
}

static void plug(FIXTURE_DATA(network) *self, int n)
{
	nic_plug(&self->h, n);
	self->plugged[n] = true;
}

/* Whatever was done to them, interfaces are as they were before; and without them so is the VM. */
FIXTURE_TEARDOWN(network)
{
	if (!self->before)
		return;
	for (int n = 0; n < NICS; n++)
		if (self->plugged[n]) {
			EXPECT_NE(NULL, strstr(vm_shell(&self->h, "cat /sys/class/net/%s/mtu /sys/class/net/%s/flags",
						     nic_name(&self->h, n), nic_name(&self->h, n)), "1500\n0x1002\n"));
			nic_unplug(&self->h, n);
		}
	EXPECT_STREQ(self->before, own_network(&self->h));
	/* No thread is elsewhere, no namespace is held. */
	EXPECT_STREQ(vm_shell(&self->h, "readlink /proc/self/ns/net"),
		     vm_shell(&self->h, "for t in /proc/%d/task/*; do readlink $t/ns/net; done | sort -u", (int)self->h.agent));
	EXPECT_STREQ("0\n", vm_shell(&self->h, "ls -l /proc/%d/fd | grep -c net:", (int)self->h.agent));
	host_stop(&self->h);
}

/* --- requests -------------------------------------------------------------------------------- */

/* The settings of interface @n in namespace @ns, and @more, which begins with a comma or is "". */
static char *adapter(int ns, int n, const char *more)
{
	char *text;

	if (asprintf(&text, "{\"NamespaceID\":\"" NAMESPACE "\",\"ID\":\"" NIC_GUID "\",\"MacAddress\":\"" NIC_MAC "\"%s}", ns, n, n,
		     more) < 0)
		abort();
	return text;
}

static uint64_t ask(struct host *h, const char *request, const char *settings)
{
	return host_ask(h, MSG_MODIFY_SETTINGS, Z,
			",\"Request\":{\"RequestType\":\"%s\",\"ResourceType\":\"Network\",\"Settings\":%s}", request, settings);
}

static int64_t network(struct host *h, const char *request, const char *settings)
{
	return host_call(h, MSG_MODIFY_SETTINGS, Z,
			 ",\"Request\":{\"RequestType\":\"%s\",\"ResourceType\":\"Network\",\"Settings\":%s}", request, settings);
}

/* Plug the interface that an Add waits for. A kernel full of checks may need longer to see it than the agent waits. */
static void plug_late(FIXTURE_DATA(network) *self, int n, uint64_t add, const char *settings)
{
	struct host *h = &self->h;
	int64_t result;

	plug(self, n);
	result = answer_result(host_answer(h, add));
	if (result && scaled(1) > 1) {
		nic_name(h, n);
		result = network(h, "Add", settings);
	}
	if (result)
		host_fail(h, "Add %s: %s", settings, answer_text(host_answer(h, add), "ErrorMessage"));
}

/* A sandbox in the namespace @ns. */
static struct json_object *pod_spec(const char *cid, int ns)
{
	struct json_object *spec = sandbox_spec(cid, FOREVER);
	char text[128];

	annotate(spec, SKIP_NET, "false");
	/* The case of a GUID does not matter. */
	snprintf(text, sizeof(text), "{\"network\":{\"networkNamespace\":\"8f3a2b10-99ce-4d4b-a2a5-f1f6a5b0b0%02d\"}}", ns);
	set(spec, "windows", text);
	/* Addresses can be used at once. */
	set(spec, "linux/sysctl", "{\"net.ipv6.conf.default.accept_dad\":\"0\"}");
	return spec;
}

static void end_pod(struct host *h, const char *cid, int64_t init)
{
	stop(h, cid, init);
	if (oci_delete(h, cid) != 0)
		host_fail(h, "delete %s: %s", cid, error(h));
}

#define IP(address, prefix) "{\"IPAddress\":\"" address "\",\"PrefixLength\":" #prefix "}"
#define ROUTE(to, by) "{\"DestinationPrefix\":\"" to "\",\"NextHop\":\"" by "\"}"

#define NIC_GUID_0 "6b5d9d4c-21fa-4a00-8c3e-000000000000"
#define EXPECT_HAS(text, part) EXPECT_NE(NULL, strstr(text, part)) TH_LOG("no \"%s\" in: %s", part, text)

/* --- tests ----------------------------------------------------------------------------------- */

TEST_F_TIMEOUT(network, a_pod_has_its_adapter_name_servers_and_localhost, 240)
{
	struct host *h = &self->h;
	struct json_object *client;
	struct host_stream out;
	int64_t init, server;
	char line[16] = "", *text, *settings;
	uint64_t add;

	/* The host has said so, and the interface is still on its way. */
	settings = adapter(1, 0, ",\"IPConfigs\":[" IP("10.0.2.20", 24) "],\"Routes\":[" ROUTE("0.0.0.0/0", "10.0.2.2") "],"
			   "\"DNSServerList\":\"10.0.2.3, 10.0.2.3,,1.1.1.1\",\"DNSSuffix\":\"Svc.Cluster.local,cluster.local\"");
	add = ask(h, "Add", settings);
	EXPECT_FALSE(host_answered(h, add, 0));
	plug_late(self, 0, add, settings);
	/* The pod does not wait for one that is late. */
	settings = adapter(1, 1, ",\"IPConfigs\":[" IP("10.9.0.1", 24) "]");
	add = ask(h, "Add", settings);
	init = run(h, "n1", pod_spec("n1", 1), NULL);
	ASSERT_EQ(0, host_call(h, MSG_DUMP_STACKS, Z, "%s", ""));
	text = strdup(answer_text(host_last(h), "GuestStacks"));
	EXPECT_HAS(text, "network namespace \"8F3A2B10-99CE-4D4B-A2A5-F1F6A5B0B001\": a container's\n  adapter " NIC_GUID_0 ": interface ");
	/* On a slow machine nobody waits for it any more: once again. */
	if (host_answered(h, add, 0))
		add = ask(h, "Add", settings);
	else
		EXPECT_HAS(text, ", configured\n  adapter 6b5d9d4c-21fa-4a00-8c3e-000000000001: waited for\n");
	plug_late(self, 1, add, settings);
	EXPECT_HAS(in_pod(h, init, "ip addr show eth1"), "inet 10.9.0.1/24");

	/* What containers see of it: name servers, a way out, and each other at localhost. */
	server = run(h, "n1s", workload_spec("n1s", "n1", init, false, "[\"sh\",\"-c\",\"echo local > /tmp/x; "
					     "busybox httpd -h /tmp -p 127.0.0.1:7777; echo listens; exec sleep 1000\"]"), &out);
	ASSERT_EQ(8, recv(out.fd, line, 8, MSG_WAITALL));
	client = workload_spec("n1c", "n1", init, false, "[\"sh\",\"-c\",\"cat /etc/resolv.conf; "
		      "busybox wget -q -O - http://127.0.0.1:7777/x; busybox nc 10.0.2.100 7 < /dev/null; "
		      "busybox ping -c 1 -W 20 10.0.2.2 >/dev/null && echo pong\"]");
	set(client, "process/capabilities", "{\"bounding\":[\"CAP_NET_RAW\"],\"effective\":[\"CAP_NET_RAW\"],\"permitted\":[\"CAP_NET_RAW\"]}");
	text = output(h, "n1c", client);
	EXPECT_STREQ("search svc.cluster.local cluster.local\nnameserver 10.0.2.3\nnameserver 1.1.1.1\nlocal\nfar\npong\n", text);
	host_stream_close(&out);
	stop(h, "n1s", server);
	text = in_pod(h, init, "ip addr show eth0; ip route");
	EXPECT_HAS(text, "inet 10.0.2.20/24 brd 10.0.2.255 scope global eth0");
	EXPECT_HAS(text, "default via 10.0.2.2 dev eth0");
	EXPECT_EQ(0, oci_delete(h, "n1s")) TH_LOG("%s", error(h));
	EXPECT_EQ(0, oci_delete(h, "n1c")) TH_LOG("%s", error(h));
	/* The teardown sees that the interface has come back with the end of the pod. */
	end_pod(h, "n1", init);
	EXPECT_EQ(0, network(h, "Remove", adapter(1, 0, ""))) TH_LOG("%s", error(h));
	EXPECT_EQ(0, network(h, "Remove", adapter(1, 1, ""))) TH_LOG("%s", error(h));
}

/* Plug interface @n, wait until it is there, and add it. */
static int64_t add(FIXTURE_DATA(network) *self, int ns, int n, const char *more)
{
	if (!self->plugged[n])
		plug(self, n);
	nic_name(&self->h, n);
	return network(&self->h, "Add", adapter(ns, n, more));
}

TEST_F_TIMEOUT(network, adapters_come_to_a_running_pod_and_leave_it, 240)
{
	struct host *h = &self->h;
	int64_t first, second;
	char *text;

	/* Two pods on one wire; the one's gateways are the other's addresses, in no subnet of its own. */
	ASSERT_EQ(0, add(self, 1, 0, ",\"EncapOverhead\":50,\"IPConfigs\":[" IP("10.9.0.2", 32) "," IP("fd00:a::2", 128) "],\"Routes\":["
			 ROUTE("0.0.0.0/0", "10.9.1.1") "," ROUTE("::/0", "fd00:b::1") "]")) TH_LOG("%s", error(h));
	first = run(h, "n1", pod_spec("n1", 1), NULL);
	ASSERT_EQ(0, add(self, 2, 1, ",\"IPConfigs\":[" IP("10.9.1.1", 24) "," IP("fd00:b::1", 64) "],\"Routes\":["
			 ROUTE("10.9.0.2/32", "0.0.0.0") "," ROUTE("fd00:a::2/128", "::") ",{\"DestinationPrefix\":\"10.7.0.0/16\","
			 "\"NextHop\":\"10.9.1.9\",\"Metric\":77}]")) TH_LOG("%s", error(h));
	second = run(h, "n2", pod_spec("n2", 2), NULL);
	text = in_pod(h, first, "cat /sys/class/net/eth0/mtu; ip link show eth0; ip addr; ping -c 1 -W 20 10.9.1.1; ping6 -c 1 -W 20 fd00:b::1; "
				"ip route get 10.9.3.3");
	EXPECT_HAS(text, "mtu 1450 ");
	EXPECT_HAS(text, "inet 10.9.0.2/32 scope global eth0");
	EXPECT_HAS(text, "64 bytes from 10.9.1.1");
	EXPECT_HAS(text, "64 bytes from fd00:b::1");
	/* The gateway is one, and no address of the pod's. */
	EXPECT_HAS(text, "10.9.3.3 via 10.9.1.1 dev eth0  src 10.9.0.2");
	EXPECT_EQ(NULL, strstr(in_pod(h, first, "ip -6 route"), "via fe80:"));
	text = in_pod(h, second, "ip route; ip -6 route");
	EXPECT_HAS(text, "10.9.0.2 dev eth0 scope link");
	EXPECT_HAS(text, "10.7.0.0/16 via 10.9.1.9 dev eth0  metric 77");
	EXPECT_HAS(text, "fd00:a::2 dev eth0");

	/* The name that it comes with is taken in the pod. Its routes are its own. */
	ASSERT_EQ(0, add(self, 1, 2, ",\"PolicyBasedRouting\":true,\"IPConfigs\":[" IP("10.9.1.5", 24) "," IP("fd00:b::5", 64) "],"
			 "\"Routes\":[" ROUTE("0.0.0.0/0", "10.9.1.1") "," ROUTE("::/0", "fd00:b::1") "]")) TH_LOG("%s", error(h));
	/* A third one, and what the second pod had: the tables do not collide. */
	stop(h, "n2", second);
	EXPECT_EQ(0, oci_delete(h, "n2")) TH_LOG("%s", error(h));
	EXPECT_EQ(0, network(h, "Remove", adapter(2, 1, ""))) TH_LOG("%s", error(h));
	ASSERT_EQ(0, add(self, 1, 1, ",\"PolicyBasedRouting\":true,\"IPConfigs\":[" IP("10.9.1.6", 24) "],"
			 "\"Routes\":[" ROUTE("0.0.0.0/0", "10.9.1.1") "]")) TH_LOG("%s", error(h));
	text = in_pod(h, first, "ip rule; ip -6 rule; ip route show table 101; ip route show table 102; "
				"ip route get 8.8.8.8 from 10.9.1.5; ip -6 route get 2001:db8::1 from fd00:b::5");
	EXPECT_HAS(text, "from 10.9.1.5 lookup 101");
	EXPECT_HAS(text, "from fd00:b::5 lookup 101");
	EXPECT_HAS(text, "from 10.9.1.6 lookup 102");
	EXPECT_HAS(text, "default via 10.9.1.1 dev eth1  metric 500");
	EXPECT_HAS(text, "default via 10.9.1.1 dev eth2  metric 500");
	EXPECT_HAS(text, "8.8.8.8 from 10.9.1.5 via 10.9.1.1 dev eth1");
	EXPECT_HAS(text, "via fd00:b::1 dev eth1 table 101  src fd00:b::5  metric 500");

	/* The same once more is refused. Wherever it is, it leaves without a trace. */
	EXPECT_EQ(E_FAIL, network(h, "Add", adapter(1, 2, "")));
	EXPECT_EQ(0, network(h, "Remove", adapter(1, 2, ""))) TH_LOG("%s", error(h));
	EXPECT_EQ(0, network(h, "Remove", "{\"ID\":\"6b5d9d4c-21fa-4a00-8c3e-000000000001\"}")) TH_LOG("%s", error(h));
	text = in_pod(h, first, "ip rule; ip -6 rule; ip addr");
	EXPECT_EQ(NULL, strstr(text, "lookup 10")) TH_LOG("%s", text);
	EXPECT_EQ(NULL, strstr(text, "eth1")) TH_LOG("%s", text);
	EXPECT_EQ(NULL, strstr(text, "eth2")) TH_LOG("%s", text);

	/* What cannot be done to the end is undone, and can be tried again. */
	EXPECT_EQ(E_FAIL, add(self, 1, 2, ",\"PolicyBasedRouting\":true,\"IPConfigs\":[" IP("10.9.1.5", 24) "],\"Routes\":["
			      ROUTE("0.0.0.0/0", "224.0.0.1") "]"));
	EXPECT_HAS(error(h), "adapter 6b5d9d4c-21fa-4a00-8c3e-000000000002: route to 0.0.0.0/0 by 224.0.0.1: add it: ");
	EXPECT_EQ(NULL, strstr(in_pod(h, first, "ip rule; ip addr"), "10.9.1.5"));
	ASSERT_EQ(0, add(self, 1, 2, ",\"IPConfigs\":[" IP("10.9.1.5", 24) "]")) TH_LOG("%s", error(h));
	EXPECT_HAS(in_pod(h, first, "ip addr show eth1"), "10.9.1.5");
	/* One that is unplugged in the pod has nothing to be undone. The host may forget to remove any before the pod ends. */
	nic_unplug(h, 2);
	self->plugged[2] = false;
	EXPECT_EQ(0, network(h, "Remove", adapter(1, 2, ""))) TH_LOG("%s", error(h));
	end_pod(h, "n1", first);
	EXPECT_EQ(0, network(h, "Remove", adapter(1, 0, ""))) TH_LOG("%s", error(h));
	EXPECT_EQ(0, host_log_count(h, "undo"));
	/* Now nobody knows of the namespace. */
	EXPECT_EQ(E_NOT_FOUND, create(h, "n1", pod_spec("n1", 1)));
	EXPECT_EQ(0, oci_uncombine(h, "n1"));
}

TEST_F_TIMEOUT(network, older_hosts_dhcp_and_the_namespace_of_the_vm, 240)
{
	struct host *h = &self->h;
	struct json_object *spec;
	int64_t init;
	char *text;

	/* Single addresses, and a gateway in another subnet. Those after the first have a table of their own. */
	ASSERT_EQ(0, add(self, 1, 0, ",\"IPAddress\":\"10.9.0.2\",\"PrefixLength\":24,\"GatewayAddress\":\"10.8.0.1\","
			 "\"IPv6Address\":\"fd00:a::2\",\"IPv6PrefixLength\":64,\"IPv6GatewayAddress\":\"fd00:a::1\"")) TH_LOG("%s", error(h));
	ASSERT_EQ(0, add(self, 1, 1, ",\"IPAddress\":\"10.9.1.2\",\"PrefixLength\":24,\"GatewayAddress\":\"10.9.1.1\""))
		TH_LOG("%s", error(h));
	/* No address at all: DHCP. */
	ASSERT_EQ(0, add(self, 1, 2, "")) TH_LOG("%s", error(h));
	init = run(h, "n1", pod_spec("n1", 1), NULL);
	text = in_pod(h, init, "ip addr; ip rule; ip route; ip -6 route; ip route show table 101; ping -c 1 -W 20 -I eth2 10.0.2.2");
	EXPECT_HAS(text, "inet 10.9.0.2/24 brd 10.9.0.255 scope global eth0");
	EXPECT_HAS(text, "inet6 fd00:a::2/64 scope global");
	EXPECT_HAS(text, "default via 10.8.0.1 dev eth0  metric 1");
	EXPECT_HAS(text, "default via fd00:a::1 dev eth0  metric 1");
	EXPECT_HAS(text, "from 10.9.1.2 lookup 101");
	EXPECT_HAS(text, "default via 10.9.1.1 dev eth1  metric 500");
	EXPECT_HAS(text, "inet 10.0.2.15/24 brd 10.0.2.255 scope global eth2");
	EXPECT_HAS(text, "default via 10.0.2.2 dev eth2");
	EXPECT_HAS(text, "64 bytes from 10.0.2.2");
	end_pod(h, "n1", init);
	for (int n = 0; n < NICS; n++)
		EXPECT_EQ(0, network(h, "Remove", adapter(1, n, ""))) TH_LOG("%s", error(h));

	/* Who has the VM's own namespace finds the adapters there, before and after. */
	ASSERT_EQ(0, add(self, 2, 0, ",\"EncapOverhead\":100,\"IPConfigs\":[" IP("10.9.0.2", 24) "],\"Routes\":["
			 ROUTE("0.0.0.0/0", "10.9.0.1") "]")) TH_LOG("%s", error(h));
	spec = pod_spec("n2", 2);
	annotate(spec, "io.microsoft.virtualmachine.lcow.hostnetwork", "true");
	json_object_object_del(json_object_object_get(spec, "linux"), "sysctl");
	init = run(h, "n2", spec, NULL);
	ASSERT_EQ(0, add(self, 2, 1, ",\"PolicyBasedRouting\":true,\"IPConfigs\":[" IP("10.9.1.2", 24) "]"))
		TH_LOG("%s", error(h));
	text = vm_shell(h, "ip addr; ip route; ip rule");
	EXPECT_HAS(text, "inet 10.9.0.2/24");
	EXPECT_HAS(text, "mtu 1400");
	EXPECT_HAS(text, "default via 10.9.0.1");
	EXPECT_HAS(text, "inet 10.9.1.2/24");
	EXPECT_HAS(text, "from 10.9.1.2 lookup 101");
	EXPECT_EQ(0, network(h, "Remove", adapter(2, 1, ""))) TH_LOG("%s", error(h));
	EXPECT_EQ(NULL, strstr(vm_shell(h, "ip addr; ip rule"), "10.9.1.2"));
	end_pod(h, "n2", init);
	EXPECT_EQ(0, network(h, "Remove", adapter(2, 0, ""))) TH_LOG("%s", error(h));
}

TEST_F_TIMEOUT(network, what_is_wrong_is_told_and_changes_nothing, 240)
{
	static const struct {
		const char *more;
		int64_t result;
		const char *text;
	} cases[] = {
		{ ",\"EncapOverhead\":65536", E_JSON, "EncapOverhead" },
		{ ",\"IPConfigs\":[" IP("10.9.0.2", 256) "]", E_JSON, "PrefixLength" },
		{ ",\"IPConfigs\":{}", E_JSON, "IPConfigs" },
		{ ",\"IPConfigs\":[{\"IPAddress\":5}]", E_JSON, "IPAddress" },
		{ ",\"Routes\":[5]", E_JSON, "Routes" },
		{ ",\"Routes\":[{\"NextHop\":{}}]", E_JSON, "NextHop" },
		{ ",\"Routes\":[{\"DestinationPrefix\":true}]", E_JSON, "DestinationPrefix" },
		{ ",\"Routes\":[{\"Metric\":65536}]", E_JSON, "Metric" },
		{ ",\"DNSSuffix\":[]", E_JSON, "DNSSuffix" },
		{ ",\"DNSServerList\":5", E_JSON, "DNSServerList" },
		{ ",\"DNSServerList\":\"10.0.0.1\\noptions debug\"", E_ARG, "DNSServerList" },
		{ ",\"DNSSuffix\":\"a b\"", E_ARG, "DNSSuffix" },
		{ ",\"VPCIAssigned\":1", E_JSON, "VPCIAssigned" },
		{ ",\"PolicyBasedRouting\":\"true\"", E_JSON, "PolicyBasedRouting" },
		{ ",\"EncapOverhead\":-1", E_JSON, "EncapOverhead" },
		{ ",\"IPConfigs\":[" IP("10.9.0.2", 24) "," IP("10.9.0.2", 33) "]", E_ARG, "adapter " NIC_GUID_0 ": IPConfigs[1]: \"10.9.0.2\"/33" },
		{ ",\"Routes\":[" ROUTE("10.0.0.0/8", "fd00::1") "]", E_ARG, "adapter " NIC_GUID_0 ": Routes[0]: NextHop \"fd00::1\"" },
		{ ",\"ID\":\"../../../class/net/lo\"", E_ARG, "ID" },
		{ ",\"MacAddress\":\"00\"", E_ARG, "MacAddress" },
		{ ",\"MacAddress\":\"\"", E_ARG, "MacAddress" },
		{ ",\"NamespaceID\":\"\"", E_ARG, "NamespaceID" },
	};
	struct host *h = &self->h;
	const char *wrong = ",\"IPConfigs\":[" IP("10.9.0.2", 24) "],\"EncapOverhead\":2000";
	uint64_t missing = ask(h, "Add", adapter(3, 1, ""));
	int64_t init;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		EXPECT_EQ(cases[i].result, network(h, "Add", adapter(1, 0, cases[i].more))) TH_LOG("%s: %s", cases[i].more, error(h));
		EXPECT_HAS(error(h), cases[i].text);
	}
	EXPECT_EQ(E_FAIL, network(h, "Update", adapter(1, 0, "")));
	/* One that is waited for stays until the end of that. */
	EXPECT_FALSE(host_answered(h, missing, 0));
	EXPECT_EQ(E_FAIL, network(h, "Remove", adapter(3, 1, "")));
	EXPECT_HAS(error(h), "busy");
	/* What is not there needs not be removed. */
	EXPECT_EQ(0, network(h, "Remove", adapter(1, 0, ""))) TH_LOG("%s", error(h));
	EXPECT_EQ(0, network(h, "Remove", "{}")) TH_LOG("%s", error(h));

	/* The adapter is right, but not for this interface: the sandbox is not made, and can be. */
	ASSERT_EQ(0, add(self, 1, 0, wrong)) TH_LOG("%s", error(h));
	EXPECT_EQ(E_ARG, create(h, "n1", pod_spec("n1", 1)));
	EXPECT_HAS(error(h), "adapter " NIC_GUID_0 ": EncapOverhead 2000: its MTU is 1500");
	EXPECT_EQ(NULL, strstr(vm_shell(h, "find /sys/fs/cgroup -type d; ls /run/crun /run/runc 2>&1"), "n1\n"));
	nic_name(h, 0);
	EXPECT_EQ(0, network(h, "Remove", adapter(1, 0, ""))) TH_LOG("%s", error(h));
	ASSERT_EQ(0, add(self, 1, 0, ",\"IPConfigs\":[" IP("10.9.0.2", 24) "]")) TH_LOG("%s", error(h));
	init = run(h, "n1", pod_spec("n1", 1), NULL);
	/* Two cannot have one namespace. */
	EXPECT_EQ(E_FAIL, create(h, "n2", pod_spec("n2", 1)));
	EXPECT_HAS(error(h), "belongs to another container");
	EXPECT_EQ(0, oci_uncombine(h, "n2"));
	end_pod(h, "n1", init);
	EXPECT_EQ(0, network(h, "Remove", adapter(1, 0, ""))) TH_LOG("%s", error(h));

	EXPECT_EQ(E_FAIL, answer_result(host_answer(h, missing)));
	EXPECT_HAS(answer_text(host_answer(h, missing), "ErrorMessage"), "adapter 6b5d9d4c-21fa-4a00-8c3e-000000000001: wait for the interface: ");
	EXPECT_EQ(0, network(h, "Remove", adapter(3, 1, ""))) TH_LOG("%s", error(h));
}

TEST_HARNESS_MAIN
