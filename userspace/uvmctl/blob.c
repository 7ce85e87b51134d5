// SPDX-License-Identifier: MIT
/* The bytes of an image. */
#include "blob.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs.h"
#include "progress.h"

#define TEXT_MAX (4 << 20) /* what OCI asks registries to take */
#define BEHIND_MAX (64 << 20) /* bytes; tar fills up to some kilobytes */
#define READ_SIZE 65536

int reopen(int fd, int flags, struct gcs_error *err)
{
	char path[32];
	int ret;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ret = open(path, flags | O_CLOEXEC);
	return ret < 0 ? gcs_fail(err, errno, HR_FAIL, "open it again") : ret;
}

static int archive_fail(struct archive *a, struct gcs_error *err)
{
	return gcs_fail(err, 0, HR_FAIL, "read the tar: %s", archive_error_string(a) ?: "out of memory");
}

/* Those that libarchive reads itself: for others it would start programs. */
static int support_compression(struct archive *a)
{
	return archive_read_support_filter_gzip(a) != ARCHIVE_OK || archive_read_support_filter_zstd(a) != ARCHIVE_OK ||
		       archive_read_support_filter_xz(a) != ARCHIVE_OK || archive_read_support_filter_bzip2(a) != ARCHIVE_OK ?
		       -1 : 0;
}

struct archive *archive_open(int fd, struct gcs_error *err)
{
	struct archive *a = archive_read_new();

	if (a && lseek(fd, 0, SEEK_SET) == 0 && support_compression(a) == 0 &&
	    archive_read_support_format_tar(a) == ARCHIVE_OK && archive_read_open_fd(a, fd, READ_SIZE) == ARCHIVE_OK)
		return a;
	archive_fail(a, err);
	archive_read_free(a);
	return NULL;
}

