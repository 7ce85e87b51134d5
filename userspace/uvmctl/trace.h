/* SPDX-License-Identifier: MIT */
/* What this process's UVM has done and when, for `uvmctl timeline`: kept as it happens, put on one axis when it is asked for. */
#ifndef UVMCTL_TRACE_H
#define UVMCTL_TRACE_H

struct json_object;

/* The rows of the picture. */
enum trace_lane { LANE_HOST = 1, LANE_KERNEL, LANE_INIT, LANE_AGENT, LANE_CONTAINER, LANE_END };

/* QEMU is about to be started: the beginning of time. What was before it is forgotten. */
void trace_start(void);

/* The host has seen @name now, or from @begin (timing_now()) until now. From any thread. */
void trace_mark(enum trace_lane lane, const char *name);
void trace_host(enum trace_lane lane, const char *name, double begin);

/* A span's id, for the guest to be told: 16 digits. */
void trace_new_id(char id[17]);

/* As trace_host(), for a request that the guest has answered: its own span has @id as its parent. */
void trace_request(enum trace_lane lane, const char *name, const char *id, double begin);

/* A line of the guest's log: the agent's spans, and its start by both of its clocks. */
void trace_log_line(const char *line);

/* All of it in Chrome's trace format, in microseconds since trace_start(); @dmesg are the guest kernel's lines. */
struct json_object *trace_json(const char *dmesg);

#endif
