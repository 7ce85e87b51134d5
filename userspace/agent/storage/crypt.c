// SPDX-License-Identifier: MIT
/* Encrypted disks: dm-crypt on dm-integrity, made by gcscrypt (storage-and-network.md 4.7). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cleanup.h"
#include "storage/internal.h"

#define PREFIX "dm-crypt-scsi-"

/* It writes little, whatever the size of the disk. */
#define CRYPT_DEADLINE_MS 60000

void crypt_name(const struct mapped_disk *disk, char name[CRYPT_NAME_MAX])
{
	snprintf(name, CRYPT_NAME_MAX, PREFIX "contr%u-lun%u-p%llu", disk->controller, disk->lun,
		 (unsigned long long)disk->partition);
}

int crypt_open(const char *node, const char *name, char device[PATH_MAX], struct gcs_error *err)
{
	if (helper_run((const char *const[]){ "gcscrypt", "open", node, name, NULL }, node, CRYPT_DEADLINE_MS, err) < 0) {
		/* It undoes what it cannot finish, but not if it was killed. */
		crypt_close(name, NULL);
		return -1;
	}
	snprintf(device, PATH_MAX, "%s/mapper/%s", storage_dev, name);
	return 0;
}

int crypt_close(const char *name, struct gcs_error *err)
{
	return helper_run((const char *const[]){ "gcscrypt", "close", name, NULL }, name, CRYPT_DEADLINE_MS, err);
}

bool crypt_of(const char *path, char name[CRYPT_NAME_MAX])
{
	_cleanup_close_ int fd = -1;
	char file[PATH_MAX];
	struct stat st;
	ssize_t n;

	if (stat(path, &st) < 0)
		return false;
	snprintf(file, sizeof(file), "%s/dev/block/%u:%u/dm/name", storage_sysfs, major(st.st_dev), minor(st.st_dev));
	fd = open(file, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, name, CRYPT_NAME_MAX - 1);
	if (n <= 0)
		return false;
	name[n] = '\0';
	name[strcspn(name, "\n")] = '\0';
	return !strncmp(name, PREFIX, strlen(PREFIX));
}
