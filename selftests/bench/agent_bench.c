// SPDX-License-Identifier: MIT
/*
 * agent_bench: what the agent adds to the runtime's own time, and how fast it answers what needs no runtime
 *
 * The host is the tests' (selftests/agent), in the same VM over vsock's loopback, as is the echo that the agent is compared with.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "bench.h"
#include "../agent/oci.h"

#define TRIPS 300
#define PARALLEL 10
#define IN_FLIGHT 10
#define ECHO_PORT 6000
#define CID "bench"

static struct host host;

/* CPU time of the agent's threads, those that have ended not counted, in ms. */
static double agent_cpu_ms(void)
{
	char command[128];
	double ms = 0;
	FILE *f;

	snprintf(command, sizeof(command), "cat /proc/%d/task/*/schedstat | awk '{ n += $1 } END { print n / 1000000 }'", (int)host.agent);
	f = popen(command, "re");
	if (!f || fscanf(f, "%lf", &ms) != 1)
		bench_die(command);
	pclose(f);
	return ms;
}

static int64_t exec_true(void)
{
	return oci_exec(&host, CID, "[\"true\"]", NULL, NULL, NULL);
}

/* The agent's exec, from the request to the answered wait; in ms. */
static double agent_exec(void)
{
	double start = bench_now();

	if (host_wait(&host, CID, exec_true()) != 0)
		bench_die("true");
	return (bench_now() - start) * 1e3;
}

/* The runtime's, which waits itself. */
static double runtime_exec(void)
{
	double start = bench_now();
	pid_t pid = fork();

	if (pid < 0)
		bench_die("fork");
	if (!pid) {
		execlp("crun", "crun", "exec", CID, "true", NULL);
		_exit(127);
	}
	bench_wait(pid);
	return (bench_now() - start) * 1e3;
}

static double parallel(void)
{
	double start = bench_now();
	uint64_t ids[PARALLEL], waits[PARALLEL];

	for (int i = 0; i < PARALLEL; i++)
		ids[i] = host_ask(&host, MSG_EXECUTE_PROCESS, CID,
				  ",\"Settings\":{\"ProcessParameters\":\"{\\\"OciProcess\\\":{\\\"user\\\":{\\\"uid\\\":0,\\\"gid\\\":0},"
				  "\\\"args\\\":[\\\"true\\\"],\\\"env\\\":[\\\"PATH=/bin\\\"],\\\"cwd\\\":\\\"/\\\"}}\"}");
	for (int i = 0; i < PARALLEL; i++) {
		int64_t pid = answer_number(host_answer(&host, ids[i]), "ProcessId");

		waits[i] = host_ask(&host, MSG_WAIT_FOR_PROCESS, CID, ",\"ProcessId\":%d,\"TimeoutInMs\":4294967295", (int)pid);
	}
	for (int i = 0; i < PARALLEL; i++)
		if (answer_number(host_answer(&host, waits[i]), "ExitCode") != 0)
			bench_die("true");
	return (bench_now() - start) * 1e3;
}

/* A container's life, without what is done to its layers. */
static double life(int number)
{
	double start, ms;
	char id[16], *spec;
	int64_t pid;

	snprintf(id, sizeof(id), "life%d", number);
	spec = oci_spec(id, "[\"true\"]");
	if (oci_combine(&host, id) != 0)
		bench_die("layers");
	start = bench_now();
	if (oci_create_spec(&host, id, spec) != 0)
		bench_die("create");
	pid = oci_start(&host, id, NULL, NULL, NULL);
	if (host_wait(&host, id, pid) != 0)
		bench_die("true");
	ms = (bench_now() - start) * 1e3;
	host_notified(&host, id, NULL);
	if (oci_delete(&host, id) != 0)
		bench_die("delete");
	free(spec);
	return ms;
}

/* --- what needs no runtime -------------------------------------------------------------------- */

#define QUERY "{\"ContainerId\":\"" CID "\",\"ActivityId\":\"" NULL_GUID "\",\"Query\":\"\"}\n"

/* More than the host remembers. */
static void receive(void)
{
	struct gcs_error err;
	struct frame f;

	if (frame_read(host.fd, FRAME_MAX_TO_HOST, &f, &err) <= 0 || !strstr(f.payload, "\"Properties\":\"{}\""))
		bench_die("GetProperties");
	free(f.payload);
}

static double query_us(void)
{
	static double us[TRIPS];

	for (int i = 0; i < TRIPS; i++) {
		double start = bench_now();

		host_send_frame(&host, MSG_GET_PROPERTIES, i, QUERY);
		receive();
		us[i] = (bench_now() - start) * 1e6;
	}
	return bench_median(us, TRIPS);
}

