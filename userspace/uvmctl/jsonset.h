/* SPDX-License-Identifier: MIT */
/* Members of JSON objects, in the words that our messages need. */
#ifndef UVMCTL_JSONSET_H
#define UVMCTL_JSONSET_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <json-c/json.h>

static inline void set_string(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, json_object_new_string(value));
}

static inline void set_number(struct json_object *o, const char *key, int64_t value)
{
	json_object_object_add(o, key, json_object_new_int64(value));
}

static inline void set_bool(struct json_object *o, const char *key, bool value)
{
	json_object_object_add(o, key, json_object_new_boolean(value));
}

static inline struct json_object *strings(const char *const *list)
{
	struct json_object *a = json_object_new_array();

	for (; list && *list; list++)
		json_object_array_add(a, json_object_new_string(*list));
	return a;
}

/* What is not there, or of another type, is NULL, 0 or false. */
static inline const char *get_string(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_string) ? json_object_get_string(v) : NULL;
}

static inline int64_t get_number(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_int) ? json_object_get_int64(v) : 0;
}

static inline bool get_bool(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_boolean) && json_object_get_boolean(v);
}

static inline struct json_object *get_array(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_array) ? v : NULL;
}

/* An array of strings as a list that ends with NULL, malloc'd; the strings stay the array's. NULL without memory. */
static inline char **get_strings(struct json_object *o, const char *key)
{
	struct json_object *a = get_array(o, key);
	size_t n = a ? json_object_array_length(a) : 0;
	char **list = calloc(n + 1, sizeof(*list));

	for (size_t i = 0; list && i < n; i++)
		list[i] = (char *)json_object_get_string(json_object_array_get_idx(a, i));
	return list;
}

#endif
