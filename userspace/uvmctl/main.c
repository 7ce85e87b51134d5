// SPDX-License-Identifier: MIT
/* uvmctl: the host's side of a UVM on Linux. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "run.h"
#include "vsock_backend.h"

static const struct verb {
	const char *name, *usage;
	int (*run)(int argc, char **argv);
} verbs[] = {
	{ "run", "[OPTION]... IMAGE [COMMAND [ARG]...]", run_verb },
	{ "vsock-backend", "[--cid CID] SOCKET PREFIX", vsock_backend_verb },
};

#define VERB_COUNT (sizeof(verbs) / sizeof(verbs[0]))

static int usage(FILE *to, int code)
{
	for (size_t i = 0; i < VERB_COUNT; i++)
		fprintf(to, "%s uvmctl %s %s\n", i ? "      " : "usage:", verbs[i].name, verbs[i].usage);
	fprintf(to, "       uvmctl run --help\n");
	return code;
}

int main(int argc, char **argv)
{
	int fd;

	/* Descriptors that we make must not be taken for standard streams. */
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
	if (argc >= 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help")))
		return usage(stdout, 0);
	for (size_t i = 0; argc >= 2 && i < VERB_COUNT; i++)
		if (!strcmp(argv[1], verbs[i].name))
			return verbs[i].run(argc - 1, argv + 1);
	if (argc >= 2)
		fprintf(stderr, "uvmctl: unknown verb '%s'\n", argv[1]);
	return usage(stderr, 125);
}
