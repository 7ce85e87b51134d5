// SPDX-License-Identifier: MIT
/* JSON by tables: structs to text. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "json.h"
#include "json_scan.h"

struct buffer {
	char *data;
	size_t len;
	size_t room;
	bool failed; /* no memory: what follows is dropped */
};

static char *reserve(struct buffer *b, size_t more)
{
	size_t room = b->room ? b->room : 128;
	char *data;

	while (room < b->len + more + 1)
		room *= 2;
	if (room != b->room) {
		data = b->failed ? NULL : realloc(b->data, room);
		if (!data) {
			b->failed = true;
			return NULL;
		}
		b->data = data;
		b->room = room;
	}
	return b->data + b->len;
}

static void put(struct buffer *b, const char *text, size_t len)
{
	char *at = reserve(b, len);

	if (!at)
		return;
	memcpy(at, text, len);
	b->len += len;
	b->data[b->len] = '\0';
}

static void puts_(struct buffer *b, const char *text)
{
	put(b, text, strlen(text));
}

size_t json_escape(char *out, size_t room, const char *text, size_t len, size_t *used)
{
	static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
	const unsigned char *p = (const unsigned char *)text, *end = p + len;
	const char *special;
	size_t n = 0, part, from_text;
	char one[8];

	for (; p < end; p += from_text) {
		from_text = 1;
		special = *p ? strchr(from, *p) : NULL;
		if (special) {
			part = snprintf(one, sizeof(one), "\\%c", to[special - from]);
		} else if (*p < 0x20) {
			part = snprintf(one, sizeof(one), "\\u%04x", *p);
		} else {
			part = json_utf8_length(p, end);
			from_text = part ? part : 1;
			memcpy(one, part ? (const char *)p : JSON_REPLACEMENT, part ? part : 3);
			part = part ? part : 3;
		}
		if (out && n + part > room)
			break;
		if (out)
			memcpy(out + n, one, part);
		n += part;
	}
	if (used)
		*used = (const char *)p - text;
	return n;
}

static void put_string(struct buffer *b, const char *text, size_t len)
{
	size_t n = json_escape(NULL, 0, text, len, NULL);
	char *at;

	puts_(b, "\"");
	at = reserve(b, n);
	if (!at)
		return;
	b->len += json_escape(at, n, text, len, NULL);
	b->data[b->len] = '\0';
	puts_(b, "\"");
}

static void put_number(struct buffer *b, bool minus, uint64_t v)
{
	char text[24];

	put(b, text, snprintf(text, sizeof(text), "%s%" PRIu64, minus ? "-" : "", v));
}

static void put_object(struct buffer *b, const struct json_field *table, const char *in);

static void put_strings(struct buffer *b, char *const *items)
{
	puts_(b, "[");
	for (size_t i = 0; items && items[i]; i++) {
		if (i)
			puts_(b, ",");
		put_string(b, items[i], strlen(items[i]));
	}
	puts_(b, "]");
}

static void put_numbers(struct buffer *b, const struct json_numbers *list)
{
	puts_(b, "[");
	for (size_t i = 0; i < list->count; i++) {
		if (i)
			puts_(b, ",");
		put_number(b, false, list->items[i]);
	}
	puts_(b, "]");
}

static void put_map(struct buffer *b, const struct json_map *map)
{
	puts_(b, "{");
	for (size_t i = 0; i < map->count; i++) {
		if (i)
			puts_(b, ",");
		put_string(b, map->items[i].key, strlen(map->items[i].key));
		puts_(b, ":");
		put_string(b, json_str(map->items[i].value), strlen(json_str(map->items[i].value)));
	}
	puts_(b, "}");
}

static void put_objects(struct buffer *b, const struct json_field *f, const struct json_objects *list)
{
	puts_(b, "[");
	for (size_t i = 0; i < list->count; i++) {
		if (i)
			puts_(b, ",");
		put_object(b, f->table, (const char *)list->items + i * f->size);
	}
	puts_(b, "]");
}

static void put_nested(struct buffer *b, const struct json_field *f, const char *at)
{
	struct buffer inner = { 0 };

	put_object(&inner, f->table, at);
	if (inner.failed)
		b->failed = true;
	else
		put_string(b, inner.data, inner.len);
	free(inner.data);
}

