// SPDX-License-Identifier: MIT
/* The disks of a UVM. */
#include "disks.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "ext4.h"
#include "timing.h"
#include "trace.h"

void disks_init(struct disks *d, struct vm *vm, struct guest *guest)
{
	*d = (struct disks){ .vm = vm, .guest = guest };
	pthread_mutex_init(&d->lock, NULL);
}

/* Scratch disks from the other controller on, so that neither kind fills the first one alone. */
static struct disk *free_lun(struct disks *d, unsigned int controller)
{
	for (unsigned int i = 0; i < DISK_CONTROLLERS; i++, controller = (controller + 1) % DISK_CONTROLLERS) {
		for (unsigned int lun = 0; lun < DISK_LUNS; lun++) {
			struct disk *disk = &d->table[controller][lun];

			if (disk->users || disk->plugged)
				continue;
			*disk = (struct disk){ .guest = { .controller = controller, .lun = lun } };
			return disk;
		}
	}
	return NULL;
}

/* What has been done already is not done again. */
static int take_away(struct disks *d, struct disk *disk, struct gcs_error *err)
{
	if (disk->mounted && guest_unmount(d->guest, &disk->guest, err) < 0)
		return -1;
	disk->mounted = false;
	if (disk->guest.pmem)
		return 0;
	if (!disk->ejected && guest_eject(d->guest, &disk->guest, err) < 0)
		return -1;
	disk->ejected = true;
	if (disk->plugged && vm_detach(d->vm, disk->guest.controller, disk->guest.lun, err) < 0)
		return -1;
	disk->plugged = false;
	return 0;
}

static struct disk *add(struct disks *d, struct disk *disk, int fd, struct gcs_error *err)
{
	double began;

	if (!disk) {
		gcs_fail(err, ENOSPC, HR_FAIL, "attach a disk: all %d LUNs are taken", DISK_CONTROLLERS * DISK_LUNS);
		return NULL;
	}
	disk->guest.mount_path = disk->mount_path;
	began = timing_now();
	/* Layers do not change, and of a container's writable disk nothing is kept: only a user's disk is worth what a flush costs. */
	if (vm_attach(d->vm, disk->guest.controller, disk->guest.lun, fd, disk->guest.read_only, !disk->guest.format, err) < 0)
		return NULL;
	trace_host(LANE_HOST, "plug disk", began);
	disk->plugged = true;
	if (guest_mount(d->guest, &disk->guest, err) < 0) {
		/* If that fails the LUN stays taken. */
		take_away(d, disk, NULL);
		return NULL;
	}
	disk->mounted = true;
	disk->users = 1;
	return disk;
}

static bool is_of(const struct disk *disk, const struct stat *st)
{
	return disk->dev == st->st_dev && disk->ino == st->st_ino;
}

/* The plugged device of this file, mounted or not, or NULL. QEMU holds the file, so that no other one can become the same. */
static struct disk *find_pmem(struct disks *d, const struct stat *st)
{
	for (struct disk *disk = d->pmem; disk < d->pmem + d->pmem_count; disk++)
		if (is_of(disk, st))
			return disk;
	return NULL;
}

static struct disk *find_layer(struct disks *d, const struct stat *st)
{
	struct disk *first = &d->table[0][0], *pmem;

	for (struct disk *disk = first; disk < first + DISKS_SCSI; disk++)
		if (disk->mounted && disk->layer && is_of(disk, st))
			return disk;
	pmem = find_pmem(d, st);
	return pmem && pmem->mounted && pmem->layer ? pmem : NULL;
}

static struct disk *add_scsi_layer(struct disks *d, int fd, const struct stat *st, struct gcs_error *err)
{
	struct disk *disk = free_lun(d, 0);

	if (disk) {
		disk->layer = disk->guest.read_only = true;
		disk->dev = st->st_dev;
		disk->ino = st->st_ino;
		snprintf(disk->mount_path, sizeof(disk->mount_path), "/run/mounts/scsi/m%u", disk->guest.controller * DISK_LUNS + disk->guest.lun);
	}
	return add(d, disk, fd, err);
}

/*
 * The empty device 0 has been there since the boot; when it can be mounted the guest's driver is loaded. What is plugged while the driver
 * looks for the first time Linux does not see.
 */
static int wait_for_driver(struct disks *d, struct gcs_error *err)
{
	const struct guest_disk empty = { .pmem = true, .mount_path = "/run/layers/p0" };

	return guest_mount(d->guest, &empty, err) < 0 ? -1 : guest_unmount(d->guest, &empty, err);
}

/* Can this file, whose device is @plugged, be mounted as PMEM now? */
static bool can_be_pmem(const struct disks *d, const struct disk *plugged, const struct stat *st)
{
	return plugged ? !plugged->mounted : d->pmem_count < VM_PMEM_DEVICES && (uint64_t)st->st_size % DISK_UNIT == 0;
}

