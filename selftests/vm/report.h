/* SPDX-License-Identifier: MIT */
/*
 * What a test prints goes into one report with what it says on stderr (see ktap.c): line by line, so that neither cuts the other
 *
 * Included before the harness.
 */
#ifndef SELFTESTS_REPORT_H
#define SELFTESTS_REPORT_H

#include <stdio.h>

static void __attribute__((constructor)) report_by_lines(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
}

#endif /* SELFTESTS_REPORT_H */