static void put_value(struct buffer *b, const struct json_field *f, const char *at)
{
	struct json_object *tree;
	const char *text;
	size_t len;
	int32_t i32;

	switch (f->kind) {
	case JSON_KIND_BOOL:
		return puts_(b, *(const bool *)at ? "true" : "false");
	case JSON_KIND_U8:
		return put_number(b, false, *(const uint8_t *)at);
	case JSON_KIND_U16:
		return put_number(b, false, *(const uint16_t *)at);
	case JSON_KIND_U32:
		return put_number(b, false, *(const uint32_t *)at);
	case JSON_KIND_I32:
		i32 = *(const int32_t *)at;
		return put_number(b, i32 < 0, i32 < 0 ? -(int64_t)i32 : i32);
	case JSON_KIND_U64:
		return put_number(b, false, *(const uint64_t *)at);
	case JSON_KIND_STRING:
		text = json_str(*(char *const *)at);
		return put_string(b, text, strlen(text));
	case JSON_KIND_STRINGS:
		return put_strings(b, *(char **const *)at);
	case JSON_KIND_NUMBERS:
		return put_numbers(b, (const struct json_numbers *)at);
	case JSON_KIND_MAP:
		return put_map(b, (const struct json_map *)at);
	case JSON_KIND_OBJECT:
		return put_object(b, f->table, at);
	case JSON_KIND_OPTIONAL:
		if (!*(char *const *)at)
			return puts_(b, "null");
		return put_object(b, f->table, *(char *const *)at);
	case JSON_KIND_OBJECTS:
		return put_objects(b, f, (const struct json_objects *)at);
	case JSON_KIND_NESTED:
		return put_nested(b, f, at);
	case JSON_KIND_TREE:
		tree = *(struct json_object *const *)at;
		text = json_object_to_json_string_length(tree, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE,
							 &len);
		return put(b, text, len);
	case JSON_KIND_RAW:
		text = *(char *const *)at;
		return puts_(b, text ? text : "null");
	case JSON_KIND_BASE:
		return;
	}
}

/* Is it what omit_empty leaves out? An object is never. */
static bool is_empty(const struct json_field *f, const char *at)
{
	switch (f->kind) {
	case JSON_KIND_BOOL:
		return !*(const bool *)at;
	case JSON_KIND_U8:
		return !*(const uint8_t *)at;
	case JSON_KIND_U16:
		return !*(const uint16_t *)at;
	case JSON_KIND_U32:
	case JSON_KIND_I32:
		return !*(const uint32_t *)at;
	case JSON_KIND_U64:
		return !*(const uint64_t *)at;
	case JSON_KIND_STRING:
		return !*json_str(*(char *const *)at);
	case JSON_KIND_STRINGS:
	case JSON_KIND_OPTIONAL:
	case JSON_KIND_TREE:
	case JSON_KIND_RAW:
		return !*(void *const *)at;
	case JSON_KIND_NUMBERS:
		return !((const struct json_numbers *)at)->count;
	case JSON_KIND_MAP:
		return !((const struct json_map *)at)->count;
	case JSON_KIND_OBJECTS:
		return !((const struct json_objects *)at)->count;
	default:
		return false;
	}
}

static void put_fields(struct buffer *b, const struct json_field *table, const char *in, bool *first)
{
	for (const struct json_field *f = table; f->key; f++) {
		if (f->kind == JSON_KIND_BASE) {
			put_fields(b, f->table, in + f->offset, first);
			continue;
		}
		if (f->omit_empty && is_empty(f, in + f->offset))
			continue;
		puts_(b, *first ? "\"" : ",\"");
		puts_(b, f->key);
		puts_(b, "\":");
		put_value(b, f, in + f->offset);
		*first = false;
	}
}

static void put_object(struct buffer *b, const struct json_field *table, const char *in)
{
	bool first = true;

	puts_(b, "{");
	put_fields(b, table, in, &first);
	puts_(b, "}");
}

int json_encode(const struct json_field *table, const void *in, char **text, size_t *len, struct gcs_error *err)
{
	struct buffer b = { 0 };

	put_object(&b, table, in);
	if (b.failed) {
		free(b.data);
		return gcs_fail(err, ENOMEM, HR_FAIL, "JSON: encode");
	}
	*text = b.data;
	if (len)
		*len = b.len;
	return 0;
}
