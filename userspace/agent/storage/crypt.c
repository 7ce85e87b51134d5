// SPDX-License-Identifier: MIT
/* Encrypted disks: dm-crypt on dm-integrity, made by gcscrypt (storage-and-network.md 4.7). */
#include <stdio.h>
#include <string.h>

#include "storage/internal.h"

#define PREFIX "dm-crypt-scsi-"

/* It writes little, whatever the size of the disk. */
#define CRYPT_DEADLINE_MS 30000

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

bool crypt_is(const char *name)
{
	return !strncmp(name, PREFIX, strlen(PREFIX));
}
