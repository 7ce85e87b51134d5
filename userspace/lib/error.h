/* SPDX-License-Identifier: MIT */
/* Errors: an errno, an HRESULT for the host, and a sentence that names the object and the step. */
#ifndef GCS_ERROR_H
#define GCS_ERROR_H

#include <stdint.h>

/* HRESULTs, bridge.md section 7. */
#define HR_OK 0u
#define HR_NOTIMPL 0x80004001u
#define HR_FAIL 0x80004005u
#define HR_INVALID_ARG 0x80070057u
#define HR_NOT_FOUND 0x80070490u	  /* unknown process; the host reads it in a wait as exit code 0 */
#define HR_INVALID_STATE 0xC0370105u	  /* the value that the host acts on, not the reference's 0x80370105 */
#define HR_TIMEOUT 0xC0370109u
#define HR_UNSUPPORTED_VERSION 0xC037010Cu
#define HR_INVALID_JSON 0xC037010Du
#define HR_SYSTEM_NOT_FOUND 0xC037010Eu
#define HR_SYSTEM_EXISTS 0xC037010Fu
#define HR_ALREADY_STOPPED 0xC0370110u

#define GCS_ERROR_TEXT_MAX 1024

struct gcs_error {
	int err;	 /* errno, 0 if the failure has none */
	uint32_t hr;	 /* HR_*, never HR_OK once set */
	char text[GCS_ERROR_TEXT_MAX];
};

/*
 * Fill in @err (may be NULL) and return -1, so that a failing function ends in
 * `return gcs_fail(err, errno, HR_FAIL, "layer %s: open %s", id, path);`. With a non-zero
 * @errnum ": " and its text are appended. The text is cut at GCS_ERROR_TEXT_MAX.
 */
int gcs_fail(struct gcs_error *err, int errnum, uint32_t hr, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Put "<what>: " before the text of an error that a callee has set; returns -1. */
int gcs_fail_prefix(struct gcs_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
