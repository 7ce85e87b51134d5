// SPDX-License-Identifier: MIT
/* A fuzz target's corpus, once: a test of what it promises that needs no libFuzzer. */
#include <dirent.h>
#include <signal.h>

#include <sanitizer/common_interface_defs.h>

#include "../../userspace/lib/cleanup.h"
#include "../../userspace/lib/fs.h"
#include "fuzz.h"

#define INPUT_MAX (1 << 20)

int __attribute__((weak)) LLVMFuzzerInitialize(int *argc, char ***argv)
{
	return 0;
}

static char path[512];

static void tell_input(void)
{
	dprintf(STDERR_FILENO, "# the input is %s\n", path);
}

static void on_abort(int sig)
{
	tell_input();
}

static void run(void)
{
	_cleanup_file_ FILE *f = fopen(path, "re");
	/* Exactly as large as what was read, as libFuzzer gives it. */
	_cleanup_free_ char *buffer = malloc(INPUT_MAX), *data = NULL;
	size_t size;

	REQUIRE(f && buffer);
	size = fread(buffer, 1, INPUT_MAX, f);
	data = malloc(size ? size : 1);
	REQUIRE(data && size < INPUT_MAX);
	memcpy(data, buffer, size);
	LLVMFuzzerTestOneInput((uint8_t *)data, size);
}

static int is_input(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

int main(int argc, char **argv)
{
	const char *target = strrchr(argv[0], '_');
	struct dirent **inputs;
	char dir[256];
	int n;

	LLVMFuzzerInitialize(&argc, &argv);
	signal(SIGABRT, on_abort);
	__sanitizer_set_death_callback(tell_input);
	printf("1..1\n");
	snprintf(dir, sizeof(dir), "selftests/fuzz/corpus/%s", target ? target + 1 : "");
	n = scandir(dir, &inputs, is_input, alphasort);
	if (n <= 0) {
		printf("not ok 1 %s: no inputs\n", dir);
		return 1;
	}
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, inputs[i]->d_name);
		run();
		free(inputs[i]);
	}
	free(inputs);
	printf("ok 1 %d inputs of %s\n", n, dir);
	return 0;
}
