// SPDX-License-Identifier: MIT
/* Pods: their directories and cgroup, who is in them, and their end (lifecycle.md 3.1 and 10.4). */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "cgroup.h"
#include "cleanup.h"
#include "container/netfiles.h"
#include "container/pod.h"
#include "fs.h"
#include "log.h"

/* The host's newer bundles are in a directory for each pod below. */
#define POD_BUNDLES "/run/gcs/pods"

/* Below the root. What is mounted in one of the shared ones by a container of the pod can be seen by the others. */
static const struct {
	const char *name;
	mode_t mode;
	bool shared, tmpfs;
} dirs[] = {
	{ "sandboxMounts", 0755, true, false },
	{ "sandboxTmpfsMounts", 0755, true, true },
	{ "hugepages", 0755, true, false },
	{ "logs", 0777, false, false },
};

#define DIRS (sizeof(dirs) / sizeof(dirs[0]))
#define MADE_ROOT (1u << DIRS)

/* Under the state lock. */
static struct pod *pods;

static struct pod *find(const char *id)
{
	struct pod *p;

	for (p = pods; p && strcmp(p->id, id);)
		p = p->next;
	return p;
}

bool pod_exists(const char *id)
{
	return find(id);
}

static void pod_free(struct pod *p)
{
	free(p->id);
	free(p->root);
	free(p->cgroup);
	free(p->bundle);
	free(p->scratch);
	pthread_mutex_destroy(&p->files);
	pthread_mutex_destroy(&p->hugepages);
	free(p);
}

static int dir_path(const struct pod *p, size_t i, char **path, struct gcs_error *err)
{
	if (asprintf(path, "%s/%s", p->root, dirs[i].name) >= 0)
		return 0;
	*path = NULL;
	return gcs_fail(err, ENOMEM, HR_FAIL, "pod %s", p->id);
}

