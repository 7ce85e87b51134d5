/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the device map share: addresses, waits in processes of their own, events and dumps
 */
#ifndef DEV_TEST_H
#define DEV_TEST_H

#include <sys/mman.h>
#include <sys/sysmacros.h>

#include "gcs_test.h"
#include "hotplug.h"

/* A device arrives or leaves within this unless something is broken. */
#define DEV_MS		60000
#define MIB		(1024 * 1024ull)

static inline struct gcs_dev_addr scsi_addr(uint32_t controller, uint64_t lun)
{
	return (struct gcs_dev_addr){ .bus = GCS_BUS_SCSI, .controller = controller, .lun = lun };
}

/* Returns 0 with @out, or the errno. */
static inline int dev_wait_with(int dev, struct gcs_dev_addr addr, uint32_t flags, uint32_t ms, struct gcs_dev_wait *out)
{
	*out = (struct gcs_dev_wait){ .size = sizeof(*out), .flags = flags, .addr = addr, .timeout_ms = ms };
	return ioctl(dev, GCS_DEV_WAIT, out) ? errno : 0;
}

static inline int dev_wait(int dev, struct gcs_dev_addr addr, uint32_t ms, struct gcs_dev_wait *out)
{
	return dev_wait_with(dev, addr, 0, ms, out);
}

static inline int dev_eject(int dev, struct gcs_dev_addr addr)
{
	struct gcs_dev_eject arg = { .size = sizeof(arg), .addr = addr };

	return ioctl(dev, GCS_DEV_EJECT, &arg) ? errno : 0;
}

/* A process that waits. */
struct waiter {
	pid_t pid;
	struct gcs_dev_wait *out;
};

static inline struct waiter waiter_start_with(int dev, struct gcs_dev_addr addr, uint32_t flags)
{
	struct waiter w = {
		.out = mmap(NULL, sizeof(*w.out), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0),
	};

	w.pid = fork();
	if (!w.pid)
		_exit(dev_wait_with(dev, addr, flags, DEV_MS, w.out));
	return w;
}

static inline struct waiter waiter_start(int dev, struct gcs_dev_addr addr)
{
	return waiter_start_with(dev, addr, 0);
}

