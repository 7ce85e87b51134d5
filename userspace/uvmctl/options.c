// SPDX-License-Identifier: MIT
/* The command line. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "nic.h"
#include "options.h"
#include "progress.h"
#include "size.h"

#define UVM_INSTALLED "/usr/lib/opengcs/uvm"

enum { OPT_CPUS = 256, OPT_MEMORY, OPT_JSON, OPT_TIMING, OPT_NO_KMOD, OPT_SCRATCH, OPT_UVM, OPT_ACCEL, OPT_VSOCK, OPT_KERNEL_ARGS,
       OPT_BOOT_TIMEOUT, OPT_LOG, OPT_DEBUG, OPT_IN, OPT_NAME, OPT_POD, OPT_ENTRYPOINT, OPT_PLATFORM, OPT_MAX_SIZE, OPT_LAYERS,
       OPT_VERITY, OPT_CPU_LIMIT, OPT_PIDS_LIMIT, OPT_TIMELINE, OPT_NET, OPT_IP, OPT_TIME, OPT_RO, OPT_RAW, OPT_PLOT, OPT_FOR,
       OPT_HELP };

#define VM (VERB_RUN | VERB_UP)
#define NAMED (VERB_RUN | VERB_CREATE)
#define CREATES (NAMED | VERB_POD_CREATE)
#define PROCESS (CREATES | VERB_EXEC)
#define OF_ONE_UVM (VERB_RUN | VERB_CREATE | VERB_START | VERB_ATTACH | VERB_EXEC | VERB_KILL | VERB_WAIT | VERB_RM | VERB_PS | VERB_STATS | \
		    VERB_LOGS | VERB_EVENTS | VERB_POD_CREATE | VERB_POD_RM | VERB_DEVICE_ADD | VERB_DEVICE_RM | VERB_DEVICE_LS | VERB_STOP)
#define TOLD (VERB_RUN | VERB_LS | VERB_PS | VERB_STATS | VERB_EVENTS | VERB_TIMELINE | VERB_DOCTOR | VERB_DEVICE_LS)

/* An option with an argument has its name, as the help shows it. */
static const struct {
	int opt;
	const char *name, *argument;
	unsigned int verbs;
	const char *help;
} table[] = {
	{ OPT_IN, "in", "UVM", OF_ONE_UVM, "the UVM by its name; otherwise the one that runs" },
	{ OPT_NAME, "name", "NAME", NAMED, "the container's name; otherwise its id" },
	{ OPT_NAME, "name", "NAME", VERB_DEVICE_ADD, "the device's name" },
	{ OPT_RO, "ro", NULL, VERB_DEVICE_ADD, "read-only" },
	{ OPT_RAW, "raw", NULL, VERB_DEVICE_ADD, "do not mount the disk" },
	{ OPT_POD, "pod", "POD", NAMED, "in this pod, whose network, IPC and host name it shares" },
	{ 'e', "env", "K=V", PROCESS, "environment variable; K alone: with our value" },
	{ 'w', "workdir", "DIR", PROCESS, "working directory (the image's, or /)" },
	{ 'u', "user", "USER", PROCESS, "UID[:GID], or by name (the image's, or root)" },
	{ OPT_ENTRYPOINT, "entrypoint", "COMMAND", CREATES, "instead of the image's; '' for none" },
	{ OPT_PLATFORM, "platform", "P", CREATES, "of the image, as OS/ARCHITECTURE[/VARIANT] (linux/amd64)" },
	{ OPT_MAX_SIZE, "max-size", "SIZE", CREATES, "what a layer may have unpacked (64G)" },
	{ OPT_LAYERS, "layers", "KIND", CREATES | VERB_UP, "disks of the image: scsi, or pmem (as the UVM; scsi)" },
	{ OPT_VERITY, "verity", NULL, CREATES, "a damaged layer is an error, never wrong data" },
	{ 'q', "quiet", NULL, CREATES, "no progress bar" },
	{ 'i', "interactive", NULL, PROCESS, "pass on stdin" },
	{ 't', "tty", NULL, PROCESS, "give it a terminal; with -i: the one that stdin is" },
	{ 'd', "detach", NULL, VERB_RUN | VERB_EXEC, "let it run, do not wait" },
	{ 'a', "attach", NULL, VERB_START, "pass on its streams, exit with its exit code" },
	{ 'v', "volume", "V", CREATES, "SOURCE:PATH[:ro]: a directory, a disk's file or node, or a device by its name, on PATH" },
	{ OPT_NET, "net", NULL, CREATES, "a network interface, through this machine" },
	{ OPT_IP, "ip", "A", CREATES | VERB_DEVICE_ADD, NIC_ADDRESS_SYNTAX " of the interface; implies --net" },
	{ 'p', "publish", "P", CREATES | VERB_DEVICE_ADD, NIC_PUBLISH_SYNTAX ": that port leads to it; implies --net" },
	{ OPT_TIME, "time", "S", VERB_STOP, "seconds until it is killed (10)" },
	{ OPT_SCRATCH, "scratch", "SIZE", CREATES, "size of the writable disk (1G)" },
	{ 'm', "memory-limit", "SIZE", CREATES, "what the container may use of the VM's memory" },
	{ OPT_CPU_LIMIT, "cpu-limit", "N", CREATES, "of its processors, as a decimal" },
	{ OPT_PIDS_LIMIT, "pids-limit", "N", CREATES, "of its processes" },
	{ 's', "signal", "SIGNAL", VERB_KILL, "by name or number (TERM)" },
	{ 'f', "force", NULL, VERB_RM | VERB_DOWN | VERB_POD_RM, "also what runs" },
	{ 'f', "follow", NULL, VERB_LOGS | VERB_EVENTS, "go on with what comes" },
	{ OPT_JSON, "json", NULL, TOLD, "results and errors as JSON" },
	{ OPT_TIMING, "timing", "FILE", VERB_RUN, "write where the time went, as a JSON object" },
	{ OPT_TIMELINE, "timeline", "FILE", VERB_RUN, "draw it over time, as SVG; as Chrome's trace if it ends in .json" },
	{ 'o', "output", "FILE", VERB_TIMELINE, "instead of stdout; as Chrome's trace if it ends in .json" },
	{ OPT_PLOT, "plot", "FILE", VERB_STATS, "draw it over time, as SVG, until a signal" },
	{ OPT_FOR, "for", "S", VERB_STATS, "end after so many seconds" },
	{ OPT_CPUS, "cpus", "N", VM, "virtual CPUs (2; 1 without KVM)" },
	{ OPT_MEMORY, "memory", "M", VM, "memory in MiB, or with suffix M or G (1024)" },
	{ OPT_NO_KMOD, "no-kmod", NULL, VM, "carry stdio by the agent instead of gcs.ko" },
	{ OPT_UVM, "uvm", "DIR", VM | VERB_DOCTOR, "has vmlinux or vmlinuz, and initrd.img ($UVMCTL_UVM)" },
	{ OPT_ACCEL, "accel", "A", VM, "kvm, tcg or auto ($UVMCTL_ACCEL)" },
	{ OPT_VSOCK, "vsock", "V", VM, "vhost (the kernel's), user (the own backend) or auto" },
	{ OPT_KERNEL_ARGS, "kernel-args", "S", VM, "more arguments for the kernel" },
	{ OPT_BOOT_TIMEOUT, "boot-timeout", "S", VM, "seconds for the guest to come up (120)" },
	{ OPT_LOG, "log", "FILE", VERB_RUN, "append the console and the guest's log to FILE" },
	{ OPT_DEBUG, "debug", NULL, VM, "more in the guest's log" },
	{ OPT_HELP, "help", NULL, ~0u, "this" },
};

