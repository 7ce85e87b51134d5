// SPDX-License-Identifier: MIT
/* Tables: as wide as what is in them. */
#include "table.h"

#include <string.h>

#include <json-c/json.h>

#define COLUMNS_MAX 12

/* Control characters, which names of programs may have, would be the terminal's. */
static void print_cell(FILE *to, const char *text, int width)
{
	for (; *text; text++, width--)
		fputc((unsigned char)*text < ' ' || *text == 0x7F ? '?' : *text, to);
	for (; width > 0; width--)
		fputc(' ', to);
}

/* A list of words is one line. */
static const char *cell(struct json_object *row, const char *key, char *buf, size_t size)
{
	struct json_object *v;
	size_t at = 0;

	if (!json_object_object_get_ex(row, key, &v))
		return "-";
	if (!json_object_is_type(v, json_type_array))
		return json_object_get_string(v);
	buf[0] = '\0';
	for (size_t i = 0; i < json_object_array_length(v) && at < size - 1; i++) {
		int n = snprintf(buf + at, size - at, "%s%s", i ? " " : "", json_object_get_string(json_object_array_get_idx(v, i)) ?: "");

		at += n > 0 ? (size_t)n : 0;
	}
	return buf;
}

void table_print(FILE *to, struct json_object *list, const struct table_column *columns, size_t count, bool json)
{
	size_t rows = json_object_array_length(list), widths[COLUMNS_MAX] = { 0 };
	char buf[256];

	if (json) {
		fprintf(to, "%s\n", json_object_to_json_string_ext(list, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
		return;
	}
	for (size_t c = 0; c + 1 < count; c++) {
		widths[c] = strlen(columns[c].title);
		for (size_t r = 0; r < rows; r++) {
			size_t width = strlen(cell(json_object_array_get_idx(list, r), columns[c].key, buf, sizeof(buf)));

			widths[c] = width > widths[c] ? width : widths[c];
		}
	}
	for (size_t r = 0; r <= rows; r++) {
		for (size_t c = 0; c < count; c++) {
			print_cell(to, r ? cell(json_object_array_get_idx(list, r - 1), columns[c].key, buf, sizeof(buf)) : columns[c].title,
				   (int)widths[c]);
			fputs(c + 1 < count ? "  " : "\n", to);
		}
	}
}
