/* SPDX-License-Identifier: MIT */
/* Variables that release what they own when their scope ends. */
#ifndef GCS_CLEANUP_H
#define GCS_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <json-c/json_object.h>

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void cleanup_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

static inline void cleanup_json(struct json_object **o)
{
	json_object_put(*o);
}

#define _cleanup_free_ __attribute__((cleanup(cleanup_free)))
#define _cleanup_close_ __attribute__((cleanup(cleanup_close)))
#define _cleanup_file_ __attribute__((cleanup(cleanup_file)))
#define _cleanup_dir_ __attribute__((cleanup(cleanup_dir)))
#define _cleanup_json_ __attribute__((cleanup(cleanup_json)))

/* Hand over what a _cleanup_close_ variable owns. */
static inline int steal_fd(int *fd)
{
	int ret = *fd;

	*fd = -1;
	return ret;
}

/* Hand over what a _cleanup_free_ or _cleanup_json_ variable owns. */
#define steal_ptr(p)                      \
	({                                \
		__typeof__(*(p)) __p = *(p); \
		*(p) = NULL;              \
		__p;                      \
	})

#endif
