/* SPDX-License-Identifier: MIT */
/* What the preloaded heap.c tells the test. */
#ifndef GCS_TEST_HEAP_H
#define GCS_TEST_HEAP_H

#define HEAP_FILE "/tmp/agent.heap"

struct heap {
	long bytes, blocks;
};

#endif
