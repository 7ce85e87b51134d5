// SPDX-License-Identifier: MIT
/* JSON by tables: the decoding rules of bridge.md section 5, encoding, round trips. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "kselftest_harness.h"

struct base {
	char *id;
	uint32_t number;
};

struct inner {
	uint32_t a, b;
	struct deeper {
		int32_t x;
	} deeper;
};

struct item {
	char *path;
};

struct all {
	struct base base;
	bool flag;
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;
	int32_t i32;
	uint64_t u64;
	char *string;
	char *limited;
	char **strings;
	struct json_numbers numbers;
	struct json_map map;
	struct inner inner;
	struct json_objects items;
	struct inner nested;
	struct json_object *tree;
	char *raw;
	struct inner *optional;
};

static const struct json_field base_table[] = {
	JSON_STRING(struct base, id, "Id"),
	JSON_U32(struct base, number, "Number"),
	JSON_END
};

static const struct json_field deeper_table[] = {
	JSON_I32(struct deeper, x, "X"),
	JSON_END
};

static const struct json_field inner_table[] = {
	JSON_U32(struct inner, a, "A"),
	JSON_U32(struct inner, b, "B"),
	JSON_OBJECT(struct inner, deeper, "Deeper", deeper_table),
	JSON_END
};

static const struct json_field item_table[] = {
	JSON_STRING(struct item, path, "Path"),
	JSON_END
};

static const struct json_field table[] = {
	JSON_BASE(struct all, base, base_table),
	JSON_BOOL(struct all, flag, "Flag"),
	JSON_U8(struct all, u8, "U8"),
	JSON_U16(struct all, u16, "U16"),
	JSON_U32(struct all, u32, "U32"),
	JSON_I32(struct all, i32, "I32"),
	JSON_U64(struct all, u64, "U64"),
	JSON_STRING(struct all, string, "String"),
	JSON_STRING(struct all, limited, "Limited", .max = 3),
	JSON_STRINGS(struct all, strings, "Strings", .max = 4),
	JSON_NUMBERS(struct all, numbers, "Numbers"),
	JSON_MAP(struct all, map, "Map"),
	JSON_OBJECT(struct all, inner, "Inner", inner_table),
	JSON_OBJECTS(struct all, items, "Items", item_table, struct item),
	JSON_NESTED(struct all, nested, "Nested", inner_table, .empty_ok = true),
	JSON_TREE(struct all, tree, "Tree"),
	JSON_RAW(struct all, raw, "Raw"),
	JSON_OPTIONAL(struct all, optional, "Optional", inner_table, struct inner),
	JSON_END
};

static struct all v;
static struct gcs_error err;

static int decode_n(const char *text, size_t len)
{
	/* Exactly as long as it is: ASan sees every byte read behind the end. */
	char *copy = malloc(len ? len : 1);
	int ret;

	memcpy(copy, text, len);
	json_free(table, &v);
	memset(&err, 0, sizeof(err));
	ret = json_decode(table, &v, copy, len, &err);
	free(copy);
	return ret;
}

static int decode(const char *text)
{
	return decode_n(text, strlen(text));
}

/* Refused as bad JSON, with a text that has @word in it. */
static int refused(const char *text, const char *word)
{
	if (decode(text) == 0 || err.hr != HR_INVALID_JSON || !strstr(err.text, word)) {
		fprintf(stderr, "# %s: %x %s\n", text, err.hr, err.text);
		return 0;
	}
	return 1;
}

TEST(keys_match_exactly_first_then_without_case)
{
	ASSERT_EQ(0, decode("{\"u32\":5,\"ID\":\"x\",\"nUMBER\":7}"));
	EXPECT_EQ(5, v.u32);
	EXPECT_STREQ("x", v.base.id);
	EXPECT_EQ(7, v.base.number);
	/* Escapes in a key are decoded before it is compared. */
	ASSERT_EQ(0, decode("{\"\\u00553\\u0032\":9}"));
	EXPECT_EQ(9, v.u32);
}

