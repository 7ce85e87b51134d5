// SPDX-License-Identifier: MIT
/* The directory of the UVMs that run. */
#include "state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"

#define NAME_LENGTH 64
#define LOCK "lock"
/* Held for a moment by who makes, finds or removes directories; starts with a dot, as no UVM's name does. */
#define STATE_LOCK ".lock"
#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

int state_check_name(const char *what, const char *name, struct gcs_error *err)
{
	size_t length = strlen(name);

	if (length > NAME_LENGTH)
		return gcs_fail(err, 0, HR_INVALID_ARG, "%s name '%.20s...': %zu characters, at most %d are allowed", what, name, length,
				NAME_LENGTH);
	if (!length || !strchr(ALNUM, name[0]) || name[strspn(name, ALNUM "_.-")])
		return gcs_fail(err, 0, HR_INVALID_ARG,
				"%s name '%s': it may have letters, digits, '_', '.' and '-', and starts with a letter or digit", what, name);
	return 0;
}

int state_open(struct gcs_error *err)
{
	const char *given = getenv("UVMCTL_STATE"), *runtime = getenv("XDG_RUNTIME_DIR");
	_cleanup_free_ char *path = NULL;
	int fd;

	if (asprintf(&path, "%s%s", given && *given ? given : runtime && *runtime ? runtime : "/run", given && *given ? "" : "/uvmctl") < 0)
		return gcs_fail(err, ENOMEM, HR_FAIL, "state directory");
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return gcs_fail(err, errno, HR_FAIL, "state directory %s (set UVMCTL_STATE for another one)", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? gcs_fail(err, errno, HR_FAIL, "state directory %s", path) : fd;
}

/* Closing it unlocks. */
static int lock_state(int state_fd, struct gcs_error *err)
{
	_cleanup_close_ int fd = openat(state_fd, STATE_LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return gcs_fail(err, errno, HR_FAIL, "state directory: %s", STATE_LOCK);
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return gcs_fail(err, errno, HR_FAIL, "state directory: lock %s", STATE_LOCK);
	return steal_fd(&fd);
}

static int open_uvm(int state_fd, const char *name)
{
	return openat(state_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Does the supervisor live? The state lock is held, so that nobody else asks at the same time. */
static bool lives(int dir_fd)
{
	_cleanup_close_ int fd = openat(dir_fd, LOCK, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

/* With the state lock. The names that we give to files are all that there can be. */
static void remove_dir(int state_fd, const char *name)
{
	static const char *const files[] = { STATE_CONTROL, STATE_LOG, STATE_EVENTS, LOCK };
	_cleanup_close_ int dir_fd = open_uvm(state_fd, name);

	for (size_t i = 0; dir_fd >= 0 && i < sizeof(files) / sizeof(files[0]); i++)
		unlinkat(dir_fd, files[i], 0);
	unlinkat(state_fd, name, AT_REMOVEDIR);
}

/* With the state lock: the directory if its supervisor lives; else it is removed, and -1. */
static int find(int state_fd, const char *name)
{
	_cleanup_close_ int dir_fd = open_uvm(state_fd, name);

	if (dir_fd < 0)
		return -1;
	if (lives(dir_fd))
		return steal_fd(&dir_fd);
	remove_dir(state_fd, name);
	return -1;
}

int state_claim(int state_fd, const char *name, int *lock_fd, struct gcs_error *err)
{
	_cleanup_close_ int state_lock = -1, dir_fd = -1, lock = -1;

	if (state_check_name("UVM", name, err) < 0)
		return -1;
	state_lock = lock_state(state_fd, err);
	if (state_lock < 0)
		return -1;
	dir_fd = find(state_fd, name);
	if (dir_fd >= 0)
		return gcs_fail(err, 0, HR_FAIL, "UVM %s runs already; `uvmctl down %s` ends it", name, name);
	if (mkdirat(state_fd, name, 0700) < 0)
		return gcs_fail(err, errno, HR_FAIL, "UVM %s: make its state directory", name);
	dir_fd = open_uvm(state_fd, name);
	lock = dir_fd < 0 ? -1 : openat(dir_fd, LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) < 0) {
		gcs_fail(err, errno, HR_FAIL, "UVM %s: lock its state directory", name);
		remove_dir(state_fd, name);
		return -1;
	}
	*lock_fd = steal_fd(&lock);
	return steal_fd(&dir_fd);
}

int state_find(int state_fd, const char *name, struct gcs_error *err)
{
	_cleanup_close_ int state_lock = -1;
	int dir_fd;

	if (state_check_name("UVM", name, err) < 0)
		return -1;
	state_lock = lock_state(state_fd, err);
	if (state_lock < 0)
		return -1;
	dir_fd = find(state_fd, name);
	if (dir_fd >= 0)
		return dir_fd;
	gcs_fail(err, 0, HR_FAIL, "no UVM %s runs; `uvmctl up %s` starts it", name, name);
	err->err = ENOENT;
	return -1;
}

void state_remove(int state_fd, const char *name)
{
	_cleanup_close_ int state_lock = lock_state(state_fd, NULL);

	remove_dir(state_fd, name);
}

void state_wait_gone(int dir_fd)
{
	_cleanup_close_ int fd = openat(dir_fd, LOCK, O_RDONLY | O_CLOEXEC);

	while (fd >= 0 && flock(fd, LOCK_SH) < 0 && errno == EINTR)
		;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char **state_names(int state_fd, struct gcs_error *err)
{
	_cleanup_close_ int state_lock = lock_state(state_fd, err);
	int copy = state_lock < 0 ? -1 : openat(state_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_dir_ DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	char **names = calloc(1, sizeof(*names)), **more;
	struct dirent *entry;
	size_t count = 0;

	while (dir && names && (entry = readdir(dir))) {
		_cleanup_close_ int dir_fd = entry->d_name[0] == '.' ? -1 : find(state_fd, entry->d_name);

		if (dir_fd < 0)
			continue;
		more = reallocarray(names, count + 2, sizeof(*names));
		if (!more)
			break;
		names = more;
		names[count] = strdup(entry->d_name);
		if (!names[count++])
			break;
		names[count] = NULL;
	}
	if (!dir) {
		if (copy >= 0)
			close(copy);
		state_free_names(names);
		if (state_lock >= 0)
			gcs_fail(err, errno, HR_FAIL, "read the state directory");
		return NULL;
	}
	qsort(names, count, sizeof(*names), compare);
	return names;
}

void state_free_names(char **names)
{
	for (char **name = names; name && *name; name++)
		free(*name);
	free(names);
}
