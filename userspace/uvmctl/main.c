// SPDX-License-Identifier: MIT
/* uvmctl: the host's side of a UVM on Linux. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "image_verb.h"
#include "nofile.h"
#include "verbs.h"
#include "vsock_backend.h"

static const struct verb verbs[] = {
	{ "run", "IMAGE [COMMAND [ARG]...]", "a container in a VM of its own, or --in one", VERB_RUN, 1, -1,
	  verb_run },
	{ "up", "[UVM]", "start a UVM in the background", VERB_UP, 0, 1, verb_up },
	{ "down", "[UVM]", "end it", VERB_DOWN, 0, 1, verb_down },
	{ "ls", "", "list the UVMs that run", VERB_LS, 0, 0, verb_ls },
	{ "create", "IMAGE [COMMAND [ARG]...]", "create a container in a UVM", VERB_CREATE, 1, -1, verb_create },
	{ "start", "CONTAINER", "start it", VERB_START, 1, 1, verb_start },
	{ "attach", "CONTAINER [PID]", "at its streams, until Ctrl-P Ctrl-Q", VERB_ATTACH, 1, 2, verb_attach },
	{ "exec", "CONTAINER COMMAND [ARG]...", "run one more process in it", VERB_EXEC, 2, -1, verb_exec },
	{ "kill", "CONTAINER [PID]", "send a signal", VERB_KILL, 1, 2, verb_kill },
	{ "wait", "CONTAINER [PID]", "wait for its end, print its code", VERB_WAIT, 1, 2, verb_wait },
	{ "rm", "CONTAINER...", "remove containers", VERB_RM, 1, -1, verb_rm },
	{ "pod create", "POD IMAGE [COMMAND [ARG]...]", "start a pod, for containers with --pod", VERB_POD_CREATE, 2, -1, verb_pod_create },
	{ "pod rm", "POD", "end it", VERB_POD_RM, 1, 1, verb_pod_rm },
	{ "stop", "CONTAINER", "ask it to end, then kill it", VERB_STOP, 1, 1, verb_stop },
	{ "device add", "KIND SOURCE [PATH]", "plug in a disk or pmem FILE, a share DIRECTORY, a nic CONTAINER", VERB_DEVICE_ADD, 2, 3,
	  verb_device_add },
	{ "device rm", "DEVICE", "unplug it", VERB_DEVICE_RM, 1, 1, verb_device_rm },
	{ "device ls", "", "list what is plugged in, and who uses it", VERB_DEVICE_LS, 0, 0, verb_device_ls },
	{ "ps", "", "list containers and their execs", VERB_PS, 0, 0, verb_ps },
	{ "stats", "[CONTAINER]", "what they use", VERB_STATS, 0, 1, verb_stats },
	{ "logs", "", "what the guest says", VERB_LOGS, 0, 0, verb_logs },
	{ "events", "", "what has happened to containers, devices", VERB_EVENTS, 0, 0, verb_events },
	{ "timeline", "[UVM]", "its boot and what came after, as a picture", VERB_TIMELINE, 0, 1, verb_timeline },
	{ "doctor", "", "what is missing here, and how to get it", VERB_DOCTOR, 0, 0, verb_doctor },
};

#define VERB_COUNT (sizeof(verbs) / sizeof(verbs[0]))

/* Fits a screen of 24 lines with the prompt below; the verbs of two words are a line for each first one. */
static int usage(FILE *to, int code)
{
	fprintf(to, "usage: uvmctl VERB [OPTION]... [OPERAND]...; its options: uvmctl VERB --help\n");
	for (size_t i = 0; i < VERB_COUNT; i++)
		if (!strchr(verbs[i].name, ' '))
			fprintf(to, "  %-8s %-24s %s\n", verbs[i].name, verbs[i].operands, verbs[i].summary);
	fprintf(to, "  pod      ACTION POD               create, rm: containers with one network\n"
		    "  device   ACTION ...               add, rm, ls: disks, PMEM, shares, networks\n"
		    "  image    ACTION [IMAGE]...        load, inspect, ls, rm, prune: kept layers\n"
		    "  vsock-backend [--cid CID] SOCKET PREFIX\n");
	return code;
}

static int run_verb(const struct verb *verb, int argc, char **argv)
{
	struct options o;
	int ret = options_parse(verb, argc, argv, &o);

	ret = ret == 0 ? verb->run(&o) : ret > 0 ? 0 : EXIT_OWN;
	options_free(&o);
	return ret;
}

/* Some verbs have two words. How many there are, 0 if it is another verb. */
static int is_verb(const char *name, int argc, char **argv)
{
	const char *second = strchr(name, ' ');

	if (argc < 2 || (second && argc < 3))
		return 0;
	if (!second)
		return !strcmp(name, argv[1]);
	return !strncmp(name, argv[1], (size_t)(second - name)) && !argv[1][second - name] && !strcmp(second + 1, argv[2]) ? 2 : 0;
}

/* The verbs that begin with @word. Returns whether there are any. */
static bool first_word(const char *word, FILE *to)
{
	size_t length = strlen(word);
	bool found = false;

	for (size_t i = 0; i < VERB_COUNT; i++) {
		if (strncmp(verbs[i].name, word, length) || verbs[i].name[length] != ' ')
			continue;
		fprintf(to, "%s uvmctl %s [OPTION]... %s\n", found ? "      " : "usage:", verbs[i].name, verbs[i].operands);
		found = true;
	}
	return found;
}

int main(int argc, char **argv)
{
	int fd;

	/* Descriptors that we make must not be taken for standard streams. */
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
	nofile_raise();
	if (argc >= 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help")))
		return usage(stdout, 0);
	if (argc >= 2 && !strcmp(argv[1], "--version"))
		return puts("uvmctl " GCS_VERSION) < 0 ? EXIT_OWN : 0;
	if (argc >= 2 && !strcmp(argv[1], "vsock-backend"))
		return vsock_backend_verb(argc - 1, argv + 1);
	if (argc >= 2 && !strcmp(argv[1], "image"))
		return image_verb(argc - 1, argv + 1);
	for (size_t i = 0; i < VERB_COUNT; i++) {
		int words = is_verb(verbs[i].name, argc, argv);

		if (words)
			return run_verb(&verbs[i], argc - words, argv + words);
	}
	if (argc >= 2 && first_word(argv[1], argc > 2 && !strcmp(argv[2], "--help") ? stdout : stderr))
		return argc > 2 && !strcmp(argv[2], "--help") ? 0 : EXIT_OWN;
	if (argc >= 2)
		fprintf(stderr, "uvmctl: unknown verb '%s'\n", argv[1]);
	return usage(stderr, EXIT_OWN);
}
