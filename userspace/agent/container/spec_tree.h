/* SPDX-License-Identifier: MIT */
/* Reading and changing OCI specs, which stay json-c trees. */
#ifndef GCS_SPEC_TREE_H
#define GCS_SPEC_TREE_H

#include <stdbool.h>
#include <string.h>

#include <json-c/json.h>

/*
 * The member @key of @o if it has @type; NULL if it is missing or null. Any other type sets *@wrong to @key: one check at the
 * end covers a whole group.
 */
static inline struct json_object *member(struct json_object *o, const char *key, enum json_type type, const char **wrong)
{
	struct json_object *v;

	if (!o || !json_object_object_get_ex(o, key, &v) || !v)
		return NULL;
	if (json_object_is_type(v, type))
		return v;
	*wrong = key;
	return NULL;
}

static inline const char *string(struct json_object *o, const char *key, const char **wrong)
{
	struct json_object *v = member(o, key, json_type_string, wrong);

	return v ? json_object_get_string(v) : "";
}

/* The member @key, made if it is missing. */
static inline struct json_object *member_or_new(struct json_object *o, const char *key, enum json_type type,
						const char **wrong)
{
	struct json_object *v = member(o, key, type, wrong);

	if (v || *wrong)
		return v;
	v = type == json_type_array ? json_object_new_array() : json_object_new_object();
	json_object_object_add(o, key, v);
	return v;
}

static inline void set_string(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, json_object_new_string(value));
}

static inline void set_number(struct json_object *o, const char *key, int64_t value)
{
	json_object_object_add(o, key, json_object_new_int64(value));
}

/* Does the list @array (NULL: none) have the string @word? */
static inline bool has_word(struct json_object *array, const char *word)
{
	for (size_t i = 0; array && i < json_object_array_length(array); i++) {
		struct json_object *w = json_object_array_get_idx(array, i);

		if (json_object_is_type(w, json_type_string) && !strcmp(json_object_get_string(w), word))
			return true;
	}
	return false;
}

/* The index of the first object of @array whose member @key is the string @value, or -1. */
static inline ssize_t find_by(struct json_object *array, const char *key, const char *value)
{
	const char *wrong = NULL;

	for (size_t i = 0; i < json_object_array_length(array); i++) {
		struct json_object *o = json_object_array_get_idx(array, i);

		if (json_object_is_type(o, json_type_object) && !strcmp(string(o, key, &wrong), value))
			return i;
	}
	return -1;
}

#endif
