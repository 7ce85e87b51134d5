// SPDX-License-Identifier: GPL-2.0-only
/*
 * The name of a VMBus device is its GUID, in the order of the text and not of struct guid
 */
#include <linux/string.h>

#include "../devmap.h"
#include "selftest.h"

bool gcs_selftest_guid(void)
{
	static const u8 expected[16] = {
		0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff,
	};
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
