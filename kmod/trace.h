/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints: enough to see why a stream does not move
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM gcs

#if !defined(_GCS_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _GCS_TRACE_H

#include <linux/tracepoint.h>

#include "internal.h"

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

/* The work item sent from the ring. */
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
		__entry->in = s->in;
		__entry->out = s->out;
		__entry->lost = s->lost;
		__entry->reason = reason;
	),
	TP_printk("id=%llu reason=%s in=%llu out=%llu lost=%llu", __entry->id,
		  show_gcs_reason(__entry->reason), __entry->in, __entry->out, __entry->lost)
);

#endif /* _GCS_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