static double queries_a_second(void)
{
	double start = bench_now(), end = start + bench_ms / 1e3;
	int count = 0, open = 0;

	do {
		for (; open < IN_FLIGHT; open++)
			host_send_frame(&host, MSG_GET_PROPERTIES, open, QUERY);
		receive();
		open--;
		count++;
	} while (bench_now() < end);
	for (; open; open--, count++)
		receive();
	return count / (bench_now() - start);
}

/* Another process sends back what it gets. */
static int start_echo(pid_t *pid)
{
	struct sockaddr_vm addr = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = ECHO_PORT };
	int listener = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
	char c;

	if (listener < 0 || bind(listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(listener, 1) < 0)
		bench_die("listen for echoes");
	*pid = fork();
	if (*pid < 0)
		bench_die("fork");
	if (!*pid) {
		fd = accept(listener, NULL, NULL);
		while (read(fd, &c, 1) == 1 && write(fd, &c, 1) == 1)
			;
		_exit(0);
	}
	close(listener);
	fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	addr.svm_cid = VMADDR_CID_LOCAL;
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		bench_die("connect for echoes");
	return fd;
}

static double echo_us(int fd)
{
	static double us[TRIPS];
	char c = 'x';

	for (int i = 0; i < TRIPS; i++) {
		double start = bench_now();

		if (write(fd, &c, 1) != 1 || read(fd, &c, 1) != 1)
			bench_die("echo");
		us[i] = (bench_now() - start) * 1e6;
	}
	return bench_median(us, TRIPS);
}

/* A figure in ms or us, for people and scripts. */
static double tell(const char *what, const char *key, double *v)
{
	double median = bench_median(v, bench_rounds);

	printf("# %-46s %10.2f\n", what, median);
	printf("# json {\"bench\":\"agent\",\"%s\":%.2f}\n", key, median);
	return median;
}

int main(void)
{
	static double exec[BENCH_MAX_ROUNDS], own[BENCH_MAX_ROUNDS], cpu[BENCH_MAX_ROUNDS], many[BENCH_MAX_ROUNDS],
		lives[BENCH_MAX_ROUNDS], query[BENCH_MAX_ROUNDS], echo[BENCH_MAX_ROUNDS], rate[BENCH_MAX_ROUNDS];
	double exec_ratio, echo_ratio;
	int64_t init;
	pid_t pid;
	int fd;

	bench_start("agent_bench", 15, 1000);
	fd = start_echo(&pid);
	/* As the real host starts it: what is logged is not what is measured. */
	host_start(&host, true, (char *[]){ "-loglevel", "info", NULL });
	if (oci_create(&host, CID, "[\"sleep\",\"100000\"]") != 0)
		bench_die("create");
	init = oci_start(&host, CID, NULL, NULL, NULL);
	if (init <= 0)
		bench_die("start");
	/* The first round is for the caches. */
	for (int i = -1; i < bench_rounds; i++) {
		int r = i < 0 ? 0 : i;
		double before;

		own[r] = runtime_exec();
		before = agent_cpu_ms();
		exec[r] = agent_exec();
		cpu[r] = agent_cpu_ms() - before;
		many[r] = parallel();
		lives[r] = life(i + 1);
		echo[r] = echo_us(fd);
		query[r] = query_us();
		rate[r] = queries_a_second();
	}
	exec_ratio = bench_ratio(exec, own, bench_rounds);
	echo_ratio = bench_ratio(query, echo, bench_rounds);

	printf("# the agent: medians of %d rounds\n", bench_rounds);
	tell("exec of true by the runtime itself, ms", "runtime_exec_ms", own);
	bench_figure("exec of true: agent's CPU ms", tell("exec of true: CPU time of the agent, ms", "exec_cpu_ms", cpu));
	bench_figure("exec of true: ms", tell("exec of true, request to wait answered, ms", "exec_ms", exec));
	bench_figure("exec of true: agent / runtime itself", exec_ratio);
	bench_figure("10 execs at once: ms", tell("10 of them at once, ms", "parallel_ms", many));
	bench_figure("create to exit of true: ms", tell("create to exit of true, ms", "life_ms", lives));
	tell("echo of a byte over vsock, us", "echo_us", echo);
	tell("GetProperties, us", "query_us", query);
	bench_figure("GetProperties: agent / echo of a byte", echo_ratio);
	bench_figure("GetProperties, 10 in flight: a second", tell("GetProperties, 10 in flight, a second", "query_rate", rate));
	if (host_call(&host, MSG_SHUTDOWN_FORCED, CID, "%s", "") != 0 || host_wait(&host, CID, init) != 137)
		bench_die("end");
	host_notified(&host, CID, NULL);
	oci_delete(&host, CID);
	host_stop(&host);
	close(fd);
	bench_wait(pid);
	bench_end();
	return 0;
}
