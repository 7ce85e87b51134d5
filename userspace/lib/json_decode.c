// SPDX-License-Identifier: MIT
/* JSON by tables: text to structs. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cleanup.h"
#include "json.h"
#include "json_scan.h"
#include "json_tree.h"

#define KEY_MAX 256 /* a longer key is no field's */

/* Where in the document: for error texts. */
struct place {
	const struct place *up;
	const char *key; /* NULL: an item of a list */
	size_t index;
};

struct decode {
	const char *end;
	struct gcs_error *err;
	bool failed; /* the first error is the one that is told */
};

static void decode_object(struct decode *d, const char **p, const struct json_field *table, char *out,
			  const struct place *at);

static size_t place_text(const struct place *at, char *text, size_t size)
{
	size_t n;

	if (!at)
		return 0;
	n = place_text(at->up, text, size);
	if (n < size && at->key)
		n += snprintf(text + n, size - n, "%s%s", n ? "." : "", at->key);
	else if (n < size)
		n += snprintf(text + n, size - n, "[%zu]", at->index);
	return n;
}

static void bad(struct decode *d, const struct place *at, const char *what)
{
	char text[256] = "";

	if (d->failed)
		return;
	d->failed = true;
	place_text(at, text, sizeof(text));
	gcs_fail(d->err, 0, HR_INVALID_JSON, "JSON: %s%s%s", text, *text ? ": " : "", what);
}

static void no_memory(struct decode *d, const struct place *at)
{
	if (!d->failed)
		gcs_fail(d->err, ENOMEM, HR_FAIL, "JSON: %s", at && at->key ? at->key : "list");
	d->failed = true;
}

static bool is_null(const char *p)
{
	return *p == 'n';
}

static size_t table_length(const struct json_field *table)
{
	size_t n = 0;

	for (; table->key; table++)
		n += table->kind == JSON_KIND_BASE ? table_length(table->table) : 1;
	return n;
}

/*
 * The field that a key names, *@out becomes the struct that has it and *@index its place among all fields of the object.
 */
static const struct json_field *find(const struct json_field *table, const char *key, bool exact, char **out,
				     size_t *index)
{
	const struct json_field *f;
	char *base;

	for (; table->key; table++) {
		if (table->kind == JSON_KIND_BASE) {
			base = *out + table->offset;
			f = find(table->table, key, exact, &base, index);
			if (f) {
				*out = base;
				return f;
			}
			continue;
		}
		if (exact ? strcmp(table->key, key) == 0 : strcasecmp(table->key, key) == 0)
			return table;
		++*index;
	}
	return NULL;
}

/* A string's text; NULL after an error. In both cases *@p is behind the value. */
static char *take_string(struct decode *d, const char **p, const struct place *at, size_t *len)
{
	bool nul;
	char *s;

	if (**p != '"') {
		*p = json_scan_skip(*p, d->end);
		bad(d, at, "string expected");
		return NULL;
	}
	s = json_scan_strdup(p, len, &nul);
	if (!s) {
		no_memory(d, at);
		*p = json_scan_skip(*p, d->end);
		return NULL;
	}
	if (nul) {
		bad(d, at, "a string holds a NUL");
		free(s);
		return NULL;
	}
	return s;
}

/* A plain decimal integer within 0..@max, or within -@max - 1..@max if @sign. */
static bool take_integer(struct decode *d, const char **p, const struct place *at, bool sign, uint64_t max,
			 uint64_t *value)
{
	const char *s = *p, *end = json_scan_skip(*p, d->end);
	bool minus = *s == '-';
	uint64_t v = 0;
	char what[96];

	*p = end;
	if (minus && !sign)
		goto wrong;
	s += minus;
	max += minus;
	if (s == end)
		goto wrong;
	for (; s < end; s++) {
		if (*s < '0' || *s > '9' || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, *s - '0', &v) || v > max)
			goto wrong;
	}
	*value = minus ? -v : v;
	return true;

wrong:
	max -= minus && sign;
	snprintf(what, sizeof(what), "integer of at most %" PRIu64 " expected", max);
	bad(d, at, what);
	return false;
}

