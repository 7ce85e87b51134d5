// SPDX-License-Identifier: MIT
/*
 * The table of owned resources: what was built for each path, in order, and what it stands on.
 *
 * A Remove undoes what is written here, since the host's Remove does not repeat everything its Add had said. A record belongs to
 * whoever has it busy; all others get an error instead of waiting.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs.h"
#include "log.h"
#include "storage/internal.h"

/* What an overlay of hundreds of layers stands on would be all that a dump has room for. */
#define DUMP_USES_MAX 4

/* storage-and-network.md 3.3: so often what has been mounted on a mount is taken off, too. */
#define UNMOUNT_ROUNDS 5

/* How many devices of ours can stand on each other: a part of another, and what checks it. */
#define DEVICES_MAX 4

struct step {
	enum owned_step step;
	char *what;
};

struct owned {
	char *path;
	const char *kind;
	bool busy;
	bool held; /* by a container, which has files there */
	bool failed; /* what it is could not be finished, nor undone */
	struct step *steps;
	size_t step_count;
	char **uses; /* paths, or names of devices */
	size_t use_count;
	struct owned *next;
};

/* Protects the list and all records, but for the steps of a busy one that its owner reads; nothing is done under it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct owned *table;

static int undo_dir(const char *what, struct gcs_error *err)
{
	/* Not a tree: it stays if there is something in it, which nobody here has put there. */
	rmdir(what);
	return 0;
}

/* A container whose mounts are shared with ours may have mounted something on it. */
int owned_unmount(const char *path, struct gcs_error *err)
{
	for (int i = 0; i < UNMOUNT_ROUNDS && fs_is_mount(path); i++)
		if (fs_unmount(path, err) < 0)
			return -1;
	if (fs_is_mount(path) == 1)
		return gcs_fail(err, EBUSY, HR_FAIL, "%s: unmount: there are more than %d mounts", path, UNMOUNT_ROUNDS);
	return 0;
}

static int undo_link(const char *what, struct gcs_error *err)
{
	if (unlink(what) < 0 && errno != ENOENT)
		return gcs_fail(err, errno, HR_FAIL, "%s: remove", what);
	return 0;
}

static const struct {
	const char *name;
	int (*undo)(const char *what, struct gcs_error *err);
} kinds_of_step[] = {
	[OWNED_DIR] = { "directory", undo_dir },
	[OWNED_MOUNT] = { "mount", owned_unmount },
	[OWNED_SHARE] = { "mount of connection", share_unmount },
	[OWNED_LINK] = { "link", undo_link },
	[OWNED_CRYPT] = { "encrypted device", crypt_close },
	[OWNED_DM] = { "device-mapper", dm_remove },
};

/* Is it the same path, but for a slash at the end? */
static bool same(const char *a, const char *b)
{
	return path_is_below(a, b) && path_is_below(b, a);
}

static struct owned *find(const char *path)
{
	struct owned *o;

	for (o = table; o && !same(o->path, path);)
		o = o->next;
	return o;
}

static void owned_free(struct owned *o)
{
	if (!o)
		return;
	while (o->step_count)
		free(o->steps[--o->step_count].what);
	while (o->use_count)
		free(o->uses[--o->use_count]);
	free(o->steps);
	free(o->uses);
	free(o->path);
	free(o);
}

struct owned *owned_claim(const char *path, const char *kind, struct gcs_error *err)
{
	struct owned *o = calloc(1, sizeof(*o)), *other;
	const char *other_kind;
	bool busy, failed;

	if (!o || !(o->path = strdup(path))) {
		free(o);
		gcs_fail(err, ENOMEM, HR_FAIL, "%s %s", kind, path);
		return NULL;
	}
	o->kind = kind;
	o->busy = true;
	do {
		other_kind = NULL;
		busy = failed = false;
		pthread_mutex_lock(&lock);
		other = find(path);
		if (other) {
			other_kind = other->kind;
			busy = other->busy;
			failed = other->failed && !busy;
			other->busy |= failed;
		} else {
			o->next = table;
			table = o;
		}
		pthread_mutex_unlock(&lock);
		if (!other_kind)
			return o;
	} while (failed && owned_undo(other, err) == 0);
	owned_free(o);
	if (failed)
		gcs_fail_prefix(err, "%s %s: what has failed before", kind, path);
	else if (busy)
		gcs_fail(err, EBUSY, HR_FAIL, "%s %s: %s there is being made or removed", kind, path, other_kind);
	else
		gcs_fail(err, EEXIST, HR_FAIL, "%s %s: there is %s already", kind, path, other_kind);
	return NULL;
}

