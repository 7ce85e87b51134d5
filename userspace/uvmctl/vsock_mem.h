/* SPDX-License-Identifier: MIT */
/* The guest's memory as the backend sees it: regions that QEMU hands over as file descriptors. */
#ifndef UVMCTL_VSOCK_MEM_H
#define UVMCTL_VSOCK_MEM_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

#define MEM_MAX_REGIONS 512

struct mem_region {
	uint64_t guest; /* first guest physical address */
	uint64_t size;
	uint64_t user; /* the same byte in QEMU's address space: rings are named by these */
	uint8_t *host; /* the same byte here */
	void *map;
	size_t map_size;
};

struct guest_mem {
	size_t count;
	struct mem_region regions[MEM_MAX_REGIONS];
};

/* Map a region from @fd (which stays the caller's) at @offset. Returns 0, or -1 with @err. */
int mem_add(struct guest_mem *mem, uint64_t guest, uint64_t size, uint64_t user, uint64_t offset, int fd,
	    struct gcs_error *err);
int mem_remove(struct guest_mem *mem, uint64_t guest, uint64_t size, uint64_t user, struct gcs_error *err);
void mem_clear(struct guest_mem *mem);

/*
 * Where the guest physical address @addr is here, NULL if the guest has no memory there. *@len is
 * cut to what follows without a gap in the same region.
 */
void *mem_guest(const struct guest_mem *mem, uint64_t addr, uint64_t *len);

/* The same for an address of QEMU; NULL unless all of @len lies in one region. */
void *mem_user(const struct guest_mem *mem, uint64_t addr, uint64_t len);

#endif
