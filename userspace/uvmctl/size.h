/* SPDX-License-Identifier: MIT */
/* Sizes and numbers as people write them. */
#ifndef UVMCTL_SIZE_H
#define UVMCTL_SIZE_H

#include <stdbool.h>
#include <stdint.h>

/* With suffix K, M, G or T; without one in units of @unit bytes. NULL, or what is wrong with it. */
const char *size_parse(const char *text, uint64_t unit, uint64_t *to);

/* The digits at the beginning of *@text, which is left behind them. False if there are none, or if it is too large. */
bool number_parse(const char **text, uint32_t *n);

#endif
