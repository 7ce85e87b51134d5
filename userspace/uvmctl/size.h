/* SPDX-License-Identifier: MIT */
/* Sizes as people write them. */
#ifndef UVMCTL_SIZE_H
#define UVMCTL_SIZE_H

#include <stdint.h>

/* With suffix K, M, G or T; without one in units of @unit bytes. NULL, or what is wrong with it. */
const char *size_parse(const char *text, uint64_t unit, uint64_t *to);

#endif
