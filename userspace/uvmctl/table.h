/* SPDX-License-Identifier: MIT */
/* A list of JSON objects as a table for people. */
#ifndef UVMCTL_TABLE_H
#define UVMCTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <json-c/json_object.h>

/* The last column is as wide as it is. */
struct table_column {
	const char *title, *key;
};

/* @list, an array, as a table with a title, or as JSON. */
void table_print(FILE *to, struct json_object *list, const struct table_column *columns, size_t count, bool json);

#endif
