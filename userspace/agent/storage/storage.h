/* SPDX-License-Identifier: MIT */
/* Disks, PMEM devices, layers and shares, as the bridge sees them (storage-and-network.md sections 3 to 9). Any thread. */
#ifndef GCS_STORAGE_H
#define GCS_STORAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "error.h"

/* Call once, after event_start(): listens for block devices. */
int storage_init(struct gcs_error *err);

/* For DumpStacks: everything that is mounted, linked or made for a path, and what it stands on. */
void owned_dump(FILE *out);

struct mapped_disk {
	const char *mount_path; /* "" = only wait for the disk */
	uint8_t controller;	/* the host's index, 0..3 */
	uint8_t lun;		/* 0..63 */
	uint64_t partition;	/* 0 = whole disk */
	bool read_only;
	bool block_dev;		/* a symlink to the node instead of a mount */
	bool encrypted;
	bool ensure_filesystem;
	const char *filesystem; /* "", "ext4", "xfs" */
	char *const *options;	/* NULL-terminated, or NULL */
};

int disk_map(const struct mapped_disk *disk, struct gcs_error *err);
int disk_unmap(const struct mapped_disk *disk, struct gcs_error *err);

/* SCSIDevice Remove: unplug. A disk that is not there is success. */
int disk_eject(uint8_t controller, uint8_t lun, struct gcs_error *err);

struct mapped_directory {
	const char *mount_path;
	int32_t port;
	const char *name; /* of the share; "" = the server's default */
	bool read_only;
};

int share_map(const struct mapped_directory *dir, struct gcs_error *err);
int share_unmap(const char *path, struct gcs_error *err);

struct vpmem {
	const char *mount_path;
	uint32_t device;	/* n of /dev/pmem<n> */
	bool is_part;		/* of the device, and not the whole: */
	uint64_t offset, size;	/* in bytes */
};

int vpmem_map(const struct vpmem *v, struct gcs_error *err);
int vpmem_unmap(const char *mount_path, struct gcs_error *err);

struct combined_layers {
	const char *root;	/* ContainerRootPath, the overlay's mount point */
	const char *scratch;	/* ScratchPath; "" = read-only */
	char *const *layers;	/* paths, top-most first, NULL-terminated */
};

int layers_combine(const struct combined_layers *l, struct gcs_error *err);
int layers_remove(const char *root, struct gcs_error *err);

/*
 * The bind of a bundle on its scratch, if layers_combine() made one, goes with the layers, unless a container holds it. A bundle
 * without one is success in all three: hold it for a container, which cannot be made; or undo it for one that is deleted.
 */
int layers_hold_bundle(const char *bundle, struct gcs_error *err);
void layers_unhold_bundle(const char *bundle);
int layers_release_bundle(const char *bundle, struct gcs_error *err);

#endif
