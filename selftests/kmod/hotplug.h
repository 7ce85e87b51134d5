/* SPDX-License-Identifier: MIT */
/*
 * Devices that come and go, by request of the guest: QEMU's monitor on a virtio-serial port (scripts/vm --hotplug)
 *
 * There are three free slots port0 to port2, the controllers scsi0, scsi1, ..., of which the second tells of nothing that is
 * added, and files as block nodes: hot0 and hot1 of 8 MiB, big of 1 GiB.
 */
#ifndef HOTPLUG_H
#define HOTPLUG_H

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* QEMU answers at once; that a guest lets a device go may take longer. */
#define QMP_WAIT_MS	30000

struct qmp {
	int fd;
	unsigned int id;
	size_t len;
	char buf[65536];	/* what came and is not read yet, and then the last line read */
	char line[65536];
	char deleted[256][24];	/* ids of devices of which QEMU has said that they are gone */
	unsigned int n_deleted;
};

/* The next line. Returns false if none came in time. */
static inline bool qmp_line(struct qmp *q)
{
	char *end;

	while (!(end = memchr(q->buf, '\n', q->len))) {
		struct pollfd p = { .fd = q->fd, .events = POLLIN };
		ssize_t n;

		if (poll(&p, 1, QMP_WAIT_MS) != 1)
			return false;
		n = read(q->fd, q->buf + q->len, sizeof(q->buf) - q->len);
		if (n <= 0)
			return false;
		q->len += n;
	}
	*end = '\0';
	strcpy(q->line, q->buf);
	q->len -= end + 1 - q->buf;
	memmove(q->buf, end + 1, q->len);

	end = strstr(q->line, "\"DEVICE_DELETED\"") ? strstr(q->line, "\"device\": \"") : NULL;
	if (end)
		sscanf(end, "\"device\": \"%23[^\"]", q->deleted[q->n_deleted++ % 256]);
	return true;
}

/* Executes @command with the JSON members @format. Returns 0, or -1 with QEMU's words on stderr unless @quiet. */
__attribute__((format(printf, 4, 5)))
static inline int qmp_do(struct qmp *q, bool quiet, const char *command, const char *format, ...)
{
	char arguments[1024], id[40];
	va_list ap;

	va_start(ap, format);
	vsnprintf(arguments, sizeof(arguments), format, ap);
	va_end(ap);
	/* An earlier test's answers may still be on their way. */
	snprintf(id, sizeof(id), "\"id\": \"%d.%u\"", getpid(), ++q->id);
	dprintf(q->fd, "{\"execute\": \"%s\", \"arguments\": {%s}, %s}\n", command, arguments, id);
	do {
		if (!qmp_line(q)) {
			fprintf(stderr, "QEMU does not answer %s\n", command);
			return -1;
		}
	} while (!strstr(q->line, id));
	if (!strstr(q->line, "\"error\""))
		return 0;
	if (!quiet)
		fprintf(stderr, "QEMU: %s(%s): %s\n", command, arguments, q->line);
	return -1;
}

#define qmp(q, command, ...) qmp_do(q, false, command, __VA_ARGS__)

/* Whether there is one, and if so a connection to it. */
static inline bool qmp_open(struct qmp *q)
{
	DIR *dir = opendir("/sys/class/virtio-ports");
	struct dirent *e;

	memset(q, 0, sizeof(*q));
	q->fd = -1;
	while (dir && q->fd < 0 && (e = readdir(dir))) {
		char path[300], name[32] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", e->d_name);
		f = fopen(path, "re");
		if (f && fgets(name, sizeof(name), f) && !strcmp(name, "gcs.hotplug\n")) {
			snprintf(path, sizeof(path), "/dev/%s", e->d_name);
			q->fd = open(path, O_RDWR | O_CLOEXEC);
		}
		if (f)
			fclose(f);
	}
	if (dir)
		closedir(dir);
	/* Refused by a session that has begun already. */
	if (q->fd >= 0)
		qmp_do(q, true, "qmp_capabilities", " ");
	return q->fd >= 0;
}

/* Waits until QEMU says that the guest has let @device go. */
static inline bool qmp_deleted(struct qmp *q, const char *device)
{
	for (;;) {
		for (unsigned int i = 0; i < 256; i++)
			if (!strcmp(q->deleted[i], device)) {
				q->deleted[i][0] = '\0';
				return true;
			}
		if (!qmp_line(q))
			return false;
	}
}

static inline int qmp_remove(struct qmp *q, const char *device)
{
	return qmp(q, "device_del", "\"id\": \"%s\"", device) || !qmp_deleted(q, device) ? -1 : 0;
}

/* A block node without a file behind it: zeroes, and what is written is forgotten. */
static inline int qmp_null_node(struct qmp *q, const char *node, unsigned long long size, bool ro)
{
	return qmp(q, "blockdev-add", "\"driver\": \"null-co\", \"node-name\": \"%s\", \"size\": %llu, "
		   "\"read-zeroes\": true, \"read-only\": %s", node, size, ro ? "true" : "false");
}

static inline int qmp_add_disk(struct qmp *q, const char *id, const char *controller, int lun,
			       const char *node)
{
	return qmp(q, "device_add", "\"driver\": \"scsi-hd\", \"id\": \"%s\", \"bus\": \"%s.0\", \"scsi-id\": 0, "
		   "\"lun\": %d, \"drive\": \"%s\"", id, controller, lun, node);
}

/*
 * How many bytes QEMU reads or writes of @disk in a second; 0: as many as it can, and what has waited for that is done. What exceeds it
 * is done, and makes the next wait.
 */
static inline int qmp_throttle(struct qmp *q, const char *disk, unsigned int bytes)
{
	return qmp(q, "block_set_io_throttle", "\"id\": \"%s\", \"bps\": %u, \"bps_rd\": 0, \"bps_wr\": 0, "
		   "\"iops\": 0, \"iops_rd\": 0, \"iops_wr\": 0", disk, bytes);
}

#endif /* HOTPLUG_H */