TEST(unknown_keys_are_ignored_whatever_they_hold)
{
	ASSERT_EQ(0, decode("{\"x\":{\"U32\":1,\"y\":[{},[],\"]}\\\"\",-1.5e+3,null,true]},\"U32\":2,\"\":3}"));
	EXPECT_EQ(2, v.u32);
	/* Longer than any key; with a NUL inside. */
	char text[2000] = "{\"";
	memset(text + 2, 'U', 1000);
	strcpy(text + 1002, "\":1,\"U32\\u0000\":4,\"U8\":3}");
	ASSERT_EQ(0, decode(text));
	EXPECT_EQ(3, v.u8);
	EXPECT_EQ(0, v.u32);
}

TEST(of_duplicates_the_later_wins)
{
	ASSERT_EQ(0, decode("{\"U32\":1,\"u32\":2}"));
	EXPECT_EQ(2, v.u32);
	ASSERT_EQ(0, decode("{\"u32\":1,\"U32\":2,\"u32\":3}"));
	EXPECT_EQ(3, v.u32);
	ASSERT_EQ(0, decode("{\"String\":\"a\",\"String\":\"b\",\"Strings\":[\"a\",\"b\"],\"Strings\":[\"c\"]}"));
	EXPECT_STREQ("b", v.string);
	EXPECT_STREQ("c", v.strings[0]);
	EXPECT_EQ(NULL, v.strings[1]);
}

TEST(duplicate_objects_and_maps_are_merged)
{
	ASSERT_EQ(0, decode("{\"Inner\":{\"A\":1,\"Deeper\":{\"X\":-3}},\"inner\":{\"B\":2,\"Deeper\":{}}}"));
	EXPECT_EQ(1, v.inner.a);
	EXPECT_EQ(2, v.inner.b);
	EXPECT_EQ(-3, v.inner.deeper.x);
	ASSERT_EQ(0, decode("{\"Map\":{\"a\":\"1\",\"A\":\"2\",\"a\":\"3\"},\"Map\":{\"b\":null}}"));
	ASSERT_EQ(3, v.map.count);
	EXPECT_STREQ("a", v.map.items[0].key);
	EXPECT_STREQ("3", v.map.items[0].value);
	EXPECT_STREQ("2", v.map.items[1].value);
	EXPECT_STREQ("", v.map.items[2].value);
}

TEST(null_changes_no_scalar_and_empties_lists)
{
	ASSERT_EQ(0, decode("{\"U32\":4,\"U32\":null,\"String\":\"s\",\"String\":null,\"Flag\":true,\"Flag\":null,"
			    "\"Inner\":{\"A\":1},\"Inner\":null,\"Strings\":[\"a\",null],\"Items\":[null,{\"Path\":\"p\"}]}"));
	EXPECT_EQ(4, v.u32);
	EXPECT_STREQ("s", v.string);
	EXPECT_TRUE(v.flag);
	EXPECT_EQ(1, v.inner.a);
	EXPECT_STREQ("", v.strings[1]);
	ASSERT_EQ(2, v.items.count);
	EXPECT_EQ(NULL, ((struct item *)v.items.items)[0].path);
	EXPECT_STREQ("p", ((struct item *)v.items.items)[1].path);
	ASSERT_EQ(0, decode("{\"Strings\":[\"a\"],\"Strings\":null,\"Tree\":{},\"Tree\":null,\"Raw\":1,\"Raw\":null,"
			    "\"Map\":{\"a\":\"b\"},\"Map\":null,\"Items\":[{}],\"Items\":null}"));
	EXPECT_EQ(NULL, v.strings);
	EXPECT_EQ(NULL, v.tree);
	EXPECT_EQ(NULL, v.raw);
	EXPECT_EQ(0, v.map.count);
	EXPECT_EQ(0, v.items.count);
	EXPECT_EQ(0, decode(" null\n"));
	EXPECT_EQ(0, decode("{}"));
}

TEST(the_top_level_is_an_object)
{
	EXPECT_TRUE(refused("[]", "object"));
	EXPECT_TRUE(refused("\"{}\"", "object"));
	EXPECT_TRUE(refused("1", "object"));
	EXPECT_TRUE(refused("true", "object"));
}

