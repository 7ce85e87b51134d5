// SPDX-License-Identifier: MIT
/* JSON text: syntax, tokens and strings. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "json_scan.h"

struct check {
	const char *start;
	const char *p;
	const char *end;
	struct gcs_error *err;
};

/* Returns -1. */
static int bad(struct check *c, const char *what)
{
	return gcs_fail(c->err, 0, HR_INVALID_JSON, "JSON: byte %zu: %s", (size_t)(c->p - c->start), what);
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static int hex_value(int c)
{
	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The next byte, -1 at the end. */
static int peek(const struct check *c)
{
	return c->p < c->end ? (unsigned char)*c->p : -1;
}

const char *json_scan_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
		p++;
	return p;
}

static int check_string(struct check *c)
{
	for (c->p++; c->p < c->end; c->p++) {
		unsigned char b = *c->p;

		if (b == '"') {
			c->p++;
			return 0;
		}
		if (b < 0x20)
			return bad(c, "control character in a string");
		if (b != '\\')
			continue;
		if (++c->p == c->end)
			break;
		if (*c->p != 'u') {
			if (!memchr("\"\\/bfnrt", *c->p, 8))
				return bad(c, "unknown escape in a string");
			continue;
		}
		for (int i = 0; i < 4; i++) {
			c->p++;
			if (hex_value(peek(c)) < 0)
				return bad(c, "\\u without four hexadecimal digits");
		}
	}
	return bad(c, "string without end");
}

static int check_digits(struct check *c)
{
	if (!is_digit(peek(c)))
		return bad(c, "digit expected");
	while (is_digit(peek(c)))
		c->p++;
	return 0;
}

static int check_number(struct check *c)
{
	if (peek(c) == '-')
		c->p++;
	if (peek(c) == '0')
		c->p++; /* a digit after it is what the caller does not expect */
	else if (check_digits(c) < 0)
		return -1;
	if (peek(c) == '.') {
		c->p++;
		if (check_digits(c) < 0)
			return -1;
	}
	if (peek(c) == 'e' || peek(c) == 'E') {
		c->p++;
		if (peek(c) == '+' || peek(c) == '-')
			c->p++;
		if (check_digits(c) < 0)
			return -1;
	}
	return 0;
}

static int check_word(struct check *c, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(c->end - c->p) < n || memcmp(c->p, word, n) != 0)
		return bad(c, "value expected");
	c->p += n;
	return 0;
}

static int check_value(struct check *c, int depth);

/* An object or array, from its opening bracket on. */
static int check_container(struct check *c, int depth, char close)
{
	if (depth == JSON_DEPTH_MAX)
		return bad(c, "nested too deeply");
	c->p = json_scan_space(c->p + 1, c->end);
	if (peek(c) == close) {
		c->p++;
		return 0;
	}
	for (;;) {
		if (close == '}') {
			if (peek(c) != '"')
				return bad(c, "key expected");
			if (check_string(c) < 0)
				return -1;
			c->p = json_scan_space(c->p, c->end);
			if (peek(c) != ':')
				return bad(c, "colon expected");
			c->p = json_scan_space(c->p + 1, c->end);
		}
		if (check_value(c, depth + 1) < 0)
			return -1;
		c->p = json_scan_space(c->p, c->end);
		if (peek(c) == close) {
			c->p++;
			return 0;
		}
		if (peek(c) != ',')
			return bad(c, "comma or closing bracket expected");
		c->p = json_scan_space(c->p + 1, c->end);
	}
}

static int check_value(struct check *c, int depth)
{
	switch (peek(c)) {
	case '{':
		return check_container(c, depth, '}');
	case '[':
		return check_container(c, depth, ']');
	case '"':
		return check_string(c);
	case 't':
		return check_word(c, "true");
	case 'f':
		return check_word(c, "false");
	case 'n':
		return check_word(c, "null");
	case '-':
	case '0' ... '9':
		return check_number(c);
	case -1:
		return bad(c, "value expected, found the end");
	default:
		return bad(c, "value expected");
	}
}

int json_scan_check(const char *text, size_t len, struct gcs_error *err)
{
	struct check c = { .start = text, .p = text, .end = text + len, .err = err };

	c.p = json_scan_space(c.p, c.end);
	if (check_value(&c, 0) < 0)
		return -1;
	c.p = json_scan_space(c.p, c.end);
	if (c.p != c.end)
		return bad(&c, "end of text expected");
	return 0;
}

