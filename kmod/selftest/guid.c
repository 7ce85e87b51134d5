// SPDX-License-Identifier: GPL-2.0-only
/*
 * The name of a VMBus device is its GUID, in the order of the text and not of struct guid, and what is below it has it
 */
#include <linux/device.h>
#include <linux/device/bus.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../devmap.h"
#include "selftest.h"

static const u8 expected[16] = {
	0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff,
};

static bool parse(void)
{
	u8 guid[16] = {};
	bool ok = true;

	ok &= EXPECT(gcs_vmbus_parse("vmbus", "00112233-4455-6677-8899-aabbccddeeff", guid));
	ok &= EXPECT(!memcmp(guid, expected, sizeof(guid)));
	ok &= EXPECT(gcs_vmbus_parse("vmbus", "00112233-4455-6677-8899-AABBCCDDEEFF", guid));
	ok &= EXPECT(!memcmp(guid, expected, sizeof(guid)));
	ok &= EXPECT(!gcs_vmbus_parse("pci", "00112233-4455-6677-8899-aabbccddeeff", guid));
	ok &= EXPECT(!gcs_vmbus_parse("vmbus", "00112233-4455-6677-8899-aabbccddeef", guid));
	ok &= EXPECT(!gcs_vmbus_parse("vmbus", "00112233-4455-6677-8899-aabbccddeeff0", guid));
	ok &= EXPECT(!gcs_vmbus_parse("vmbus", "0011223344556677-8899-aabbccddeeff--", guid));
	ok &= EXPECT(!gcs_vmbus_parse("vmbus", "00112233-4455-6677-8899-aabbccddeefg", guid));
	ok &= EXPECT(!gcs_vmbus_parse("vmbus", "", guid));
	return ok;
}

static void free_device(struct device *dev)
{
	kfree(dev);
}

/* A device that nobody else sees. It is let go with put_device(). */
static struct device *make_device(struct device *parent, struct bus_type *bus, const char *name)
{
	struct device *dev = kzalloc(sizeof(*dev), GFP_KERNEL);

	if (!dev)
		return NULL;
	device_initialize(dev);
	dev->release = free_device;
	dev->parent = parent;
	dev->bus = bus;
	if (!dev_set_name(dev, "%s", name))
		return dev;
	put_device(dev);
	return NULL;
}

/* Of a SCSI host on VMBus, as storvsc makes it, and of one elsewhere. */
static bool below(void)
{
	static struct bus_type vmbus = { .name = "vmbus" }, scsi = { .name = "scsi" };
	struct device *root = make_device(NULL, NULL, "VMBUS:00");
	struct device *controller = make_device(root, &vmbus, "00112233-4455-6677-8899-aabbccddeeff");
	struct device *host = make_device(controller, &scsi, "host0");
	struct device *other = make_device(root, &vmbus, "other");
	bool ok = root && controller && host && other;
	u8 guid[16] = {};

	if (ok) {
		ok &= EXPECT(!gcs_vmbus_guid(root, guid));
		ok &= EXPECT(!gcs_vmbus_guid(other, guid));
		ok &= EXPECT(gcs_vmbus_guid(host, guid) && !memcmp(guid, expected, sizeof(guid)));
		memset(guid, 0, sizeof(guid));
		ok &= EXPECT(gcs_vmbus_guid(controller, guid) && !memcmp(guid, expected, sizeof(guid)));
	}
	put_device(other);
	put_device(host);
	put_device(controller);
	put_device(root);
	return ok;
}

bool gcs_selftest_guid(void)
{
	return parse() & below();
}