TEST(integers_are_plain_decimal_and_in_range)
{
	ASSERT_EQ(0, decode("{\"U8\":255,\"U16\":65535,\"U32\":4294967295,\"I32\":-2147483648,"
			    "\"U64\":18446744073709551615}"));
	EXPECT_EQ(255, v.u8);
	EXPECT_EQ(65535, v.u16);
	EXPECT_EQ(UINT32_MAX, v.u32);
	EXPECT_EQ(INT32_MIN, v.i32);
	EXPECT_EQ(UINT64_MAX, v.u64);
	ASSERT_EQ(0, decode("{\"I32\":-0}"));
	EXPECT_TRUE(refused("{\"U8\":256}", "U8"));
	EXPECT_TRUE(refused("{\"U16\":65536}", "U16"));
	EXPECT_TRUE(refused("{\"U32\":4294967296}", "U32"));
	EXPECT_TRUE(refused("{\"I32\":2147483648}", "I32"));
	EXPECT_TRUE(refused("{\"I32\":-2147483649}", "I32"));
	EXPECT_TRUE(refused("{\"U64\":18446744073709551616}", "U64"));
	EXPECT_TRUE(refused("{\"U64\":184467440737095516150}", "U64"));
	EXPECT_TRUE(refused("{\"U32\":-1}", "U32"));
	EXPECT_TRUE(refused("{\"U32\":-0}", "U32"));
	EXPECT_TRUE(refused("{\"U32\":1.0}", "U32"));
	EXPECT_TRUE(refused("{\"U32\":1e2}", "U32"));
	EXPECT_TRUE(refused("{\"Numbers\":[1,-1]}", "Numbers[1]"));
}

TEST(a_wrong_type_is_an_error_but_the_rest_is_decoded)
{
	EXPECT_TRUE(refused("{\"U32\":\"5\",\"String\":\"after\"}", "U32"));
	EXPECT_STREQ("after", v.string);
	EXPECT_TRUE(refused("{\"Flag\":1}", "Flag"));
	EXPECT_TRUE(refused("{\"Flag\":\"true\"}", "Flag"));
	EXPECT_TRUE(refused("{\"String\":1}", "String"));
	EXPECT_TRUE(refused("{\"String\":{}}", "String"));
	EXPECT_TRUE(refused("{\"Strings\":{}}", "Strings"));
	EXPECT_TRUE(refused("{\"Strings\":[\"a\",1,\"b\"]}", "Strings[1]"));
	EXPECT_TRUE(refused("{\"Inner\":[]}", "Inner"));
	EXPECT_TRUE(refused("{\"Inner\":{\"Deeper\":{\"X\":true}}}", "Inner.Deeper.X"));
	EXPECT_TRUE(refused("{\"Items\":[{\"Path\":\"a\"},{\"Path\":1}]}", "Items[1].Path"));
	EXPECT_TRUE(refused("{\"Items\":[1]}", "Items[0]"));
	EXPECT_TRUE(refused("{\"Map\":{\"k\":1}}", "Map.k"));
	EXPECT_TRUE(refused("{\"Tree\":[]}", "Tree"));
	EXPECT_TRUE(refused("{\"Nested\":{}}", "Nested"));
}

TEST(nothing_is_decoded_of_bad_syntax)
{
	static const char *const texts[] = {
		"", " ", "{", "}", "{\"U32\":1", "{\"U32\":1}x", "{\"U32\":1}{}", "\xEF\xBB\xBF{}", "{\"U32\":1,}",
		"{,}", "{'U32':1}", "{U32:1}", "{\"U32\":1 \"U8\":1}", "{\"U32\" 1}", "{\"U32\":01}", "{\"U32\":+1}",
		"{\"U32\":1,\"x\":NaN}", "{\"U32\":1,\"x\":.5}", "{\"U32\":1,\"x\":5.}", "{\"U32\":1,\"x\":1e}",
		"{\"U32\":1,\"x\":-}", "{\"U32\":1,\"x\":Infinity}", "{\"U32\":1,\"x\":nul}", "{\"U32\":1,\"x\":True}",
		"{\"U32\":1,\"x\":[1,]}", "{\"U32\":1,\"x\":[1 2]}", "{\"U32\":1,\"x\":[1}", "{\"U32\":1,\"x\":\"a}",
		"{\"U32\":1,\"x\":\"\\x\"}", "{\"U32\":1,\"x\":\"\\u12g4\"}", "{\"U32\":1,\"x\":\"\\u12\"}",
		"{\"U32\":1,\"x\":\"a\tb\"}", "{\"U32\":1,\"x\":\"a\nb\"}", "{\"U32\":1}/*c*/", "{\"U32\":1//c\n}",
		"{\"U32\":1,\"x\":\"\\", "{\"U32\":1,\"x\":\"\\u", "{\"U32\":1,\"x\":0x10}", "{\"U32\":1,\"x\":1_0}",
		"nullx", "{\"U32\":1,\"x\":truefalse}", "{\"U32\":1\f}", "{1:2}",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		EXPECT_TRUE(refused(texts[i], "JSON: byte"));
		EXPECT_EQ(0, v.u32);
	}
	EXPECT_EQ(-1, decode_n("{}\0", 3));
	EXPECT_EQ(-1, decode_n("{\"a\":\"\0\"}", 9));
}