static void decode_integer(struct decode *d, const char **p, const struct json_field *f, char *out,
			   const struct place *at)
{
	static const uint64_t max[] = {
		[JSON_KIND_U8] = UINT8_MAX,   [JSON_KIND_U16] = UINT16_MAX, [JSON_KIND_U32] = UINT32_MAX,
		[JSON_KIND_I32] = INT32_MAX, [JSON_KIND_U64] = UINT64_MAX,
	};
	uint64_t v;

	if (!take_integer(d, p, at, f->kind == JSON_KIND_I32, max[f->kind], &v))
		return;
	switch (f->kind) {
	case JSON_KIND_U8:
		*(uint8_t *)out = v;
		break;
	case JSON_KIND_U16:
		*(uint16_t *)out = v;
		break;
	case JSON_KIND_U32:
		*(uint32_t *)out = v;
		break;
	case JSON_KIND_I32:
		*(int32_t *)out = (int64_t)v;
		break;
	default:
		*(uint64_t *)out = v;
	}
}

static void decode_bool(struct decode *d, const char **p, bool *out, const struct place *at)
{
	if (**p == 't' || **p == 'f')
		*out = **p == 't';
	else
		bad(d, at, "true or false expected");
	*p = json_scan_skip(*p, d->end);
}

static void decode_string(struct decode *d, const char **p, const struct json_field *f, char **out,
			  const struct place *at)
{
	size_t len;
	char *s = take_string(d, p, at, &len);

	if (s && f->max && len > f->max) {
		bad(d, at, "string is too long");
		free(s);
		s = NULL;
	}
	if (!s)
		return;
	free(*out);
	*out = s;
}

/*
 * Walk a list: `while (next_item(...))` has *@p at an item each time. @first is true before the first
 * call. Returns false behind the list.
 */
static bool next_item(struct decode *d, const char **p, bool *first)
{
	*p = json_scan_space(*p, d->end);
	if (*first ? (*p = json_scan_space(*p + 1, d->end), **p == ']') : **p == ']') {
		++*p;
		return false;
	}
	if (!*first)
		*p = json_scan_space(*p + 1, d->end); /* the comma */
	*first = false;
	return true;
}

static bool list_begins(struct decode *d, const char **p, const struct json_field *f, const struct place *at)
{
	const char *s = *p;
	size_t count = 0;
	bool first = true;

	if (**p != '[') {
		*p = json_scan_skip(*p, d->end);
		bad(d, at, "list expected");
		return false;
	}
	if (!f->max)
		return true;
	for (; next_item(d, &s, &first); s = json_scan_skip(s, d->end))
		count++;
	if (count <= f->max)
		return true;
	*p = s;
	bad(d, at, "list is too long");
	return false;
}

/* Make room for one more item behind @count; zeroed. The room doubles. */
static void *list_grow(struct decode *d, void *items, size_t count, size_t size, const struct place *at)
{
	void *more = items;

	if ((count & (count - 1)) == 0) {
		more = reallocarray(items, count ? 2 * count : 1, size);
		if (!more) {
			no_memory(d, at);
			return NULL;
		}
	}
	memset((char *)more + count * size, 0, size);
	return more;
}

static void decode_strings(struct decode *d, const char **p, const struct json_field *f, char ***out,
			   const struct place *up)
{
	struct place at = { .up = up };
	char **items = NULL, **more;
	size_t count = 0, len;
	bool first = true;
	char *s;

	if (!list_begins(d, p, f, up))
		return;
	while (next_item(d, p, &first)) {
		at.index = count;
		if (is_null(*p)) {
			*p = json_scan_skip(*p, d->end);
			s = strdup("");
		} else {
			s = take_string(d, p, &at, &len);
		}
		more = s ? list_grow(d, items, count, sizeof(*items), up) : NULL;
		if (!more) {
			free(s);
			continue;
		}
		items = more;
		items[count++] = s;
	}
	more = count ? list_grow(d, items, count, sizeof(*items), up) : NULL;
	json_free((const struct json_field[]){ { .key = "", .kind = JSON_KIND_STRINGS }, JSON_END }, out);
	*out = more;
	if (!more && count) {
		while (count)
			free(items[--count]);
		free(items);
	}
}

static void decode_numbers(struct decode *d, const char **p, const struct json_field *f, struct json_numbers *out,
			   const struct place *up)
{
	struct place at = { .up = up };
	bool first = true;
	uint64_t *more, v;

	if (!list_begins(d, p, f, up))
		return;
	out->count = 0;
	free(out->items);
	out->items = NULL;
	while (next_item(d, p, &first)) {
		at.index = out->count;
		v = 0;
		if (is_null(*p))
			*p = json_scan_skip(*p, d->end);
		else if (!take_integer(d, p, &at, false, UINT64_MAX, &v))
			continue;
		more = list_grow(d, out->items, out->count, sizeof(*more), up);
		if (!more)
			continue;
		out->items = more;
		out->items[out->count++] = v;
	}
}

