/* SPDX-License-Identifier: MIT */
/* The netlink family of gcs.ko. Private to module*.c. */
#ifndef GCS_MODULE_NETLINK_H
#define GCS_MODULE_NETLINK_H

#include <stdint.h>

#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

#include <linux/gcs.h>

/*
 * Call @each with every message of a dump: of @cmd, over @sock, which is connected and used by one thread. The kernel answers within the
 * request: this does not wait for anything. Returns libnl's error, -NLE_DUMP_INTR if what is dumped has changed meanwhile.
 */
int module_query(struct nl_sock *sock, uint8_t cmd, nl_recvmsg_msg_cb_t each, void *arg);

/* Kernel and agent may be of different age: what is not known here is ignored, and what is not there is 0. */
static inline int module_parse(struct nl_msg *msg, struct nlattr **a)
{
	return genlmsg_parse(nlmsg_hdr(msg), 0, a, GCS_A_MAX, NULL);
}

static inline uint64_t get_u64(struct nlattr **a, int which)
{
	return a[which] ? nla_get_u64(a[which]) : 0;
}

static inline uint32_t get_u32(struct nlattr **a, int which)
{
	return a[which] ? nla_get_u32(a[which]) : 0;
}

#endif
