// SPDX-License-Identifier: MIT
/* Mount option words: of a disk's options, those of propagation count (storage-and-network.md 3.2). */
#include <string.h>

#include "storage/internal.h"

int options_propagation(char *const *options, unsigned long *flags, size_t max, struct gcs_error *err)
{
	static const struct {
		const char *word;
		unsigned long flag;
	} words[] = {
		{ "private", MS_PRIVATE },	       { "rprivate", MS_PRIVATE | MS_REC },
		{ "shared", MS_SHARED },	       { "rshared", MS_SHARED | MS_REC },
		{ "slave", MS_SLAVE },		       { "rslave", MS_SLAVE | MS_REC },
		{ "unbindable", MS_UNBINDABLE },       { "runbindable", MS_UNBINDABLE | MS_REC },
	};
	size_t n = 0;

	for (; options && *options; options++) {
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			if (strcmp(*options, words[i].word))
				continue;
			if (n + 1 >= max)
				return gcs_fail(err, 0, HR_INVALID_ARG, "mount options: more than %zu of propagation",
						max - 1);
			flags[n++] = words[i].flag;
		}
	}
	flags[n] = 0;
	return 0;
}
