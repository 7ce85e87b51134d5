// SPDX-License-Identifier: MIT
/*
 * tty_bench: a process's terminal by gcs.ko and by the agent's user-space engine
 *
 * The same agent code, in a process of its own, with either engine: it has the pty's master and the connections, the process
 * has the slave. Measured are what the process's output carries to the host, how long a byte takes from the host through
 * `cat` and back, and what the whole VM computes meanwhile (/proc/stat), which includes what is common to both: the
 * process, the pty and the connection.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "bench.h"
#include "event.h"
#include "stdio/stdio.h"

#define TRIPS 500

enum mode { RELAY, KMOD, MODES };

static const size_t sizes[] = { 65536, 4096, 64 };

#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

struct result {
	double mb_s;
	double cpu_ms; /* of the whole VM, for 16 MiB */
};

struct trip {
	double us;
	double cpu_ms; /* of the whole VM, for 1000 round trips */
};

/* What the VM's processors have done since its start, in ms. */
static double vm_cpu_ms(void)
{
	unsigned long long user, nice, system, idle, wait, irq, softirq;
	FILE *f = fopen("/proc/stat", "re");

	if (!f || fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &wait, &irq, &softirq) != 7)
		bench_die("/proc/stat");
	fclose(f);
	return (user + nice + system + irq + softirq) * 1e3 / sysconf(_SC_CLK_TCK);
}

static int open_pty(int *slave, bool raw)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios t;

	if (master < 0 || unlockpt(master))
		bench_die("pty");
	*slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (*slave < 0 || tcgetattr(*slave, &t))
		bench_die("pty");
	if (raw)
		cfmakeraw(&t);
	tcsetattr(*slave, TCSANOW, &t);
	return master;
}

static int agent_done[2];

static void on_done(void *arg)
{
	(void)arg;
	if (write(agent_done[1], "", 1) != 1)
		_exit(1);
}

/* The agent with a terminal, until its process has ended and the host has everything. Does not return. */
static void agent(enum mode mode, int master, int in, int out, int process_ended)
{
	int sockets[3] = { in, out, -1 };
	struct gcs_error err;
	struct stdio *tty;
	char c;

	if (pipe2(agent_done, O_CLOEXEC) || event_start(&err) || stdio_init(mode == KMOD, &err))
		_exit(1);
	tty = stdio_new_tty(master, &err);
	if (!tty || stdio_attach(tty, sockets, &err))
		_exit(1);
	close(master);
	/* End of file: the process, and whoever started it, have closed the other end. */
	if (read(process_ended, &c, 1))
		_exit(1);
	stdio_finish(tty, 0, on_done, NULL);
	_exit(read(agent_done[0], &c, 1) != 1);
}

static pid_t start_agent(enum mode mode, int master, int in, int out, int ended[2], int slave)
{
	pid_t pid = fork();

	if (pid < 0)
		bench_die("fork");
	if (!pid) {
		close(slave);
		close(ended[1]);
		agent(mode, master, in, out, ended[0]);
	}
	close(master);
	close(ended[0]);
	return pid;
}

/* The process whose terminal it is. Does not return. */
static void writer(int fd, size_t size, int report)
{
	static char buf[65536];

	/* Lines of 80. */
	memset(buf, 'x', sizeof(buf));
	for (size_t i = 79; i < sizeof(buf); i += 80)
		buf[i] = '\n';
	bench_write(fd, buf, size, report);
}

static struct result output(enum mode mode, size_t size)
{
	int sock = bench_dial(BENCH_SINK);
	int report[2], ended[2], slave;
	int master = open_pty(&slave, false);
	double start, cpu;
	struct result result;
	pid_t pid, process;
	uint64_t bytes;

	if (pipe2(report, O_CLOEXEC) || pipe2(ended, O_CLOEXEC))
		bench_die("pipe");
	pid = start_agent(mode, master, -1, dup(sock), ended, slave);
	start = bench_now();
	cpu = vm_cpu_ms();
	process = fork();
	if (process < 0)
		bench_die("fork");
	if (!process)
		writer(slave, size, report[1]);
	close(slave);
	if (read(report[0], &bytes, sizeof(bytes)) != sizeof(bytes))
		bench_die("the writer's report");
	close(ended[1]);
	bench_wait_eof(sock);
	result.mb_s = bytes / 1e6 / (bench_now() - start);
	result.cpu_ms = (vm_cpu_ms() - cpu) * (16 << 20) / bytes;
	bench_wait(process);
	close(sock);
	bench_wait(pid);
	close(report[0]);
	close(report[1]);
	return result;
}

static struct trip echo(enum mode mode)
{
	int sock[3], ended[2], slave;
	int master = open_pty(&slave, true);
	struct trip trip = { 0 };
	pid_t pid, process;
	double cpu;

