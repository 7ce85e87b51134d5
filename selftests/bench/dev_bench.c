// SPDX-License-Identifier: MIT
/*
 * A disk that the host adds: how long after the end of its probe the agent has it, by gcs.ko and by the user-space engine
 *
 * The end of the probe is the kernel's own statement, the time stamp of sd's "Attached SCSI disk", which is the last thing
 * that its probe does. The kernel's log has a clock of its own: a line that the program writes there tells the difference.
 * Both ways are the agent's scsi_wait_node(), in a process of its own that waits before the disk comes.
 *
 * And a disk on a controller that tells of nothing: the time from the call until it is there, both ways and by
 * a scan of the whole bus.
 */
#include "event.h"
#include "module.h"
#include "storage/internal.h"

#include "bench.h"
#include "dev_test.h"

#define LUN	20
/* A scan of the whole bus takes seconds, and its time says little more when it is taken more often. */
#define SCANS	5

enum way { MODULE, USER, SCAN, WAYS };

static struct qmp qmp_port;
static struct gcs_nl events;

static void no_finished(const struct module_finished *f)
{
}

static void no_lost(uint64_t id, uint64_t kept)
{
}

static void no_missed(void)
{
}

/* A child that finds the disk with @way when it is told to, and says when it had it. */
static pid_t finder(enum way way, int controller, int *go, int *done)
{
	int to[2], from[2];
	pid_t pid;

	if (pipe(to) || pipe(from))
		bench_die("pipe");
	pid = fork();
	if (!pid) {
		struct gcs_error err = { 0 };
		char node[PATH_MAX], path[64];
		unsigned int host;
		double time;

		if (event_start(&err) || storage_init(&err) || (way == MODULE && module_init(no_finished, no_lost, no_missed, &err)) ||
		    scsi_host_number(controller, &host, &err))
			bench_die(err.text);
		if (write(from[1], &time, sizeof(time)) != sizeof(time) || read(to[0], &time, 1) != 1)
			_exit(1);
		if (way == SCAN) {
			int fd;

			snprintf(path, sizeof(path), "/sys/class/scsi_host/host%u/scan", host);
			fd = open(path, O_WRONLY);
			if (write(fd, "- - -", 5) != 5)
				bench_die("scan");
		}
		if (scsi_wait_node(controller, LUN, 0, node, &err))
			bench_die(err.text);
		time = bench_now();
		_exit(write(from[1], &time, sizeof(time)) != sizeof(time));
	}
	close(to[0]);
	close(from[1]);
	*go = to[1];
	*done = from[0];
	return pid;
}

static double take(int fd)
{
	double time;

	if (read(fd, &time, sizeof(time)) != sizeof(time))
		bench_die("a process that looks for a disk");
	return time;
}

/* The time stamp of the next line of the kernel's log that has @text. */
static double log_time(int log, const char *text)
{
	unsigned long long us;
	char line[2048];
	ssize_t n;

	while (wait_fd(log, POLLIN, DEV_MS)) {
		n = read(log, line, sizeof(line) - 1);
		/* EPIPE: lines were overwritten. */
		if (n < 0)
			continue;
		line[n] = '\0';
		if (strstr(line, text) && sscanf(line, "%*u,%*u,%llu", &us) == 1)
			return us / 1e6;
	}
	bench_die(text);
}

static void add_disk(const char *controller)
{
	if (qmp_add_disk(&qmp_port, "disk", controller, LUN, "bench"))
		bench_die("device_add");
}

static void remove_disk(void)
{
	struct dev_info info;

	if (qmp_remove(&qmp_port, "disk") || !dev_expect(&events, GCS_CMD_DEV_ADDED, GCS_BUS_SCSI, &info) ||
	    !dev_expect(&events, GCS_CMD_DEV_REMOVED, GCS_BUS_SCSI, &info))
		bench_die("device_del");
}

