/* SPDX-License-Identifier: MIT */
/* Runs test programs and turns what they print into one KTAP report with a subtest a program. */
#ifndef SELFTESTS_KTAP_H
#define SELFTESTS_KTAP_H

#include <stdbool.h>
#include <stdio.h>

#define KTAP_DEADLINE_S 300 /* of one program, unless KTAP_DEADLINE in the environment says otherwise */

/*
 * Run @programs in order (NULL-terminated) and write the report to @out. A program's stdout is its KTAP, its stderr
 * is passed on. It fails if it prints "not ok", no plan, another number of results than planned, "Bail out!", if its exit
 * status is not 0 (4 is kselftest's "skipped" and good after a plan of 0), or if it overruns its deadline. An item with a '=' sets an environment variable for the
 * programs after it and is named with them. Returns the number of programs that failed.
 */
unsigned int ktap_run(char **programs, FILE *out);

#endif
