/* SPDX-License-Identifier: MIT */
/*
 * A fuzz target is one file that defines LLVMFuzzerTestOneInput(): it gives the input to one parser and aborts by REQUIRE() if
 * what comes of it breaks a promise. With libFuzzer it looks for such inputs (make fuzz), with replay.c it takes those of
 * corpus/TARGET (make unit).
 */
#ifndef SELFTESTS_FUZZ_H
#define SELFTESTS_FUZZ_H

#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                              \
	do {                                                                                            \
		if (!(condition)) {                                                                     \
			fprintf(stderr, "# %s:%d: not so: %s\n", __FILE__, __LINE__, #condition);       \
			abort();                                                                        \
		}                                                                                       \
	} while (0)

/* The input as a string, which a NUL in it ends; free() it. Exactly as long: what reads behind it is caught. */
static inline char *fuzz_string(const uint8_t *data, size_t size)
{
	char *s = strndup((const char *)data, size);

	REQUIRE(s);
	return s;
}

/* Cut the first line off *@text; "" if there is none. */
static inline char *fuzz_line(char **text)
{
	char *line = strsep(text, "\n");

	if (!*text)
		*text = line + strlen(line);
	return line;
}

/* For targets that need files: a tmpfs that nobody else sees and that ends with the process. */
#define FUZZ_DIR "/mnt"

static inline void fuzz_make_dir(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount("", "/", "", MS_REC | MS_PRIVATE, "") < 0 ||
	    mount("tmpfs", FUZZ_DIR, "tmpfs", 0, "mode=755") < 0) {
		printf("1..0 # SKIP needs permission to mount a tmpfs\n");
		fflush(stdout);
		_exit(4);
	}
}

#endif
