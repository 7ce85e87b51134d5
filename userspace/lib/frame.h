/* SPDX-License-Identifier: MIT */
/* Bridge frames: message identifiers and the 16-byte header (bridge.md sections 3 and 4). */
#ifndef GCS_FRAME_H
#define GCS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

/* Ports, bridge.md section 1. */
#define PORT_ENTROPY 1u
#define PORT_LOG 109u
#define PORT_BRIDGE 0x40000000u
#define PORT_STDIO_FIRST 0x40000001u

#define NULL_GUID "00000000-0000-0000-0000-000000000000"

/* Type nibble, bridge.md section 4. */
#define MSG_TYPE_MASK 0xF0000000u
#define MSG_REQUEST 0x10000000u
#define MSG_RESPONSE 0x20000000u
#define MSG_NOTIFICATION 0x30000000u
#define MSG_RESPONSE_TO(type) (MSG_RESPONSE | ((type) & ~MSG_TYPE_MASK))

enum message_type {
	MSG_CREATE = 0x10100101,
	MSG_START = 0x10100201,
	MSG_SHUTDOWN_GRACEFUL = 0x10100301,
	MSG_SHUTDOWN_FORCED = 0x10100401,
	MSG_EXECUTE_PROCESS = 0x10100501,
	MSG_WAIT_FOR_PROCESS = 0x10100601,
	MSG_SIGNAL_PROCESS = 0x10100701,
	MSG_RESIZE_CONSOLE = 0x10100801,
	MSG_GET_PROPERTIES = 0x10100901,
	MSG_MODIFY_SETTINGS = 0x10100A01,
	MSG_NEGOTIATE_PROTOCOL = 0x10100B01,
	MSG_DUMP_STACKS = 0x10100C01,
	MSG_DELETE_CONTAINER_STATE = 0x10100D01,
	MSG_NOTIFY_CONTAINER = 0x30100101,
};

/* On the wire: little endian, this layout. */
struct frame_header {
	uint32_t type;
	uint32_t size; /* of the whole frame, this header included */
	uint64_t id;
};

#define FRAME_HEADER_SIZE 16u
#define FRAME_MAX_TO_HOST 65536u       /* bridge.md section 3: above it the host kills the bridge */
#define FRAME_MAX_TO_GUEST (16u << 20) /* our limit; section 3 asks for at least 16 MiB */

struct frame {
	uint32_t type;
	uint64_t id;
	size_t length; /* of the payload */
	char *payload; /* malloc'd, followed by a NUL that does not count */
	size_t sent;   /* of the whole frame */
};

/*
 * Read one frame. Returns 1 with @f filled in (free f->payload), 0 at end of file on a frame
 * boundary, -1 with @err for a read error, a size outside FRAME_HEADER_SIZE..@max, or an end of
 * file inside the frame.
 */
int frame_read(int fd, uint32_t max, struct frame *f, struct gcs_error *err);

/* Write one frame, from f->sent on; @max as in frame_read. No SIGPIPE. Returns 0, or -1 with @err. */
int frame_write(int fd, uint32_t max, struct frame *f, struct gcs_error *err);

/* As much of it as @fd, a socket, takes without waiting; errors are for frame_write() to find. Returns whether that was all. */
bool frame_write_now(int fd, uint32_t max, struct frame *f);

/* The message's name as logs and errors show it, such as "WaitForProcess"; "unknown" otherwise. */
const char *frame_type_name(uint32_t type);

#endif