/* The device of this file, plugged if it is not. */
static struct disk *plug_pmem(struct disks *d, int fd, const struct stat *st, struct gcs_error *err)
{
	struct disk *disk = find_pmem(d, st);

	if (disk)
		return disk;
	disk = &d->pmem[d->pmem_count];
	if (vm_need_pmem(d->vm, err) < 0 || (!d->pmem_count && wait_for_driver(d, err) < 0))
		return NULL;
	*disk = (struct disk){ .dev = st->st_dev, .ino = st->st_ino, .guest = { .pmem = true, .lun = d->pmem_count + 1 } };
	disk->guest.mount_path = disk->mount_path;
	if (vm_attach_pmem(d->vm, disk->guest.lun, fd, (uint64_t)st->st_size, err) < 0)
		return NULL;
	disk->plugged = true;
	d->pmem_count++;
	return disk;
}

/* Nobody has it; @path NULL: where layers are. */
static struct disk *add_pmem(struct disks *d, int fd, const struct stat *st, const char *path, struct gcs_error *err)
{
	struct disk *disk = plug_pmem(d, fd, st, err);

	if (!disk)
		return NULL;
	if (path)
		snprintf(disk->mount_path, sizeof(disk->mount_path), "%s", path);
	else
		snprintf(disk->mount_path, sizeof(disk->mount_path), "/run/layers/p%u", disk->guest.lun);
	disk->layer = !path;
	if (guest_mount(d->guest, &disk->guest, err) < 0)
		return NULL;
	disk->mounted = true;
	disk->users = 1;
	return disk;
}

struct disk *disks_add_layer(struct disks *d, int fd, bool pmem, struct gcs_error *err)
{
	struct disk *disk;
	struct stat st;

	if (fstat(fd, &st) < 0) {
		gcs_fail(err, errno, HR_FAIL, "attach a layer: stat");
		return NULL;
	}
	pthread_mutex_lock(&d->lock);
	disk = find_layer(d, &st);
	if (disk)
		disk->users++;
	else if (pmem && can_be_pmem(d, find_pmem(d, &st), &st))
		disk = add_pmem(d, fd, &st, NULL, err);
	else
		disk = add_scsi_layer(d, fd, &st, err);
	pthread_mutex_unlock(&d->lock);
	return disk;
}

struct disk *disks_add_scratch(struct disks *d, int fd, const char *path, struct gcs_error *err)
{
	struct disk *disk;

	pthread_mutex_lock(&d->lock);
	disk = free_lun(d, 1);
	if (disk) {
		disk->guest.format = true;
		snprintf(disk->mount_path, sizeof(disk->mount_path), "%s", path);
	}
	disk = add(d, disk, fd, err);
	pthread_mutex_unlock(&d->lock);
	return disk;
}

struct disk *disks_add_volume(struct disks *d, int fd, const char *path, bool read_only, struct gcs_error *err)
{
	struct disk *disk;

	pthread_mutex_lock(&d->lock);
	disk = free_lun(d, 1);
	if (disk) {
		disk->guest.read_only = read_only;
		snprintf(disk->mount_path, sizeof(disk->mount_path), "%s", path);
	}
	disk = add(d, disk, fd, err);
	pthread_mutex_unlock(&d->lock);
	return disk;
}

struct disk *disks_add_pmem(struct disks *d, int fd, const char *path, struct gcs_error *err)
{
	struct disk *disk = NULL, *plugged;
	struct stat st;

	if (fstat(fd, &st) < 0) {
		gcs_fail(err, errno, HR_FAIL, "attach PMEM: stat");
		return NULL;
	}
	if (!S_ISREG(st.st_mode) || !st.st_size || (uint64_t)st.st_size % DISK_UNIT) {
		gcs_fail(err, EINVAL, HR_FAIL, "attach PMEM: not a file of a multiple of 2 MiB");
		return NULL;
	}
	pthread_mutex_lock(&d->lock);
	plugged = find_pmem(d, &st);
	if (plugged && plugged->mounted)
		gcs_fail(err, EBUSY, HR_FAIL, "attach PMEM: the file is PMEM already, and mounted on %s", plugged->mount_path);
	else if (!can_be_pmem(d, plugged, &st))
		gcs_fail(err, ENOSPC, HR_FAIL, "attach PMEM: all %d devices are taken", VM_PMEM_DEVICES);
	else
		disk = add_pmem(d, fd, &st, path, err);
	pthread_mutex_unlock(&d->lock);
	return disk;
}

int disks_remove(struct disks *d, struct disk *disk, struct gcs_error *err)
{
	int ret = 0;

	pthread_mutex_lock(&d->lock);
	if (disk->users == 1)
		ret = take_away(d, disk, err);
	if (ret == 0)
		disk->users--;
	pthread_mutex_unlock(&d->lock);
	return ret;
}