#define OPTION_COUNT (sizeof(table) / sizeof(table[0]))

/* The verb whose command line it is, for messages. */
static const char *verb_name;

/* What `up` takes as well is about the VM; the help of `run` would not fit a screen with it. */
static bool of_vm(size_t option)
{
	return (table[option].verbs & ~VERB_DOCTOR) == VM;
}

static void help(const struct verb *verb, FILE *to)
{
	fprintf(to, "usage: uvmctl %s [OPTION]... %s\n%s\n", verb->name, verb->operands, verb->summary);
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		char left[40];

		if (!(table[i].verbs & verb->bit) || (verb->bit == VERB_RUN && of_vm(i)))
			continue;
		snprintf(left, sizeof(left), "%s--%s%s%s", table[i].opt < 256 ? (char[]){ '-', (char)table[i].opt, ',', ' ', 0 } : "    ",
			 table[i].name, table[i].argument ? " " : "", table[i].argument ?: "");
		fprintf(to, "  %-26s%s\n", left, table[i].help);
	}
	if (verb->bit == VERB_RUN)
		fprintf(to, "and the VM's: uvmctl up --help\n");
}

static int wrong(const char *option, const char *value, const char *why)
{
	fprintf(stderr, "uvmctl: %s: %s %s: %s\n", verb_name, option, value, why);
	return -1;
}

