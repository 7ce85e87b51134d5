// SPDX-License-Identifier: MIT
/* JSON without a table: syntax, trees, strings. */
#include <json-c/json.h>

#include "fuzz.h"
#include "json.h"
#include "json_scan.h"

#define STYLE (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

static const struct json_field no_fields[] = { JSON_END };

static void check_value(const char *text, size_t size)
{
	struct gcs_error err = { 0 }, again = { 0 };
	struct json_object *tree = json_parse(text, size, &err), *second;
	struct json_tokener *tok = json_tokener_new_ex(JSON_DEPTH_MAX + 1);
	char unused;

	REQUIRE(tree || err.hr == HR_OK || *err.text);
	/* The syntax is the same with and without a table. */
	if (tree && json_object_is_type(tree, json_type_object))
		REQUIRE(json_decode(no_fields, &unused, text, size, &again) == 0);
	else
		REQUIRE(json_decode(no_fields, &unused, text, size, &again) == (err.hr == HR_OK && !tree ? 0 : -1) ||
			/* Of strings with a NUL only those that are looked at are errors. */
			strstr(err.text, "NUL"));
	if (tree) {
		size_t len, second_len;
		const char *printed = json_object_to_json_string_length(tree, STYLE, &len);

		/* It is JSON for others, too. */
		json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
		second = json_tokener_parse_ex(tok, printed, len + 1);
		REQUIRE(json_tokener_get_error(tok) == json_tokener_success);
		json_object_put(second);
		second = json_parse(printed, len, &err);
		REQUIRE(second);
		REQUIRE(!strcmp(printed, json_object_to_json_string_length(second, STYLE, &second_len)) && len == second_len);
		json_object_put(second);
	}
	json_tokener_free(tok);
	json_object_put(tree);
}

/* Any bytes, escaped in parts of at most @room bytes, are the inside of a string. */
static void check_escape(const char *text, size_t size, size_t room)
{
	size_t len = json_escape(NULL, 0, text, size, NULL), n = 0, used, back_len;
	char *whole = malloc(len + 3), *part = malloc(room), *back;
	const char *p = whole;
	struct gcs_error err;
	bool nul;

	REQUIRE(whole && part);
	whole[0] = '"';
	REQUIRE(json_escape(whole + 1, len, text, size, &used) == len && used == size);
	memcpy(whole + 1 + len, "\"", 2);
	REQUIRE(json_scan_check(whole, len + 2, &err) == 0);
	back = json_scan_strdup(&p, &back_len, &nul);
	REQUIRE(back && p == whole + len + 2);
	/* The same text escaped is the same: what is not UTF-8 was replaced once. */
	REQUIRE(json_escape(NULL, 0, back, back_len, NULL) == len);
	free(back);
	/* A character is at most six bytes: cut in parts there is progress, and the parts are the whole. */
	for (size_t done = 0; done < size; done += used) {
		size_t got = json_escape(part, room, text + done, size - done, &used);

		REQUIRE(used && got <= room && n + got <= len);
		REQUIRE(!memcmp(part, whole + 1 + n, got));
		n += got;
	}
	REQUIRE(n == len);
	free(whole);
	free(part);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_value((const char *)data, size);
	check_escape((const char *)data, size, 6 + (size ? data[0] % 16 : 0));
	return 0;
}