TEST(every_cut_of_a_message_is_refused)
{
	static const char text[] = "{\"U32\":12,\"String\":\"a\\u00e9\\\\\",\"Strings\":[\"x\",null],\"Inner\":{\"A\":1},"
				   "\"Tree\":{\"k\":[1.5,true]},\"Flag\":false}";

	ASSERT_EQ(0, decode(text));
	for (size_t n = 0; n < sizeof(text) - 1; n++)
		EXPECT_EQ(-1, decode_n(text, n));
}

TEST(white_space_is_allowed_around_everything)
{
	ASSERT_EQ(0, decode(" \t\r\n{ \"U32\" : 1 , \"Strings\" : [ \"a\" , \"b\" ] , \"Inner\" : { } , \"Map\" : { \"a\" : "
			    "\"b\" } , \"Numbers\" : [ ] , \"Items\" : [ { } ] } \n"));
	EXPECT_EQ(1, v.u32);
	EXPECT_STREQ("b", v.strings[1]);
	EXPECT_STREQ("b", v.map.items[0].value);
	EXPECT_EQ(1, v.items.count);
}

TEST(strings_are_unescaped)
{
	ASSERT_EQ(0, decode("{\"String\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u20AC\\ud83d\\ude00\"}"));
	EXPECT_STREQ("\"\\/\b\f\n\r\t\u00e9\u20ac\U0001F600", v.string);
}

TEST(what_is_not_utf8_becomes_the_replacement_character)
{
#define R "\xEF\xBF\xBD"
	ASSERT_EQ(0, decode("{\"String\":\"\xFF|\xC3|\xC3\xA9|\xED\xA0\x80|\xC0\x80|\xF5\x80\x80\x80|\xE2\x82\"}"));
	EXPECT_STREQ(R "|" R "|\u00e9|" R R R "|" R R "|" R R R R "|" R R, v.string);
	/* Lone surrogates; the escape after a lone high one counts for itself. */
	ASSERT_EQ(0, decode("{\"String\":\"\\ud800|\\udc00|\\ud800\\u0041|\\ud800\\ud83d\\ude00\"}"));
	EXPECT_STREQ(R "|" R "|" R "A|" R "\U0001F600", v.string);
}

TEST(a_nul_is_refused_in_what_is_decoded)
{
	EXPECT_TRUE(refused("{\"String\":\"a\\u0000b\"}", "String"));
	EXPECT_TRUE(refused("{\"Strings\":[\"\\u0000\"]}", "Strings[0]"));
	EXPECT_TRUE(refused("{\"Map\":{\"a\":\"\\u0000\"}}", "Map.a"));
	EXPECT_TRUE(refused("{\"Map\":{\"a\\u0000\":\"\"}}", "Map"));
	EXPECT_TRUE(refused("{\"Tree\":{\"a\":[\"\\u0000\"]}}", "Tree"));
	EXPECT_TRUE(refused("{\"Nested\":\"{}\\u0000\"}", "Nested"));
	EXPECT_EQ(0, decode("{\"other\":\"\\u0000\"}"));
}

