// SPDX-License-Identifier: MIT
/* Frames: a stream of them, as it comes from the peer. */
#include <sys/mman.h>

#include "frame.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* The first bit chooses the limit: of requests or of what the host takes. */
	uint32_t max = size && data[0] & 1 ? FRAME_MAX_TO_GUEST : FRAME_MAX_TO_HOST;
	struct gcs_error err = { 0 };
	struct frame f = { 0 };
	size_t at = 0;
	int fd, out, ret;

	if (!size)
		return 0;
	data++;
	size--;
	fd = memfd_create("in", MFD_CLOEXEC);
	out = memfd_create("out", MFD_CLOEXEC);
	REQUIRE(fd >= 0 && out >= 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
	while ((ret = frame_read(fd, max, &f, &err)) == 1) {
		REQUIRE(f.length <= max - FRAME_HEADER_SIZE);
		REQUIRE(f.length + FRAME_HEADER_SIZE <= size - at);
		REQUIRE(f.payload[f.length] == '\0');
		REQUIRE(!memcmp(f.payload, data + at + FRAME_HEADER_SIZE, f.length));
		REQUIRE(*frame_type_name(f.type));
		REQUIRE(frame_write(out, max, &f, &err) == 0);
		free(f.payload);
		at += FRAME_HEADER_SIZE + f.length;
	}
	/* The end between two frames is no error, any other is one. */
	REQUIRE((ret == 0) == (at == size));
	REQUIRE(ret == 0 || (err.hr != HR_OK && *err.text));
	/* What was read is written as it came. */
	char *back = malloc(at + 1);

	REQUIRE(back && pread(out, back, at + 1, 0) == (ssize_t)at);
	REQUIRE(!memcmp(back, data, at));
	free(back);
	close(fd);
	close(out);
	return 0;
}
