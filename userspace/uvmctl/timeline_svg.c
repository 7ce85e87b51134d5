// SPDX-License-Identifier: MIT
/* A trace as a picture: the boot and what came after it, each with its own scale; a lane for each who has done something. */
#include <math.h>
#include <string.h>

#include "jsonset.h"
#include "timeline.h"
#include "trace.h"

#define WIDTH 1200
#define LEFT 90
#define RIGHT 30
#define ROW 20
#define BAR 16
#define ROWS_MAX 16
#define LABEL_MAX 40 /* characters; the tooltip has the rest */
#define LETTER 6.2 /* of 11 px, on average */

struct part {
	const char *title;
	double from, to; /* us */
	FILE *out; /* NULL: only measure */
	double y;
};

static const char style[] =
	"<style>svg{font:11px sans-serif;--back:#fff;--text:#222;--grid:#ddd;--band:#f5f6f8;--l1:#4c78a8;--l2:#8e6bb5;--l3:#d1852b;--l4:#3a923a;"
	"--l5:#c44e52}@media(prefers-color-scheme:dark){svg{--back:#16181d;--text:#ddd;--grid:#363a42;--band:#1d2027;--l1:#5b93cf;--l2:#a784d4;"
	"--l3:#e0993f;--l4:#55ad55;--l5:#dd6b70}}text{fill:var(--text)}.in{fill:#fff}.h{font-size:14px;font-weight:bold}.a{opacity:.7}"
	".g{stroke:var(--grid)}.b{fill:var(--band)}"
	".l1{fill:var(--l1)}.l2{fill:var(--l2)}.l3{fill:var(--l3)}.l4{fill:var(--l4)}.l5{fill:var(--l5)}</style>\n";

/* At most @length characters; XML has no control characters. */
static void print_text(FILE *to, const char *text, int length)
{
	for (; *text && length--; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '<' || c == '>' || c == '&')
			fprintf(to, "&#%u;", c);
		else
			fputc(c < ' ' || c > '~' ? '?' : c, to);
	}
}

static double x_of(const struct part *p, double us)
{
	return LEFT + (us - p->from) / (p->to - p->from) * (WIDTH - LEFT - RIGHT);
}

/* Where a name is: in its bar, beside it, or, for the kernel's single lines, only in the tooltip. */
struct place {
	double x, w; /* of the bar */
	enum { INSIDE, BEHIND, BEFORE, NOWHERE } where;
	double from, to; /* of both */
};

static struct place place(const struct part *p, const char *name, double begin, double end, bool line)
{
	size_t length = strlen(name);
	double room = (double)(length < LABEL_MAX ? length : LABEL_MAX) * LETTER + 8;
	struct place at = { .x = x_of(p, fmax(begin, p->from)) };

	at.w = fmax(x_of(p, fmin(end, p->to)) - at.x, line ? 0.6 : 2);
	at.where = line ? NOWHERE : at.w >= room ? INSIDE : at.x + at.w + room < WIDTH - RIGHT ? BEHIND : BEFORE;
	at.from = at.where == BEFORE ? at.x - room : at.x;
	at.to = at.x + at.w + (at.where == BEHIND ? room : 2);
	return at;
}

static void draw(const struct part *p, struct json_object *event, double y, const struct place *at)
{
	static const char *const attributes[] = { [INSIDE] = "class=\"in\"", [BEHIND] = "", [BEFORE] = "text-anchor=\"end\"" };
	double ts = (double)get_number(event, "ts"), dur = (double)get_number(event, "dur");
	const double x[] = { [INSIDE] = at->x + 4, [BEHIND] = at->x + at->w + 3, [BEFORE] = at->x - 3 };
	const char *name = get_string(event, "name");

	fprintf(p->out, "<g><title>");
	print_text(p->out, name, -1);
	fprintf(p->out, "\nat %.3f ms", ts / 1e3);
	if (dur > 0)
		fprintf(p->out, ", for %.3f ms", dur / 1e3);
	fprintf(p->out, "</title><rect class=\"l%d\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" rx=\"%s\"/>", (int)get_number(event, "tid"),
		at->x, y, at->w, BAR, at->w > 4 ? "2" : "0");
	if (at->where != NOWHERE) {
		fprintf(p->out, "<text %s x=\"%.1f\" y=\"%.1f\">", attributes[at->where], x[at->where], y + 12);
		print_text(p->out, name, LABEL_MAX);
		fprintf(p->out, "</text>");
	}
	fprintf(p->out, "</g>\n");
}

