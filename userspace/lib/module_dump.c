// SPDX-License-Identifier: MIT
/* All streams and terminals of gcs.ko as text, for people. */
#include <inttypes.h>

#include <netlink/genl/ctrl.h>

#include "module.h"
#include "module_netlink.h"

static const char *const states[] = { "detached", "open", "draining", "closing", "broken", "lost", "finished" };
static const char *const tty_states[] = { "detached", "open", "draining", "closing", "finished" };

static const char *state(uint32_t n, const char *const *names, size_t count)
{
	return n < count ? names[n] : "in an unknown state";
}

static int print(struct nl_msg *msg, void *arg)
{
	struct nlattr *a[GCS_A_MAX + 1];
	FILE *out = arg;

	if (module_parse(msg, a) < 0)
		return NL_OK;
	if (a[GCS_A_STREAM_ID])
		fprintf(out, "stream %" PRIu64 " to %s: %s, %" PRIu64 " bytes in, %" PRIu64 " out, %" PRIu64 " queued, %" PRIu64 " stalls\n",
			get_u64(a, GCS_A_STREAM_ID), get_u32(a, GCS_A_STREAM_FLAGS) & GCS_STREAM_READ ? "read" : "write",
			state(get_u32(a, GCS_A_STREAM_STATE), states, sizeof(states) / sizeof(states[0])), get_u64(a, GCS_A_STREAM_BYTES_IN),
			get_u64(a, GCS_A_STREAM_BYTES_OUT), get_u64(a, GCS_A_STREAM_QUEUED), get_u64(a, GCS_A_STREAM_STALLS));
	else if (a[GCS_A_TTY_ID])
		fprintf(out, "terminal %" PRIu64 ": %s, %" PRIu64 " bytes in, %" PRIu64 " out, %" PRIu64 " queued\n", get_u64(a, GCS_A_TTY_ID),
			state(get_u32(a, GCS_A_TTY_STATE), tty_states, sizeof(tty_states) / sizeof(tty_states[0])), get_u64(a, GCS_A_TTY_IN),
			get_u64(a, GCS_A_TTY_OUT), get_u64(a, GCS_A_TTY_QUEUED));
	return NL_OK;
}

void module_dump(FILE *out)
{
	struct nl_sock *sock;
	int ret;

	if (module_device(GCS_FEATURE_STREAM) < 0)
		return;
	/* One of our own: that of module_list() is the event thread's. */
	sock = nl_socket_alloc();
	ret = sock ? genl_connect(sock) : -NLE_NOMEM;
	if (ret >= 0)
		ret = module_query(sock, GCS_CMD_STREAM_GET, print, out);
	/* Changed meanwhile: what was read has been printed. */
	if (ret >= 0 || ret == -NLE_DUMP_INTR)
		ret = module_query(sock, GCS_CMD_TTY_GET, print, out);
	if (ret < 0 && ret != -NLE_DUMP_INTR)
		fprintf(out, "gcs.ko: list streams and terminals: %s\n", nl_geterror(ret));
	nl_socket_free(sock);
}