int owned_push(struct owned *o, enum owned_step step, const char *what, struct gcs_error *err)
{
	char *copy = strdup(what);
	struct step *steps = NULL;

	pthread_mutex_lock(&lock);
	if (copy)
		steps = realloc(o->steps, (o->step_count + 1) * sizeof(*steps));
	if (steps) {
		o->steps = steps;
		steps[o->step_count++] = (struct step){ step, copy };
	}
	pthread_mutex_unlock(&lock);
	if (steps)
		return 0;
	free(copy);
	kinds_of_step[step].undo(what, NULL);
	return gcs_fail(err, ENOMEM, HR_FAIL, "%s %s: %s %s", o->kind, o->path, kinds_of_step[step].name, what);
}

int owned_mkdir(struct owned *o, const char *path, mode_t mode, struct gcs_error *err)
{
	bool made = false;

	if (fs_mkdir_p(path, mode, &made, err) < 0)
		return -1;
	return made ? owned_push(o, OWNED_DIR, path, err) : 0;
}

/* Called with the lock. */
static struct owned *busy_below(const struct owned *o, const char *what)
{
	struct owned *other;

	for (other = table; other; other = other->next)
		if (other != o && other->busy && path_is_below(what, other->path))
			return other;
	return NULL;
}

static bool uses(const struct owned *o, const char *what)
{
	for (size_t i = 0; i < o->use_count; i++)
		if (path_is_below(o->uses[i], what))
			return true;
	return false;
}

/* Called with the lock. */
static struct owned *other_user(const struct owned *o, const char *what)
{
	struct owned *other;

	for (other = table; other; other = other->next)
		if (other != o && uses(other, what))
			return other;
	return NULL;
}

static int use(struct owned *o, const char *what, bool alone, struct gcs_error *err)
{
	char *copy = strdup(what), **uses = NULL;
	struct owned *other;
	bool busy;

	pthread_mutex_lock(&lock);
	other = alone ? other_user(o, what) : NULL;
	if (other) {
		gcs_fail(err, EBUSY, HR_FAIL, "%s %s: %s is used by %s %s", o->kind, o->path, what, other->kind, other->path);
		pthread_mutex_unlock(&lock);
		free(copy);
		return -1;
	}
	/* Who removes it has seen that nobody uses it. */
	busy = busy_below(o, what);
	if (copy && !busy)
		uses = realloc(o->uses, (o->use_count + 1) * sizeof(*uses));
	if (uses) {
		o->uses = uses;
		uses[o->use_count++] = copy;
	}
	pthread_mutex_unlock(&lock);
	if (uses)
		return 0;
	free(copy);
	if (busy)
		return gcs_fail(err, EBUSY, HR_FAIL, "%s %s: %s is being made or removed", o->kind, o->path, what);
	return gcs_fail(err, ENOMEM, HR_FAIL, "%s %s", o->kind, o->path);
}

int owned_use(struct owned *o, const char *what, struct gcs_error *err)
{
	return use(o, what, false, err);
}

int owned_use_alone(struct owned *o, const char *what, struct gcs_error *err)
{
	return use(o, what, true, err);
}

static bool has_mount(const struct owned *o)
{
	for (size_t i = 0; i < o->step_count; i++)
		if (o->steps[i].step == OWNED_MOUNT)
			return true;
	return false;
}

/* @o: whose own @what is, or NULL: what is on its mount uses it, too. */
static int check_unused(const char *what, const struct owned *o, struct gcs_error *err)
{
	struct owned *user;
	int ret = 0;

	pthread_mutex_lock(&lock);
	for (user = table; user; user = user->next)
		if (user != o && (uses(user, what) || (o && has_mount(o) && path_is_below(user->path, what))))
			break;
	if (user)
		ret = gcs_fail(err, EBUSY, HR_FAIL, "%s: is used by %s %s", what, user->kind, user->path);
	pthread_mutex_unlock(&lock);
	return ret;
}

int owned_unused(const char *device, struct gcs_error *err)
{
	return check_unused(device, NULL, err);
}

void owned_keep(struct owned *o)
{
	pthread_mutex_lock(&lock);
	o->busy = false;
	pthread_mutex_unlock(&lock);
}

void owned_forget(struct owned *o)
{
	struct owned **at;

	pthread_mutex_lock(&lock);
	for (at = &table; *at != o;)
		at = &(*at)->next;
	*at = o->next;
	pthread_mutex_unlock(&lock);
	owned_free(o);
}

