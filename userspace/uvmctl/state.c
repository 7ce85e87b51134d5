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
#include "control.h"

#define NAME_LENGTH 64
#define LOCK "lock"
#define MARK "a UVM of uvmctl\n" /* what is in it: others have files of this name too */
/* What a directory is called until it is complete, and when it is not any more. */
#define UNFINISHED ".unfinished"
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
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (asprintf(&path, "%s%s", given && *given ? given : runtime && *runtime ? runtime : "/run", given && *given ? "" : "/uvmctl") < 0)
		return gcs_fail(err, ENOMEM, HR_FAIL, "state directory");
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return gcs_fail(err, errno, HR_FAIL, "state directory %s (set UVMCTL_STATE for another one)", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return gcs_fail(err, errno, HR_FAIL, "state directory %s (set UVMCTL_STATE for another one)", path);
	/* Who else can write there could answer in a supervisor's place. */
	if (st.st_uid == geteuid() && !(st.st_mode & 077))
		return steal_fd(&fd);
	return gcs_fail(err, 0, HR_FAIL, "state directory %s: it is not yours alone (owner %u, mode %03o; yours and 700 are wanted); "
			"set UVMCTL_STATE for another one", path, st.st_uid, st.st_mode & 0777);
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

/* Is it a directory that we have made? Others are left alone, whatever is in them. */
static bool is_ours(int lock_fd)
{
	char mark[sizeof(MARK)];

	return pread(lock_fd, mark, sizeof(mark), 0) == sizeof(MARK) - 1 && !memcmp(mark, MARK, sizeof(MARK) - 1);
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

/* With the state lock. In one step it is no UVM's any more: one that is removed in part would be nobody's. */
static void remove_uvm(int state_fd, const char *name)
{
	remove_dir(state_fd, UNFINISHED);
	if (renameat(state_fd, name, state_fd, UNFINISHED) == 0)
		remove_dir(state_fd, UNFINISHED);
}

/*
 * With the state lock: the directory of the UVM if its supervisor lives. -1 with @err: err->err is ENOENT if there is none, or has been
 * removed now that its supervisor does not live; anything else says that this is not known.
 */
static int find(int state_fd, const char *name, struct gcs_error *err)
{
	_cleanup_close_ int dir_fd = open_uvm(state_fd, name), lock_fd = dir_fd < 0 ? -1 : openat(dir_fd, LOCK, O_RDONLY | O_CLOEXEC);

	if (dir_fd < 0)
		return gcs_fail(err, errno, HR_FAIL, "UVM %s", name);
	if (lock_fd < 0 || !is_ours(lock_fd)) {
		gcs_fail(err, 0, HR_FAIL, "%s in the state directory is not a UVM's%s%s", name, lock_fd < 0 && errno != ENOENT ? ": " : "",
			 lock_fd < 0 && errno != ENOENT ? strerror(errno) : "");
		return -1;
	}
	if (flock(lock_fd, LOCK_SH | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? steal_fd(&dir_fd) : gcs_fail(err, errno, HR_FAIL, "UVM %s: its lock", name);
	remove_uvm(state_fd, name);
	return gcs_fail(err, ENOENT, HR_FAIL, "UVM %s", name);
}

/* Made under another name, so that there is none without its lock and its socket. */
static int make_uvm(int state_fd, const char *name, struct state_claim *claim, struct gcs_error *err)
{
	_cleanup_close_ int dir_fd = -1, lock = -1, listener = -1;

	remove_dir(state_fd, UNFINISHED);
	if (mkdirat(state_fd, UNFINISHED, 0700) < 0)
		return gcs_fail(err, errno, HR_FAIL, "UVM %s: make its state directory", name);
	dir_fd = open_uvm(state_fd, UNFINISHED);
	lock = dir_fd < 0 ? -1 : openat(dir_fd, LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) < 0 || write(lock, MARK, sizeof(MARK) - 1) != sizeof(MARK) - 1)
		gcs_fail(err, errno, HR_FAIL, "UVM %s: make its state directory", name);
	else if ((listener = control_listen(dir_fd, STATE_CONTROL, err)) >= 0 && renameat(state_fd, UNFINISHED, state_fd, name) < 0)
		gcs_fail(err, errno, HR_FAIL, "UVM %s: name its state directory", name);
	else if (listener >= 0) {
		*claim = (struct state_claim){ .dir_fd = steal_fd(&dir_fd), .lock_fd = steal_fd(&lock), .listener = steal_fd(&listener) };
		return 0;
	}
	remove_dir(state_fd, UNFINISHED);
	return -1;
}

/* With the state lock in *@state_lock: find() for a name that may be one. */
static int find_named(int state_fd, const char *name, int *state_lock, struct gcs_error *err)
{
	if (state_check_name("UVM", name, err) < 0)
		return -1;
	*state_lock = lock_state(state_fd, err);
	return *state_lock < 0 ? -1 : find(state_fd, name, err);
}

int state_claim(int state_fd, const char *name, struct state_claim *claim, struct gcs_error *err)
{
	_cleanup_close_ int state_lock = -1, dir_fd = find_named(state_fd, name, &state_lock, err);

	if (dir_fd >= 0)
		return gcs_fail(err, 0, HR_FAIL, "UVM %s runs already; `uvmctl down %s` ends it", name, name);
	return state_lock >= 0 && err->err == ENOENT ? make_uvm(state_fd, name, claim, err) : -1;
}

int state_find(int state_fd, const char *name, struct gcs_error *err)
{
	_cleanup_close_ int state_lock = -1;
	int dir_fd = find_named(state_fd, name, &state_lock, err);

	if (dir_fd >= 0 || state_lock < 0 || err->err != ENOENT)
		return dir_fd;
	gcs_fail(err, 0, HR_FAIL, "no UVM %s runs; `uvmctl up %s` starts it", name, name);
	err->err = ENOENT;
	return -1;
}

void state_remove(int state_fd, const char *name, int dir_fd)
{
	_cleanup_close_ int state_lock = lock_state(state_fd, NULL);
	struct stat ours, there;

	/* If somebody has removed it, the name may be another one's by now. */
	if (state_lock >= 0 && fstat(dir_fd, &ours) == 0 && fstatat(state_fd, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	    ours.st_dev == there.st_dev && ours.st_ino == there.st_ino)
		remove_uvm(state_fd, name);
}

bool state_is_there(int dir_fd)
{
	return faccessat(dir_fd, LOCK, F_OK, 0) == 0 || errno != ENOENT;
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
		_cleanup_close_ int dir_fd = -1;
		struct gcs_error not_ours;

		/* Also one of which it is not known: who asks it will be told why. */
		dir_fd = state_check_name("UVM", entry->d_name, &not_ours) < 0 ? -1 : find(state_fd, entry->d_name, &not_ours);
		if (dir_fd < 0 && (not_ours.err == ENOENT || not_ours.err == ENOTDIR || !not_ours.err))
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
