/* SPDX-License-Identifier: MIT */
/* The bytes of an image: files of a directory or members of a tar, checked by their digests, read as archives. */
#ifndef UVMCTL_BLOB_H
#define UVMCTL_BLOB_H

#include <stdbool.h>
#include <stdint.h>

#include <sha2.h>

#include "layer_tree.h"

#define DIGEST_PREFIX "sha256:"
#define DIGEST_LENGTH (sizeof(DIGEST_PREFIX) - 1 + SHA256_DIGEST_STRING_LENGTH - 1)

/* Where blobs are. */
struct store {
	int fd;			 /* a directory, or a tar */
	struct layer_tree index; /* of the tar; of a directory: no root */
};

struct blob {
	int fd;		       /* a file, or -1 */
	struct archive *outer; /* stands at the member; NULL: a file */
	SHA2_CTX hash;
	uint64_t size, taken;
	const char *name;
	char error[160]; /* of reading */
	char buffer[65536];
};

/* Returns 0, or -1 with @err: err->err is ENOENT if there is no such blob. @name stays the caller's. */
int blob_open(struct blob *blob, const struct store *store, const char *name, struct gcs_error *err);
void blob_close(struct blob *blob);

/* A digest as it stands in documents: sha256 and 64 digits. */
bool digest_valid(const char *digest);
/* An error unless @digest, in which @hash ends, is @expected, the digest of @what. */
int digest_check(SHA2_CTX *hash, const char *expected, const char *what, struct gcs_error *err);

/* The whole blob, a document: malloc'd, with a NUL behind it. @digest NULL: not checked. NULL with @err. */
char *blob_text(const struct store *store, const char *name, const char *digest, size_t *length, struct gcs_error *err);

/*
 * A layer as an archive. What is read through it counts for two digests, of the blob and of what is in it when it is not compressed
 * any more.
 */
struct layer_stream {
	struct blob blob;
	struct archive *plain, *tar;
	SHA2_CTX hash;
	char buffer[65536];
};

int layer_stream_open(struct layer_stream *s, const struct store *store, const char *name, struct gcs_error *err);
/* Read what is behind the archive's end, and check both digests; NULL: that one is not known. */
int layer_stream_finish(struct layer_stream *s, const char *blob_digest, const char *diff_id, struct gcs_error *err);
void layer_stream_close(struct layer_stream *s);

/* @fd, a tar of any compression, as an archive; it stays the caller's and is read from its begin. NULL with @err. */
struct archive *archive_open(int fd, struct gcs_error *err);

/* A descriptor of the same file with a position of its own. */
int reopen(int fd, int flags, struct gcs_error *err);

#endif
