/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * gcs.h - the interface of gcs.ko: ioctls on /dev/gcs, generic netlink family "gcs"
 *
 * Three things: streams (below), terminals ("Terminals"), and the device map ("Devices").
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
 * (-EPERM); a size below the first published one is -EINVAL, one above a page -E2BIG whatever the
 * tail is, a bad pointer -EFAULT.
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
#define GCS_FEATURE_TTY		(1ULL << 1)	/* GCS_TTY_* ioctls and netlink commands */
#define GCS_FEATURE_DEV		(1ULL << 2)	/* GCS_DEV_* ioctls and netlink commands */

/* gcs_stream_open.flags: exactly one of GCS_STREAM_READ and GCS_STREAM_WRITE */
#define GCS_STREAM_READ		(1U << 0)	/* the file is read: a process's stdin */
#define GCS_STREAM_WRITE	(1U << 1)	/* the file is written: stdout, stderr */
#define GCS_STREAM_NONBLOCK	(1U << 2)	/* the returned file has O_NONBLOCK */
#define GCS_STREAM_KEEP		(1U << 3)	/* the stream outlives its connection, see @keep */

/**
 * struct gcs_stream_open - make a stream
 * @size: in: sizeof(struct gcs_stream_open) as the caller knows it
 * @flags: in: GCS_STREAM_*
 * @socket_fd: in: a connected AF_VSOCK SOCK_STREAM socket, or -1: it comes with GCS_STREAM_ATTACH.
 *             The stream takes a reference of its own; the caller closes its descriptor.
 * @lost_ms: in: with GCS_STREAM_KEEP: how long the stream waits for a new socket when its connection
 *           is gone; then it is broken (writers get -EPIPE, readers end of file, what is queued is
 *           lost). 0: for ever. Without the flag 0.
 * @cookie: in: the caller's own tag, carried in dumps and events, not interpreted
 * @id: out: the stream's id
 * @keep: in: with GCS_STREAM_KEEP and GCS_STREAM_WRITE: how many of the bytes last sent are kept, to be
 *        sent again by GCS_STREAM_ATTACH; at most GCS_KEEP_MAX, 0 for GCS_KEEP_DEFAULT. Else 0.
 *        The memory for it and for 256 KiB of queue, rounded up to a power of two, is charged to the
 *        first writer.
 * @reserved: must be 0
 *
 * For GCS_STREAM_OPEN. Returns a close-on-exec file descriptor, the container's end. Until a
 * socket is attached, reads block and writes go to the ring and block when that is full. When the
 * last descriptor of a written stream is closed, what was written is sent, the connection's
 * sending side is shut down, the peer's end of file is awaited (at most GCS_PEER_EOF_MS), and
 * GCS_CMD_STREAM_FINISHED is sent. When the last descriptor of a read stream is closed, its
 * receiving side is shut down and the stream is finished at once, also if it has no socket yet. A
 * socket serves one stream or tty, from this call until it is let go. The file's inode number is the
 * id; it is mode 0600 and owned by the caller, may be chowned, and can be opened again by
 * /proc/<pid>/fd until the last close (-ENXIO), in its own direction (-EACCES) or, as a FIFO, for
 * both; the other direction then is -EBADF.
 *
 * With GCS_STREAM_KEEP a connection is lost, not ended, when it is reset or the peer closes it, or does
 * not read from it any more, before everything was written and sent; for a read stream, when it is
 * reset or closed without the peer's having shut down its sending side first. Once everything is
 * sent and the sending side is shut down, any end of the connection is the peer's end of file.
 *
 * Errors: -EBADF @socket_fd is not open, -ENOTSOCK not a socket, -EPROTOTYPE not an AF_VSOCK
 * stream, -ENOTCONN not connected, -EBUSY a stream or tty has it already (or another user in the kernel,
 * such as a sockmap), -EMFILE, -ENFILE, -ENOMEM.
 */
struct gcs_stream_open {
	__u32 size;
	__u32 flags;
	__s32 socket_fd;
	__u32 lost_ms;
	__u64 cookie;
	__u64 id;
	__u32 keep;
	__u32 reserved;
};

