// SPDX-License-Identifier: MIT
/* gcs.ko as its client sees it: ioctls on /dev/gcs, events of the netlink family. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <netlink/genl/ctrl.h>

#include "event.h"
#include "module.h"
#include "module_netlink.h"

#define NEEDED (GCS_FEATURE_STREAM | GCS_FEATURE_TTY)

static int device = -1;
static uint64_t features;
static struct nl_sock *events;	/* multicast, used on the event thread only */
static struct nl_sock *queries; /* dumps, used on the event thread only */
static int family;
static module_finished_fn on_finished;
static module_lost_fn on_lost;
static module_missed_fn on_missed;

static int event_message(struct nl_msg *msg, void *arg)
{
	struct genlmsghdr *gh = nlmsg_data(nlmsg_hdr(msg));
	struct nlattr *a[GCS_A_MAX + 1];
	struct module_finished f;

	if (module_parse(msg, a) < 0)
		return NL_OK;
	if (gh->cmd == GCS_CMD_STREAM_LOST) {
		on_lost(get_u64(a, GCS_A_STREAM_ID), get_u64(a, GCS_A_STREAM_KEPT));
		return NL_OK;
	}
	if (gh->cmd == GCS_CMD_STREAM_FINISHED)
		f = (struct module_finished){
			.id = get_u64(a, GCS_A_STREAM_ID),
			.cookie = get_u64(a, GCS_A_STREAM_COOKIE),
			.bytes_in = get_u64(a, GCS_A_STREAM_BYTES_IN),
			.bytes_out = get_u64(a, GCS_A_STREAM_BYTES_OUT),
			.lost = get_u64(a, GCS_A_STREAM_LOST),
			.reason = get_u32(a, GCS_A_STREAM_REASON),
		};
	else if (gh->cmd == GCS_CMD_TTY_FINISHED)
		f = (struct module_finished){
			.id = get_u64(a, GCS_A_TTY_ID),
			.cookie = get_u64(a, GCS_A_TTY_COOKIE),
			.bytes_in = get_u64(a, GCS_A_TTY_IN),
			.bytes_out = get_u64(a, GCS_A_TTY_OUT),
			.lost = get_u64(a, GCS_A_TTY_IN_LOST) + get_u64(a, GCS_A_TTY_OUT_LOST),
			.reason = get_u32(a, GCS_A_TTY_REASON),
		};
	else
		return NL_OK;
	on_finished(&f);
	return NL_OK;
}

struct list {
	struct module_stream *streams;
	size_t count;
};

static int dump_message(struct nl_msg *msg, void *arg)
{
	struct nlattr *a[GCS_A_MAX + 1];
	struct module_stream *bigger;
	struct list *l = arg;

	if (module_parse(msg, a) < 0)
		return NL_OK;
	bigger = reallocarray(l->streams, l->count + 1, sizeof(*bigger));
	if (!bigger)
		return -NLE_NOMEM;
	l->streams = bigger;
	l->streams[l->count++] = (struct module_stream){
		/* A message is of one of them, and they have no id in common. */
		.id = get_u64(a, GCS_A_STREAM_ID) | get_u64(a, GCS_A_TTY_ID),
		.kept = get_u64(a, GCS_A_STREAM_KEPT),
		.lost = get_u32(a, GCS_A_STREAM_STATE) == GCS_STATE_LOST,
	};
	return NL_OK;
}

int module_query(struct nl_sock *sock, uint8_t cmd, nl_recvmsg_msg_cb_t each, void *arg)
{
	int ret;

	nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, each, arg);
	ret = genl_send_simple(sock, family, cmd, GCS_GENL_VERSION, NLM_F_DUMP);
	return ret < 0 ? ret : nl_recvmsgs_default(sock);
}

int module_list(struct module_stream **streams, size_t *count, struct gcs_error *err)
{
	struct list l;
	int ret;

	/* A list that changed while it was read is incomplete. */
	do {
		l = (struct list){ 0 };
		ret = module_query(queries, GCS_CMD_STREAM_GET, dump_message, &l);
		if (ret >= 0)
			ret = module_query(queries, GCS_CMD_TTY_GET, dump_message, &l);
		if (ret < 0)
			free(l.streams);
	} while (ret == -NLE_DUMP_INTR);
	if (ret < 0)
		return gcs_fail(err, 0, HR_FAIL, "gcs.ko: list streams and terminals: %s", nl_geterror(ret));
	*streams = l.streams;
	*count = l.count;
	return 0;
}

static void on_readable(struct event *ev, uint32_t mask, void *arg)
{
	bool missed = false;
	int ret;

	/*
	 * Once there was no room the kernel drops what comes, and says so no more, until the socket is empty: whoever asked
	 * for the list before could miss what ended in between. libnl's name for ENOBUFS is NLE_NOMEM.
	 */
	do {
		ret = nl_recvmsgs_default(events);
		missed |= ret == -NLE_NOMEM;
	} while (ret >= 0 || ret == -NLE_NOMEM);
	if (missed)
		on_missed();
}

