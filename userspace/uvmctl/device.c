// SPDX-License-Identifier: MIT
/* What a user plugs into a UVM. */
#include "device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "jsonset.h"
#include "state.h"

static const char *const kinds[] = { [DEVICE_DISK] = "disk", [DEVICE_PMEM] = "pmem", [DEVICE_SHARE] = "share", [DEVICE_NIC] = "nic" };
static const char *const states[] = { "adding", "ready", "removing", "left" };

#define KINDS (int)(sizeof(kinds) / sizeof(kinds[0]))

const char *device_kind_name(enum device_kind kind)
{
	return kinds[kind];
}

int device_kind_by_name(const char *name)
{
	for (int i = 0; i < KINDS; i++)
		if (!strcmp(kinds[i], name))
			return i;
	return -1;
}

bool device_kind_is_disk(int kind)
{
	return kind == DEVICE_DISK || kind == DEVICE_PMEM;
}

void devices_init(struct devices *d, struct vm *vm, struct guest *guest, struct disks *disks)
{
	*d = (struct devices){ .vm = vm, .guest = guest, .disks = disks };
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->changed, NULL);
}

/* --- with the lock ------------------------------------------------------------------------------ */

static struct device *by_name(struct devices *d, const char *name)
{
	struct device *dev;

	LIST_FOREACH(dev, &d->list, link)
		if (!strcmp(dev->name, name))
			return dev;
	return NULL;
}

/* The index of @user, or -1. */
static int user_at(const struct device *dev, const char *user)
{
	for (size_t i = 0; i < json_object_array_length(dev->users); i++)
		if (!strcmp(json_object_get_string(json_object_array_get_idx(dev->users, i)), user))
			return (int)i;
	return -1;
}

static void add_user(struct device *dev, const char *user)
{
	if (user_at(dev, user) < 0)
		json_object_array_add(dev->users, json_object_new_string(user));
}

static void set_state(struct devices *d, struct device *dev, enum device_state state)
{
	dev->state = state;
	pthread_cond_broadcast(&d->changed);
}

static void drop(struct devices *d, struct device *dev)
{
	LIST_REMOVE(dev, link);
	if (dev->kind == DEVICE_NIC)
		d->ports[dev->nic.port] = false;
	pthread_cond_broadcast(&d->changed);
	json_object_put(dev->users);
	free(dev->source);
	free(dev);
}

static int take_port(struct devices *d, struct device *dev, struct gcs_error *err)
{
	for (unsigned int i = 0; i < NIC_MAX; i++) {
		if (d->ports[i])
			continue;
		d->ports[i] = true;
		dev->nic.port = i;
		return 0;
	}
	return gcs_fail(err, ENOSPC, HR_FAIL, "plug in a network interface: all %d ports are taken", NIC_MAX);
}

static bool is_of(const struct device *dev, const struct device_request *r, const struct stat *st)
{
	return dev->shared && dev->kind == r->kind && dev->read_only == r->read_only && dev->dev == st->st_dev && dev->ino == st->st_ino;
}

/* A row of the table in DEVICE_ADDING. */
static struct device *reserve(struct devices *d, const struct device_request *r, const struct stat *st, struct gcs_error *err)
{
	struct device *dev = calloc(1, sizeof(*dev));

	if (!dev) {
		gcs_fail(err, ENOMEM, HR_FAIL, "device");
		return NULL;
	}
	if (r->name)
		snprintf(dev->name, sizeof(dev->name), "%s", r->name);
	else
		do
			snprintf(dev->name, sizeof(dev->name), "%s-%u", kinds[r->kind], ++d->made);
		while (by_name(d, dev->name));
	if (by_name(d, dev->name)) {
		gcs_fail(err, 0, HR_FAIL, "there is a device %s already; `uvmctl device rm %s` removes it", dev->name, dev->name);
		free(dev);
		return NULL;
	}
	dev->kind = r->kind;
	if (r->kind == DEVICE_NIC && take_port(d, dev, err) < 0) {
		free(dev);
		return NULL;
	}
	dev->read_only = r->read_only || r->kind == DEVICE_PMEM;
	dev->dev = st->st_dev;
	dev->ino = st->st_ino;
	dev->source = r->source ? strdup(r->source) : NULL;
	dev->users = json_object_new_array();
	if (r->container)
		add_user(dev, r->container);
	if (r->path)
		snprintf(dev->path, sizeof(dev->path), "%s", r->path);
	else if (r->kind != DEVICE_NIC && !r->raw)
		snprintf(dev->path, sizeof(dev->path), "/run/mounts/%s/%s", kinds[r->kind], dev->name);
	LIST_INSERT_HEAD(&d->list, dev, link);
	return dev;
}

/* --- without, by who has put it into DEVICE_ADDING or DEVICE_REMOVING ---------------------------- */