static int make_dir(struct pod *p, size_t i, struct gcs_error *err)
{
	_cleanup_free_ char *path = NULL;
	bool made = false;

	if (dir_path(p, i, &path, err) < 0 || fs_mkdir_p(path, dirs[i].mode, &made, err) < 0)
		return -1;
	p->made |= made << i;
	/* Whatever the umask is. */
	if (made && chmod(path, dirs[i].mode) < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: set its mode", path);
	if (!dirs[i].shared)
		return 0;
	/* Only a mount can be shared. */
	if ((dirs[i].tmpfs ? mount("tmpfs", path, "tmpfs", 0, "") : mount(path, path, "", MS_BIND, "")) < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: mount", path);
	if (mount("", path, "", MS_SHARED | MS_REC, "") < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: share its mounts", path);
	return 0;
}

static int build(struct pod *p, struct json_object *resources, struct gcs_error *err)
{
	bool made = false;

	/* A pod that goes may take the directory of the virtual ones away just now. */
	if (fs_mkdir_p(p->root, 0755, &made, NULL) < 0 && fs_mkdir_p(p->root, 0755, &made, err) < 0)
		return -1;
	if (made)
		p->made |= MADE_ROOT;
	for (size_t i = 0; i < DIRS; i++)
		if (make_dir(p, i, err) < 0)
			return -1;
	if (cgroup_make(p->cgroup, err) < 0)
		return -1;
	return resources_apply(p->cgroup, resources, err);
}

/* With @p->files held. */
static int unmount_all(const struct pod *p, struct gcs_error *err)
{
	for (size_t i = 0; i < DIRS; i++) {
		_cleanup_free_ char *path = NULL;

		if (!dirs[i].shared)
			continue;
		if (dir_path(p, i, &path, err) < 0 || fs_unmount_below(path, err) < 0)
			return -1;
	}
	return 0;
}

static int remove_dirs(struct pod *p, struct gcs_error *err)
{
	for (size_t i = 0; i < DIRS; i++) {
		_cleanup_free_ char *path = NULL;

		if (!(p->made & 1u << i))
			continue;
		if (dir_path(p, i, &path, err) < 0 || fs_remove_tree(path, err) < 0)
			return -1;
	}
	netfiles_remove(p->root);
	return 0;
}

/* Remove the directory that @path is in, if it is empty: others may use it, too. */
static void remove_parent(const char *path)
{
	_cleanup_free_ char *parent = strdup(path);

	if (parent) {
		*strrchr(parent, '/') = '\0';
		rmdir(parent);
	}
}

/* Nobody is in the pod. Every step may be repeated. */
static int take_down(struct pod *p, struct gcs_error *err)
{
	int ret;

	pthread_mutex_lock(&p->files);
	ret = unmount_all(p, err);
	if (ret == 0)
		ret = remove_dirs(p, err);
	pthread_mutex_unlock(&p->files);
	if (ret < 0 || cgroup_remove(p->cgroup, INIT_KILL_MS, err) < 0)
		return -1;
	/* Of a sandbox that was not made, whatever else is there is the host's. */
	if (p->made & MADE_ROOT && !p->closed)
		rmdir(p->root);
	else if (p->made & MADE_ROOT && fs_remove_tree(p->root, err) < 0)
		return -1;
	if (p->virtual)
		remove_parent(p->root);
	if (!p->closed)
		return 0;
	if (container_remove_files(p->bundle, p->scratch, err) < 0)
		return -1;
	if (path_is_below(p->bundle, POD_BUNDLES) && strlen(p->bundle) > strlen(POD_BUNDLES) + 1)
		remove_parent(p->bundle);
	return 0;
}

static void forget(struct pod *p)
{
	struct pod **at;

	state_lock();
	for (at = &pods; *at != p;)
		at = &(*at)->next;
	*at = p->next;
	state_unlock();
	pod_free(p);
}

/* An ordinary pod's files are in its sandbox's bundle, a virtual one's beside it. */
static char *root_path(const struct container *c, bool virtual)
{
	const char *slash = strrchr(c->bundle, '/');
	char *root;

	if (!virtual)
		return strdup(c->bundle);
	return asprintf(&root, "%.*s/virtual-pods/%s", (int)(slash - c->bundle), c->bundle, c->id) < 0 ? NULL : root;
}

static struct pod *pod_new(const struct container *c, const struct spec *s, struct gcs_error *err)
{
	struct pod *p = calloc(1, sizeof(*p));

	if (!p)
		goto fail;
	pthread_mutex_init(&p->files, NULL);
	pthread_mutex_init(&p->hugepages, NULL);
	p->virtual = s->a.virtual_pod;
	p->host_network = s->a.host_network;
	p->members = 1;
	p->id = strdup(c->id);
	p->root = root_path(c, p->virtual);
	p->bundle = strdup(c->bundle);
	p->scratch = strdup(c->scratch);
	if (asprintf(&p->cgroup, "/pods/%s", c->id) < 0)
		p->cgroup = NULL;
	if (p->id && p->root && p->bundle && p->scratch && p->cgroup)
		return p;
	pod_free(p);
fail:
	gcs_fail(err, ENOMEM, HR_FAIL, "pod %s", c->id);
	return NULL;
}

int pod_make(struct container *c, const struct spec *s, struct gcs_error *err)
{
	struct pod *p = pod_new(c, s, err);

	if (!p)
		return -1;
	state_lock();
	p->next = pods;
	pods = p;
	state_unlock();
	if (build(p, s->resources, err) == 0) {
		c->pod = p;
		return 0;
	}
	gcs_fail_prefix(err, "pod %s", p->id);
	if (take_down(p, NULL) < 0)
		log_error("pod %s: what was made of it could not be removed", p->id);
	forget(p);
	return -1;
}

int pod_join(struct container *c, const char *id, struct gcs_error *err)
{
	struct pod *p;
	int ret = 0;

	state_lock();
	p = find(id);
	if (!p || p->closed)
		ret = gcs_fail(err, 0, HR_SYSTEM_NOT_FOUND, "there is no pod %s", id);
	else if (!p->ready)
		ret = gcs_fail(err, 0, HR_INVALID_STATE, "the sandbox of pod %s is still being created", id);
	else
		p->members++;
	state_unlock();
	if (!ret)
		c->pod = p;
	return ret;
}

int pod_open_dir(struct pod *p, const char *dir, struct gcs_error *err)
{
	_cleanup_free_ char *path = NULL;
	bool closed;
	int fd = -1;

	if (asprintf(&path, "%s/%s", p->root, dir) < 0) {
		path = NULL;
		return gcs_fail(err, ENOMEM, HR_FAIL, "pod %s", p->id);
	}
	/* A workload whose creation has failed may be removing just now what this one would find there. */
	pthread_mutex_lock(&p->files);
	state_lock();
	closed = p->closed;
	state_unlock();
	if (closed)
		gcs_fail(err, 0, HR_FAIL, "pod %s: its sandbox has been deleted", p->id);
	else if ((fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
		gcs_fail(err, errno, HR_FAIL, "%s: open", path);
	pthread_mutex_unlock(&p->files);
	return fd;
}

void pod_undo_mounts(struct pod *p, struct fs_made *made)
{
	bool alone;

	pthread_mutex_lock(&p->files);
	state_lock();
	/* The sandbox itself does not use them. */
	alone = p->members <= 2;
	state_unlock();
	if (alone)
		fs_made_undo(made);
	else
		fs_made_forget(made);
	pthread_mutex_unlock(&p->files);
}

void pod_close(struct pod *p)
{
	struct gcs_error err;
	int ret;

	pthread_mutex_lock(&p->files);
	state_lock();
	p->closed = true;
	state_unlock();
	ret = unmount_all(p, &err);
	pthread_mutex_unlock(&p->files);
	if (ret < 0)
		log_warning("pod %s: %s", p->id, err.text);
}

int pod_leave(struct container *c, struct gcs_error *err)
{
	struct pod *p = c->pod;
	bool last;

	if (!p)
		return 0;
	state_lock();
	last = --p->members == 0;
	state_unlock();
	if (last && take_down(p, err) < 0) {
		state_lock();
		p->members++;
		state_unlock();
		return gcs_fail_prefix(err, "pod %s", p->id);
	}
	c->pod = NULL;
	if (last)
		forget(p);
	return 0;
}

void pod_abandon(struct container *c)
{
	struct pod *p = c->pod;
	bool last;

	if (!p)
		return;
	state_lock();
	last = --p->members == 0;
	state_unlock();
	c->pod = NULL;
	if (last)
		forget(p);
}