/* From the end of the probe until the waiter has the disk, in us. */
static double arrival(enum way way)
{
	int go, done, log = open("/dev/kmsg", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	static char question[64];
	double before, clock, probed, found;
	pid_t pid = finder(way, 0, &go, &done);

	take(done);
	/* A line that does not end is not shown before the next. */
	snprintf(question, sizeof(question), "dev_bench: what time is it, %d?\n", pid);
	before = bench_now();
	/* Not dprintf(), which would seek. */
	if (write(log, question, strlen(question)) < 0)
		bench_die("/dev/kmsg");
	clock = (before + bench_now()) / 2 - log_time(log, strtok(question, "\n"));
	if (write(go, "", 1) != 1 || !still_waits(pid))
		bench_die("the waiter");
	add_disk("scsi0");
	found = take(done);
	probed = clock + log_time(log, "Attached SCSI disk");
	bench_wait(pid);
	remove_disk();
	close(go);
	close(done);
	close(log);
	return (found - probed) * 1e6;
}

/* From the call until the disk is there, in us, on a controller that has told of nothing. */
static double scan(int dev, enum way way)
{
	pid_t pid;
	int go, done;
	double start;

	add_disk("scsi1");
	pid = finder(way, 1, &go, &done);
	take(done);
	start = bench_now();
	if (write(go, "", 1) != 1)
		bench_die("go");
	start = take(done) - start;
	bench_wait(pid);
	/* Nor would it tell of the removal. */
	if (dev_eject(dev, scsi_addr(1, LUN)))
		bench_die("eject");
	remove_disk();
	close(go);
	close(done);
	return start * 1e6;
}

int main(void)
{
	static double wait[WAYS][BENCH_MAX_ROUNDS], ask[WAYS][BENCH_MAX_ROUNDS];
	double median[2][WAYS], ratio, scan_ratio;
	int dev, scans;

	bench_start("dev_bench", 15, 200);
	dev = open("/dev/" GCS_DEVICE_NAME, O_RDWR | O_CLOEXEC);
	if (dev < 0 || !qmp_open(&qmp_port) || nl_open(&events, true) || qmp_null_node(&qmp_port, "bench", 8 * MIB, false))
		bench_die("a VM with --hotplug and gcs.ko");
	for (int r = -1; r < bench_rounds; r++)
		for (int k = 0; k < WAYS; k++) {
			enum way way = (k + r + 1) % WAYS;

			if (way == SCAN && (r < 0 || r >= SCANS))
				continue;
			if (way != SCAN)
				wait[way][r < 0 ? 0 : r] = arrival(way);
			ask[way][r < 0 ? 0 : r] = scan(dev, way);
		}

	scans = bench_rounds < SCANS ? bench_rounds : SCANS;
	/* Before the medians sort. */
	scan_ratio = bench_ratio(ask[MODULE], ask[SCAN], scans);
	ratio = bench_ratio(wait[MODULE], wait[USER], bench_rounds);
	for (enum way way = 0; way < WAYS; way++) {
		median[0][way] = way == SCAN ? 0 : bench_median(wait[way], bench_rounds);
		median[1][way] = bench_median(ask[way], way == SCAN ? scans : bench_rounds);
	}
	printf("# a disk that comes: us from the end of its probe until the waiter has it, medians of %d rounds\n", bench_rounds);
	printf("# %10s %10s %12s\n# %10.0f %10.0f %12.2f\n", "gcs.ko", "user", "gcs.ko/user", median[0][MODULE],
	       median[0][USER], ratio);
	printf("# a disk that needs a scan: us from the call until it is there, medians of %d rounds\n", bench_rounds);
	printf("# %10s %10s %12s\n# %10.0f %10.0f %12.0f\n", "gcs.ko", "user", "whole bus", median[1][MODULE],
	       median[1][USER], median[1][SCAN]);
	printf("# json {\"bench\":\"dev\",\"wait_us\":%.0f,\"wait_us_user\":%.0f,\"scan_us\":%.0f,\"scan_us_user\":%.0f,"
	       "\"scan_us_whole_bus\":%.0f}\n", median[0][MODULE], median[0][USER], median[1][MODULE], median[1][USER],
	       median[1][SCAN]);
	bench_figure("disk: us from the end of its probe to the waiter", median[0][MODULE]);
	bench_figure("disk: end of its probe to the waiter, gcs.ko / user", ratio);
	bench_figure("disk that needs a scan: gcs.ko / whole bus", scan_ratio);
	bench_end();
	return 0;
}