static void decode_objects(struct decode *d, const char **p, const struct json_field *f, struct json_objects *out,
			   const struct place *up)
{
	struct place at = { .up = up };
	bool first = true;
	void *more;

	if (!list_begins(d, p, f, up))
		return;
	json_free((const struct json_field[]){
			  { .key = "", .kind = JSON_KIND_OBJECTS, .table = f->table, .size = f->size }, JSON_END },
		  out);
	while (next_item(d, p, &first)) {
		at.index = out->count;
		more = list_grow(d, out->items, out->count, f->size, up);
		if (!more) {
			*p = json_scan_skip(*p, d->end);
			continue;
		}
		out->items = more;
		decode_object(d, p, f->table, (char *)more + out->count++ * f->size, &at);
	}
}

/* Walk an object as next_item() walks a list: *@p is at a key each time. */
static bool next_key(struct decode *d, const char **p, bool *first)
{
	*p = json_scan_space(*p, d->end);
	if (*first)
		*p = json_scan_space(*p + 1, d->end);
	if (**p == '}') {
		++*p;
		return false;
	}
	if (!*first)
		*p = json_scan_space(*p + 1, d->end);
	*first = false;
	return true;
}

static void skip_colon(struct decode *d, const char **p)
{
	*p = json_scan_space(*p, d->end);
	*p = json_scan_space(*p + 1, d->end);
}

static void map_set(struct decode *d, struct json_map *map, char *key, char *value, const struct place *at)
{
	struct json_pair *more;

	for (size_t i = 0; i < map->count; i++) {
		if (strcmp(map->items[i].key, key) != 0)
			continue;
		free(key);
		free(map->items[i].value);
		map->items[i].value = value;
		return;
	}
	more = list_grow(d, map->items, map->count, sizeof(*more), at);
	if (!more) {
		free(key);
		free(value);
		return;
	}
	map->items = more;
	map->items[map->count++] = (struct json_pair){ key, value };
}

static void decode_map(struct decode *d, const char **p, struct json_map *out, const struct place *up)
{
	bool first = true;
	size_t len;

	if (**p != '{') {
		*p = json_scan_skip(*p, d->end);
		bad(d, up, "object of strings expected");
		return;
	}
	while (next_key(d, p, &first)) {
		_cleanup_free_ char *key = take_string(d, p, up, &len);
		struct place at = { .up = up, .key = key ? key : "" };
		char *value;

		skip_colon(d, p);
		if (is_null(*p)) {
			*p = json_scan_skip(*p, d->end);
			value = strdup("");
		} else {
			value = take_string(d, p, &at, &len);
		}
		if (key && value)
			map_set(d, out, steal_ptr(&key), value, up);
		else
			free(value);
	}
}

static void decode_nested(struct decode *d, const char **p, const struct json_field *f, char *out,
			  const struct place *at)
{
	size_t len;
	_cleanup_free_ char *text = take_string(d, p, at, &len);
	struct gcs_error inner;

	if (!text)
		return;
	json_free(f->table, out);
	if (len == 0 && f->empty_ok)
		return;
	if (json_decode(f->table, out, text, len, &inner) < 0 && !d->failed) {
		d->failed = true;
		gcs_fail(d->err, 0, inner.hr, "%s, within it: %s", f->key, inner.text);
	}
}

static void decode_optional(struct decode *d, const char **p, const struct json_field *f, char **out,
			    const struct place *at)
{
	if (!*out)
		*out = calloc(1, f->size);
	if (*out)
		return decode_object(d, p, f->table, *out, at);
	no_memory(d, at);
	*p = json_scan_skip(*p, d->end);
}

static void decode_tree(struct decode *d, const char **p, struct json_object **out, const struct place *at)
{
	struct json_object *tree = NULL;
	const char *end = json_scan_skip(*p, d->end);
	struct gcs_error inner;

	if (**p != '{') {
		bad(d, at, "object expected");
	} else if (json_tree_build(p, d->end, &tree, &inner) < 0) {
		if (inner.hr == HR_INVALID_JSON)
			bad(d, at, inner.text);
		else
			no_memory(d, at);
		json_object_put(tree);
	} else {
		json_object_put(*out);
		*out = tree;
	}
	*p = end;
}

static void decode_raw(struct decode *d, const char **p, char **out, const struct place *at)
{
	const char *start = *p;

	*p = json_scan_skip(start, d->end);
	free(*out);
	*out = strndup(start, *p - start);
	if (!*out)
		no_memory(d, at);
}

