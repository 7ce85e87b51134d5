/* SPDX-License-Identifier: MIT */
/*
 * JSON by tables: one descriptor table a message drives decoding, encoding, checking and freeing.
 *
 * The rules are those of Go's encoding/json (bridge.md section 5): a key matches exactly or else without
 * regard to ASCII case; of duplicates the later wins, objects and maps are merged; null changes nothing or makes a list
 * empty; integers are plain decimals within the member's range; unknown keys are ignored; invalid UTF-8 and lone
 * surrogates become U+FFFD. A syntax error is found before anything is decoded. Stricter than Go: nesting
 * deeper than JSON_DEPTH_MAX, and a NUL in any string that is decoded, are errors.
 */
#ifndef GCS_JSON_H
#define GCS_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json_object.h>

#include "error.h"

#define JSON_DEPTH_MAX 512

enum json_kind {
	JSON_KIND_BOOL,
	JSON_KIND_U8,
	JSON_KIND_U16,
	JSON_KIND_U32,
	JSON_KIND_I32,
	JSON_KIND_U64,
	JSON_KIND_STRING,
	JSON_KIND_STRINGS,
	JSON_KIND_NUMBERS,
	JSON_KIND_MAP,
	JSON_KIND_OBJECT,
	JSON_KIND_OPTIONAL,
	JSON_KIND_OBJECTS,
	JSON_KIND_NESTED,
	JSON_KIND_TREE,
	JSON_KIND_RAW,
	JSON_KIND_BASE,
};

/* A list of unsigned integers. */
struct json_numbers {
	uint64_t *items;
	size_t count;
};

/* An object with string values; keys compare exactly. */
struct json_map {
	struct json_pair {
		char *key;
		char *value;
	} *items;
	size_t count;
};

/* A list of structs, each of the size that the field's descriptor says. */
struct json_objects {
	void *items;
	size_t count;
};

/* One key of an object. Use the macros below; the members after @size are theirs as designated initialisers. */
struct json_field {
	const char *key;
	enum json_kind kind;
	size_t offset;
	const struct json_field *table; /* of OBJECT, OPTIONAL, OBJECTS, NESTED, BASE */
	size_t size;			/* of one struct of @table */
	bool required;	 /* decode: missing and null are errors */
	bool omit_empty; /* encode: leave out 0, false, "", NULL, empty lists */
	bool empty_ok;	 /* decode NESTED: "" stands for {} */
	size_t max;	 /* decode: limit of a string's bytes or a list's items; 0 = none */
};

/* The member's offset, provided that it has the type @ctype. */
#define JSON_OFFSET(type, member, ctype) \
	(_Generic(((type *)0)->member, ctype: offsetof(type, member)))
