// SPDX-License-Identifier: MIT
/* The guest's memory: map and find its regions. */
#include "vsock_mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static bool overflows(uint64_t start, uint64_t size)
{
	return start + size < start;
}

int mem_add(struct guest_mem *mem, uint64_t guest, uint64_t size, uint64_t user, uint64_t offset, int fd,
	    struct gcs_error *err)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t skip = offset % page;
	struct mem_region *r = &mem->regions[mem->count];
	struct stat st;

	if (mem->count == MEM_MAX_REGIONS)
		return gcs_fail(err, 0, HR_FAIL, "guest memory: more than %d regions", MEM_MAX_REGIONS);
	if (!size || overflows(guest, size) || overflows(user, size) || overflows(offset, size))
		return gcs_fail(err, 0, HR_FAIL, "guest memory: bad region at %#" PRIx64, guest);
	/* Beyond the end of the file an access would be SIGBUS. */
	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size < offset + size)
		return gcs_fail(err, 0, HR_FAIL, "guest memory: the file of the region at %#" PRIx64 " is too short", guest);

	r->map_size = size + skip;
	r->map = mmap(NULL, r->map_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)(offset - skip));
	if (r->map == MAP_FAILED)
		return gcs_fail(err, errno, HR_FAIL, "guest memory: map the region at %#" PRIx64, guest);
	r->guest = guest;
	r->size = size;
	r->user = user;
	r->host = (uint8_t *)r->map + skip;
	mem->count++;
	return 0;
}

int mem_remove(struct guest_mem *mem, uint64_t guest, uint64_t size, uint64_t user, struct gcs_error *err)
{
	for (size_t i = 0; i < mem->count; i++) {
		struct mem_region *r = &mem->regions[i];

		if (r->guest != guest || r->size != size || r->user != user)
			continue;
		munmap(r->map, r->map_size);
		*r = mem->regions[--mem->count];
		return 0;
	}
	return gcs_fail(err, 0, HR_FAIL, "guest memory: no region at %#" PRIx64 " to remove", guest);
}

void mem_clear(struct guest_mem *mem)
{
	while (mem->count) {
		struct mem_region *r = &mem->regions[--mem->count];

		munmap(r->map, r->map_size);
	}
}

void *mem_guest(const struct guest_mem *mem, uint64_t addr, uint64_t *len)
{
	for (size_t i = 0; i < mem->count; i++) {
		const struct mem_region *r = &mem->regions[i];
		uint64_t at = addr - r->guest;

		if (addr < r->guest || at >= r->size)
			continue;
		if (*len > r->size - at)
			*len = r->size - at;
		return r->host + at;
	}
	return NULL;
}

void *mem_user(const struct guest_mem *mem, uint64_t addr, uint64_t len)
{
	for (size_t i = 0; i < mem->count; i++) {
		const struct mem_region *r = &mem->regions[i];
		uint64_t at = addr - r->user;

		if (addr >= r->user && at < r->size && len <= r->size - at)
			return r->host + at;
	}
	return NULL;
}
