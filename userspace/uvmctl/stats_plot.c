// SPDX-License-Identifier: MIT
/* The picture of `uvmctl stats --plot`: processor time and memory, a line for each container, drawn by gnuplot. */
#include "stats_plot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "cleanup.h"
#include "proc.h"

/* Taken in one piece, if the file takes it. */
#define PICTURE_MAX (1 << 30)

struct plot_series {
	char *name;
	char *text; /* of @rows: seconds, percent of a processor, MiB */
	size_t length;
	FILE *rows;
	double ms; /* when it was last seen, and what it had used by then */
	uint64_t cpu_ns;
};

static struct plot_series *series_of(struct plot *p, const char *name)
{
	struct plot_series *s;

	for (size_t i = 0; i < p->count; i++)
		if (!strcmp(p->series[i].name, name))
			return &p->series[i];
	s = reallocarray(p->series, p->count + 1, sizeof(*s));
	if (!s)
		return NULL;
	p->series = s;
	s += p->count;
	*s = (struct plot_series){ .name = strdup(name) };
	s->rows = s->name ? open_memstream(&s->text, &s->length) : NULL;
	if (!s->rows) {
		free(s->name);
		return NULL;
	}
	p->count++;
	return s;
}

double cpu_percent(uint64_t before_ns, uint64_t now_ns, double ms)
{
	return now_ns < before_ns ? -1 : (double)(now_ns - before_ns) / 1e4 / ms;
}

int plot_add(struct plot *p, const char *name, double ms, uint64_t cpu_ns, uint64_t memory, struct gcs_error *err)
{
	struct plot_series *s = series_of(p, name);
	double percent;

	if (!s)
		return gcs_fail(err, ENOMEM, HR_FAIL, "plot of %s", name);
	if (!p->start)
		p->start = ms;
	/* What it used is known from its second time on. */
	percent = s->ms ? cpu_percent(s->cpu_ns, cpu_ns, ms - s->ms) : -1;
	if (percent >= 0)
		fprintf(s->rows, "%.3f %.2f %.3f\n", (ms - p->start) / 1e3, percent, (double)memory / (1 << 20));
	s->ms = ms;
	s->cpu_ns = cpu_ns;
	return 0;
}

static void print_panel(const struct plot *p, FILE *to, const char *title, int column)
{
	fprintf(to, "set ylabel \"%s\"\nplot ", title);
	for (size_t i = 0; i < p->count; i++)
		fprintf(to, "%s$c%zu using 1:%d with lines linewidth 2 title \"%s\"", i ? ", " : "", i, column, p->series[i].name);
	fprintf(to, "\n");
}

/* Names of containers have no characters that mean something to gnuplot, once "_" does not. */
static int write_script(const struct plot *p, int fd)
{
	FILE *to = fdopen(fd, "w");

	if (!to) {
		close(fd);
		return -1;
	}
	for (size_t i = 0; i < p->count; i++) {
		fflush(p->series[i].rows);
		fprintf(to, "$c%zu << END\n%sEND\n", i, p->series[i].length ? p->series[i].text : "0 0 0\n");
	}
	fprintf(to, "set terminal svg noenhanced size 1000,700 background \"white\"\nset multiplot layout 2,1\nset yrange [0:*]\n"
		    "set xrange [0:*]\nset grid\nset xlabel \"seconds\"\n");
	print_panel(p, to, "% of a processor", 2);
	print_panel(p, to, "memory, MiB", 3);
	return fclose(to);
}

static int write_picture(int from, const char *path, struct gcs_error *err)
{
	_cleanup_close_ int to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	off_t at = 0;
	ssize_t n;

	if (to < 0)
		return gcs_fail(err, errno, HR_FAIL, "plot %s", path);
	while ((n = sendfile(to, from, &at, PICTURE_MAX)) > 0)
		;
	if (n < 0)
		return gcs_fail(err, errno, HR_FAIL, "plot %s: write", path);
	return 0;
}

int plot_draw(const struct plot *p, const char *path, struct gcs_error *err)
{
	static char *const argv[] = { "gnuplot", NULL };
	_cleanup_close_ int script = memfd_create("plot", MFD_CLOEXEC), picture = memfd_create("picture", MFD_CLOEXEC);
	int copy = script < 0 ? -1 : fcntl(script, F_DUPFD_CLOEXEC, 0);
	struct proc gnuplot = PROC_INIT;

	if (!p->count) {
		close(copy);
		return gcs_fail(err, 0, HR_FAIL, "plot %s: no container has run meanwhile", path);
	}
	if (copy < 0 || picture < 0 || write_script(p, copy) < 0 || lseek(script, 0, SEEK_SET) < 0)
		return gcs_fail(err, errno, HR_FAIL, "plot %s: make it", path);
	gnuplot.argv = argv;
	gnuplot.fds[0] = script;
	gnuplot.fds[1] = picture;
	if (proc_run(&gnuplot, err) < 0)
		return gcs_fail_prefix(err, "plot %s%s", path, err->err == ENOENT ? ": apt-get install gnuplot-nox" : "");
	return write_picture(picture, path, err);
}

void plot_free(struct plot *p)
{
	for (size_t i = 0; i < p->count; i++) {
		fclose(p->series[i].rows);
		free(p->series[i].text);
		free(p->series[i].name);
	}
	free(p->series);
}
