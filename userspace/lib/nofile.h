/* SPDX-License-Identifier: MIT */
/* The limit of open files: raised for this program, given back to the programs that it starts. */
#ifndef GCS_NOFILE_H
#define GCS_NOFILE_H

/* Raise it as far as allowed, and remember what it was. */
void nofile_raise(void);

/* In a child between fork and exec: what the limit was before nofile_raise(). Async-signal-safe. */
void nofile_restore(void);

#endif
