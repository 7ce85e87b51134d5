/* SPDX-License-Identifier: MIT */
/* The verbs: each returns the exit code of uvmctl. */
#ifndef UVMCTL_VERBS_H
#define UVMCTL_VERBS_H

#include <json-c/json_object.h>

#include "options.h"

int verb_run(struct options *o);

/* verb_up.c */
int verb_up(struct options *o);
int verb_down(struct options *o);
int verb_ls(struct options *o);

/* verb_container.c */
int verb_create(struct options *o);
int verb_rm(struct options *o);
int verb_ps(struct options *o);
/* Create one of o's image and command, @sandbox: for a pod of its own, to be removed or not when who is attached to it has its exit code. -1 with @err. */
int container_create(const struct options *o, bool remove, bool sandbox, struct json_object **answer, struct gcs_error *err);

/* verb_process.c */
int verb_run_in(struct options *o);
int verb_start(struct options *o);
int verb_attach(struct options *o);
int verb_exec(struct options *o);
int verb_kill(struct options *o);
int verb_wait(struct options *o);
int verb_stop(struct options *o);

/* verb_pod.c */
int verb_pod_create(struct options *o);
int verb_pod_rm(struct options *o);

/* verb_device.c */
int verb_device_add(struct options *o);
int verb_device_rm(struct options *o);
int verb_device_ls(struct options *o);

/* verb_logs.c */
int verb_logs(struct options *o);
int verb_events(struct options *o);

/* verb_stats.c */
int verb_stats(struct options *o);

/* verb_timeline.c */
int verb_timeline(struct options *o);

/* verb_doctor.c */
int verb_doctor(struct options *o);

/* Print what went wrong, as JSON if @json. Returns the exit code for it, which a container's missing command has one of its own. */
int verb_failed(const struct gcs_error *err, bool json);

/* What a failed Create or exec means for the exit code: the OCI runtime says it in words only. */
int exit_code_of(const struct gcs_error *err);

#endif
