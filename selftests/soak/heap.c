// SPDX-License-Identifier: MIT
/*
 * Preloaded into the agent: counts what it has allocated and not freed, to the byte. Whoever else gets it, as the runtime does, is not
 * counted.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "heap.h"

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);

/* What is counted before there is a file. */
static struct heap early;
static struct heap *heap = &early;

static void __attribute__((constructor)) share(void)
{
	struct heap *shared;
	int fd;

	if (strcmp(program_invocation_short_name, "gcs"))
		return;
	fd = open(HEAP_FILE, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(*shared)) < 0)
		abort();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (shared == MAP_FAILED)
		abort();
	/* No other thread is there yet. */
	*shared = early;
	heap = shared;
}

/* @sign: 1 for what is new, -1 for what goes. */
static void count(void *p, int sign)
{
	if (!p)
		return;
	__atomic_add_fetch(&heap->bytes, sign * (long)malloc_usable_size(p), __ATOMIC_RELAXED);
	__atomic_add_fetch(&heap->blocks, sign, __ATOMIC_RELAXED);
}

void *malloc(size_t size)
{
	void *p = __libc_malloc(size);

	count(p, 1);
	return p;
}

void *calloc(size_t n, size_t size)
{
	void *p = __libc_calloc(n, size);

	count(p, 1);
	return p;
}

void *realloc(void *old, size_t size)
{
	void *p;

	count(old, -1);
	p = __libc_realloc(old, size);
	/* Without memory the old one stays. */
	count(p || !size ? p : old, 1);
	return p;
}

void free(void *p)
{
	count(p, -1);
	__libc_free(p);
}