static int listen_events(struct gcs_error *err)
{
	int group, ret;

	events = nl_socket_alloc();
	queries = nl_socket_alloc();
	if (!events || !queries)
		return gcs_fail(err, ENOMEM, HR_FAIL, "gcs.ko: netlink socket");
	ret = genl_connect(queries);
	if (ret >= 0)
		ret = genl_connect(events);
	if (ret >= 0)
		ret = family = genl_ctrl_resolve(queries, GCS_GENL_NAME);
	if (ret >= 0)
		ret = group = genl_ctrl_resolve_grp(queries, GCS_GENL_NAME, GCS_GENL_GROUP_EVENTS);
	if (ret >= 0)
		ret = nl_socket_add_membership(events, group);
	if (ret < 0)
		return gcs_fail(err, 0, HR_FAIL, "gcs.ko: netlink family \"%s\": %s", GCS_GENL_NAME, nl_geterror(ret));
	nl_socket_disable_seq_check(events);
	nl_socket_modify_cb(events, NL_CB_VALID, NL_CB_CUSTOM, event_message, NULL);
	nl_socket_set_nonblocking(events);
	fcntl(nl_socket_get_fd(events), F_SETFD, FD_CLOEXEC);
	fcntl(nl_socket_get_fd(queries), F_SETFD, FD_CLOEXEC);
	if (!event_add(nl_socket_get_fd(events), EPOLLIN, on_readable, NULL, err))
		return -1;
	return 0;
}

int module_init(module_finished_fn finished, module_lost_fn lost, module_missed_fn missed, struct gcs_error *err)
{
	struct gcs_info info = { .size = sizeof(info) };

	on_finished = finished;
	on_lost = lost;
	on_missed = missed;
	device = open("/dev/" GCS_DEVICE_NAME, O_RDWR | O_CLOEXEC);
	if (device < 0)
		return gcs_fail(err, errno, HR_FAIL, "gcs.ko: open /dev/%s", GCS_DEVICE_NAME);
	if (ioctl(device, GCS_INFO, &info) < 0) {
		gcs_fail(err, errno, HR_FAIL, "gcs.ko: ask for its version");
		goto fail;
	}
	if (info.version < GCS_INTERFACE_VERSION || (info.features & NEEDED) != NEEDED) {
		gcs_fail(err, 0, HR_FAIL, "gcs.ko: interface version %u with features 0x%llx, needed are %u and 0x%llx",
			 info.version, (unsigned long long)info.features, GCS_INTERFACE_VERSION, NEEDED);
		goto fail;
	}
	if (listen_events(err) < 0)
		goto fail;
	features = info.features;
	return 0;
fail:
	nl_socket_free(events);
	nl_socket_free(queries);
	close(device);
	device = -1;
	return -1;
}

int module_device(uint64_t feature)
{
	return features & feature ? device : -1;
}

int module_stream_open(uint32_t flags, int socket, uint64_t cookie, int *file, uint64_t *id, struct gcs_error *err)
{
	struct gcs_stream_open o = { .size = sizeof(o), .flags = flags, .socket_fd = socket, .cookie = cookie };

	*file = ioctl(device, GCS_STREAM_OPEN, &o);
	if (*file < 0)
		return gcs_fail(err, errno, HR_FAIL, "gcs.ko: open a stream");
	*id = o.id;
	return 0;
}

static int stream_attach(const struct gcs_stream_attach *a, struct gcs_error *err)
{
	if (ioctl(device, GCS_STREAM_ATTACH, a) < 0)
		return gcs_fail(err, errno, HR_FAIL, "gcs.ko: stream %llu: attach its socket", (unsigned long long)a->id);
	return 0;
}

int module_stream_attach(uint64_t id, int socket, struct gcs_error *err)
{
	return stream_attach(&(struct gcs_stream_attach){ .size = sizeof(struct gcs_stream_attach), .id = id,
							  .socket_fd = socket }, err);
}

int module_stream_attach_again(uint64_t id, int socket, uint64_t offset, struct gcs_error *err)
{
	return stream_attach(&(struct gcs_stream_attach){ .size = sizeof(struct gcs_stream_attach), .flags = GCS_ATTACH_OFFSET,
							  .id = id, .socket_fd = socket, .offset = offset }, err);
}

int module_stream_finish(uint64_t id, uint32_t flags, uint32_t idle_ms, uint32_t deadline_ms, struct gcs_error *err)
{
	struct gcs_stream_finish f = { .size = sizeof(f), .flags = flags, .id = id, .idle_ms = idle_ms,
				       .deadline_ms = deadline_ms };

	if (ioctl(device, GCS_STREAM_FINISH, &f) == 0)
		return 0;
	if (errno == ENOENT)
		return 1;
	return gcs_fail(err, errno, HR_FAIL, "gcs.ko: stream %llu: finish", (unsigned long long)id);
}

int module_tty_open(uint32_t flags, int master, uint64_t *id, struct gcs_error *err)
{
	struct gcs_tty_open o = { .size = sizeof(o), .flags = flags, .fd = master, .in_fd = -1, .out_fd = -1 };

	if (ioctl(device, GCS_TTY_OPEN, &o) < 0)
		return gcs_fail(err, errno, HR_FAIL, "gcs.ko: open a terminal");
	*id = o.id;
	return 0;
}

int module_tty_attach(uint64_t id, uint32_t flags, int in, int out, struct gcs_error *err)
{
	struct gcs_tty_attach a = { .size = sizeof(a), .flags = flags, .id = id, .in_fd = in, .out_fd = out };

	if (ioctl(device, GCS_TTY_ATTACH, &a) < 0)
		return gcs_fail(err, errno, HR_FAIL, "gcs.ko: terminal %llu: attach its sockets", (unsigned long long)id);
	return 0;
}

int module_tty_finish(uint64_t id, uint32_t idle_ms, uint32_t deadline_ms, struct gcs_error *err)
{
	struct gcs_tty_finish f = { .size = sizeof(f), .id = id, .idle_ms = idle_ms, .deadline_ms = deadline_ms };

	if (ioctl(device, GCS_TTY_FINISH, &f) == 0)
		return 0;
	if (errno == ENOENT)
		return 1;
	return gcs_fail(err, errno, HR_FAIL, "gcs.ko: terminal %llu: finish", (unsigned long long)id);
}