static int number(const char *option, const char *text, uint32_t min, uint32_t max, unsigned int *to)
{
	const char *end = text;
	uint32_t n;

	if (!number_parse(&end, &n) || *end || n < min || n > max)
		return wrong(option, text, "not a number in range");
	*to = n;
	return 0;
}

/* A size with suffix K, M, G or T; without one it is in units of @unit bytes. */
static int size(const char *option, const char *text, uint64_t unit, uint64_t *to)
{
	const char *why = size_parse(text, unit, to);

	return why ? wrong(option, text, why) : 0;
}

/* A number of processors in thousandths; the kernel takes no less than a hundredth. */
static int processors(const char *option, const char *text, uint32_t *milli)
{
	char *end;
	double n = strtod(text, &end);

	if (end == text || *end || !(n >= 0.01 && n <= 1024))
		return wrong(option, text, "not a number from 0.01 to 1024");
	*milli = (uint32_t)(n * 1000 + 0.5);
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

static int parse_layers(const char *option, const char *text, enum layers *to)
{
	static const char *const names[3] = { [LAYERS_DEFAULT] = "", [LAYERS_SCSI] = "scsi", [LAYERS_PMEM] = "pmem" };
	int i = 0, ret = *text ? choice(option, text, names, &i) : wrong(option, text, "not one of its values");

	*to = (enum layers)i;
	return ret;
}

static int add_env(struct options *o, const char *text)
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

/* An option that may be given several times, to the first free place of @list. */
static int add_text(const char *option, const char **list, unsigned int max)
{
	unsigned int n = 0;

	while (list[n])
		n++;
	if (n == max)
		return wrong(option, optarg, "too many of them");
	list[n] = optarg;
	return 0;
}

int signal_by_name(const char *text)
{
	uint32_t n;

	if (*text >= '0' && *text <= '9')
		return number_parse(&text, &n) && !*text && n <= 31 ? (int)n : 0;
	if (!strncasecmp(text, "SIG", 3))
		text += 3;
	for (int i = 1; i <= 31; i++)
		if (!strcasecmp(text, sigabbrev_np(i) ?: ""))
			return i;
	return 0;
}

static int parse_signal(const char *text, int *to)
{
	*to = signal_by_name(text);
	return *to ? 0 : wrong("--signal", text, "no signal of this name or number");
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

static int parse_one(int opt, struct options *o)
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
	case OPT_TIMELINE:
		o->timeline = optarg;
		return 0;
	case OPT_PLOT:
		o->plot = optarg;
		return 0;
	case OPT_FOR:
		return number("--for", optarg, 1, 86400, &o->seconds);
	case 'o':
		o->output = optarg;
		return 0;
	case OPT_NO_KMOD:
		o->no_kmod = true;
		return 0;
	case OPT_SCRATCH:
		if (size("--scratch", optarg, 1, &o->scratch_size) < 0)
			return -1;
		return o->scratch_size >= 16ull << 20 ? 0 : wrong("--scratch", optarg, "less than 16 MiB");
	case 'm':
		if (size("--memory-limit", optarg, 1, &o->limits.memory) < 0)
			return -1;
		return o->limits.memory >= 4ull << 20 ? 0 : wrong("--memory-limit", optarg, "less than 4 MiB");
	case OPT_CPU_LIMIT:
		return processors("--cpu-limit", optarg, &o->limits.cpu_milli);
	case OPT_PIDS_LIMIT:
		return number("--pids-limit", optarg, 1, 4194304, &o->limits.pids);
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
	case OPT_IN:
		o->in = optarg;
		return 0;
	case OPT_POD:
		o->pod = optarg;
		return 0;
	case OPT_RO:
		o->read_only = true;
		return 0;
	case OPT_RAW:
		o->raw = true;
		return 0;
	case OPT_NET:
		o->net = true;
		return 0;
	case OPT_IP:
		o->net = true;
		o->address = optarg;
		return 0;
	case OPT_TIME:
		return number("--time", optarg, 0, 86400, &o->stop_s);
	case 'v':
		return add_text("-v", o->volumes, VOLUMES_MAX);
	case 'p':
		o->net = true;
		return add_text("-p", o->publish, PUBLISH_MAX);
	case OPT_NAME:
		o->name = optarg;
		return 0;
	case 'u':
		o->user = optarg;
		return 0;
	case OPT_ENTRYPOINT:
		o->entrypoint = optarg;
		return 0;
	case OPT_PLATFORM:
		o->image.platform = optarg;
		return 0;
	case OPT_MAX_SIZE:
		return size("--max-size", optarg, 1, &o->image.max_size);
	case OPT_LAYERS:
		return parse_layers("--layers", optarg, &o->layers);
	case OPT_VERITY:
		o->image.verity = true;
		return 0;
	case 'q':
		progress_quiet();
		return 0;
	case 'd':
		o->detach = true;
		return 0;
	case 'a':
		o->attach = true;
		return 0;
	case 's':
		return parse_signal(optarg, &o->signal);
	case 'f':
		o->force = o->follow = true;
		return 0;
	default:
		return -1; /* getopt has said what is wrong */
	}
}