TEST(nesting_has_a_limit)
{
	char text[2 * JSON_DEPTH_MAX + 64];
	int n = sprintf(text, "{\"x\":");

	memset(text + n, '[', JSON_DEPTH_MAX - 1);
	memset(text + n + JSON_DEPTH_MAX - 1, ']', JSON_DEPTH_MAX - 1);
	strcpy(text + n + 2 * (JSON_DEPTH_MAX - 1), "}");
	EXPECT_EQ(0, decode(text));
	memset(text + n, '[', JSON_DEPTH_MAX);
	memset(text + n + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
	strcpy(text + n + 2 * JSON_DEPTH_MAX, "}");
	EXPECT_TRUE(refused(text, "deep"));
}

TEST(nested_documents_are_decoded_by_the_same_rules)
{
	ASSERT_EQ(0, decode("{\"Nested\":\"{\\\"a\\\":3,\\\"Deeper\\\":{\\\"X\\\":4}}\\n\"}"));
	EXPECT_EQ(3, v.nested.a);
	EXPECT_EQ(4, v.nested.deeper.x);
	EXPECT_TRUE(refused("{\"Nested\":\"{\"}", "Nested"));
	EXPECT_TRUE(refused("{\"Nested\":\"{\\\"A\\\":-1}\"}", "Nested"));
	EXPECT_EQ(0, decode("{\"Nested\":\"\"}"));
	EXPECT_EQ(0, decode("{\"Nested\":\"null\"}"));
}

static const struct json_field strict_table[] = {
	JSON_NESTED(struct all, nested, "Nested", inner_table, .required = true),
	JSON_STRING(struct all, string, "String", .required = true),
	JSON_END
};

TEST(required_means_there_and_not_null)
{
	static const char *const texts[] = {
		"{}", "null", "{\"Nested\":\"{}\"}", "{\"Nested\":\"{}\",\"String\":null}", "{\"Nested\":\"\",\"String\":\"\"}",
	};
	static const char good[] = "{\"Nested\":\"{}\",\"String\":\"\"}";
	struct all s = { 0 };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		EXPECT_EQ(-1, json_decode(strict_table, &s, texts[i], strlen(texts[i]), &err));
		EXPECT_EQ(HR_INVALID_JSON, err.hr);
		json_free(strict_table, &s);
	}
	EXPECT_EQ(0, json_decode(strict_table, &s, good, strlen(good), &err));
	json_free(strict_table, &s);
}

TEST(limits_are_kept)
{
	ASSERT_EQ(0, decode("{\"Limited\":\"abc\",\"Strings\":[\"\",\"\",\"\",\"\"]}"));
	EXPECT_TRUE(refused("{\"Limited\":\"abcd\"}", "Limited"));
	EXPECT_TRUE(refused("{\"Strings\":[\"\",\"\",\"\",\"\",\"\"],\"U32\":8}", "Strings"));
	EXPECT_EQ(8, v.u32);
}

