/* SPDX-License-Identifier: MIT */
/*
 * What a user plugs into a UVM beside the disks of images: disks, PMEM, shares, network interfaces; by name, with the containers that use
 * them. For any thread.
 */
#ifndef UVMCTL_DEVICE_H
#define UVMCTL_DEVICE_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/queue.h>
#include <sys/types.h>

#include <json-c/json_object.h>

#include "disks.h"
#include "nic.h"
#include "share.h"

/* DEVICE_PMEM: a file that is never written, mapped and not read. */
enum device_kind { DEVICE_DISK, DEVICE_PMEM, DEVICE_SHARE, DEVICE_NIC };

/* One that is being added or removed is that thread's alone. DEVICE_LEFT: it could not be removed whole, which may be tried again. */
enum device_state { DEVICE_ADDING, DEVICE_READY, DEVICE_REMOVING, DEVICE_LEFT };

struct device {
	LIST_ENTRY(device) link;
	char name[65];
	enum device_kind kind;
	enum device_state state;
	bool shared; /* nobody has added it by name: it goes with its last user */
	bool read_only;
	bool was_ready;
	char *source;	/* on the host */
	char path[128]; /* in the guest, or "" */
	dev_t dev;	/* of the source */
	ino_t ino;
	struct json_object *users; /* ids of containers */
	struct disk *disk;
	struct share *share;
	struct nic nic;
};

/* One is there, or has gone. */
typedef void (*device_told_fn)(void *arg, const char *event, const struct device *dev);

struct devices {
	device_told_fn told; /* NULL: nobody wants to know */
	void *told_arg;
	struct vm *vm;
	struct guest *guest;
	struct disks *disks;
	/* Protects the table, states and users. Nothing waits while it is held. */
	pthread_mutex_t lock;
	pthread_cond_t changed; /* a state, the table */
	LIST_HEAD(, device) list;
	unsigned int made; /* those without a given name */
	bool ports[NIC_MAX];
};

void devices_init(struct devices *d, struct vm *vm, struct guest *guest, struct disks *disks);

/* What is to be plugged in. */
struct device_request {
	enum device_kind kind;
	const char *name;	     /* NULL: one is made up */
	const char *source;	     /* of all but an interface: absolute */
	const char *path;	     /* where in the guest; NULL: one is made up */
	int fd;			     /* of a disk and PMEM; stays the caller's */
	bool read_only, raw;	     /* raw: a disk that is not mounted */
	const char *container;	     /* its first user; an interface is in its network */
	const char *address;	     /* of an interface; NULL: one is made up */
	struct json_object *publish; /* the same */
};

/* Plug it in. *@path and *@name (may be NULL) get what it has. -1 with @err, and nothing is left of it but what `device ls` shows. */
int device_add(struct devices *d, const struct device_request *r, char name[65], char path[128], struct gcs_error *err);

/* The same, but who wants the same source in the same way shares it. */
int device_share(struct devices *d, const struct device_request *r, char path[128], struct gcs_error *err);

/* The container @user uses the device @name, of which *@path and *@read_only tell. */
int device_use(struct devices *d, const char *name, const char *user, char path[128], bool *read_only, struct gcs_error *err);

/* Unplug it, unless a container uses it. -1 with @err: it is still there, and this may be repeated. */
int device_remove(struct devices *d, const char *name, struct gcs_error *err);

/* The container @user is no more: what is only his goes. -1 with @err: some of it is still there, and this may be repeated. */
int devices_leave(struct devices *d, const char *user, struct gcs_error *err);
/* Is there any of it? */
bool devices_has(struct devices *d, const char *user);

/* An array of objects. */
struct json_object *devices_describe(struct devices *d);

const char *device_kind_name(enum device_kind kind);
/* -1: there is no such kind. */
int device_kind_by_name(const char *name);
/* Is its source a file or a block device, which comes as a descriptor? */
bool device_kind_is_disk(int kind);

#endif
