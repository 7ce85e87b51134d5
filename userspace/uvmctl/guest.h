/* SPDX-License-Identifier: MIT */
/* What the host asks of the guest, one function a step: disks, layers, containers, processes. */
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
	uint32_t next_port; /* of stdio */
};

int guest_negotiate(struct guest *g, struct gcs_error *err);

struct guest_disk {
	unsigned int controller, lun;
	const char *mount_path;
	bool scratch; /* writable, formatted when needed; otherwise read-only */
};

int guest_mount(struct guest *g, const struct guest_disk *d, struct gcs_error *err);
int guest_unmount(struct guest *g, const struct guest_disk *d, struct gcs_error *err);
/* Before the disk is taken away. */
int guest_eject(struct guest *g, const struct guest_disk *d, struct gcs_error *err);

int guest_combine(struct guest *g, const char *container, const char *root, const char *layer, const char *scratch,
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
 * open. guest_wait_send() asks for its exit code, which guest_exit_code() finds in the answer.
 */
int guest_execute(struct guest *g, const char *container, struct json_object *parameters, struct guest_process *p,
		  struct gcs_error *err);
int guest_wait_send(struct guest *g, const char *container, uint32_t pid, uint64_t *id, struct gcs_error *err);
int guest_exit_code(struct json_object *answer, uint32_t *code, struct gcs_error *err);
/* Sends the request; the answer is that to *@id. */
int guest_signal_send(struct guest *g, const char *container, uint32_t pid, int signal, uint64_t *id, struct gcs_error *err);
int guest_resize(struct guest *g, const char *container, uint32_t pid, uint16_t rows, uint16_t columns, struct gcs_error *err);

/* Run a command in the VM, outside of all containers. Its stdout, malloc'd; NULL with @err. */
char *guest_run(struct guest *g, const char *const *argv, struct gcs_error *err);

#endif
