// SPDX-License-Identifier: MIT
/*
 * Conformance: adapters in a pod's network namespace (storage-and-network.md section 10), with interfaces that QEMU plugs, and what
 * goes over them.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "nic.h"
#include "pod.h"
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

static char *shell(struct host *h, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What a command of the VM prints; malloc'd. */
static char *shell(struct host *h, const char *format, ...)
{
	char *command, *text = calloc(1, 1 << 14);
	va_list ap;
	FILE *f;

	va_start(ap, format);
	if (vasprintf(&command, format, ap) < 0)
		host_fail(h, "no memory");
	va_end(ap);
	f = popen(command, "re");
	if (!f || !text)
		host_fail(h, "%s", command);
	text[fread(text, 1, (1 << 14) - 1, f)] = '\0';
	pclose(f);
	free(command);
	return text;
}

/* The same in the namespace of a process. */
#define in_pod(h, pid, format, ...) \
	shell(h, "nsenter -t %d -n sh -c '" format "' 2>&1", (int)(pid), ##__VA_ARGS__)

/* Everything about the agent's own namespace, but numbers and names of interfaces, which the order of events decides. */
static char *own_network(struct host *h)
{
	return shell(h, "for i in /sys/class/net/*; do cat $i/address $i/mtu $i/flags; done | sort; ip addr | grep inet; "
			"ip route; ip -6 route | grep -v lo; ip rule");
}

FIXTURE_SETUP(network)
{
	if (!host_has_vsock() || !nic_init())
		SKIP(return, "needs vsock, and a VM with --hotplug");
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
			EXPECT_NE(NULL, strstr(shell(&self->h, "cat /sys/class/net/%s/mtu /sys/class/net/%s/flags",
						     nic_name(&self->h, n), nic_name(&self->h, n)), "1500\n0x1002\n"));
			nic_unplug(&self->h, n);
		}
	EXPECT_STREQ(self->before, own_network(&self->h));
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

/* A sandbox in the namespace @ns, running; its init's pid. */
static int64_t run_pod(struct host *h, const char *cid, int ns)
{
	struct json_object *spec = sandbox_spec(cid, FOREVER);
	char text[128];

	annotate(spec, SKIP_NET, "false");
	/* The case of a GUID does not matter. */
	snprintf(text, sizeof(text), "{\"network\":{\"networkNamespace\":\"8f3a2b10-99ce-4d4b-a2a5-f1f6a5b0b0%02d\"}}", ns);
	set(spec, "windows", text);
	return run(h, cid, spec, NULL);
}

static void end_pod(struct host *h, const char *cid, int64_t init)
{
	stop(h, cid, init);
	if (oci_delete(h, cid) != 0)
		host_fail(h, "delete %s: %s", cid, error(h));
}

#define EXPECT_HAS(text, part) EXPECT_NE(NULL, strstr(text, part)) TH_LOG("no \"%s\" in: %s", part, text)

/* --- tests ----------------------------------------------------------------------------------- */

TEST_F_TIMEOUT(network, a_pod_has_its_adapter_name_servers_and_localhost, 240)
{
	struct host *h = &self->h;
	struct json_object *client;
	struct host_stream out;
	int64_t init, server;
	char line[16] = "", *text;
	uint64_t add;

	/* The host has said so, and the interface is still on its way. */
	add = ask(h, "Add", adapter(1, 0, ",\"IPConfigs\":[{\"IPAddress\":\"10.0.2.20\",\"PrefixLength\":24}],\"Routes\":[{\"NextHop\":"
				    "\"10.0.2.2\",\"DestinationPrefix\":\"0.0.0.0/0\"}],\"DNSServerList\":\"10.0.2.3, 10.0.2.3,,1.1.1.1\","
				    "\"DNSSuffix\":\"Svc.Cluster.local,cluster.local\""));
	EXPECT_FALSE(host_answered(h, add, 0));
	plug(self, 0);
	ASSERT_EQ(0, answer_result(host_answer(h, add))) TH_LOG("%s", answer_text(host_answer(h, add), "ErrorMessage"));
	init = run_pod(h, "n1", 1);

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
}

TEST_HARNESS_MAIN