/* The events of a lane, each in the first row that has room for it and its name. Returns the number of rows. */
static int draw_lane(const struct part *p, struct json_object *events, int lane)
{
	double ends[ROWS_MAX] = { 0 };
	int rows = 0;

	for (size_t i = 0; i < json_object_array_length(events); i++) {
		struct json_object *event = json_object_array_get_idx(events, i);
		double begin = (double)get_number(event, "ts"), end = begin + (double)get_number(event, "dur");
		const char *ph = get_string(event, "ph");
		/* One line of the kernel's is one of hundreds. They have the first row. */
		bool line = *ph == 'i' && lane == LANE_KERNEL;
		int row = lane == LANE_KERNEL && !line;
		struct place at;

		if (get_number(event, "tid") != lane || *ph == 'M' || end < p->from || begin >= p->to)
			continue;
		at = place(p, get_string(event, "name"), begin, end, line);
		while (!line && row < ROWS_MAX - 1 && ends[row] > at.from)
			row++;
		ends[row] = at.to;
		rows = row + 1 > rows ? row + 1 : rows;
		if (p->out)
			draw(p, event, p->y + row * ROW + 2, &at);
	}
	return rows;
}

static void draw_axis(const struct part *p, double bottom)
{
	double step = pow(10, floor(log10((p->to - p->from) / 5)));

	while ((p->to - p->from) / step > 12)
		step *= (p->to - p->from) / step > 24 ? 5 : 2;
	for (double us = ceil(p->from / step) * step; us <= p->to; us += step)
		fprintf(p->out, "<path class=\"g\" d=\"M%.1f %.1fV%.1f\"/><text class=\"a\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%.6g ms</text>\n",
			x_of(p, us), p->y, bottom, x_of(p, us), p->y - 5, us / 1e3);
}

/* Returns where it ends. */
static double draw_part(struct part p, struct json_object *events)
{
	static const char *const names[LANE_END] = { [LANE_HOST] = "host", [LANE_KERNEL] = "kernel", [LANE_INIT] = "init",
						     [LANE_AGENT] = "agent", [LANE_CONTAINER] = "container" };
	struct part measure = p;
	int rows[LANE_END], all = 0, lanes = 0;
	double top = p.y + 40;

	measure.out = NULL;
	for (int lane = LANE_HOST; lane < LANE_END; lane++) {
		rows[lane] = draw_lane(&measure, events, lane);
		all += rows[lane];
		lanes += rows[lane] > 0;
	}
	if (!p.out)
		return top + all * ROW + lanes * 6 + 10;
	fprintf(p.out, "<text class=\"h\" x=\"10\" y=\"%.1f\">%s</text>\n", p.y + 18, p.title);
	p.y = top;
	draw_axis(&p, top + all * ROW + lanes * 6);
	for (int lane = LANE_HOST; lane < LANE_END; lane++) {
		if (!rows[lane])
			continue;
		fprintf(p.out, "<rect class=\"b\" x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%d\" opacity=\".5\"/><text x=\"10\" y=\"%.1f\">%s</text>\n",
			LEFT, p.y, WIDTH - LEFT - RIGHT, rows[lane] * ROW, p.y + 14, names[lane]);
		draw_lane(&p, events, lane);
		p.y += rows[lane] * ROW + 6;
	}
	return p.y + 10;
}

/* From the start to the answer to the first request, and to the end. */
static void spans_of(struct json_object *events, double *boot, double *all)
{
	*boot = *all = 0;
	for (size_t i = 0; i < json_object_array_length(events); i++) {
		struct json_object *event = json_object_array_get_idx(events, i);
		double end = (double)(get_number(event, "ts") + get_number(event, "dur"));

		if (get_number(event, "tid") == LANE_HOST && !strcmp(get_string(event, "name") ?: "", "NegotiateProtocol"))
			*boot = fmax(*boot, end);
		*all = fmax(*all, end);
	}
}

void timeline_svg(struct json_object *trace, FILE *to)
{
	struct json_object *events = get_array(trace, "traceEvents"), *other = NULL;
	double boot, all, height;

	spans_of(events, &boot, &all);
	struct part first = { .title = "Boot", .from = 0, .to = fmax(boot, 1) };
	struct part second = { .title = "After it", .from = first.to, .to = all * 1.005 };
	bool more = second.to > second.from;

	height = draw_part(first, events);
	second.y = height;
	if (more)
		height = draw_part(second, events);
	fprintf(to, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %.0f\">\n%s<rect width=\"100%%\" height=\"100%%\" fill=\"var(--back)\"/>\n",
		WIDTH, height + 20, style);
	first.out = second.out = to;
	draw_part(first, events);
	if (more)
		draw_part(second, events);
	if (json_object_object_get_ex(trace, "otherData", &other))
		fprintf(to, "<text class=\"a\" x=\"10\" y=\"%.0f\">Times since QEMU's start, by the host's clock; the guest's are put on it to within %.2f ms.</text>\n",
			height + 8, (double)get_number(other, "clock_error_us") / 1e3);
	fprintf(to, "</svg>\n");
}
