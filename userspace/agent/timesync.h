/* SPDX-License-Identifier: MIT */
/* The host's time, by chronyd (boot-and-image.md section 6). */
#ifndef GCS_TIMESYNC_H
#define GCS_TIMESYNC_H

#include "error.h"

/*
 * Run chronyd on the clock that the host gives as a PTP device; its driver may come later. A UVM without clock or chronyd keeps time by
 * itself. After event_start() and reap_init().
 */
int timesync_start(struct gcs_error *err);

#endif
