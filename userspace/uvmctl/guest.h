/* SPDX-License-Identifier: MIT */
/* What the host asks of the guest, one function a step: disks, layers, containers, processes. For any thread. */
#ifndef UVMCTL_GUEST_H
#define UVMCTL_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "bridge.h"
#include "listen.h"

struct guest {
	struct bridge *bridge;
	struct ports *ports;
	const struct watch *watch;
	_Atomic uint32_t next_port; /* of stdio */
};

int guest_negotiate(struct guest *g, struct gcs_error *err);

struct guest_disk {
	unsigned int controller, lun;
	bool pmem;		/* lun is the number of a PMEM device */
	const char *mount_path; /* "": not mounted, only waited for */
	bool read_only;
	bool format; /* if there is no file system on it */
};

int guest_mount(struct guest *g, const struct guest_disk *d, struct gcs_error *err);
int guest_unmount(struct guest *g, const struct guest_disk *d, struct gcs_error *err);
/* Before the disk is taken away. */
int guest_eject(struct guest *g, const struct guest_disk *d, struct gcs_error *err);

/* A 9p file system of the host's on @mount_path, whose server the guest expects on @port. The first sends a request, as guest_wait() does. */
struct request *guest_share_mount(struct guest *g, const char *mount_path, uint32_t port, const char *name, bool read_only, struct gcs_error *err);
int guest_share_unmount(struct guest *g, const char *mount_path, struct gcs_error *err);

/* An interface for the container, or pod, that is made with @network as its network's GUID, or has been. @settings is taken. */
int guest_network_add(struct guest *g, const char *network, const char *id, struct json_object *settings, struct gcs_error *err);
int guest_network_remove(struct guest *g, const char *network, const char *id, struct gcs_error *err);

/* @layers: where they are mounted, the uppermost first, ends with NULL. */
int guest_combine(struct guest *g, const char *container, const char *root, const char *const *layers, const char *scratch,
		  struct gcs_error *err);
int guest_separate(struct guest *g, const char *container, const char *root, struct gcs_error *err);

/* @spec is taken. */
int guest_create(struct guest *g, const char *container, const char *bundle, const char *scratch, struct json_object *spec,
		 struct gcs_error *err);

/* Which streams a process gets, then their connections; -1: none. */
struct guest_process {
	bool want[3];
	int sockets[3];
	uint32_t pid;
};

/*
 * Start a process: the init of @container if @parameters is NULL, else (taken) what they say. On failure no socket is
 * open.
 */
int guest_execute(struct guest *g, const char *container, struct json_object *parameters, struct guest_process *p,
		  struct gcs_error *err);

/* These send a request, over by request_take() or request_drop(), or for the first by guest_exit_code(). NULL with @err. */
struct request *guest_wait(struct guest *g, const char *container, uint32_t pid, struct gcs_error *err);
int guest_exit_code(struct request *wait, uint32_t *code, struct gcs_error *err);
struct request *guest_signal(struct guest *g, const char *container, uint32_t pid, int signal, struct gcs_error *err);
struct request *guest_resize(struct guest *g, const char *container, uint32_t pid, uint16_t rows, uint16_t columns,
			     struct gcs_error *err);

/* What a container uses: the guest's LCOWMetrics. NULL with @err: err->hr is HR_SYSTEM_NOT_FOUND if there is none of this id. */
struct json_object *guest_statistics(struct guest *g, const char *container, struct gcs_error *err);

/* Run a command in the VM, outside of all containers. Its stdout, malloc'd; NULL with @err. */
char *guest_run(struct guest *g, const char *const *argv, struct gcs_error *err);

#endif
