// SPDX-License-Identifier: MIT
/* The command line of `uvmctl run`. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "run.h"

#define UVM_INSTALLED "/usr/lib/opengcs/uvm"

const char run_usage[] =
	"[OPTION]... IMAGE [COMMAND [ARG]...]\n"
	"Run COMMAND (/bin/sh) in a container with the root file system IMAGE (a directory, a tar or an ext4 file) in a VM\n"
	"of its own.\n"
	"      --cpus N          virtual CPUs (2; 1 without KVM)\n"
	"      --memory M        memory in MiB, or with suffix M or G (1024)\n"
	"  -e, --env K=V         environment variable; K alone: with our value\n"
	"  -w, --workdir DIR     working directory (/)\n"
	"  -i, --interactive     pass on stdin\n"
	"  -t, --tty             give it a terminal; with -i: the one that stdin is\n"
	"      --json            the result, or what went wrong, as a JSON object on stderr\n"
	"      --timing FILE     write where the time went, as a JSON object\n"
	"      --no-kmod         carry stdio by the agent instead of gcs.ko\n"
	"      --scratch SIZE    size of the writable disk (1G)\n"
	"      --uvm DIR         has vmlinux or vmlinuz, and initrd.img ($UVMCTL_UVM)\n"
	"      --accel A         kvm, tcg or auto ($UVMCTL_ACCEL)\n"
	"      --vsock V         vhost (the kernel's), user (the own backend) or auto\n"
	"      --kernel-args S   more arguments for the kernel\n"
	"      --boot-timeout S  seconds for the guest to come up (120)\n"
	"      --log FILE        append the console and the guest's log to FILE\n"
	"      --debug           more in the guest's log; without --log it and the console are shown\n";

enum { OPT_CPUS = 256, OPT_MEMORY, OPT_JSON, OPT_TIMING, OPT_NO_KMOD, OPT_SCRATCH, OPT_UVM, OPT_ACCEL, OPT_VSOCK, OPT_KERNEL_ARGS,
       OPT_BOOT_TIMEOUT, OPT_LOG, OPT_DEBUG, OPT_HELP };

static int wrong(const char *option, const char *value, const char *why)
{
	fprintf(stderr, "uvmctl: run: %s %s: %s\n", option, value, why);
	return -1;
}

static int number(const char *option, const char *text, unsigned long min, unsigned long max, unsigned int *to)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || end == text || *end || n < min || n > max)
		return wrong(option, text, "not a number in range");
	*to = (unsigned int)n;
	return 0;
}

/* A size with suffix K, M, G or T; without one it is in units of @unit bytes. */
static int size(const char *option, const char *text, uint64_t unit, uint64_t *to)
{
	static const char suffixes[] = "KMGT";
	const char *suffix;
	char *end;
	uint64_t n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || end == text || *text == '-')
		return wrong(option, text, "not a size");
	if (*end) {
		suffix = strchr(suffixes, *end & ~0x20);
		if (!suffix || end[1])
			return wrong(option, text, "not a size");
		unit = 1024ull << (10 * (suffix - suffixes));
	}
	if (n > (1ull << 50) / unit)
		return wrong(option, text, "too large");
	*to = n * unit;
	return 0;
}

static int choice(const char *option, const char *text, const char *const names[3], int *to)
{
	for (int i = 0; i < 3; i++) {
		if (!strcmp(text, names[i])) {
			*to = i;
			return 0;
		}
	}
	return wrong(option, text, "not one of its values");
}

static int parse_accel(const char *option, const char *text, enum accel *to)
{
	static const char *const names[3] = { [ACCEL_AUTO] = "auto", [ACCEL_KVM] = "kvm", [ACCEL_TCG] = "tcg" };
	int i = 0, ret = choice(option, text, names, &i);

	*to = (enum accel)i;
	return ret;
}

static int parse_vsock(const char *option, const char *text, enum vsock_kind *to)
{
	static const char *const names[3] = { [VSOCK_AUTO] = "auto", [VSOCK_VHOST] = "vhost", [VSOCK_USER] = "user" };
	int i = 0, ret = choice(option, text, names, &i);

	*to = (enum vsock_kind)i;
	return ret;
}

static int add_env(struct run_options *o, const char *text)
{
	const char *value;

	if (o->env_count == ENV_MAX)
		return wrong("-e", text, "too many variables");
	if (!*text || *text == '=')
		return wrong("-e", text, "a variable without a name");
	if (strchr(text, '=')) {
		o->env[o->env_count] = strdup(text);
	} else {
		value = getenv(text);
		if (!value)
			return 0;
		if (asprintf(&o->env[o->env_count], "%s=%s", text, value) < 0)
			o->env[o->env_count] = NULL;
	}
	return o->env[o->env_count++] ? 0 : wrong("-e", text, strerror(ENOMEM));
}

/* Beside the program in a build tree, else where `make install` puts it. */
static char *find_uvm(void)
{
	const char *given = getenv("UVMCTL_UVM");
	char exe[PATH_MAX], *slash;
	ssize_t n;

	if (given && *given)
		return strdup(given);
	n = readlink("/proc/self/exe", exe, sizeof(exe) - sizeof("/../uvm"));
	if (n > 0) {
		exe[n] = '\0';
		slash = strrchr(exe, '/');
		if (slash) {
			strcpy(slash, "/../uvm");
			if (access(exe, F_OK) == 0)
				return realpath(exe, NULL);
		}
	}
	return strdup(UVM_INSTALLED);
}

