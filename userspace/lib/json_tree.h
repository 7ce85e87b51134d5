/* SPDX-License-Identifier: MIT */
/* JSON text to json-c trees. Private to json_*.c. */
#ifndef GCS_JSON_TREE_H
#define GCS_JSON_TREE_H

#include "json.h"

/*
 * Build *@out from the value at *@p of a text that json_scan_check() has accepted, and move *@p behind it. On failure, -1
 * with @err, *@out may hold a part, which is the caller's.
 */
int json_tree_build(const char **p, const char *end, struct json_object **out, struct gcs_error *err);

#endif
