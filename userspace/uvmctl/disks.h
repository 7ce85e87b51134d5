/* SPDX-License-Identifier: MIT */
/* The disks of a UVM: which LUN is whose, and layers that several containers have in common. For any thread. */
#ifndef UVMCTL_DISKS_H
#define UVMCTL_DISKS_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#include "guest.h"
#include "qemu.h"

#define DISK_CONTROLLERS 2
#define DISK_LUNS 64 /* of each */
#define DISKS_SCSI (DISK_CONTROLLERS * DISK_LUNS)

struct disk {
	unsigned int users;
	bool plugged, mounted, ejected; /* what there is of it; plugged: the LUN is not free */
	bool layer;
	dev_t dev; /* of a layer: the same file again is the same disk */
	ino_t ino;
	struct guest_disk guest;
	char mount_path[128];
};

struct disks {
	struct vm *vm;
	struct guest *guest;
	/*
	 * Held while a disk comes or goes, also over what QEMU and the guest do for it: the second user of a layer waits until it
	 * is there. No other lock is taken inside but the bridge's.
	 */
	pthread_mutex_t lock;
	struct disk table[DISK_CONTROLLERS][DISK_LUNS];
	struct disk pmem[VM_PMEM_DEVICES];
	unsigned int pmem_count; /* plugged, and so they stay: the next one of the same file has it again */
};

void disks_init(struct disks *d, struct vm *vm, struct guest *guest);

/*
 * Attach the disk @fd, which stays the caller's, and mount it: a layer read-only, and once, on a path of its own; a scratch
 * disk on @path, formatted. NULL with @err, and nothing is left of it. @pmem: if that is possible, which it is not for files of odd
 * sizes or beyond the number of PMEM devices; these are SCSI disks.
 */
struct disk *disks_add_layer(struct disks *d, int fd, bool pmem, struct gcs_error *err);
struct disk *disks_add_scratch(struct disks *d, int fd, const char *path, struct gcs_error *err);
/* A disk of the user's, as it is; @path "": it is not mounted. */
struct disk *disks_add_volume(struct disks *d, int fd, const char *path, bool read_only, struct gcs_error *err);
/* A file of the user's as PMEM, which may not be a layer at the same time. It stays plugged when it is removed. */
struct disk *disks_add_pmem(struct disks *d, int fd, const char *path, struct gcs_error *err);

/* A user less; the last one unmounts and detaches it. -1 with @err: he still is one, and may try again what is not done yet. */
int disks_remove(struct disks *d, struct disk *disk, struct gcs_error *err);

#endif