static void decode_value(struct decode *d, const char **p, const struct json_field *f, char *out,
			 const struct place *at)
{
	struct json_field one[] = { *f, JSON_END };

	if (is_null(*p)) {
		*p = json_scan_skip(*p, d->end);
		one[0].offset = 0;
		/* What Go holds by reference becomes absent, what it holds by value stays. */
		if (f->kind == JSON_KIND_STRINGS || f->kind == JSON_KIND_NUMBERS || f->kind == JSON_KIND_MAP ||
		    f->kind == JSON_KIND_OPTIONAL || f->kind == JSON_KIND_OBJECTS || f->kind == JSON_KIND_TREE ||
		    f->kind == JSON_KIND_RAW)
			json_free(one, out);
		return;
	}
	switch (f->kind) {
	case JSON_KIND_BOOL:
		return decode_bool(d, p, (bool *)out, at);
	case JSON_KIND_STRING:
		return decode_string(d, p, f, (char **)out, at);
	case JSON_KIND_STRINGS:
		return decode_strings(d, p, f, (char ***)out, at);
	case JSON_KIND_NUMBERS:
		return decode_numbers(d, p, f, (struct json_numbers *)out, at);
	case JSON_KIND_MAP:
		return decode_map(d, p, (struct json_map *)out, at);
	case JSON_KIND_OBJECT:
		return decode_object(d, p, f->table, out, at);
	case JSON_KIND_OPTIONAL:
		return decode_optional(d, p, f, (char **)out, at);
	case JSON_KIND_OBJECTS:
		return decode_objects(d, p, f, (struct json_objects *)out, at);
	case JSON_KIND_NESTED:
		return decode_nested(d, p, f, out, at);
	case JSON_KIND_TREE:
		return decode_tree(d, p, (struct json_object **)out, at);
	case JSON_KIND_RAW:
		return decode_raw(d, p, (char **)out, at);
	default:
		return decode_integer(d, p, f, out, at);
	}
}

/* Reads the key at *@p; one that cannot be a field's becomes "". */
static void take_key(const char **p, char *key)
{
	size_t len;
	bool nul;

	json_scan_string(*p, NULL, &len, &nul);
	if (len >= KEY_MAX || nul)
		len = 0;
	*p = json_scan_string(*p, len ? key : NULL, &(size_t){ 0 }, &nul);
	key[len] = '\0';
}

static void check_required(struct decode *d, const struct json_field *table, uint64_t seen, size_t *index,
			   const struct place *up)
{
	for (; table->key; table++) {
		struct place at = { .up = up, .key = table->key };

		if (table->kind == JSON_KIND_BASE)
			check_required(d, table->table, seen, index, up);
		else if (!(seen >> (*index)++ & 1) && table->required)
			bad(d, &at, "missing");
	}
}

static void decode_object(struct decode *d, const char **p, const struct json_field *table, char *out,
			  const struct place *up)
{
	const struct json_field *f;
	char key[KEY_MAX];
	bool first = true;
	uint64_t seen = 0;
	size_t index;
	char *target;

	if (**p != '{') {
		if (!is_null(*p))
			bad(d, up, "object expected");
		*p = json_scan_skip(*p, d->end);
		if (up && up->key)
			return;
	} else {
		while (next_key(d, p, &first)) {
			take_key(p, key);
			skip_colon(d, p);
			target = out;
			index = 0;
			f = find(table, key, true, &target, &index);
			if (!f) {
				index = 0;
				f = find(table, key, false, &target, &index);
			}
			if (!f) {
				*p = json_scan_skip(*p, d->end);
				continue;
			}
			struct place at = { .up = up, .key = f->key };

			if (!is_null(*p))
				seen |= 1ull << index;
			decode_value(d, p, f, target + f->offset, &at);
		}
	}
	index = 0;
	check_required(d, table, seen, &index, up);
}

int json_decode(const struct json_field *table, void *out, const char *text, size_t len, struct gcs_error *err)
{
	struct decode d = { .end = text + len, .err = err };
	const char *p;

	if (table_length(table) > 64)
		return gcs_fail(err, 0, HR_FAIL, "JSON: a table has more than 64 fields");
	if (json_scan_check(text, len, err) < 0)
		return -1;
	p = json_scan_space(text, d.end);
	decode_object(&d, &p, table, out, NULL);
	return d.failed ? -1 : 0;
}
