// SPDX-License-Identifier: MIT
/* All streams and terminals of gcs.ko as text, for people. */
#include <errno.h>
#include <inttypes.h>

#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>

#include "module.h"

static const char *const states[] = { "detached", "open", "draining", "closing", "broken", "lost", "finished" };
static const char *const tty_states[] = { "detached", "open", "draining", "closing", "finished" };

static uint64_t get(struct nlattr **a, int which)
{
	return a[which] ? nla_get_u64(a[which]) : 0;
}

static const char *state(struct nlattr *a, const char *const *names, size_t count)
{
	uint32_t n = a ? nla_get_u32(a) : count;

	return n < count ? names[n] : "in an unknown state";
}

static int print(struct nl_msg *msg, void *arg)
{
	struct nlattr *a[GCS_A_MAX + 1];
	FILE *out = arg;

	if (genlmsg_parse(nlmsg_hdr(msg), 0, a, GCS_A_MAX, NULL) < 0)
		return NL_OK;
	if (a[GCS_A_STREAM_ID])
		fprintf(out, "stream %" PRIu64 " to %s: %s, %" PRIu64 " bytes in, %" PRIu64 " out, %" PRIu64 " queued, %" PRIu64 " stalls\n",
			get(a, GCS_A_STREAM_ID), a[GCS_A_STREAM_FLAGS] && nla_get_u32(a[GCS_A_STREAM_FLAGS]) & GCS_STREAM_READ ? "read" : "write",
			state(a[GCS_A_STREAM_STATE], states, sizeof(states) / sizeof(states[0])), get(a, GCS_A_STREAM_BYTES_IN),
			get(a, GCS_A_STREAM_BYTES_OUT), get(a, GCS_A_STREAM_QUEUED), get(a, GCS_A_STREAM_STALLS));
	else if (a[GCS_A_TTY_ID])
		fprintf(out, "terminal %" PRIu64 ": %s, %" PRIu64 " bytes in, %" PRIu64 " out, %" PRIu64 " queued\n", get(a, GCS_A_TTY_ID),
			state(a[GCS_A_TTY_STATE], tty_states, sizeof(tty_states) / sizeof(tty_states[0])), get(a, GCS_A_TTY_IN),
			get(a, GCS_A_TTY_OUT), get(a, GCS_A_TTY_QUEUED));
	return NL_OK;
}

/* The kernel answers within the request. Returns 0 or libnl's error. */
static int dump(struct nl_sock *sock, int family, uint8_t cmd)
{
	int ret = genl_send_simple(sock, family, cmd, GCS_GENL_VERSION, NLM_F_DUMP);

	return ret < 0 ? ret : nl_recvmsgs_default(sock);
}

void module_dump(FILE *out)
{
	struct nl_sock *sock;
	int ret;

	if (module_device(GCS_FEATURE_STREAM) < 0)
		return;
	sock = nl_socket_alloc();
	ret = sock ? genl_connect(sock) : -NLE_NOMEM;
	if (ret >= 0)
		ret = genl_ctrl_resolve(sock, GCS_GENL_NAME);
	if (ret >= 0) {
		int family = ret;

		nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, print, out);
		ret = dump(sock, family, GCS_CMD_STREAM_GET);
		/* Changed meanwhile: what was read has been printed. */
		if (ret >= 0 || ret == -NLE_DUMP_INTR)
			ret = dump(sock, family, GCS_CMD_TTY_GET);
	}
	if (ret < 0 && ret != -NLE_DUMP_INTR)
		fprintf(out, "gcs.ko: list streams and terminals: %s\n", nl_geterror(ret));
	nl_socket_free(sock);
}