/* Our table in getopt's form, as far as it is @verb's. */
static void getopt_table(const struct verb *verb, struct option *options, char *letters)
{
	*letters++ = '+'; /* what follows the first operand is the container's */
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (!(table[i].verbs & verb->bit))
			continue;
		*options++ = (struct option){ table[i].name, table[i].argument ? required_argument : no_argument, NULL, table[i].opt };
		if (table[i].opt > 255)
			continue;
		*letters++ = (char)table[i].opt;
		if (table[i].argument)
			*letters++ = ':';
	}
	*options = (struct option){ 0 };
	*letters = '\0';
}

static int check_operands(const struct verb *verb, const struct options *o)
{
	if (o->operand_count < verb->min_operands) {
		/* The first word of the operands names the first one. */
		fprintf(stderr, "uvmctl: %s: no %.*s given\n", verb->name, o->operand_count ? 8 : (int)strcspn(verb->operands, " ."),
			o->operand_count ? "COMMAND" : verb->operands);
		fprintf(stderr, "usage: uvmctl %s [OPTION]... %s\n       uvmctl %s --help\n", verb->name, verb->operands, verb->name);
		return -1;
	}
	if (verb->max_operands >= 0 && o->operand_count > verb->max_operands)
		return wrong("", o->operands[verb->max_operands], "one operand too many");
	return 0;
}

int options_parse(const struct verb *verb, int argc, char **argv, struct options *o)
{
	struct option options[OPTION_COUNT + 1];
	char letters[2 * OPTION_COUNT + 2];
	const char *accel = getenv("UVMCTL_ACCEL");
	char *absolute;
	int opt, ret;

	*o = (struct options){ .memory_mib = 1024, .log_fd = -1, .boot_timeout_s = 120, .signal = SIGTERM, .stop_s = 10,
			       .scratch_size = 1ull << 30 };
	verb_name = verb->name;
	if (accel && *accel && parse_accel("UVMCTL_ACCEL", accel, &o->accel) < 0)
		return -1;
	getopt_table(verb, options, letters);
	while ((opt = getopt_long(argc, argv, letters, options, NULL)) != -1) {
		if (opt == OPT_HELP) {
			help(verb, stdout);
			return 1;
		}
		ret = parse_one(opt, o);
		if (ret)
			return ret;
	}
	o->operands = argv + optind;
	o->operand_count = argc - optind;
	if (check_operands(verb, o) < 0)
		return -1;
	if (o->tty && o->interactive && !o->detach && (verb->bit & (VERB_RUN | VERB_EXEC)) && !isatty(STDIN_FILENO))
		return wrong("-it", "", "stdin is no terminal");
	if (verb->bit == VERB_RUN && !o->in && (o->detach || o->name || o->pod))
		return wrong(o->detach ? "--detach" : o->name ? "--name" : "--pod", "", "only with --in: a VM of its own ends with the container");
	if (verb->bit == VERB_RUN && o->in && o->timeline)
		return wrong("--timeline", o->timeline, "not with --in: `uvmctl timeline` draws that UVM's");
	if (o->json && (o->plot || o->seconds))
		return wrong(o->plot ? "--plot" : "--for", "", "not with --json, which tells once");
	if (verb->bit == VERB_RUN && o->debug && o->log_fd < 0) {
		o->log_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
		if (o->log_fd < 0)
			return wrong("--debug", "", strerror(errno));
	}
	if (!o->uvm_dir)
		o->uvm_dir = find_uvm();
	if (!o->uvm_dir)
		return wrong("--uvm", "", strerror(ENOMEM));
	/* A supervisor's working directory is another one. One that is not there is named as it was given. */
	absolute = realpath(o->uvm_dir, NULL);
	if (absolute) {
		free(o->uvm_dir);
		o->uvm_dir = absolute;
	}
	return 0;
}

void options_free(struct options *o)
{
	for (unsigned int i = 0; i < o->env_count; i++)
		free(o->env[i]);
	if (o->log_fd >= 0)
		close(o->log_fd);
	free(o->uvm_dir);
}