static int parse_one(int opt, struct run_options *o)
{
	unsigned int n;
	uint64_t bytes;

	switch (opt) {
	case OPT_CPUS:
		return number("--cpus", optarg, 1, 255, &o->cpus);
	case OPT_MEMORY:
		if (size("--memory", optarg, 1 << 20, &bytes) < 0)
			return -1;
		if (bytes < 128ull << 20)
			return wrong("--memory", optarg, "less than 128 MiB");
		o->memory_mib = (unsigned int)(bytes >> 20);
		return 0;
	case 'e':
		return add_env(o, optarg);
	case 'w':
		o->cwd = optarg;
		return *optarg == '/' ? 0 : wrong("-w", optarg, "not an absolute path");
	case 'i':
		o->interactive = true;
		return 0;
	case 't':
		o->tty = true;
		return 0;
	case OPT_JSON:
		o->json = true;
		return 0;
	case OPT_TIMING:
		o->timing = optarg;
		return 0;
	case OPT_NO_KMOD:
		o->no_kmod = true;
		return 0;
	case OPT_SCRATCH:
		if (size("--scratch", optarg, 1, &o->scratch_size) < 0)
			return -1;
		return o->scratch_size >= 16ull << 20 ? 0 : wrong("--scratch", optarg, "less than 16 MiB");
	case OPT_UVM:
		free(o->uvm_dir);
		o->uvm_dir = strdup(optarg);
		return 0;
	case OPT_ACCEL:
		return parse_accel("--accel", optarg, &o->accel);
	case OPT_VSOCK:
		return parse_vsock("--vsock", optarg, &o->vsock);
	case OPT_KERNEL_ARGS:
		o->kernel_args = optarg;
		return 0;
	case OPT_BOOT_TIMEOUT:
		if (number("--boot-timeout", optarg, 1, 86400, &n) < 0)
			return -1;
		o->boot_timeout_s = n;
		return 0;
	case OPT_LOG:
		if (o->log_fd >= 0)
			close(o->log_fd);
		o->log_fd = open(optarg, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		return o->log_fd < 0 ? wrong("--log", optarg, strerror(errno)) : 0;
	case OPT_DEBUG:
		o->debug = true;
		return 0;
	case OPT_HELP:
		printf("usage: uvmctl run %s", run_usage);
		return 1;
	default:
		return -1; /* getopt has said what is wrong */
	}
}

int run_options_parse(int argc, char **argv, struct run_options *o)
{
	static const struct option options[] = {
		{ "cpus", required_argument, NULL, OPT_CPUS },
		{ "memory", required_argument, NULL, OPT_MEMORY },
		{ "env", required_argument, NULL, 'e' },
		{ "workdir", required_argument, NULL, 'w' },
		{ "interactive", no_argument, NULL, 'i' },
		{ "tty", no_argument, NULL, 't' },
		{ "json", no_argument, NULL, OPT_JSON },
		{ "timing", required_argument, NULL, OPT_TIMING },
		{ "no-kmod", no_argument, NULL, OPT_NO_KMOD },
		{ "scratch", required_argument, NULL, OPT_SCRATCH },
		{ "uvm", required_argument, NULL, OPT_UVM },
		{ "accel", required_argument, NULL, OPT_ACCEL },
		{ "vsock", required_argument, NULL, OPT_VSOCK },
		{ "kernel-args", required_argument, NULL, OPT_KERNEL_ARGS },
		{ "boot-timeout", required_argument, NULL, OPT_BOOT_TIMEOUT },
		{ "log", required_argument, NULL, OPT_LOG },
		{ "debug", no_argument, NULL, OPT_DEBUG },
		{ "help", no_argument, NULL, OPT_HELP },
		{ 0 }
	};
	static char shell[] = "/bin/sh", *default_command[] = { shell, NULL };
	const char *accel = getenv("UVMCTL_ACCEL");
	int opt, ret;

	*o = (struct run_options){ .memory_mib = 1024, .cwd = "/", .log_fd = -1, .boot_timeout_s = 120,
				   .scratch_size = 1ull << 30 };
	if (accel && *accel && parse_accel("UVMCTL_ACCEL", accel, &o->accel) < 0)
		return -1;
	/* '+': what follows IMAGE is the container's. */
	while ((opt = getopt_long(argc, argv, "+e:w:it", options, NULL)) != -1) {
		ret = parse_one(opt, o);
		if (ret)
			return ret;
	}
	if (optind == argc) {
		fprintf(stderr, "uvmctl: run: no IMAGE given\nusage: uvmctl run %s", run_usage);
		return -1;
	}
	if (o->debug && o->log_fd < 0) {
		o->log_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
		if (o->log_fd < 0)
			return wrong("--debug", "", strerror(errno));
	}
	o->image = argv[optind++];
	o->command = optind < argc ? argv + optind : default_command;
	if (o->tty && o->interactive && !isatty(STDIN_FILENO))
		return wrong("-it", "", "stdin is no terminal");
	if (!o->uvm_dir)
		o->uvm_dir = find_uvm();
	return o->uvm_dir ? 0 : wrong("--uvm", "", strerror(ENOMEM));
}

void run_options_free(struct run_options *o)
{
	for (unsigned int i = 0; i < o->env_count; i++)
		free(o->env[i]);
	if (o->log_fd >= 0)
		close(o->log_fd);
	free(o->uvm_dir);
}