/* What has been done already is not done again. */
static int unplug(struct devices *d, struct device *dev, struct gcs_error *err)
{
	if (dev->disk && disks_remove(d->disks, dev->disk, err) < 0)
		return -1;
	dev->disk = NULL;
	if (dev->share && share_remove(dev->share, err) < 0)
		return -1;
	dev->share = NULL;
	return dev->kind == DEVICE_NIC ? nic_remove(&dev->nic, err) : 0;
}

static int plug(struct devices *d, struct device *dev, const struct device_request *r, struct gcs_error *err)
{
	char network[37];

	switch (dev->kind) {
	case DEVICE_DISK:
		dev->disk = disks_add_volume(d->disks, r->fd, dev->path, dev->read_only, err);
		return dev->disk ? 0 : -1;
	case DEVICE_PMEM:
		dev->disk = disks_add_pmem(d->disks, r->fd, dev->path, err);
		return dev->disk ? 0 : -1;
	case DEVICE_SHARE:
		dev->share = share_add(d->guest, dev->source, dev->path, dev->read_only, err);
		return dev->share ? 0 : -1;
	case DEVICE_NIC:
		nic_network(r->container, network);
		return nic_add(&dev->nic, d->guest, d->vm, dev->nic.port, network, r->address, r->publish, err);
	}
	return -1;
}

static void tell(struct devices *d, const char *event, const struct device *dev)
{
	if (d->told)
		d->told(d->told_arg, event, dev);
}

static int finish_removal(struct devices *d, struct device *dev, struct gcs_error *err)
{
	int ret = unplug(d, dev, err);

	if (ret < 0 && err)
		gcs_fail_prefix(err, "remove device %s", dev->name);
	/* What was never there is not told of. */
	if (ret == 0 && dev->was_ready)
		tell(d, "device-remove", dev);
	pthread_mutex_lock(&d->lock);
	if (ret < 0)
		set_state(d, dev, DEVICE_LEFT);
	else
		drop(d, dev);
	pthread_mutex_unlock(&d->lock);
	return ret;
}

static int finish_adding(struct devices *d, struct device *dev, const struct device_request *r, char name[65], char path[128],
			 struct gcs_error *err)
{
	if (plug(d, dev, r, err) < 0) {
		gcs_fail_prefix(err, "add device %s", dev->name);
		finish_removal(d, dev, NULL);
		return -1;
	}
	dev->was_ready = true;
	tell(d, "device-add", dev);
	pthread_mutex_lock(&d->lock);
	if (name)
		memcpy(name, dev->name, sizeof(dev->name));
	if (path)
		memcpy(path, dev->path, sizeof(dev->path));
	set_state(d, dev, DEVICE_READY);
	pthread_mutex_unlock(&d->lock);
	return 0;
}

/* --- the verbs ----------------------------------------------------------------------------------- */

static int look_at_source(const struct device_request *r, struct stat *st, struct gcs_error *err)
{
	*st = (struct stat){ 0 };
	if (device_kind_is_disk((int)r->kind) ? fstat(r->fd, st) : r->kind == DEVICE_SHARE ? stat(r->source, st) : 0)
		return gcs_fail(err, errno, HR_FAIL, "%s", r->source);
	if (r->kind == DEVICE_SHARE && !S_ISDIR(st->st_mode))
		return gcs_fail(err, ENOTDIR, HR_FAIL, "share %s", r->source);
	/* It would be an option more for the guest's mount. */
	if (r->kind == DEVICE_SHARE && strchr(r->source, ','))
		return gcs_fail(err, EINVAL, HR_FAIL, "share %s: a comma in its path", r->source);
	return 0;
}

int device_add(struct devices *d, const struct device_request *r, char name[65], char path[128], struct gcs_error *err)
{
	struct device *dev;
	struct stat st;

	if ((r->name && state_check_name("device", r->name, err) < 0) || look_at_source(r, &st, err) < 0)
		return -1;
	if (r->path && strlen(r->path) >= sizeof(dev->path))
		return gcs_fail(err, ENAMETOOLONG, HR_FAIL, "PATH %s", r->path);
	pthread_mutex_lock(&d->lock);
	dev = reserve(d, r, &st, err);
	pthread_mutex_unlock(&d->lock);
	return dev ? finish_adding(d, dev, r, name, path, err) : -1;
}

int device_share(struct devices *d, const struct device_request *r, char path[128], struct gcs_error *err)
{
	struct device *dev;
	struct stat st;

	if (look_at_source(r, &st, err) < 0)
		return -1;
	pthread_mutex_lock(&d->lock);
again:
	LIST_FOREACH(dev, &d->list, link) {
		if (!is_of(dev, r, &st) || dev->state == DEVICE_LEFT)
			continue;
		if (dev->state != DEVICE_READY) {
			/* In a moment it is ready, or has gone. */
			pthread_cond_wait(&d->changed, &d->lock);
			goto again;
		}
		add_user(dev, r->container);
		memcpy(path, dev->path, sizeof(dev->path));
		pthread_mutex_unlock(&d->lock);
		return 0;
	}
	dev = reserve(d, r, &st, err);
	if (dev)
		dev->shared = true;
	pthread_mutex_unlock(&d->lock);
	return dev ? finish_adding(d, dev, r, NULL, path, err) : -1;
}

