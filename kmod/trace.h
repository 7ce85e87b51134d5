/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints: enough to see why a stream does not move
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM gcs

#if !defined(_GCS_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _GCS_TRACE_H

#include <linux/tracepoint.h>

#include "devmap.h"
#include "internal.h"
#include "tty.h"

#define show_gcs_state(state) __print_symbolic(state,		\
	{ GCS_STATE_DETACHED, "detached" },			\
	{ GCS_STATE_OPEN, "open" },				\
	{ GCS_STATE_DRAINING, "draining" },			\
	{ GCS_STATE_CLOSING, "closing" },			\
	{ GCS_STATE_BROKEN, "broken" },				\
	{ GCS_STATE_LOST, "lost" },				\
	{ GCS_STATE_FINISHED, "finished" })

#define show_gcs_reason(reason) __print_symbolic(reason,	\
	{ GCS_REASON_EOF, "eof" },				\
	{ GCS_REASON_PEER, "peer" },				\
	{ GCS_REASON_DEADLINE, "deadline" },			\
	{ GCS_REASON_DETACHED, "detached" })

TRACE_EVENT(gcs_stream_open,
	TP_PROTO(const struct gcs_stream *s),
	TP_ARGS(s),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u64, cookie)
		__field(u32, flags)
	),
	TP_fast_assign(
		__entry->id = s->id;
		__entry->cookie = s->cookie;
		__entry->flags = s->flags;
	),
	TP_printk("id=%llu cookie=%#llx %s", __entry->id, __entry->cookie,
		  __entry->flags & GCS_STREAM_READ ? "read" : "write")
);

TRACE_EVENT(gcs_stream_state,
	TP_PROTO(const struct gcs_stream *s, u8 state),
	TP_ARGS(s, state),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u8, from)
		__field(u8, to)
		__field(u32, queued)
	),
	TP_fast_assign(
		__entry->id = s->id;
		__entry->from = s->state;
		__entry->to = state;
		__entry->queued = gcs_stream_queued(s);
	),
	TP_printk("id=%llu %s -> %s queued=%u", __entry->id, show_gcs_state(__entry->from),
		  show_gcs_state(__entry->to), __entry->queued)
);

DECLARE_EVENT_CLASS(gcs_stream_send,
	TP_PROTO(const struct gcs_stream *s, u32 len, long ret),
	TP_ARGS(s, len, ret),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u32, len)
		__field(long, ret)
	),
	TP_fast_assign(
		__entry->id = s->id;
		__entry->len = len;
		__entry->ret = ret;
	),
	TP_printk("id=%llu len=%u ret=%ld", __entry->id, __entry->len, __entry->ret)
);

/* A writer sent from its own memory. */
DEFINE_EVENT(gcs_stream_send, gcs_stream_inline,
	TP_PROTO(const struct gcs_stream *s, u32 len, long ret),
	TP_ARGS(s, len, ret)
);

/* The work item or a writer sent from the ring. */
DEFINE_EVENT(gcs_stream_send, gcs_stream_flush,
	TP_PROTO(const struct gcs_stream *s, u32 len, long ret),
	TP_ARGS(s, len, ret)
);

TRACE_EVENT(gcs_stream_stall,
	TP_PROTO(const struct gcs_stream *s),
	TP_ARGS(s),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u32, queued)
	),
	TP_fast_assign(
		__entry->id = s->id;
		__entry->queued = gcs_stream_queued(s);
	),
	TP_printk("id=%llu queued=%u", __entry->id, __entry->queued)
);

TRACE_EVENT(gcs_stream_finished,
	TP_PROTO(const struct gcs_stream *s, u8 reason),
	TP_ARGS(s, reason),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u64, in)
		__field(u64, out)
		__field(u64, lost)
		__field(u8, reason)
	),
	TP_fast_assign(
		__entry->id = s->id;
		__entry->in = gcs_stream_in(s);
		__entry->out = gcs_stream_out(s);
		__entry->lost = s->lost;
		__entry->reason = reason;
	),
	TP_printk("id=%llu reason=%s in=%llu out=%llu lost=%llu", __entry->id,
		  show_gcs_reason(__entry->reason), __entry->in, __entry->out, __entry->lost)
);

#define show_gcs_tty_state(state) __print_symbolic(state,	\
	{ GCS_TTY_STATE_DETACHED, "detached" },			\
	{ GCS_TTY_STATE_OPEN, "open" },				\
	{ GCS_TTY_STATE_DRAINING, "draining" },			\
	{ GCS_TTY_STATE_CLOSING, "closing" },			\
	{ GCS_TTY_STATE_FINISHED, "finished" })

