// SPDX-License-Identifier: MIT
/* JSON text to json-c trees, by the syntax rules of json_scan.c instead of json-c's own. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "json.h"
#include "json_scan.h"
#include "json_tree.h"

static int no_memory(struct gcs_error *err)
{
	return gcs_fail(err, ENOMEM, HR_FAIL, "JSON: build a tree");
}

static int tree_string(const char **p, char **s, size_t *len, struct gcs_error *err)
{
	bool nul;

	*s = json_scan_strdup(p, len, &nul);
	if (!*s)
		return no_memory(err);
	if (nul)
		return gcs_fail(err, 0, HR_INVALID_JSON, "a string holds a NUL");
	return 0;
}

/* An integer if it is one and fits, otherwise a double that is written as it was read. */
static struct json_object *tree_number(const char *p, const char *end)
{
	_cleanup_free_ char *text = strndup(p, end - p);
	char *rest;
	int64_t i;
	uint64_t u;

	if (!text)
		return NULL;
	errno = 0;
	i = strtoll(text, &rest, 10);
	if (!*rest && !errno)
		return json_object_new_int64(i);
	errno = 0;
	u = strtoull(text, &rest, 10);
	if (!*rest && !errno && *text != '-')
		return json_object_new_uint64(u);
	return json_object_new_double_s(strtod(text, NULL), text);
}

static int tree_object(const char **p, const char *end, struct json_object **out, struct gcs_error *err)
{
	struct json_object *value;
	const char *s = json_scan_space(*p + 1, end);
	size_t len;

	*out = json_object_new_object();
	if (!*out)
		return no_memory(err);
	while (*s != '}') {
		_cleanup_free_ char *key = NULL;

		if (tree_string(&s, &key, &len, err) < 0)
			return -1;
		s = json_scan_space(s, end) + 1; /* the colon */
		s = json_scan_space(s, end);
		value = NULL;
		if (json_tree_build(&s, end, &value, err) < 0 || json_object_object_add(*out, key, value) < 0) {
			json_object_put(value);
			return -1;
		}
		s = json_scan_space(s, end);
		if (*s == ',')
			s = json_scan_space(s + 1, end);
	}
	*p = s + 1;
	return 0;
}

static int tree_array(const char **p, const char *end, struct json_object **out, struct gcs_error *err)
{
	struct json_object *value;
	const char *s = json_scan_space(*p + 1, end);

	*out = json_object_new_array();
	if (!*out)
		return no_memory(err);
	while (*s != ']') {
		value = NULL;
		if (json_tree_build(&s, end, &value, err) < 0 || json_object_array_add(*out, value) < 0) {
			json_object_put(value);
			return -1;
		}
		s = json_scan_space(s, end);
		if (*s == ',')
			s = json_scan_space(s + 1, end);
	}
	*p = s + 1;
	return 0;
}

int json_tree_build(const char **p, const char *end, struct json_object **out, struct gcs_error *err)
{
	const char *start = *p;
	_cleanup_free_ char *s = NULL;
	size_t len;

	switch (*start) {
	case '{':
		return tree_object(p, end, out, err);
	case '[':
		return tree_array(p, end, out, err);
	case '"':
		if (tree_string(p, &s, &len, err) < 0)
			return -1;
		*out = json_object_new_string_len(s, len);
		break;
	default:
		*p = json_scan_skip(start, end);
		if (*start == 'n')
			return 0;
		*out = *start == 't' || *start == 'f' ? json_object_new_boolean(*start == 't') :
							tree_number(start, *p);
	}
	return *out ? 0 : no_memory(err);
}

struct json_object *json_parse(const char *text, size_t len, struct gcs_error *err)
{
	struct json_object *tree = NULL;
	const char *p;

	if (err)
		err->hr = HR_OK;
	if (json_scan_check(text, len, err) < 0)
		return NULL;
	p = json_scan_space(text, text + len);
	if (json_tree_build(&p, text + len, &tree, err) < 0) {
		json_object_put(tree);
		return NULL;
	}
	return tree;
}