#define GCS_KEEP_DEFAULT	131072		/* 128 KiB: what a host may have lost of what it was sent */
#define GCS_KEEP_MAX		16777216

/* How long a stream whose every byte was sent waits for the peer's end of file, in ms. */
#define GCS_PEER_EOF_MS		5000

/* gcs_stream_attach.flags */
#define GCS_ATTACH_REPLACE	(1U << 0)	/* with GCS_STREAM_KEEP: if it has a socket, close that */
#define GCS_ATTACH_OFFSET	(1U << 1)	/* send from @offset on */

/**
 * struct gcs_stream_attach - give a stream its socket, or a new one
 * @size: in: sizeof(struct gcs_stream_attach) as the caller knows it
 * @flags: in: GCS_ATTACH_*
 * @id: in: the stream
 * @socket_fd: in: as in struct gcs_stream_open, but not -1
 * @reserved: must be 0
 * @offset: in: with GCS_ATTACH_OFFSET, and for a written stream: the first byte that the new peer is to
 *          get, counted from the stream's first. From what was handed to the old connection
 *          (GCS_A_STREAM_BYTES_OUT, which is set back to it) back to the oldest that is kept
 *          (GCS_A_STREAM_KEPT). Else 0. Without the flag the new peer gets what comes after what was
 *          handed to the old connection.
 *
 * For GCS_STREAM_ATTACH. For a stream that has no socket: one that never had one, or with
 * GCS_STREAM_KEEP one whose connection is gone (GCS_STATE_LOST). What the ring holds is sent, waiting
 * readers and writers go on; if the last descriptor was closed before, or a lost stream was told to
 * finish, it is drained and finished as if just closed. What a peer that is replaced has sent to a read
 * stream and nobody has read is gone. Returns 0. Errors: those of @socket_fd, -ENOENT
 * no such stream (it has finished), -EISCONN it has a socket already, -EPIPE it is broken, or never had
 * a socket and was told to finish, -ERANGE @offset is not kept any more, or was not sent yet.
 */