/* The errno that it got. */
static inline int waiter_result(struct waiter w)
{
	int status = reap(w.pid);

	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

struct dev_info {
	uint32_t bus, controller, target, index, domain, devfn, flags, major, minor, ifindex;
	uint64_t lun, bytes, has;	/* bit n: attribute GCS_A_DEV_BUS + n was there */
	uint8_t guid[16], mac[6];
	char name[32], driver[32];
};

#define HAS(info, attr) ((info)->has >> (GCS_A_DEV_##attr - GCS_A_DEV_BUS) & 1)

static inline void dev_parse(struct nlmsghdr *n, struct dev_info *d)
{
	size_t len;

	memset(d, 0, sizeof(*d));
	nla_for_each(a, nl_attrs(n, &len), n->nlmsg_len - NLMSG_LENGTH(GENL_HDRLEN)) {
		struct {
			int attr;
			void *to;
			size_t size;
		} known[] = {
			{ GCS_A_DEV_BUS, &d->bus, 4 }, { GCS_A_DEV_GUID, d->guid, 16 },
			{ GCS_A_DEV_CONTROLLER, &d->controller, 4 }, { GCS_A_DEV_TARGET, &d->target, 4 },
			{ GCS_A_DEV_LUN, &d->lun, 8 }, { GCS_A_DEV_INDEX, &d->index, 4 },
			{ GCS_A_DEV_DOMAIN, &d->domain, 4 }, { GCS_A_DEV_DEVFN, &d->devfn, 4 },
			{ GCS_A_DEV_MAC, d->mac, 6 }, { GCS_A_DEV_FLAGS, &d->flags, 4 },
			{ GCS_A_DEV_MAJOR, &d->major, 4 }, { GCS_A_DEV_MINOR, &d->minor, 4 },
			{ GCS_A_DEV_BYTES, &d->bytes, 8 }, { GCS_A_DEV_IFINDEX, &d->ifindex, 4 },
			{ GCS_A_DEV_NAME, d->name, 32 }, { GCS_A_DEV_DRIVER, d->driver, 32 },
		};

		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if (a->nla_type == known[i].attr && a->nla_len - NLA_HDRLEN <= (int)known[i].size) {
				memcpy(known[i].to, NLA_DATA(a), a->nla_len - NLA_HDRLEN);
				d->has |= 1ull << (a->nla_type - GCS_A_DEV_BUS);
			}
	}
}

/* The next event of a device within @ms. Returns its command, or -1. */
static inline int dev_event(struct gcs_nl *events, int ms, struct dev_info *d)
{
	uint64_t end = now_ms() + ms;
	char buf[4096];
	int got;

	do
		got = nl_event(events, end, buf, sizeof(buf));
	while (got >= 0 && got != GCS_CMD_DEV_ADDED && got != GCS_CMD_DEV_REMOVED);
	if (got >= 0)
		dev_parse((struct nlmsghdr *)buf, d);
	return got;
}

/* Waits for the next event of @bus, which must be @cmd. */
static inline bool dev_expect(struct gcs_nl *events, int cmd, enum gcs_bus bus, struct dev_info *d)
{
	int got;

	do {
		got = dev_event(events, DEV_MS, d);
	} while (got >= 0 && d->bus != bus);
	return got == cmd;
}

struct dev_list {
	struct dev_info *list;
	int room;
};

static inline void collect_dev(struct nlmsghdr *n, void *data)
{
	struct dev_list *l = data;

	if (l->room-- > 0)
		dev_parse(n, l->list++);
}

/* Returns how many devices there are, at most @max of which are in @list; a negative errno. */
static inline int dev_dump(struct gcs_nl *nl, struct dev_info *list, int max)
{
	bool interrupted;
	int count;

	do {
		struct dev_list l = { list, max };

		count = nl_messages(nl, GCS_CMD_DEV_GET, collect_dev, &l, &interrupted);
	} while (count >= 0 && interrupted);
	return count;
}

/* The device's own file in sysfs, as a number; -1 if there is none. */
__attribute__((format(printf, 1, 2)))
static inline long long sysfs_number(const char *format, ...)
{
	long long number = -1;
	char path[256];
	va_list ap;
	FILE *f;

	va_start(ap, format);
	vsnprintf(path, sizeof(path), format, ap);
	va_end(ap);
	f = fopen(path, "re");
	if (f) {
		if (fscanf(f, "%lld", &number) != 1)
			number = -1;
		fclose(f);
	}
	return number;
}

static inline int open_node(const char *name, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/%s", name);
	return open(path, flags | O_CLOEXEC);
}

/* What every answer about a disk must be. */
static inline bool is_disk(const struct gcs_dev_wait *w, unsigned long long bytes)
{
	struct stat st;
	int fd = open_node(w->name, O_RDONLY);
	bool good = fd >= 0 && !fstat(fd, &st) && S_ISBLK(st.st_mode) && w->major == major(st.st_rdev) &&
		    w->minor == minor(st.st_rdev) && w->bytes == bytes &&
		    sysfs_number("/sys/class/block/%s/size", w->name) == (long long)bytes / 512;

	if (!good)
		fprintf(stderr, "%s: %u:%u, %llu bytes\n", w->name, w->major, w->minor, w->bytes);
	close(fd);
	return good;
}

/* The fixture of tests that add and remove devices by QEMU's monitor. */
#define DEV_FIXTURE(fixture)						\
	FIXTURE(fixture) {						\
		int dev;						\
		struct qmp *qmp;					\
		struct gcs_nl nl, events;				\
	};								\
									\
	FIXTURE_SETUP(fixture)						\
	{								\
		say(_metadata->name);					\
		self->qmp = calloc(1, sizeof(*self->qmp));		\
		if (!qmp_open(self->qmp))				\
			SKIP(_exit(255), "needs a VM with --hotplug");	\
		self->dev = gcs_device();				\
		ASSERT_LE(0, self->dev);				\
		ASSERT_EQ(0, nl_open(&self->nl, false));		\
		ASSERT_EQ(0, nl_open(&self->events, true));		\
	}								\
									\
	FIXTURE_TEARDOWN(fixture)					\
	{								\
		close(self->qmp->fd);					\
		free(self->qmp);					\
	}

#endif /* DEV_TEST_H */