int owned_undo(struct owned *o, struct gcs_error *err)
{
	int ret = check_unused(o->path, o, err);

	while (ret == 0 && o->step_count) {
		struct step *last = &o->steps[o->step_count - 1];

		ret = kinds_of_step[last->step].undo(last->what, err);
		if (ret < 0)
			break;
		pthread_mutex_lock(&lock);
		free(last->what);
		o->step_count--;
		pthread_mutex_unlock(&lock);
	}
	if (ret < 0)
		owned_keep(o);
	else
		owned_forget(o);
	return ret;
}

void owned_abandon(struct owned *o)
{
	struct gcs_error err;

	pthread_mutex_lock(&lock);
	o->failed = true;
	pthread_mutex_unlock(&lock);
	if (owned_undo(o, &err) < 0)
		log_warning("storage: undo: %s", err.text);
}

int owned_acquire(const char *path, const char *kind, struct owned **o, struct gcs_error *err)
{
	bool busy = false;

	pthread_mutex_lock(&lock);
	*o = find(path);
	if (*o && kind && strcmp((*o)->kind, kind))
		*o = NULL;
	if (*o) {
		busy = (*o)->busy;
		(*o)->busy = true;
	}
	pthread_mutex_unlock(&lock);
	if (busy)
		return gcs_fail(err, EBUSY, HR_FAIL, "%s: is being made or removed", path);
	return *o != NULL;
}

/*
 * A path that is not in the table: another agent, before this one, may have made it. What is found is written down as if this one had,
 * so a Remove that fails can go on where it has stopped.
 */
static int adopt(struct owned *o, struct gcs_error *err)
{
	char names[DEVICES_MAX][DM_NAME_LEN];
	int mounted = fs_is_mount(o->path);
	struct stat st;
	size_t count;

	/* Of a mount whose server has gone nothing else can be asked. */
	if (!mounted && lstat(o->path, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : gcs_fail(err, errno, HR_FAIL, "%s: stat", o->path);
	if (!mounted && S_ISLNK(st.st_mode))
		return owned_push(o, OWNED_LINK, o->path, err);
	if (owned_push(o, OWNED_DIR, o->path, err) < 0)
		return -1;
	if (!mounted)
		return 0;
	count = mounted > 0 ? dm_names(o->path, names, DEVICES_MAX) : 0;
	while (count--)
		if (owned_push(o, crypt_is(names[count]) ? OWNED_CRYPT : OWNED_DM, names[count], err) < 0)
			return -1;
	return owned_push(o, OWNED_MOUNT, o->path, err);
}

int owned_remove(const char *field, const char *path, struct gcs_error *err)
{
	struct owned *o;
	int ret;

	/* It may be a link itself. */
	if (!path_is_plain(path))
		return gcs_fail(err, 0, HR_INVALID_ARG, "%s \"%s\": not an absolute path without . and ..", field, path);
	ret = owned_acquire(path, NULL, &o, err);
	if (ret < 0)
		return -1;
	if (!ret) {
		o = owned_claim(path, "removal of", err);
		if (!o)
			return -1;
		if (adopt(o, err) < 0) {
			/* Nothing of it was touched. */
			owned_forget(o);
			return -1;
		}
	}
	return owned_undo(o, err);
}

bool owned_is_held(const struct owned *o)
{
	return o->held;
}

int owned_hold(const char *path, const char *kind, struct gcs_error *err)
{
	struct owned *o;
	bool busy = false;

	pthread_mutex_lock(&lock);
	o = find(path);
	if (o && !strcmp(o->kind, kind)) {
		busy = o->busy;
		o->held |= !busy;
	}
	pthread_mutex_unlock(&lock);
	return busy ? gcs_fail(err, EBUSY, HR_FAIL, "%s %s: is being made or removed", kind, path) : 0;
}

void owned_unhold(const char *path)
{
	struct owned *o;

	pthread_mutex_lock(&lock);
	o = find(path);
	if (o)
		o->held = false;
	pthread_mutex_unlock(&lock);
}

void owned_dump(FILE *out)
{
	pthread_mutex_lock(&lock);
	for (const struct owned *o = table; o; o = o->next) {
		fprintf(out, "%s %s%s%s\n", o->kind, o->path, o->busy ? ", busy" : "", o->held ? ", held" : "");
		for (size_t i = 0; i < o->use_count && i < DUMP_USES_MAX; i++)
			fprintf(out, "  on %s\n", o->uses[i]);
		if (o->use_count > DUMP_USES_MAX)
			fprintf(out, "  and on %zu more\n", o->use_count - DUMP_USES_MAX);
		for (size_t i = 0; i < o->step_count; i++)
			fprintf(out, "  %s %s\n", kinds_of_step[o->steps[i].step].name, o->steps[i].what);
	}
	pthread_mutex_unlock(&lock);
}