TEST(trees_and_raw_values_keep_their_content)
{
	ASSERT_EQ(0, decode("{\"Tree\":{\"a\":[1,-2,18446744073709551615,1.5,1e400,true,null,\"\\u00e9/\"],\"b\":{}},"
			    "\"Raw\": [1, \"]\"] }"));
	EXPECT_STREQ("{\"a\":[1,-2,18446744073709551615,1.5,1e400,true,null,\"\u00e9/\"],\"b\":{}}",
		     json_object_to_json_string_ext(v.tree, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	EXPECT_STREQ("[1, \"]\"]", v.raw);
}

TEST(errors_never_quote_a_value)
{
	EXPECT_TRUE(refused("{\"U32\":\"secret\"}", "U32"));
	EXPECT_EQ(NULL, strstr(err.text, "secret"));
	EXPECT_TRUE(refused("{\"Limited\":\"secret\"}", "Limited"));
	EXPECT_EQ(NULL, strstr(err.text, "secret"));
	EXPECT_TRUE(refused("{\"String\":\"secret\" 1}", "JSON"));
	EXPECT_EQ(NULL, strstr(err.text, "secret"));
}

TEST(what_is_encoded_decodes_to_the_same)
{
	static const char text[] = "{\"Id\":\"i\",\"Number\":1,\"Flag\":true,\"U8\":2,\"U16\":3,\"U32\":4,\"I32\":-5,"
				   "\"U64\":18446744073709551615,\"String\":\"\\\"\\\\\\n\\u0001\u00e9\",\"Limited\":\"\","
				   "\"Strings\":[\"a\",\"\"],\"Numbers\":[7,8],\"Map\":{\"k\":\"v\"},"
				   "\"Inner\":{\"A\":1,\"B\":2,\"Deeper\":{\"X\":-2147483648}},"
				   "\"Items\":[{\"Path\":\"p\"},{\"Path\":\"q\"}],"
				   "\"Nested\":\"{\\\"A\\\":9,\\\"B\\\":0,\\\"Deeper\\\":{\\\"X\\\":0}}\","
				   "\"Tree\":{\"t\":[1,2.50]},\"Raw\":[true],"
				   "\"Optional\":{\"A\":3,\"B\":0,\"Deeper\":{\"X\":0}}}";
	char *out;
	size_t len;

	ASSERT_EQ(0, decode(text));
	ASSERT_EQ(0, json_encode(table, &v, &out, &len, &err));
	EXPECT_STREQ(text, out);
	EXPECT_EQ(strlen(out), len);
	free(out);
}

TEST(an_optional_object_is_there_or_not)
{
	char *out;

	ASSERT_EQ(0, decode("{}"));
	EXPECT_EQ(NULL, v.optional);
	ASSERT_EQ(0, json_encode(table, &v, &out, NULL, &err));
	EXPECT_NE(NULL, strstr(out, "\"Optional\":null"));
	free(out);
	ASSERT_EQ(0, decode("{\"Optional\":{\"A\":1},\"optional\":{\"B\":2}}"));
	ASSERT_NE(NULL, v.optional);
	EXPECT_EQ(1, v.optional->a);
	EXPECT_EQ(2, v.optional->b);
	ASSERT_EQ(0, decode("{\"Optional\":{\"A\":1},\"Optional\":null}"));
	EXPECT_EQ(NULL, v.optional);
	EXPECT_TRUE(refused("{\"Optional\":[]}", "Optional"));
	EXPECT_TRUE(refused("{\"Optional\":{\"A\":-1}}", "A"));
}

static const struct json_field omit_table[] = {
	JSON_BOOL(struct all, flag, "Flag", .omit_empty = true),
	JSON_U32(struct all, u32, "U32", .omit_empty = true),
	JSON_STRING(struct all, string, "String", .omit_empty = true),
	JSON_STRINGS(struct all, strings, "Strings", .omit_empty = true),
	JSON_OBJECTS(struct all, items, "Items", item_table, struct item, .omit_empty = true),
	JSON_MAP(struct all, map, "Map", .omit_empty = true),
	JSON_OPTIONAL(struct all, optional, "Optional", inner_table, struct inner, .omit_empty = true),
	JSON_END
};

TEST(empty_members_are_left_out_where_the_table_says_so)
{
	struct all s = { .string = "" };
	char *out;

	ASSERT_EQ(0, json_encode(omit_table, &s, &out, NULL, &err));
	EXPECT_STREQ("{}", out);
	free(out);
	s.u32 = 1;
	ASSERT_EQ(0, json_encode(omit_table, &s, &out, NULL, &err));
	EXPECT_STREQ("{\"U32\":1}", out);
	free(out);
}

TEST(escaping_makes_valid_utf8_and_cuts_between_characters)
{
	char out[64];
	size_t used, n;

	n = json_escape(out, sizeof(out), "a\xFF\x1F\"\u20ac", 7, &used);
	EXPECT_EQ(7, used);
	out[n] = '\0';
	EXPECT_STREQ("a" R "\\u001f\\\"\u20ac", out);
	for (size_t room = 0; room < n; room++) {
		size_t part = json_escape(out, room, "a\xFF\x1F\"\u20ac", 7, &used);

		EXPECT_LE(part, room);
		EXPECT_LT(used, 7);
		/* What was used escapes to what was written. */
		EXPECT_EQ(part, json_escape(NULL, 0, "a\xFF\x1F\"\u20ac", used, NULL));
	}
}

TEST(freeing_leaves_zeroes)
{
	static const struct all zero;

	ASSERT_EQ(0, decode("{\"Id\":\"i\",\"Number\":1,\"Flag\":true,\"U8\":1,\"U16\":1,\"U32\":1,\"I32\":1,\"U64\":1,"
			    "\"String\":\"s\",\"Strings\":[\"s\"],\"Numbers\":[1],\"Map\":{\"a\":\"b\"},\"Inner\":{\"A\":1},"
			    "\"Items\":[{\"Path\":\"p\"}],\"Nested\":\"{\\\"A\\\":1}\",\"Tree\":{},\"Raw\":1,\"Optional\":{\"A\":1}}"));
	json_free(table, &v);
	EXPECT_EQ(0, memcmp(&zero, &v, sizeof(v)));
}

TEST_HARNESS_MAIN
