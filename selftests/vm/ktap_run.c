/* SPDX-License-Identifier: MIT */
/* ktap_run [NAME=VALUE] PROGRAM...: test programs on this machine, one KTAP report on stdout. */
#include "ktap.h"

int main(int argc, char *argv[])
{
	if (argc < 2) {
		fprintf(stderr, "usage: ktap_run [NAME=VALUE] PROGRAM...\n");
		return 2;
	}
	return ktap_run(argv + 1, stdout) != 0;
}
