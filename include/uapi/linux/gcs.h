/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * gcs.h - the interface of gcs.ko: ioctls on /dev/gcs, generic netlink family "gcs"
 *
 * A stream is a file that behaves like one end of a pipe and is one direction of a vsock
 * connection. It is made without a socket or with one; a container's process holds the file, the
 * module moves the bytes, and whoever made it may go away. Streams are known by a 64-bit id that
 * is never used twice while the module is loaded.
 *
 * Every ioctl takes a struct whose first member is its size as the caller knows it. A caller that
 * knows fewer members than the module gets the old behaviour; one that knows more gets -E2BIG
 * unless the members that the module does not know are zero. Unknown flags and non-zero reserved
 * members are refused with -EINVAL. All ioctls need CAP_SYS_ADMIN in the initial user namespace
 * (-EPERM); a size below the first published one is -EINVAL, a bad pointer -EFAULT.
 */
#ifndef _UAPI_LINUX_GCS_H
#define _UAPI_LINUX_GCS_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define GCS_DEVICE_NAME		"gcs"		/* /dev/gcs */
#define GCS_INTERFACE_VERSION	1

#define GCS_IOC_MAGIC		0xBB

/**
 * struct gcs_info - what the module is and can do
 * @size: in: sizeof(struct gcs_info) as the caller knows it; out: as the module knows it
 * @version: out: GCS_INTERFACE_VERSION of the module
 * @features: out: GCS_FEATURE_*
 *
 * For GCS_INFO. Returns 0.
 */
struct gcs_info {
	__u32 size;
	__u32 version;
	__u64 features;
};

#define GCS_FEATURE_STREAM	(1ULL << 0)	/* GCS_STREAM_* ioctls and netlink commands */

/* gcs_stream_open.flags: exactly one of GCS_STREAM_READ and GCS_STREAM_WRITE */
#define GCS_STREAM_READ		(1U << 0)	/* the file is read: a process's stdin */
#define GCS_STREAM_WRITE	(1U << 1)	/* the file is written: stdout, stderr */
#define GCS_STREAM_NONBLOCK	(1U << 2)	/* the returned file has O_NONBLOCK */

/**
 * struct gcs_stream_open - make a stream
 * @size: in: sizeof(struct gcs_stream_open) as the caller knows it
 * @flags: in: GCS_STREAM_*
 * @socket_fd: in: a connected AF_VSOCK SOCK_STREAM socket, or -1: it comes with GCS_STREAM_ATTACH.
 *             The stream takes a reference of its own; the caller closes its descriptor.
 * @reserved: must be 0
 * @cookie: in: the caller's own tag, carried in dumps and events, not interpreted
 * @id: out: the stream's id
 *
 * For GCS_STREAM_OPEN. Returns a close-on-exec file descriptor, the container's end. Until a
 * socket is attached, reads block and writes go to the ring and block when that is full. When the
 * last descriptor of a written stream is closed, what was written is sent, the connection's
 * sending side is shut down, the peer's end of file is awaited (at most GCS_PEER_EOF_MS), and
 * GCS_CMD_STREAM_FINISHED is sent. When the last descriptor of a read stream is closed, its
 * receiving side is shut down and the stream is finished at once, also if it has no socket yet. A
 * socket serves one stream. The file's inode number is the id; it is mode 0600 and owned by the
 * caller, may be chowned, and can be opened again by /proc/<pid>/fd until the last close (-ENXIO),
 * in its own direction (-EACCES).
 *
 * Errors: -EBADF @socket_fd is not open, -ENOTSOCK not a socket, -EPROTOTYPE not an AF_VSOCK
 * stream, -ENOTCONN not connected, -EMFILE, -ENFILE, -ENOMEM.
 */
struct gcs_stream_open {
	__u32 size;
	__u32 flags;
	__s32 socket_fd;
	__u32 reserved;
	__u64 cookie;
	__u64 id;
};