	for (int i = 0; i < 3; i++)
		sock[i] = bench_dial(BENCH_ECHO);
	if (pipe2(ended, O_CLOEXEC))
		bench_die("pipe");
	pid = start_agent(mode, master, sock[0], sock[1], ended, slave);
	close(sock[0]);
	close(sock[1]);
	process = fork();
	if (process < 0)
		bench_die("fork");
	if (!process) {
		dup2(slave, STDIN_FILENO);
		dup2(slave, STDOUT_FILENO);
		execlp("cat", "cat", NULL);
		_exit(127);
	}
	close(slave);
	cpu = vm_cpu_ms();
	trip.us = bench_echoes(sock[2], TRIPS, 1);
	trip.cpu_ms = (vm_cpu_ms() - cpu) * 1000 / TRIPS;
	/* A terminal's end of input is nothing that the host's half-close means. */
	kill(process, SIGKILL);
	waitpid(process, NULL, 0);
	close(ended[1]);
	bench_wait_eof(sock[2]);
	bench_wait(pid);
	close(sock[2]);
	return trip;
}

static double mb_s[SIZES][MODES][BENCH_MAX_ROUNDS], cpu[SIZES][MODES][BENCH_MAX_ROUNDS];
static double us[MODES][BENCH_MAX_ROUNDS], echo_cpu[MODES][BENCH_MAX_ROUNDS];

/* Before a median sorts them. */
static void report_output(size_t i)
{
	double ratio = bench_ratio(mb_s[i][KMOD], mb_s[i][RELAY], bench_rounds);
	double cpu_ratio = bench_ratio(cpu[i][KMOD], cpu[i][RELAY], bench_rounds);
	double user = bench_median(mb_s[i][RELAY], bench_rounds), kmod = bench_median(mb_s[i][KMOD], bench_rounds);
	double user_cpu = bench_median(cpu[i][RELAY], bench_rounds), kmod_cpu = bench_median(cpu[i][KMOD], bench_rounds);
	char what[80];

	printf("# %9zu %8.1f %8.1f %12.2f %14.0f %8.0f %12.2f\n", sizes[i], user, kmod, ratio, user_cpu, kmod_cpu, cpu_ratio);
	printf("# json {\"bench\":\"tty\",\"write\":%zu,\"user_mb_s\":%.2f,\"kmod_mb_s\":%.2f,\"user_vm_cpu_ms_16mib\":%.1f,"
	       "\"kmod_vm_cpu_ms_16mib\":%.1f}\n", sizes[i], user, kmod, user_cpu, kmod_cpu);
	snprintf(what, sizeof(what), "terminal, writes of %zu: kmod / user-space engine", sizes[i]);
	bench_figure(what, ratio);
	snprintf(what, sizeof(what), "terminal, writes of %zu: CPU of the VM, kmod / user", sizes[i]);
	bench_figure(what, cpu_ratio);
}

int main(void)
{
	double ratio, cpu_ratio, user, kmod, cpu_sum[MODES] = { 0 };

	bench_start("tty_bench", 7, 500);
	for (int r = -1; r < bench_rounds; r++) {
		int at = r < 0 ? 0 : r;

		for (int m = 0; m < MODES; m++) {
			for (size_t i = 0; i < SIZES; i++) {
				struct result result = output(m, sizes[i]);

				mb_s[i][m][at] = result.mb_s;
				cpu[i][m][at] = result.cpu_ms;
			}
			struct trip trip = echo(m);

			us[m][at] = trip.us;
			echo_cpu[m][at] = trip.cpu_ms;
		}
	}

	printf("# terminal output: MB/s, and CPU ms of the whole VM for 16 MiB; medians of %d rounds of %d ms\n", bench_rounds,
	       bench_ms);
	printf("# %9s %8s %8s %12s %14s %8s %12s\n", "write", "user", "kmod", "kmod/user", "user CPU", "kmod", "kmod/user");
	for (size_t i = 0; i < SIZES; i++)
		report_output(i);

	ratio = bench_ratio(us[KMOD], us[RELAY], bench_rounds);
	/* One round is a few ticks of the kernel's clock. */
	for (int m = 0; m < MODES; m++)
		for (int r = 0; r < bench_rounds; r++)
			cpu_sum[m] += echo_cpu[m][r];
	cpu_ratio = cpu_sum[KMOD] / cpu_sum[RELAY];
	user = bench_median(us[RELAY], bench_rounds);
	kmod = bench_median(us[KMOD], bench_rounds);
	printf("# terminal, a byte through cat and back: us, medians of %d rounds of %d\n", bench_rounds, TRIPS);
	printf("# %8s %8s %12s %12s\n# %8.0f %8.0f %12.2f %12.2f\n", "user", "kmod", "kmod/user", "CPU", user, kmod, ratio,
	       cpu_ratio);
	printf("# json {\"bench\":\"tty_echo\",\"user_us\":%.1f,\"kmod_us\":%.1f,\"vm_cpu_ratio\":%.3f}\n", user, kmod, cpu_ratio);
	bench_figure("terminal, echo of a byte: kmod / user-space engine", ratio);
	bench_figure("terminal, echo of a byte: CPU of the VM, kmod / user", cpu_ratio);
	bench_end();
	return 0;
}