static int find_ready(struct devices *d, const char *name, struct device **found, struct gcs_error *err)
{
	*found = by_name(d, name);
	if (!*found)
		return gcs_fail(err, 0, HR_FAIL, "there is no device %s; see `uvmctl device ls`", name);
	if ((*found)->state == DEVICE_ADDING || (*found)->state == DEVICE_REMOVING)
		return gcs_fail(err, 0, HR_FAIL, "device %s: somebody else is %s it", name, states[(*found)->state]);
	return 0;
}

int device_use(struct devices *d, const char *name, const char *user, char path[128], bool *read_only, struct gcs_error *err)
{
	struct device *dev;
	int ret;

	pthread_mutex_lock(&d->lock);
	ret = find_ready(d, name, &dev, err);
	if (ret == 0 && dev->state != DEVICE_READY)
		ret = gcs_fail(err, 0, HR_FAIL, "device %s is on its way out; `uvmctl device rm %s` goes on with that", name, name);
	if (ret == 0 && !*dev->path)
		ret = gcs_fail(err, 0, HR_FAIL, "device %s has no files that a container could have", name);
	if (ret == 0) {
		add_user(dev, user);
		memcpy(path, dev->path, sizeof(dev->path));
		*read_only = dev->read_only;
	}
	pthread_mutex_unlock(&d->lock);
	return ret;
}

int device_remove(struct devices *d, const char *name, struct gcs_error *err)
{
	struct device *dev;
	int ret;

	pthread_mutex_lock(&d->lock);
	ret = find_ready(d, name, &dev, err);
	/* An interface can be pulled out of a container that runs; a file system cannot. */
	if (ret == 0 && dev->kind != DEVICE_NIC && json_object_array_length(dev->users))
		ret = gcs_fail(err, EBUSY, HR_FAIL, "device %s is used by a container, which `uvmctl device ls` names", name);
	if (ret == 0)
		set_state(d, dev, DEVICE_REMOVING);
	pthread_mutex_unlock(&d->lock);
	return ret < 0 ? -1 : finish_removal(d, dev, err);
}

/* With the lock: one of the user's that can be taken from him now. */
static struct device *next_of(struct devices *d, const char *user)
{
	struct device *dev;

	LIST_FOREACH(dev, &d->list, link)
		if (user_at(dev, user) >= 0 && (dev->state == DEVICE_READY || dev->state == DEVICE_LEFT))
			return dev;
	return NULL;
}

int devices_leave(struct devices *d, const char *user, struct gcs_error *err)
{
	struct device *dev;
	bool last;

	for (;;) {
		pthread_mutex_lock(&d->lock);
		dev = next_of(d, user);
		last = dev && (dev->shared || dev->kind == DEVICE_NIC) && json_object_array_length(dev->users) == 1;
		if (last)
			set_state(d, dev, DEVICE_REMOVING);
		else if (dev)
			json_object_array_del_idx(dev->users, (size_t)user_at(dev, user), 1);
		pthread_mutex_unlock(&d->lock);
		if (!dev)
			return 0;
		/* What is left keeps its user, who may be removed again. */
		if (last && finish_removal(d, dev, err) < 0)
			return -1;
	}
}

bool devices_has(struct devices *d, const char *user)
{
	bool has;

	pthread_mutex_lock(&d->lock);
	has = next_of(d, user);
	pthread_mutex_unlock(&d->lock);
	return has;
}

static struct json_object *describe(const struct device *dev)
{
	struct json_object *o = json_object_new_object(), *users = NULL;

	set_string(o, "name", dev->name);
	set_string(o, "kind", kinds[dev->kind]);
	set_string(o, "state", states[dev->state]);
	set_bool(o, "read_only", dev->read_only);
	if (dev->source)
		set_string(o, "source", dev->source);
	if (*dev->path)
		set_string(o, "path", dev->path);
	if (dev->kind == DEVICE_NIC)
		set_string(o, "address", dev->nic.address.own);
	if (json_object_deep_copy(dev->users, &users, NULL) == 0)
		json_object_object_add(o, "users", users);
	return o;
}

struct json_object *devices_describe(struct devices *d)
{
	struct json_object *list = json_object_new_array();
	struct device *dev;

	pthread_mutex_lock(&d->lock);
	LIST_FOREACH(dev, &d->list, link)
		json_object_array_add(list, describe(dev));
	pthread_mutex_unlock(&d->lock);
	return list;
}