TRACE_EVENT(gcs_tty_open,
	TP_PROTO(const struct gcs_tty *t),
	TP_ARGS(t),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u64, cookie)
		__field(bool, pty)
	),
	TP_fast_assign(
		__entry->id = t->id;
		__entry->cookie = t->cookie;
		__entry->pty = t->pty;
	),
	TP_printk("id=%llu cookie=%#llx %s", __entry->id, __entry->cookie,
		  __entry->pty ? "pty" : "other")
);

TRACE_EVENT(gcs_tty_state,
	TP_PROTO(const struct gcs_tty *t, u8 state),
	TP_ARGS(t, state),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u8, from)
		__field(u8, to)
	),
	TP_fast_assign(
		__entry->id = t->id;
		__entry->from = t->state;
		__entry->to = state;
	),
	TP_printk("id=%llu %s -> %s", __entry->id, show_gcs_tty_state(__entry->from),
		  show_gcs_tty_state(__entry->to))
);

DECLARE_EVENT_CLASS(gcs_tty_move,
	TP_PROTO(const struct gcs_tty *t, bool out, u32 len, long ret),
	TP_ARGS(t, out, len, ret),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(bool, out)
		__field(u32, len)
		__field(long, ret)
	),
	TP_fast_assign(
		__entry->id = t->id;
		__entry->out = out;
		__entry->len = len;
		__entry->ret = ret;
	),
	TP_printk("id=%llu %s len=%u ret=%ld", __entry->id, __entry->out ? "out" : "in",
		  __entry->len, __entry->ret)
);

/* Bytes were taken from the file or the peer, or none were there. */
DEFINE_EVENT(gcs_tty_move, gcs_tty_take,
	TP_PROTO(const struct gcs_tty *t, bool out, u32 len, long ret),
	TP_ARGS(t, out, len, ret)
);

/* Bytes were put into the file or the connection, or there was no room. */
DEFINE_EVENT(gcs_tty_move, gcs_tty_put,
	TP_PROTO(const struct gcs_tty *t, bool out, u32 len, long ret),
	TP_ARGS(t, out, len, ret)
);

TRACE_EVENT(gcs_tty_finished,
	TP_PROTO(const struct gcs_tty *t, u8 reason),
	TP_ARGS(t, reason),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u64, in)
		__field(u64, out)
		__field(u64, in_lost)
		__field(u64, out_lost)
		__field(u8, reason)
	),
	TP_fast_assign(
		__entry->id = t->id;
		__entry->in = t->in.moved;
		__entry->out = t->out.moved;
		__entry->in_lost = t->in.lost;
		__entry->out_lost = t->out.lost;
		__entry->reason = reason;
	),
	TP_printk("id=%llu reason=%s in=%llu out=%llu lost in=%llu out=%llu", __entry->id,
		  show_gcs_reason(__entry->reason), __entry->in, __entry->out, __entry->in_lost,
		  __entry->out_lost)
);

DECLARE_EVENT_CLASS(gcs_dev,
	TP_PROTO(const struct gcs_dev *d),
	TP_ARGS(d),
	TP_STRUCT__entry(
		__field(u64, seq)
		__field(u32, bus)
		__array(char, name, sizeof_field(struct gcs_dev, name))
	),
	TP_fast_assign(
		__entry->seq = d->seq;
		__entry->bus = d->addr.bus;
		memcpy(__entry->name, d->name, sizeof(__entry->name));
	),
	TP_printk("bus=%s name=%s seq=%llu", __print_symbolic(__entry->bus,
		  { GCS_BUS_SCSI, "scsi" }, { GCS_BUS_PMEM, "pmem" },
		  { GCS_BUS_NET, "net" }, { GCS_BUS_PCI, "pci" }),
		  __entry->name, __entry->seq)
);

/* The kernel has told of a device; its driver may still be probing it. */
DEFINE_EVENT(gcs_dev, gcs_dev_seen,
	TP_PROTO(const struct gcs_dev *d),
	TP_ARGS(d)
);

/* Those who wait for it are woken now. */
DEFINE_EVENT(gcs_dev, gcs_dev_usable,
	TP_PROTO(const struct gcs_dev *d),
	TP_ARGS(d)
);

DEFINE_EVENT(gcs_dev, gcs_dev_gone,
	TP_PROTO(const struct gcs_dev *d),
	TP_ARGS(d)
);

#endif /* _GCS_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