#define JSON_FIELD(kind_, ctype, type_, member, name, ...) \
	{ .key = (name), .kind = (kind_), .offset = JSON_OFFSET(type_, member, ctype), ##__VA_ARGS__ }
#define JSON_STRUCT(kind_, type_, member, name, table_, size_, ...) \
	{ .key = (name), .kind = (kind_), .offset = offsetof(type_, member), .table = (table_), .size = (size_), \
	  ##__VA_ARGS__ }

#define JSON_BOOL(t, m, key, ...) JSON_FIELD(JSON_KIND_BOOL, bool, t, m, key, ##__VA_ARGS__)
#define JSON_U8(t, m, key, ...) JSON_FIELD(JSON_KIND_U8, uint8_t, t, m, key, ##__VA_ARGS__)
#define JSON_U16(t, m, key, ...) JSON_FIELD(JSON_KIND_U16, uint16_t, t, m, key, ##__VA_ARGS__)
#define JSON_U32(t, m, key, ...) JSON_FIELD(JSON_KIND_U32, uint32_t, t, m, key, ##__VA_ARGS__)
#define JSON_I32(t, m, key, ...) JSON_FIELD(JSON_KIND_I32, int32_t, t, m, key, ##__VA_ARGS__)
#define JSON_U64(t, m, key, ...) JSON_FIELD(JSON_KIND_U64, uint64_t, t, m, key, ##__VA_ARGS__)
/* char *, NULL if missing: read it with json_str() */
#define JSON_STRING(t, m, key, ...) JSON_FIELD(JSON_KIND_STRING, char *, t, m, key, ##__VA_ARGS__)
/* char **, NULL-terminated, NULL if missing or empty */
#define JSON_STRINGS(t, m, key, ...) JSON_FIELD(JSON_KIND_STRINGS, char **, t, m, key, ##__VA_ARGS__)
#define JSON_NUMBERS(t, m, key, ...) JSON_FIELD(JSON_KIND_NUMBERS, struct json_numbers, t, m, key, ##__VA_ARGS__)
#define JSON_MAP(t, m, key, ...) JSON_FIELD(JSON_KIND_MAP, struct json_map, t, m, key, ##__VA_ARGS__)
/* a struct inside the struct */
#define JSON_OBJECT(t, m, key, table, ...) \
	JSON_STRUCT(JSON_KIND_OBJECT, t, m, key, table, sizeof(((t *)0)->m), ##__VA_ARGS__)
/* @item *, a struct of its own; NULL if missing, which omit_empty leaves out */
#define JSON_OPTIONAL(t, m, key, table_, item, ...) \
	JSON_FIELD(JSON_KIND_OPTIONAL, item *, t, m, key, .table = (table_), .size = sizeof(item), ##__VA_ARGS__)
/* struct json_objects of @item */
#define JSON_OBJECTS(t, m, key, table_, item, ...) \
	JSON_FIELD(JSON_KIND_OBJECTS, struct json_objects, t, m, key, .table = (table_), .size = sizeof(item), \
		   ##__VA_ARGS__)
/* a struct inside the struct, on the wire a string that holds a JSON document */
#define JSON_NESTED(t, m, key, table, ...) \
	JSON_STRUCT(JSON_KIND_NESTED, t, m, key, table, sizeof(((t *)0)->m), ##__VA_ARGS__)
/* struct json_object *: any object, as a json-c tree; NULL if missing */
#define JSON_TREE(t, m, key, ...) JSON_FIELD(JSON_KIND_TREE, struct json_object *, t, m, key, ##__VA_ARGS__)
/* char *: any value but null, as its text, to be decoded when its type is known; NULL if missing */
#define JSON_RAW(t, m, key, ...) JSON_FIELD(JSON_KIND_RAW, char *, t, m, key, ##__VA_ARGS__)
/* a struct inside the struct whose keys stand among those of this object */
#define JSON_BASE(t, m, table) JSON_STRUCT(JSON_KIND_BASE, t, m, "", table, sizeof(((t *)0)->m))
#define JSON_END { .key = NULL }

/*
 * Decode @len bytes of @text, one object or null, into @out, which the caller has zeroed. Returns 0, or -1 with @err
 * (HR_INVALID_JSON; the text names the key and the place, never a value). After an error that is
 * not of syntax, what could be decoded has been. json_free() in every case.
 */
int json_decode(const struct json_field *table, void *out, const char *text, size_t len, struct gcs_error *err);

/* Encode in the table's order, without spaces. *@text is malloc'd and ends in a NUL; @len may be NULL. */
int json_encode(const struct json_field *table, const void *in, char **text, size_t *len, struct gcs_error *err);

/* Free what decoding has put into *@out and zero it. */
void json_free(const struct json_field *table, void *out);

/* Parse any value by the same rules of syntax. Returns NULL with @err; null is NULL without (err->hr is HR_OK). */
struct json_object *json_parse(const char *text, size_t len, struct gcs_error *err);

/*
 * Write @text, @len bytes, into @out as the inside of a JSON string, invalid UTF-8 as U+FFFD; at most @room bytes, cut
 * between characters; no NUL is added. Returns the bytes written; *@used (may be NULL) of @text. With @out NULL only
 * counts.
 */
size_t json_escape(char *out, size_t room, const char *text, size_t len, size_t *used);

/* A string that may be missing. */
static inline const char *json_str(const char *s)
{
	return s ? s : "";
}

#endif