static int open_file(struct blob *b, int dir, struct gcs_error *err)
{
	struct stat st;

	/* A FIFO would make us wait. */
	b->fd = fs_open_in(dir, b->name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (b->fd < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s", b->name);
	if (fstat(b->fd, &st) < 0 || !S_ISREG(st.st_mode))
		return gcs_fail(err, 0, HR_FAIL, "%s: not a file", b->name);
	b->size = (uint64_t)st.st_size;
	return 0;
}

static int open_member(struct blob *b, const struct store *store, struct gcs_error *err)
{
	const struct layer_inode *file = layer_tree_file(&store->index, b->name);
	struct archive_entry *e;
	int ret;

	if (!file)
		return gcs_fail(err, ENOENT, HR_FAIL, "%s", b->name);
	b->size = file->size;
	b->fd = reopen(store->fd, O_RDONLY, err);
	b->outer = b->fd < 0 ? NULL : archive_open(b->fd, err);
	if (!b->outer)
		return -1;
	for (uint64_t i = 0; i < file->entry; i++) {
		ret = archive_read_next_header(b->outer, &e);
		if (ret != ARCHIVE_OK && ret != ARCHIVE_WARN)
			return archive_fail(b->outer, err);
	}
	return 0;
}

int blob_open(struct blob *b, const struct store *store, const char *name, struct gcs_error *err)
{
	b->fd = -1;
	b->outer = NULL;
	b->size = b->taken = 0;
	b->name = name;
	SHA256Init(&b->hash);
	if ((store->index.root ? open_member(b, store, err) : open_file(b, store->fd, err)) == 0)
		return 0;
	blob_close(b);
	return -1;
}

void blob_close(struct blob *b)
{
	archive_read_free(b->outer);
	if (b->fd >= 0)
		close(b->fd);
	b->outer = NULL;
	b->fd = -1;
}

/* Into its buffer; 0 at the end, -1 with a text in b->error. */
static ssize_t blob_read(struct blob *b)
{
	ssize_t n;

	do
		n = b->outer ? archive_read_data(b->outer, b->buffer, sizeof(b->buffer)) : read(b->fd, b->buffer, sizeof(b->buffer));
	while (n < 0 && !b->outer && errno == EINTR);
	if (n < 0) {
		snprintf(b->error, sizeof(b->error), "%s", (b->outer ? archive_error_string(b->outer) : strerror(errno)) ?: "damaged");
		return -1;
	}
	SHA256Update(&b->hash, (const uint8_t *)b->buffer, (size_t)n);
	b->taken += (uint64_t)n;
	return n;
}

bool digest_valid(const char *digest)
{
	return digest && !strncmp(digest, DIGEST_PREFIX, sizeof(DIGEST_PREFIX) - 1) && strlen(digest) == DIGEST_LENGTH &&
	       strspn(digest + sizeof(DIGEST_PREFIX) - 1, "0123456789abcdef") == SHA256_DIGEST_STRING_LENGTH - 1;
}

int digest_check(SHA2_CTX *hash, const char *expected, const char *what, struct gcs_error *err)
{
	char is[SHA256_DIGEST_STRING_LENGTH];

	SHA256End(hash, is);
	if (strcmp(expected + sizeof(DIGEST_PREFIX) - 1, is))
		return gcs_fail(err, 0, HR_FAIL, "%s: damaged: its digest should be %s and is sha256:%s", what, expected, is);
	return 0;
}

char *blob_text(const struct store *store, const char *name, const char *digest, size_t *length, struct gcs_error *err)
{
	_cleanup_free_ struct blob *b = malloc(sizeof(*b));
	_cleanup_free_ char *text = NULL;
	ssize_t n = 0;

	if (!b) {
		gcs_fail(err, ENOMEM, HR_FAIL, "%s", name);
		return NULL;
	}
	if (blob_open(b, store, name, err) < 0)
		return NULL;
	*length = 0;
	if (b->size > TEXT_MAX)
		gcs_fail(err, 0, HR_FAIL, "%s: a document of more than %d MiB", name, TEXT_MAX >> 20);
	else
		text = malloc((size_t)b->size + 1);
	while (text && (n = blob_read(b)) > 0 && *length + (size_t)n <= b->size) {
		memcpy(text + *length, b->buffer, (size_t)n);
		*length += (size_t)n;
	}
	if (text) {
		text[*length] = '\0';
		if (n) {
			gcs_fail(err, 0, HR_FAIL, "%s: %s", name, n < 0 ? b->error : "it has grown");
			free(steal_ptr(&text));
		} else if (digest && digest_check(&b->hash, digest, name, err) < 0) {
			free(steal_ptr(&text));
		}
	} else if (b->size <= TEXT_MAX) {
		gcs_fail(err, ENOMEM, HR_FAIL, "%s", name);
	}
	blob_close(b);
	return steal_ptr(&text);
}

/* --- a layer: blob -> decompression -> tar --- */

static la_ssize_t read_blob(struct archive *a, void *arg, const void **data)
{
	struct blob *b = arg;
	ssize_t n = blob_read(b);

	if (n < 0)
		archive_set_error(a, EIO, "%s", b->error);
	progress_step((uint64_t)(n > 0 ? n : 0));
	*data = b->buffer;
	return n;
}

static la_ssize_t read_plain(struct archive *a, void *arg, const void **data)
{
	struct layer_stream *s = arg;
	la_ssize_t n = archive_read_data(s->plain, s->buffer, sizeof(s->buffer));

	if (n < 0) {
		archive_set_error(a, EIO, "%s", archive_error_string(s->plain) ?: "damaged");
		return -1;
	}
	SHA256Update(&s->hash, (const uint8_t *)s->buffer, (size_t)n);
	*data = s->buffer;
	return n;
}

int layer_stream_open(struct layer_stream *s, const struct store *store, const char *name, struct gcs_error *err)
{
	struct archive_entry *e;

	s->plain = s->tar = NULL;
	SHA256Init(&s->hash);
	if (blob_open(&s->blob, store, name, err) < 0)
		return -1;
	s->plain = archive_read_new();
	s->tar = archive_read_new();
	if (!s->plain || !s->tar) {
		gcs_fail(err, ENOMEM, HR_FAIL, "%s", name);
	} else if (support_compression(s->plain) < 0 ||
		   archive_read_support_format_raw(s->plain) != ARCHIVE_OK ||
		   archive_read_open(s->plain, &s->blob, NULL, read_blob, NULL) != ARCHIVE_OK ||
		   archive_read_next_header(s->plain, &e) != ARCHIVE_OK) {
		archive_fail(s->plain, err);
	} else if (archive_read_support_format_tar(s->tar) != ARCHIVE_OK ||
		   archive_read_open(s->tar, s, NULL, read_plain, NULL) != ARCHIVE_OK) {
		archive_fail(s->tar, err);
	} else {
		return 0;
	}
	layer_stream_close(s);
	return -1;
}

int layer_stream_finish(struct layer_stream *s, const char *blob_digest, const char *diff_id, struct gcs_error *err)
{
	const void *data;
	uint64_t behind = 0;
	ssize_t n;

	while ((n = read_plain(s->tar, s, &data)) > 0) {
		behind += (uint64_t)n;
		if (behind > BEHIND_MAX)
			return gcs_fail(err, 0, HR_FAIL, "%s: more than %d MiB behind the end of the tar", s->blob.name, BEHIND_MAX >> 20);
	}
	if (n < 0)
		return archive_fail(s->tar, err);
	while ((n = blob_read(&s->blob)) > 0)
		;
	if (n < 0)
		return gcs_fail(err, 0, HR_FAIL, "%s", s->blob.error);
	if ((blob_digest && digest_check(&s->blob.hash, blob_digest, s->blob.name, err) < 0) ||
	    (diff_id && digest_check(&s->hash, diff_id, "unpacked layer", err) < 0))
		return -1;
	return 0;
}

void layer_stream_close(struct layer_stream *s)
{
	archive_read_free(s->tar);
	archive_read_free(s->plain);
	blob_close(&s->blob);
	s->tar = s->plain = NULL;
}
