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
	const char *value, *help; /* as -help shows them; without help it does not */
};

static int set_level(struct options *o, const char *value)
{
	return log_level_parse(value, &o->log_level);
}

static int set_format(struct options *o, const char *value)
{
	bool json = strcmp(value, "json") == 0;

	/* A bad one leaves what the line that says so is written in. */
	if (!json && strcmp(value, "text") != 0)
		return -1;
	o->log_json = json;
	return 0;
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

#define FLAG(name_, kind_, member, value_, help_) \
	{ .name = name_, .kind = kind_, .offset = offsetof(struct options, member), .value = value_, .help = help_ }
#define FLAG_SET(name_, set_, value_, help_) { .name = name_, .kind = FLAG_CALL, .set = set_, .value = value_, .help = help_ }

static const struct flag flags[] = {
	FLAG("v4", FLAG_BOOL, v4, NULL, "serve version 4 of the protocol; without it nothing is served"),
	FLAG_SET("loglevel", set_level, "LEVEL", "trace, debug (default), info, warning, error, fatal, panic"),
	FLAG_SET("log-format", set_format, "FORMAT", "text (default) or json"),
	FLAG("logfile", FLAG_STRING, log_file, "FILE", "the log's file, instead of standard error"),
	FLAG("kmsgLogLevel", FLAG_I64, kmsg_level, "N", "priority up to which the kernel's log is in the log (4)"),
	FLAG("scrub-logs", FLAG_BOOL, scrub_logs, "=BOOL", "changes nothing: requests are not logged"),
	FLAG("core-dump-location", FLAG_STRING, core_pattern, "PATTERN", "for /proc/sys/kernel/core_pattern"),
	FLAG("root-mem-reserve-bytes", FLAG_U64, root_mem_reserve, "N", "memory that containers do not get (75 MiB)"),
	FLAG("gcs-mem-limit-bytes", FLAG_U64, gcs_mem_limit, "N", "warn when the agent needs more (50 MiB)"),
	FLAG_SET("initial-policy-stance", set_stance, "STANCE", "allow (default), or deny until there is a policy"),
	FLAG("disable-time-sync", FLAG_BOOL, disable_time_sync, NULL, "do not run chronyd"),
	FLAG_SET("runtime", set_runtime, "NAME", "crun (default) or runc"),
	FLAG("no-kmod", FLAG_BOOL, no_kmod, NULL, "do without gcs.ko"),
	FLAG("use-inouterr", FLAG_BOOL, use_inouterr, NULL, "the bridge is standard input and output, for tests"),
	FLAG("version", FLAG_BOOL, version, NULL, "print the version"),
	FLAG("help", FLAG_BOOL, help, NULL, "print this"),
	FLAG("h", FLAG_BOOL, help, NULL, NULL),
};

void options_help(FILE *to)
{
	fprintf(to, "usage: gcs -v4 [FLAG]...\n\n");
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		const struct flag *f = &flags[i];
		const char *value = f->value ? f->value : "";
		char left[40];

		if (!f->help)
			continue;
		snprintf(left, sizeof(left), "-%s%s%s", f->name, *value && *value != '=' ? " " : "", value);
		fprintf(to, "  %-31s %s\n", left, f->help);
	}
	fprintf(to, "\nOne dash or two, -name VALUE or -name=VALUE; a switch takes a value as -name=BOOL only. See gcs(8).\n");
}

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
		if (o->help)
			return 0;
	}
	return 0;
}
