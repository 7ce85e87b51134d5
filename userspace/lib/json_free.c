// SPDX-License-Identifier: MIT
/* JSON by tables: freeing what decoding has made. */
#include <stdlib.h>

#include "json.h"

static void free_strings(char **s)
{
	for (size_t i = 0; s && s[i]; i++)
		free(s[i]);
	free(s);
}

static void free_map(struct json_map *map)
{
	for (size_t i = 0; i < map->count; i++) {
		free(map->items[i].key);
		free(map->items[i].value);
	}
	free(map->items);
	*map = (struct json_map){ 0 };
}

static void free_objects(const struct json_field *f, struct json_objects *list)
{
	for (size_t i = 0; i < list->count; i++)
		json_free(f->table, (char *)list->items + i * f->size);
	free(list->items);
	*list = (struct json_objects){ 0 };
}

void json_free(const struct json_field *table, void *out)
{
	for (const struct json_field *f = table; f->key; f++) {
		char *at = (char *)out + f->offset;

		switch (f->kind) {
		case JSON_KIND_BOOL:
			*(bool *)at = false;
			break;
		case JSON_KIND_U8:
			*(uint8_t *)at = 0;
			break;
		case JSON_KIND_U16:
			*(uint16_t *)at = 0;
			break;
		case JSON_KIND_U32:
		case JSON_KIND_I32:
			*(uint32_t *)at = 0;
			break;
		case JSON_KIND_U64:
			*(uint64_t *)at = 0;
			break;
		case JSON_KIND_STRING:
		case JSON_KIND_RAW:
			free(*(char **)at);
			*(char **)at = NULL;
			break;
		case JSON_KIND_STRINGS:
			free_strings(*(char ***)at);
			*(char ***)at = NULL;
			break;
		case JSON_KIND_NUMBERS:
			free(((struct json_numbers *)at)->items);
			*(struct json_numbers *)at = (struct json_numbers){ 0 };
			break;
		case JSON_KIND_MAP:
			free_map((struct json_map *)at);
			break;
		case JSON_KIND_TREE:
			json_object_put(*(struct json_object **)at);
			*(struct json_object **)at = NULL;
			break;
		case JSON_KIND_OBJECTS:
			free_objects(f, (struct json_objects *)at);
			break;
		case JSON_KIND_OPTIONAL:
			if (*(void **)at)
				json_free(f->table, *(void **)at);
			free(*(void **)at);
			*(void **)at = NULL;
			break;
		case JSON_KIND_OBJECT:
		case JSON_KIND_NESTED:
		case JSON_KIND_BASE:
			json_free(f->table, at);
			break;
		}
	}
}
