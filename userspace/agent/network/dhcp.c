// SPDX-License-Identifier: MIT
/* DHCP: busybox's client and a script, in the namespace (storage-and-network.md 10.9). */
#include <string.h>

#include "cleanup.h"
#include "network/internal.h"
#include "spawn.h"

#define DHCP_DEADLINE_MS 30000
#define DHCP_SCRIPT "/sbin/udhcpc_config.script" /* prints "configured" when it has done its work */

int dhcp_configure(int fd, const char *name, struct gcs_error *err)
{
	/* One lease, and an end if there is none. */
	char *const argv[] = { "udhcpc", "-f", "-q", "-n", "-t", "9", "-T", "3", "-i", (char *)name, "-s", DHCP_SCRIPT, NULL };
	const struct spawn s = { .argv = argv, .fds = { SPAWN_NULL, SPAWN_CAPTURE, SPAWN_CAPTURE } };
	struct spawn_result result;
	int old = net_enter(fd, err), ret;
	size_t from;

	if (old < 0)
		return -1;
	ret = spawn_run(&s, DHCP_DEADLINE_MS, &result, err);
	net_leave(old);
	if (ret < 0)
		return gcs_fail_prefix(err, "DHCP");
	_cleanup_free_ char *output = result.output;

	if (result.code == 0 && strstr(output, "configured\n"))
		return 0;
	/* Its last line is why. */
	while (result.length && output[result.length - 1] == '\n')
		output[--result.length] = '\0';
	for (from = result.length; from && output[from - 1] != '\n';)
		from--;
	return gcs_fail(err, 0, HR_FAIL, "DHCP: udhcpc ended with %d: %.200s", result.code, output + from);
}
