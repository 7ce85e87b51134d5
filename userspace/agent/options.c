// SPDX-License-Identifier: MIT
/* The agent's command line (boot-and-image.md section 5). */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

typedef int (*set_fn)(struct options *o, const char *value);

enum kind { FLAG_BOOL, FLAG_STRING, FLAG_I64, FLAG_U64, FLAG_CALL };

struct flag {
	const char *name;
	enum kind kind;
	size_t offset;
	set_fn set;
};

static int set_level(struct options *o, const char *value)
{
	return log_level_parse(value, &o->log_level);
}

static int set_format(struct options *o, const char *value)
{
	o->log_json = strcmp(value, "json") == 0;
	return o->log_json || strcmp(value, "text") == 0 ? 0 : -1;
}

static int set_stance(struct options *o, const char *value)
{
	o->deny = strcmp(value, "deny") == 0;
	return o->deny || strcmp(value, "allow") == 0 ? 0 : -1;
}

static int set_runtime(struct options *o, const char *value)
{
	o->runtime = value;
	return strcmp(value, "crun") == 0 || strcmp(value, "runc") == 0 ? 0 : -1;
}

#define FLAG(name_, kind_, member) { .name = name_, .kind = kind_, .offset = offsetof(struct options, member) }

static const struct flag flags[] = {
	FLAG("v4", FLAG_BOOL, v4),
	FLAG("use-inouterr", FLAG_BOOL, use_inouterr),
	FLAG("disable-time-sync", FLAG_BOOL, disable_time_sync),
	FLAG("scrub-logs", FLAG_BOOL, scrub_logs),
	FLAG("no-kmod", FLAG_BOOL, no_kmod),
	FLAG("version", FLAG_BOOL, version),
	{ .name = "loglevel", .kind = FLAG_CALL, .set = set_level },
	{ .name = "log-format", .kind = FLAG_CALL, .set = set_format },
	{ .name = "initial-policy-stance", .kind = FLAG_CALL, .set = set_stance },
	{ .name = "runtime", .kind = FLAG_CALL, .set = set_runtime },
	FLAG("logfile", FLAG_STRING, log_file),
	FLAG("core-dump-location", FLAG_STRING, core_pattern),
	FLAG("kmsgLogLevel", FLAG_I64, kmsg_level),
	FLAG("root-mem-reserve-bytes", FLAG_U64, root_mem_reserve),
	FLAG("gcs-mem-limit-bytes", FLAG_U64, gcs_mem_limit),
};

/* As Go's strconv.ParseBool. */
static int parse_bool(const char *value, bool *out)
{
	static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" };
	static const char *const no[] = { "0", "f", "F", "false", "FALSE", "False" };

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		*out = strcmp(value, yes[i]) == 0;
		if (*out || strcmp(value, no[i]) == 0)
			return 0;
	}
	return -1;
}

/* Decimal, or with 0x or 0 in front as Go has it. */
static int parse_integer(const char *value, bool sign, uint64_t *out)
{
	char *end;

	if (!*value || strchr(" \t\n\v\f\r", *value) || (*value == '-' && !sign))
		return -1;
	errno = 0;
	*out = sign ? (uint64_t)strtoll(value, &end, 0) : strtoull(value, &end, 0);
	return *end || errno ? -1 : 0;
}

static int set(struct options *o, const struct flag *f, const char *value)
{
	char *at = (char *)o + f->offset;

	switch (f->kind) {
	case FLAG_BOOL:
		return parse_bool(value, (bool *)at);
	case FLAG_STRING:
		*(const char **)at = value;
		return 0;
	case FLAG_I64:
	case FLAG_U64:
		return parse_integer(value, f->kind == FLAG_I64, (uint64_t *)at);
	default:
		return f->set(o, value);
	}
}

static const struct flag *find(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (strlen(flags[i].name) == len && strncmp(flags[i].name, name, len) == 0)
			return &flags[i];
	return NULL;
}

static int note_unknown(struct options *o, const char *arg, struct gcs_error *err)
{
	const char **more;
	size_t n = 0;

	while (o->unknown && o->unknown[n])
		n++;
	more = reallocarray(o->unknown, n + 2, sizeof(*more));
	if (!more)
		return gcs_fail(err, ENOMEM, HR_FAIL, "flag %s", arg);
	more[n] = arg;
	more[n + 1] = NULL;
	o->unknown = more;
	return 0;
}

int options_parse(struct options *o, char **argv, struct gcs_error *err)
{
	*o = (struct options){
		.scrub_logs = true,
		.log_level = LOG_DEBUG,
		.log_file = "",
		.core_pattern = "",
		.runtime = "crun",
		.kmsg_level = 4,
		.root_mem_reserve = 75ull << 20,
		.gcs_mem_limit = 50ull << 20,
	};
	for (argv++; *argv; argv++) {
		const char *arg = *argv, *name = arg, *value;
		const struct flag *f;

		if (*name != '-' || !name[1] || strcmp(name, "--") == 0)
			return 0;
		name += name[1] == '-' ? 2 : 1;
		value = strchr(name, '=');
		f = find(name, value ? (size_t)(value - name) : strlen(name));
		if (value)
			value++;
		if (!f) {
			if (note_unknown(o, arg, err) < 0)
				return -1;
			if (!value && argv[1] && *argv[1] != '-')
				argv++;
			continue;
		}
		if (!value && f->kind == FLAG_BOOL)
			value = "true";
		else if (!value && argv[1])
			value = *++argv;
		if (!value)
			return gcs_fail(err, 0, HR_INVALID_ARG, "flag -%s: a value is missing", f->name);
		if (set(o, f, value) < 0)
			return gcs_fail(err, 0, HR_INVALID_ARG, "flag -%s: \"%s\" is no value of it", f->name, value);
	}
	return 0;
}
