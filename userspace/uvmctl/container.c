// SPDX-License-Identifier: MIT
/* A container in the guest. */
#include "container.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#include "timing.h"

int container_name(struct container_parts *c, struct gcs_error *err)
{
	unsigned char bytes[32];

	*c = (struct container_parts){ .layer_count = 0 };
	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return gcs_fail(err, errno, HR_FAIL, "container id");
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(c->id + 2 * i, 3, "%02x", bytes[i]);
	snprintf(c->bundle, sizeof(c->bundle), "/run/gcs/c/%s", c->id);
	snprintf(c->root, sizeof(c->root), "%s/rootfs", c->bundle);
	snprintf(c->scratch, sizeof(c->scratch), "%s/scratch/%s", c->bundle, c->id);
	return 0;
}

static int add_disks(struct container_parts *c, struct disks *d, const int *layers, unsigned int count, int scratch,
		     struct json_object *figures, struct gcs_error *err)
{
	double start = timing_now();

	while (c->layer_count < count) {
		struct disk *disk = disks_add_layer(d, layers[c->layer_count], c->pmem, err);

		if (!disk)
			return -1;
		c->layers[c->layer_count++] = disk;
	}
	timing_since(figures, "disk_attach_layer_ms", start);
	start = timing_now();
	c->scratch_disk = disks_add_scratch(d, scratch, c->bundle, err);
	timing_since(figures, "disk_attach_scratch_ms", start);
	return c->scratch_disk ? 0 : -1;
}

static int make(struct container_parts *c, struct disks *d, const int *layers, unsigned int count, int scratch,
		struct spec_options *spec, struct json_object *figures, struct gcs_error *err)
{
	const char *paths[IMAGE_LAYERS_MAX + 1] = { NULL };
	char hostname[13];
	double start;

	if (count > IMAGE_LAYERS_MAX)
		return gcs_fail(err, E2BIG, HR_FAIL, "%u layers, the limit is %d", count, IMAGE_LAYERS_MAX);
	if (add_disks(c, d, layers, count, scratch, figures, err) < 0)
		return -1;
	for (unsigned int i = 0; i < count; i++)
		paths[i] = c->layers[i]->mount_path;
	start = timing_now();
	if (guest_combine(d->guest, c->id, c->root, paths, c->scratch, err) < 0)
		return -1;
	c->combined = true;
	timing_since(figures, "combine_ms", start);

	snprintf(hostname, sizeof(hostname), "%.12s", c->id);
	spec->root = c->root;
	spec->hostname = hostname;
	start = timing_now();
	if (guest_create(d->guest, c->id, c->bundle, c->scratch, spec_build(spec), err) < 0)
		return -1;
	c->created = true;
	timing_since(figures, "create_ms", start);
	return 0;
}

int container_make(struct container_parts *c, struct disks *d, const int *layers, unsigned int count, int scratch,
		   struct spec_options *spec, struct json_object *figures, struct gcs_error *err)
{
	if (make(c, d, layers, count, scratch, spec, figures, err) == 0)
		return 0;
	container_unmake(c, d, NULL);
	return -1;
}

bool container_is_left(const struct container_parts *c)
{
	return c->combined || c->created || c->scratch_disk || c->layer_count;
}

/* One that the guest does not know is deleted: the answer to an earlier request may have been late. */
static int delete_state(struct container_parts *c, struct disks *d, struct gcs_error *err)
{
	struct gcs_error failed = { 0 };

	if (bridge_call(d->guest->bridge, MSG_DELETE_CONTAINER_STATE, c->id, NULL, NULL, &failed) == 0 || failed.hr == HR_SYSTEM_NOT_FOUND)
		return 0;
	if (err)
		*err = failed;
	return -1;
}

int container_unmake(struct container_parts *c, struct disks *d, struct gcs_error *err)
{
	struct gcs_error first = { 0 };

	if (c->combined && guest_separate(d->guest, c->id, c->root, &first) == 0)
		c->combined = false;
	if (c->created && delete_state(c, d, first.hr ? NULL : &first) == 0)
		c->created = false;
	if (c->scratch_disk && disks_remove(d, c->scratch_disk, first.hr ? NULL : &first) == 0)
		c->scratch_disk = NULL;
	while (c->layer_count && disks_remove(d, c->layers[c->layer_count - 1], first.hr ? NULL : &first) == 0)
		c->layer_count--;
	if (!first.hr)
		return 0;
	if (err)
		*err = first;
	return -1;
}