/* How long a stream whose every byte was sent waits for the peer's end of file, in ms. */
#define GCS_PEER_EOF_MS		5000

/**
 * struct gcs_stream_attach - give a stream that has none its socket
 * @size: in: sizeof(struct gcs_stream_attach) as the caller knows it
 * @flags: in: 0
 * @id: in: the stream
 * @socket_fd: in: as in struct gcs_stream_open, but not -1
 * @reserved: must be 0
 *
 * For GCS_STREAM_ATTACH. What the ring holds is sent, waiting readers and writers go on; if the
 * last descriptor was closed before, the stream is drained and finished as if just closed.
 * Returns 0. Errors: those of @socket_fd, -ENOENT no such stream (it has finished), -EISCONN it has
 * a socket already, -EPIPE it was told to finish.
 */
struct gcs_stream_attach {
	__u32 size;
	__u32 flags;
	__u64 id;
	__s32 socket_fd;
	__u32 reserved;
};

/* gcs_stream_finish.flags: what later writes do; without the flag they fail with -EPIPE */
#define GCS_FINISH_DISCARD	(1U << 0)	/* later writes succeed and are swallowed, as by /dev/null */

/**
 * struct gcs_stream_finish - end a stream although descriptors of it may be open
 * @size: in: sizeof(struct gcs_stream_finish) as the caller knows it
 * @flags: in: GCS_FINISH_*
 * @id: in: the stream
 * @idle_ms: in: 0: finish now. Otherwise finish as soon as nothing was written for this long,
 *           counted from this call at the earliest, and everything written has been sent; the last
 *           close still finishes it at once. Of no meaning for a read stream.
 * @deadline_ms: in: 0: none. Otherwise what has not been sent, or the peer's end of file not
 *               seen, after this long is given up: GCS_REASON_DEADLINE, lost bytes counted.
 *
 * For GCS_STREAM_FINISH. For a written stream what is queued is delivered first, then as after the
 * last close. For a read stream the receiving side is shut down and readers get end of file. A
 * stream that never had a socket finishes at once; what its ring held is dropped, and counted as
 * lost unless GCS_FINISH_DISCARD was given. Calling it again replaces flags and both times.
 * Returns 0. Errors: -ENOENT no such stream (it has finished).
 */
struct gcs_stream_finish {
	__u32 size;
	__u32 flags;
	__u64 id;
	__u32 idle_ms;
	__u32 deadline_ms;
};

#define GCS_INFO		_IO(GCS_IOC_MAGIC, 0x00)
#define GCS_STREAM_OPEN		_IO(GCS_IOC_MAGIC, 0x10)
#define GCS_STREAM_ATTACH	_IO(GCS_IOC_MAGIC, 0x11)
#define GCS_STREAM_FINISH	_IO(GCS_IOC_MAGIC, 0x12)

/*
 * Generic netlink. Observation only; all commands need CAP_NET_ADMIN in the initial user
 * namespace. A receiver of the multicast group that gets ENOBUFS has missed events and dumps
 * again: a stream that is not in the dump has finished.
 */
#define GCS_GENL_NAME		"gcs"
#define GCS_GENL_VERSION	1
#define GCS_GENL_GROUP_EVENTS	"events"

/**
 * enum gcs_cmd - generic netlink commands
 * @GCS_CMD_UNSPEC: not used
 * @GCS_CMD_STREAM_GET: request with GCS_A_STREAM_ID: the answer is one message with the attributes
 *     of that stream, or -ENOENT. As a dump (NLM_F_DUMP, no attributes): one message a stream.
 * @GCS_CMD_STREAM_FINISHED: event, multicast to GCS_GENL_GROUP_EVENTS: all attributes of a stream,
 *     with GCS_A_STREAM_REASON. Sent once a stream; it is not in any dump afterwards, and unless a
 *     file of it is open, nothing is left of it.
 */