static const char *skip_string(const char *p)
{
	for (p++; *p != '"'; p++)
		if (*p == '\\')
			p++;
	return p + 1;
}

const char *json_scan_skip(const char *p, const char *end)
{
	int depth = 0;

	do {
		if (*p == '"') {
			p = skip_string(p);
			continue;
		}
		if (*p == '{' || *p == '[')
			depth++;
		else if (*p == '}' || *p == ']')
			depth--;
		p++;
		/* A number or word ends where something else begins. */
		if (depth == 0 && p[-1] != '}' && p[-1] != ']')
			while (p < end && !strchr(" \t\r\n,:]}", *p))
				p++;
	} while (depth > 0);
	return p;
}

size_t json_utf8_length(const unsigned char *p, const unsigned char *end)
{
	/* The second byte's range keeps out overlong forms, surrogates and what is beyond U+10FFFF. */
	unsigned char low = 0x80, high = 0xBF;
	size_t n;

	if (*p < 0x80)
		return 1;
	if (*p >= 0xC2 && *p <= 0xDF) {
		n = 2;
	} else if (*p >= 0xE0 && *p <= 0xEF) {
		n = 3;
		low = *p == 0xE0 ? 0xA0 : low;
		high = *p == 0xED ? 0x9F : high;
	} else if (*p >= 0xF0 && *p <= 0xF4) {
		n = 4;
		low = *p == 0xF0 ? 0x90 : low;
		high = *p == 0xF4 ? 0x8F : high;
	} else {
		return 0;
	}
	if ((size_t)(end - p) < n || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((p[i] & 0xC0) != 0x80)
			return 0;
	return n;
}

static unsigned int hex4(const char *p)
{
	unsigned int v = 0;

	for (int i = 0; i < 4; i++)
		v = v << 4 | hex_value((unsigned char)p[i]);
	return v;
}

static size_t utf8_encode(unsigned int c, char *out)
{
	if (c < 0x80) {
		out[0] = c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = 0xC0 | c >> 6;
		out[1] = 0x80 | (c & 0x3F);
		return 2;
	}
	if (c < 0x10000) {
		out[0] = 0xE0 | c >> 12;
		out[1] = 0x80 | (c >> 6 & 0x3F);
		out[2] = 0x80 | (c & 0x3F);
		return 3;
	}
	out[0] = 0xF0 | c >> 18;
	out[1] = 0x80 | (c >> 12 & 0x3F);
	out[2] = 0x80 | (c >> 6 & 0x3F);
	out[3] = 0x80 | (c & 0x3F);
	return 4;
}

/* Decode the escape behind the backslash at *@p; moves *@p behind it. Returns the length in @out. */
static size_t unescape(const char **p, char *out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	unsigned int c, low;
	const char *s = *p + 1;

	if (*s != 'u') {
		*p = s + 1;
		out[0] = to[strchr(from, *s) - from];
		return 1;
	}
	c = hex4(s + 1);
	s += 5;
	if (c >= 0xD800 && c <= 0xDFFF) {
		low = c < 0xDC00 && s[0] == '\\' && s[1] == 'u' ? hex4(s + 2) : 0;
		if (low >= 0xDC00 && low <= 0xDFFF) {
			s += 6;
			c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
		} else {
			c = 0xFFFD;
		}
	}
	*p = s;
	return utf8_encode(c, out);
}

const char *json_scan_string(const char *p, char *out, size_t *len, bool *nul)
{
	const char *end = skip_string(p) - 1;
	char one[4];
	size_t n = 0, part;

	*nul = false;
	for (p++; p < end;) {
		const char *from = p;

		if (*p == '\\') {
			part = unescape(&p, one);
			from = one;
			if (!one[0])
				*nul = true;
		} else {
			part = json_utf8_length((const unsigned char *)p, (const unsigned char *)end);
			p += part ? part : 1;
			if (!part) {
				from = JSON_REPLACEMENT;
				part = 3;
			}
		}
		if (out)
			memcpy(out + n, from, part);
		n += part;
	}
	*len = n;
	return end + 1;
}

char *json_scan_strdup(const char **p, size_t *len, bool *nul)
{
	char *s;

	json_scan_string(*p, NULL, len, nul);
	s = malloc(*len + 1);
	if (!s)
		return NULL;
	*p = json_scan_string(*p, s, len, nul);
	s[*len] = '\0';
	return s;
}