struct gcs_stream_attach {
	__u32 size;
	__u32 flags;
	__u64 id;
	__s32 socket_fd;
	__u32 reserved;
	__u64 offset;
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
 * lost unless GCS_FINISH_DISCARD was given. One whose connection is lost waits for a new socket as long
 * as its lost_ms and @deadline_ms say. Calling it again replaces flags and both times.
 * Returns 0. Errors: -ENOENT no such stream (it has finished).
 */
struct gcs_stream_finish {
	__u32 size;
	__u32 flags;
	__u64 id;
	__u32 idle_ms;
	__u32 deadline_ms;
};

/*
 * Terminals. A tty is a relay between a pty's master, or a pipe's or a socket's end in its place, and
 * two directions of vsock. Nobody holds a file of it: it is known by its id, out of the same numbers
 * as streams', and lives until it has finished.
 */

/* gcs_tty_open.flags, gcs_tty_attach.flags */
#define GCS_TTY_DISCARD		(1U << 0)	/* the way out gets no socket: what is read from the file is dropped */

/**
 * struct gcs_tty_open - relay between a file and a connection
 * @size: in: sizeof(struct gcs_tty_open) as the caller knows it
 * @flags: in: GCS_TTY_DISCARD, or 0
 * @fd: in: a pty's master; or a pipe's end, or a connected stream socket. The tty takes a reference; the caller may
 *      go on using it, to resize. A master, and before Linux 6.5 a pipe, is switched to O_NONBLOCK and must stay so: it is the only
 *      way to ask one without waiting, and a flag that all descriptors of it share.
 * @in_fd: in: the connected AF_VSOCK SOCK_STREAM socket whose bytes are written to @fd, or -1: none,
 *         or it comes with GCS_TTY_ATTACH
 * @out_fd: in: the one that what is read from @fd is sent to, or -1. May be the same as @in_fd.
 * @reserved: must be 0
 * @cookie: in: the caller's own tag, carried in dumps and events
 * @id: out: the tty's id
 *
 * For GCS_TTY_OPEN. Until it has its socket, nothing is read from @fd. End of file from the peer ends the way in (a
 * socket at @fd is shut down for writing, a pipe let go; a pty is left as it is), the way out goes on. End of file
 * at @fd (a master's -EIO: the last slave was closed) ends the way out: what was read is sent, the sending side is
 * shut down, the peer's end of file awaited as for a stream; with that the tty is finished and
 * GCS_CMD_TTY_FINISHED sent. For a pty it ends the way in too, whose socket is shut down for receiving; a socket at
 * @fd goes on getting bytes until the peer ends them. A file that can only be written finishes with the way in.
 * A peer that is gone (reset, or closed before all was sent) ends it at once. A slow peer holds its own tty up,
 * nobody else's.
 *
 * Bytes that were received after the file took no more, or read from it and not sent, are counted as lost.
 *
 * Returns 0. Errors: -EBADF @fd or a socket is not open, or @fd not for the way that a socket is given for; -EINVAL
 * @fd is none of these, such as the slave; -ENOTCONN @fd or a socket is not connected; -EBUSY a stream or another tty
 * has a socket or @fd already, if that is one; -ENOTSOCK, -EPROTOTYPE of a socket as in struct gcs_stream_open; -ENOMEM.
 */
struct gcs_tty_open {
	__u32 size;
	__u32 flags;
	__s32 fd;
	__s32 in_fd;
	__s32 out_fd;
	__u32 reserved;
	__u64 cookie;
	__u64 id;
};

/**
 * struct gcs_tty_attach - give a tty the sockets that it does not have
 * @size: in: sizeof(struct gcs_tty_attach) as the caller knows it
 * @flags: in: GCS_TTY_DISCARD, or 0
 * @id: in: the tty
 * @in_fd: in: as in struct gcs_tty_open; -1: no change
 * @out_fd: in: likewise
 *
 * For GCS_TTY_ATTACH. Returns 0. Errors: those of the sockets, -ENOENT no such tty (it has finished), -EBADF its file
 * has no such way, -EISCONN it has that socket already, -EPIPE it was told to finish, or its file has ended; then
 * nothing has changed.
 */
struct gcs_tty_attach {
	__u32 size;
	__u32 flags;
	__u64 id;
	__s32 in_fd;
	__s32 out_fd;
};

/**
 * struct gcs_tty_finish - end a tty although the slave may be open
 * @size: in: sizeof(struct gcs_tty_finish) as the caller knows it
 * @flags: in: 0
 * @id: in: the tty
 * @idle_ms: in: 0: what can be read now is sent, then it ends. Otherwise it ends when nothing was read
 *           for this long, counted from this call at the earliest, and all was sent.
 * @deadline_ms: in: 0: none. Otherwise what has not been sent, or the peer's end of file not seen,
 *               after this long is given up: GCS_REASON_DEADLINE, lost bytes counted.
 *
 * For GCS_TTY_FINISH: the process that the terminal was for has exited, a background child may keep the
 * slave. The way in ends at once. Who never stops writing never lets it end: that is what @deadline_ms is for. A
 * tty whose way out never had a socket ends at once: GCS_REASON_DETACHED. Calling it again replaces both times.
 * While a process at the other end of a pipe in the pty's place waits for a page of its own memory, all of this waits for it.
 * Returns 0. Errors: -ENOENT no such tty (it has finished).
 */
struct gcs_tty_finish {
	__u32 size;
	__u32 flags;
	__u64 id;
	__u32 idle_ms;
	__u32 deadline_ms;
};

/*
 * Devices. The module maps a bus address to the kernel's object from the moment on at which that can be used: its
 * driver's probe is over, its node opens, its partitions are known.
 */

/**
 * enum gcs_bus - kinds of hot-added devices, and what of struct gcs_dev_addr is their address
 * @GCS_BUS_SCSI: a disk: controller (@guid, or @controller), @target, @lun, @partition
 * @GCS_BUS_PMEM: a PMEM device: @index, the n of /dev/pmemn
 * @GCS_BUS_NET: a network interface: @guid, or @mac. Only while it is in the initial network namespace:
 *     one that is moved to another is gone, and added again when it comes back
 * @GCS_BUS_PCI: a PCI function: @guid, or @domain and @devfn
 */
enum gcs_bus {
	GCS_BUS_SCSI,
	GCS_BUS_PMEM,
	GCS_BUS_NET,
	GCS_BUS_PCI,
};

/* gcs_dev_addr.flags: by @guid, and not by the members for other buses than VMBus */
#define GCS_ADDR_GUID		(1U << 0)

/**
 * struct gcs_dev_addr - a device's address on its bus
 * @bus: enum gcs_bus
 * @flags: GCS_ADDR_*
 * @guid: the VMBus instance of the SCSI controller, the NIC or the PCI device; 16 bytes in the order of the GUID's text
 * @controller: without @guid: the n-th SCSI host adapter that is not on VMBus and whose targets can have more than
 *              one unit (virtio-scsi, but no ATA port), counted from 0 in the order of their paths in sysfs, which is
 *              that of buses and slots
 * @target: SCSI target
 * @lun: SCSI logical unit
 * @partition: 0: the whole disk; else the partition's number
 * @index: GCS_BUS_PMEM: the index
 * @domain: GCS_BUS_PCI: PCI domain
 * @devfn: GCS_BUS_PCI: bus << 8 | device << 3 | function
 * @mac: GCS_BUS_NET: the permanent hardware address
 * @reserved: must be 0
 *
 * Members that are no part of the address must be 0.
 */
struct gcs_dev_addr {
	__u32 bus;
	__u32 flags;
	__u8 guid[16];
	__u32 controller;
	__u32 target;
	__u64 lun;
	__u32 partition;
	__u32 index;
	__u32 domain;
	__u32 devfn;
	__u8 mac[6];
	__u8 reserved[2];
};

/* gcs_dev_wait.flags */
#define GCS_WAIT_CONTROLLER	(1U << 0)	/* GCS_BUS_SCSI: the controller may come, too */

/* gcs_dev_wait.dev_flags */
#define GCS_DEV_READONLY	(1U << 0)	/* a disk that cannot be written */
#define GCS_DEV_DAX		(1U << 1)	/* GCS_BUS_PMEM: can be mapped directly */

/**
 * struct gcs_dev_wait - wait until a hot-added device can be used
 * @size: in: sizeof(struct gcs_dev_wait) as the caller knows it
 * @flags: in: GCS_WAIT_*
 * @addr: in: which
 * @timeout_ms: in: how long to wait; 0: only look, and ask no controller; ~0: for ever
 * @dev_flags: out: GCS_DEV_*
 * @major: out: of the block device, else 0
 * @minor: out: likewise
 * @bytes: out: size of the block device, in bytes
 * @ifindex: out: of the network interface, in the initial network namespace
 * @devfn: out: GCS_BUS_PCI: bus << 8 | device << 3 | function
 * @domain: out: GCS_BUS_PCI
 * @reserved: must be 0
 * @name: out: the kernel's name: "sda1", "pmem0", "eth0", "0000:00:03.0"; NUL-terminated
 * @driver: out: GCS_BUS_PCI: the driver bound to it, or ""
 *
 * For GCS_DEV_WAIT. Looks and waits without a gap: no arrival is missed. A SCSI logical unit that the kernel has
 * not scanned yet is probed at once. Returns 0. Errors:
 * -ENXIO	no such controller, or it has no room for such a target or unit: waiting is of no use; with
 *		GCS_WAIT_CONTROLLER at the end of @timeout_ms only
 * -ETIME	not there by the end of @timeout_ms
 * -ENOMEDIUM	the device is there and has no medium (a size of 0)
 * -ENOENT	the disk is there and has no such partition
 * -ENODEV	it, or its controller, was removed while being waited for
 * -EINTR	a signal came (with ~0 the call is begun again where the signal's action says so)
 * -ENOMEM	the controller could not be asked
 * -EINVAL	unknown bus or flags, members set that are no part of the address
 */
struct gcs_dev_wait {
	__u32 size;
	__u32 flags;
	struct gcs_dev_addr addr;
	__u32 timeout_ms;
	__u32 dev_flags;
	__u32 major;
	__u32 minor;
	__u64 bytes;
	__u32 ifindex;
	__u32 devfn;
	__u32 domain;
	__u32 reserved;
	char name[32];
	char driver[32];
};

/**
 * struct gcs_dev_eject - flush a device and take it off its bus
 * @size: in: sizeof(struct gcs_dev_eject) as the caller knows it
 * @flags: in: 0
 * @addr: in: which; GCS_BUS_SCSI, with @partition 0
 *
 * For GCS_DEV_EJECT. Nobody may use it: a disk that is mounted or open otherwise is refused. Waits until it is gone.
 * Other buses have no such thing: of a NIC or a PCI function nobody can say in general whether it is in use.
 * Returns 0. Errors: -ENXIO no such controller, -ENODEV no such device, -EBUSY it is in use, -EIO what was cached
 * could not be written; in both cases it is still there. -EOPNOTSUPP another bus, -EINTR a signal came while
 * it was still being probed, or the kernel had yet to close a file of it, -ENOMEM.
 */
struct gcs_dev_eject {
	__u32 size;
	__u32 flags;
	struct gcs_dev_addr addr;
};

#define GCS_INFO		_IO(GCS_IOC_MAGIC, 0x00)
#define GCS_STREAM_OPEN		_IO(GCS_IOC_MAGIC, 0x10)
#define GCS_STREAM_ATTACH	_IO(GCS_IOC_MAGIC, 0x11)
#define GCS_STREAM_FINISH	_IO(GCS_IOC_MAGIC, 0x12)
#define GCS_TTY_OPEN		_IO(GCS_IOC_MAGIC, 0x20)
#define GCS_TTY_ATTACH		_IO(GCS_IOC_MAGIC, 0x21)
#define GCS_TTY_FINISH		_IO(GCS_IOC_MAGIC, 0x22)
#define GCS_DEV_WAIT		_IO(GCS_IOC_MAGIC, 0x30)
#define GCS_DEV_EJECT		_IO(GCS_IOC_MAGIC, 0x31)

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
 *     file of it is open, or just being closed, nothing is left of it.
 * @GCS_CMD_STREAM_LOST: event: all attributes of a stream that has lost its connection and waits for
 *     a new socket (GCS_STREAM_KEEP); the old one has been let go
 * @GCS_CMD_TTY_GET: as GCS_CMD_STREAM_GET, with GCS_A_TTY_ID
 * @GCS_CMD_TTY_FINISHED: event: all attributes of a tty, with GCS_A_TTY_REASON; once a tty
 * @GCS_CMD_DEV_GET: dump: one message a device that can be used
 * @GCS_CMD_DEV_ADDED: event: all attributes of a device that can be used from now on; once a device
 * @GCS_CMD_DEV_REMOVED: event: the same, without GCS_A_DEV_FLAGS and GCS_A_DEV_BYTES, of one that is gone; once
 *     a device that was added, and after that. It is in no dump any more.
 */
enum gcs_cmd {
	GCS_CMD_UNSPEC,
	GCS_CMD_STREAM_GET,
	GCS_CMD_STREAM_FINISHED,
	GCS_CMD_STREAM_LOST,
	GCS_CMD_TTY_GET,
	GCS_CMD_TTY_FINISHED,
	GCS_CMD_DEV_GET,
	GCS_CMD_DEV_ADDED,
	GCS_CMD_DEV_REMOVED,
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
 * @GCS_A_STREAM_KEPT: u64, the oldest byte that GCS_ATTACH_OFFSET can name; only of a written stream
 *     with GCS_STREAM_KEEP
 * @GCS_A_TTY_ID: u64, the tty's id
 * @GCS_A_TTY_COOKIE: u64, as given at open
 * @GCS_A_TTY_STATE: u32, enum gcs_tty_state
 * @GCS_A_TTY_IN: u64, bytes written to the file
 * @GCS_A_TTY_OUT: u64, bytes handed to the connection
 * @GCS_A_TTY_IN_LOST: u64, bytes received that could not be written to the file
 * @GCS_A_TTY_OUT_LOST: u64, bytes read from the file that were not handed to the connection
 * @GCS_A_TTY_QUEUED: u64, bytes read from either side and not yet handed to the other
 * @GCS_A_TTY_REASON: u32, enum gcs_stream_reason; only in GCS_CMD_TTY_FINISHED
 * @GCS_A_DEV_BUS: u32, enum gcs_bus; what follows is there when it is of that bus and known
 * @GCS_A_DEV_GUID: 16 bytes, as gcs_dev_addr.guid; of devices on VMBus
 * @GCS_A_DEV_CONTROLLER: u32, as gcs_dev_addr.controller
 * @GCS_A_DEV_TARGET: u32
 * @GCS_A_DEV_LUN: u64
 * @GCS_A_DEV_INDEX: u32
 * @GCS_A_DEV_DOMAIN: u32
 * @GCS_A_DEV_DEVFN: u32
 * @GCS_A_DEV_MAC: 6 bytes
 * @GCS_A_DEV_FLAGS: u32, GCS_DEV_*
 * @GCS_A_DEV_MAJOR: u32
 * @GCS_A_DEV_MINOR: u32
 * @GCS_A_DEV_BYTES: u64
 * @GCS_A_DEV_IFINDEX: u32
 * @GCS_A_DEV_NAME: string
 * @GCS_A_DEV_DRIVER: string
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
	GCS_A_STREAM_KEPT,
	GCS_A_TTY_ID,
	GCS_A_TTY_COOKIE,
	GCS_A_TTY_STATE,
	GCS_A_TTY_IN,
	GCS_A_TTY_OUT,
	GCS_A_TTY_IN_LOST,
	GCS_A_TTY_OUT_LOST,
	GCS_A_TTY_QUEUED,
	GCS_A_TTY_REASON,
	GCS_A_DEV_BUS,
	GCS_A_DEV_GUID,
	GCS_A_DEV_CONTROLLER,
	GCS_A_DEV_TARGET,
	GCS_A_DEV_LUN,
	GCS_A_DEV_INDEX,
	GCS_A_DEV_DOMAIN,
	GCS_A_DEV_DEVFN,
	GCS_A_DEV_MAC,
	GCS_A_DEV_FLAGS,
	GCS_A_DEV_MAJOR,
	GCS_A_DEV_MINOR,
	GCS_A_DEV_BYTES,
	GCS_A_DEV_IFINDEX,
	GCS_A_DEV_NAME,
	GCS_A_DEV_DRIVER,
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
 * @GCS_STATE_LOST: with GCS_STREAM_KEEP: the connection is gone before its time, a new one may be
 *     attached; writes go to the ring and block when that is full, reads block
 * @GCS_STATE_FINISHED: over; seen in GCS_CMD_STREAM_FINISHED only
 */
enum gcs_stream_state {
	GCS_STATE_DETACHED,
	GCS_STATE_OPEN,
	GCS_STATE_DRAINING,
	GCS_STATE_CLOSING,
	GCS_STATE_BROKEN,
	GCS_STATE_LOST,
	GCS_STATE_FINISHED,
};

/**
 * enum gcs_tty_state - where a tty is in its life
 * @GCS_TTY_STATE_DETACHED: a socket that it needs is not there yet
 * @GCS_TTY_STATE_OPEN: both ways, or the one that it was made for, are open
 * @GCS_TTY_STATE_DRAINING: the file has ended, or it was told to finish; what is queued is being sent
 * @GCS_TTY_STATE_CLOSING: everything sent, sending side shut down, the peer's end of file is awaited
 * @GCS_TTY_STATE_FINISHED: over; seen in GCS_CMD_TTY_FINISHED only
 */
enum gcs_tty_state {
	GCS_TTY_STATE_DETACHED,
	GCS_TTY_STATE_OPEN,
	GCS_TTY_STATE_DRAINING,
	GCS_TTY_STATE_CLOSING,
	GCS_TTY_STATE_FINISHED,
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