enum gcs_cmd {
	GCS_CMD_UNSPEC,
	GCS_CMD_STREAM_GET,
	GCS_CMD_STREAM_FINISHED,
	__GCS_CMD_MAX,
};
#define GCS_CMD_MAX (__GCS_CMD_MAX - 1)

/**
 * enum gcs_attr - generic netlink attributes
 * @GCS_A_UNSPEC: not used
 * @GCS_A_PAD: alignment of 64-bit values
 * @GCS_A_STREAM_ID: u64, the stream's id
 * @GCS_A_STREAM_COOKIE: u64, as given at open
 * @GCS_A_STREAM_FLAGS: u32, GCS_STREAM_* of the open
 * @GCS_A_STREAM_STATE: u32, enum gcs_stream_state
 * @GCS_A_STREAM_BYTES_IN: u64, bytes that entered: accepted from writers, or received from the peer
 * @GCS_A_STREAM_BYTES_OUT: u64, bytes that left: handed to the connection, or returned to readers
 * @GCS_A_STREAM_LOST: u64, bytes whose write returned success but that were not handed to the
 *     connection
 * @GCS_A_STREAM_QUEUED: u64, bytes in the ring now
 * @GCS_A_STREAM_INLINE: u64, sends made from a writer's own memory
 * @GCS_A_STREAM_FLUSHES: u64, sends made from the ring
 * @GCS_A_STREAM_STALLS: u64, times a writer had to wait for room
 * @GCS_A_STREAM_REASON: u32, enum gcs_stream_reason; only in GCS_CMD_STREAM_FINISHED
 */
enum gcs_attr {
	GCS_A_UNSPEC,
	GCS_A_PAD,
	GCS_A_STREAM_ID,
	GCS_A_STREAM_COOKIE,
	GCS_A_STREAM_FLAGS,
	GCS_A_STREAM_STATE,
	GCS_A_STREAM_BYTES_IN,
	GCS_A_STREAM_BYTES_OUT,
	GCS_A_STREAM_LOST,
	GCS_A_STREAM_QUEUED,
	GCS_A_STREAM_INLINE,
	GCS_A_STREAM_FLUSHES,
	GCS_A_STREAM_STALLS,
	GCS_A_STREAM_REASON,
	__GCS_A_MAX,
};
#define GCS_A_MAX (__GCS_A_MAX - 1)

/**
 * enum gcs_stream_state - where a stream is in its life
 * @GCS_STATE_DETACHED: no socket yet
 * @GCS_STATE_OPEN: has a socket and may be read or written
 * @GCS_STATE_DRAINING: closed or told to finish; what is queued is being sent
 * @GCS_STATE_CLOSING: everything sent, sending side shut down, the peer's end of file is awaited
 * @GCS_STATE_BROKEN: the connection failed; writers get -EPIPE, the last close finishes it
 * @GCS_STATE_FINISHED: over; seen in GCS_CMD_STREAM_FINISHED only
 */
enum gcs_stream_state {
	GCS_STATE_DETACHED,
	GCS_STATE_OPEN,
	GCS_STATE_DRAINING,
	GCS_STATE_CLOSING,
	GCS_STATE_BROKEN,
	GCS_STATE_FINISHED,
};

/**
 * enum gcs_stream_reason - why a stream finished
 * @GCS_REASON_EOF: all was sent and the peer closed after it; or a read stream was closed
 * @GCS_REASON_PEER: the peer closed or reset the connection before all was sent
 * @GCS_REASON_DEADLINE: a deadline passed (GCS_PEER_EOF_MS or gcs_stream_finish.deadline_ms)
 * @GCS_REASON_DETACHED: it never had a socket
 */
enum gcs_stream_reason {
	GCS_REASON_EOF,
	GCS_REASON_PEER,
	GCS_REASON_DEADLINE,
	GCS_REASON_DETACHED,
};

#endif /* _UAPI_LINUX_GCS_H */
