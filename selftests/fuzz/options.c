// SPDX-License-Identifier: MIT
/* The agent's command line: an argument a line. */
#include <inttypes.h>

#include "fuzz.h"
#include "../../userspace/agent/options.h"

#define ARGS_MAX 64

/* Flags that mean what @o says. */
static void print(const struct options *o, char *text[17])
{
	static const char *const levels[] = { "trace", "debug", "info", "warning", "error", "fatal", "panic" };
	int n = 0;

	text[n++] = strdup("gcs");
#define ADD(...) REQUIRE(asprintf(&text[n++], __VA_ARGS__) > 0)
	ADD("--v4=%d", o->v4);
	ADD("-use-inouterr=%d", o->use_inouterr);
	ADD("-disable-time-sync=%d", o->disable_time_sync);
	ADD("-scrub-logs=%d", o->scrub_logs);
	ADD("-no-kmod=%d", o->no_kmod);
	ADD("-version=%d", o->version);
	ADD("-loglevel=%s", levels[o->log_level]);
	ADD("-log-format=%s", o->log_json ? "json" : "text");
	ADD("-initial-policy-stance=%s", o->deny ? "deny" : "allow");
	ADD("-runtime=%s", o->runtime);
	ADD("-logfile=%s", o->log_file);
	ADD("-core-dump-location=%s", o->core_pattern);
	ADD("-kmsgLogLevel=%" PRId64, o->kmsg_level);
	ADD("-root-mem-reserve-bytes=%" PRIu64, o->root_mem_reserve);
	ADD("-gcs-mem-limit-bytes=%" PRIu64, o->gcs_mem_limit);
#undef ADD
	text[n] = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size), *rest = text, *argv[ARGS_MAX + 2] = { "gcs" }, *printed[17];
	struct gcs_error err = { 0 };
	struct options o, again;

	for (int n = 1; rest && *rest && n <= ARGS_MAX; n++)
		argv[n] = strsep(&rest, "\n");
	if (options_parse(&o, argv, &err) < 0) {
		REQUIRE(err.hr == HR_INVALID_ARG && strstr(err.text, "flag -"));
	} else {
		REQUIRE(o.log_level <= LOG_PANIC);
		REQUIRE(!strcmp(o.runtime, "crun") || !strcmp(o.runtime, "runc"));
		for (const char **u = o.unknown; u && *u; u++)
			REQUIRE(**u == '-');
		print(&o, printed);
		REQUIRE(options_parse(&again, printed, &err) == 0);
		REQUIRE(!again.unknown);
		REQUIRE(!strcmp(o.log_file, again.log_file) && !strcmp(o.core_pattern, again.core_pattern));
		REQUIRE(!strcmp(o.runtime, again.runtime) && o.log_level == again.log_level);
		REQUIRE(o.v4 == again.v4 && o.use_inouterr == again.use_inouterr && o.no_kmod == again.no_kmod);
		REQUIRE(o.version == again.version);
		REQUIRE(o.disable_time_sync == again.disable_time_sync && o.scrub_logs == again.scrub_logs);
		REQUIRE(o.deny == again.deny && o.log_json == again.log_json && o.kmsg_level == again.kmsg_level);
		REQUIRE(o.root_mem_reserve == again.root_mem_reserve && o.gcs_mem_limit == again.gcs_mem_limit);
		for (char **p = printed; *p; p++)
			free(*p);
	}
	free(o.unknown);
	free(text);
	return 0;
}
