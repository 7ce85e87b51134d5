// SPDX-License-Identifier: MIT
/* Hyper-V's bus, on which devices are known by the GUID of their instance. */
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vmbus.h"

bool vmbus_present(const char *sysfs)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/bus/vmbus", sysfs);
	return access(path, F_OK) == 0;
}

bool vmbus_guid_parse(const char *text, uint8_t guid[16])
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	if (strlen(text) != sizeof(form) - 1)
		return false;
	for (size_t i = 0; form[i]; i++)
		if (form[i] == '-' ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
			return false;
	for (size_t i = 0; i < 16; i++, text += 2) {
		text += *text == '-';
		sscanf(text, "%2hhx", &guid[i]);
	}
	return true;
}
