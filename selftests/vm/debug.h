/* SPDX-License-Identifier: MIT */
/* What a kernel with debug options found that is no panic. */
#ifndef SELFTESTS_DEBUG_H
#define SELFTESTS_DEBUG_H

#include <stdbool.h>
#include <stdio.h>

void debug_begin(void);
bool debug_clean(FILE *out);

#endif /* SELFTESTS_DEBUG_H */
