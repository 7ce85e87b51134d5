// SPDX-License-Identifier: MIT
/*
 * How much memory the kernel keeps free, vm.min_free_kbytes. With transparent huge pages it raises that to a twentieth of all memory, so
 * that they are easier to come by: too much for a small VM, whose processes still get them. Here it is what the kernel computes without
 * them. It raises it again when memory is added, and never lowers it.
 */
#include <inttypes.h>
#include <stdio.h>

#include "cleanup.h"
#include "container/internal.h"
#include "log.h"

#define MIN_FREE "/proc/sys/vm/min_free_kbytes"
#define MIN_KIB 128
#define MAX_KIB 262144

/* The largest whole number whose square is not above @n, which is at least 1: the steps come down to it. */
static uint64_t root_of(uint64_t n)
{
	uint64_t root = n, next = (n + 1) / 2;

	while (next < root) {
		root = next;
		next = (root + n / root) / 2;
	}
	return root;
}

uint64_t min_free_for(uint64_t total_kib)
{
	/* calculate_min_free_kbytes() of the kernel, which takes off what zones keep for themselves. */
	uint64_t kib = root_of(total_kib * 16);

	return kib < MIN_KIB ? MIN_KIB : kib > MAX_KIB ? MAX_KIB : kib;
}

void min_free_limit(uint64_t total_kib)
{
	static _Atomic uint64_t known;
	_cleanup_free_ char *text = NULL;
	uint64_t wanted = min_free_for(total_kib), now;
	struct gcs_error err;
	char value[24];

	/* Who changes it meanwhile has a reason. */
	if (known == total_kib)
		return;
	known = total_kib;
	text = fs_read(MIN_FREE, 64, &err);
	if (!text) {
		log_warning("%s", err.text);
		return;
	}
	now = strtoull(text, NULL, 10);
	if (now <= wanted)
		return;
	snprintf(value, sizeof(value), "%" PRIu64, wanted);
	if (fs_poke(MIN_FREE, value, &err) < 0)
		log_warning("%s", err.text);
	else
		log_info("vm.min_free_kbytes is %" PRIu64 " now, it was %" PRIu64, wanted, now);
}
