// SPDX-License-Identifier: MIT
/*
 * IMAGE: what it is, and its disks. The layers of an OCI or Docker image are kept in the cache; a disk that is made of anything else has
 * no name and ends with us.
 */
#include "image.h"

#include <archive.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "ext4.h"
#include "image_cache.h"
#include "image_config.h"
#include "image_user.h"
#include "layer_disk.h"
#include "options.h"
#include "progress.h"
#include "verity.h"

#define DEFAULT_PLATFORM "linux/amd64"
#define DEFAULT_MAX_SIZE (64ull << 30)
#define NODES_MAX (1u << 21)

static struct layer_limits limits_of(const struct image_options *o)
{
	return (struct layer_limits){ .bytes = o->max_size ? o->max_size : DEFAULT_MAX_SIZE, .nodes = NODES_MAX };
}

/* --- images of layers --- */

struct making {
	const struct store *store;
	const struct oci_layer *layer;
	struct layer_limits limits;
	bool verity;
	char title[64];
};

/*
 * Twice over the blob: what is in it, which tells the size; then the content. Somebody may change it meanwhile: both times the digests
 * are checked, of just what was read.
 */
static int make_layer(int fd, void *arg, struct gcs_error *err)
{
	const struct making *m = arg;
	_cleanup_free_ struct layer_stream *s = malloc(sizeof(*s));
	struct layer_tree tree;
	unsigned char uuid[16];
	int ret;

	if (!s)
		return gcs_fail(err, ENOMEM, HR_FAIL, "layer");
	if (layer_stream_open(s, m->store, m->layer->blob, err) < 0)
		return gcs_fail_prefix(err, "layer %s", m->layer->diff_id);
	progress_begin(m->title, 2 * s->blob.size);
	ret = layer_tree_read(&tree, s->tar, true, &m->limits, err);
	if (ret == 0) {
		ret = layer_stream_finish(s, m->layer->digest, m->layer->diff_id, err);
		if (ret < 0)
			layer_tree_free(&tree);
	}
	layer_stream_close(s);
	if (ret == 0) {
		for (int i = 0; i < 16; i++)
			sscanf(m->layer->diff_id + sizeof(DIGEST_PREFIX) - 1 + 2 * i, "%2hhx", &uuid[i]);
		ret = layer_stream_open(s, m->store, m->layer->blob, err);
		if (ret == 0) {
			ret = layer_disk_write(fd, &tree, s->tar, uuid, err);
			if (ret == 0)
				ret = layer_stream_finish(s, m->layer->digest, m->layer->diff_id, err);
			layer_stream_close(s);
		}
		if (ret == 0 && m->verity)
			ret = verity_append(fd, uuid, err);
		layer_tree_free(&tree);
	}
	progress_end();
	return ret < 0 ? gcs_fail_prefix(err, "layer %s", m->layer->diff_id) : 0;
}

/* The same layer again further up hides this one. */
static bool hidden(const struct oci_image *oci, size_t layer)
{
	for (size_t i = layer + 1; i < oci->layer_count; i++)
		if (!strcmp(oci->diff_ids[i], oci->diff_ids[layer]))
			return true;
	return false;
}

static int open_layers(const struct oci_image *oci, const struct store *store, const struct image_options *o,
		       const struct image_cache *cache, struct image *image, struct gcs_error *err)
{
	for (size_t i = 0; i < oci->layer_count; i++) {
		struct making m = { .store = store, .layer = &oci->layers[i], .limits = limits_of(o), .verity = o->verity };
		int fd;

		if (hidden(oci, i))
			continue;
		if (image->layer_count == IMAGE_LAYERS_MAX)
			return gcs_fail(err, 0, HR_FAIL, "more than %d layers", IMAGE_LAYERS_MAX);
		snprintf(m.title, sizeof(m.title), "layer %zu of %zu", i + 1, oci->layer_count);
		fd = image_cache_layer(cache, oci->diff_ids[i], o->verity, make_layer, &m, err);
		if (fd < 0)
			return -1;
		/* An overlay does not ask the root of a layer whether it hides the others. */
		if (layer_disk_hides_all(fd))
			while (image->layer_count)
				close(image->layers[--image->layer_count]);
		/* The uppermost is the first. */
		memmove(&image->layers[1], &image->layers[0], image->layer_count++ * sizeof(int));
		image->layers[0] = fd;
	}
	return 0;
}

static int fill_cache(const struct store *store, const char *name, const struct image_options *o, struct image *image,
		      struct gcs_error *err)
{
	_cleanup_free_ char *path = realpath(name, NULL);
	struct image_cache cache;
	int ret;

	if (image_cache_open(&cache, err) < 0)
		return -1;
	ret = image_cache_hold(&cache, err);
	if (ret == 0)
		ret = open_layers(image->oci, store, o, &cache, image, err);
	/* The disks are there; that it cannot be noted, as in a cache that is full or read-only, is no reason not to run. */
	if (ret == 0)
		image_cache_note(&cache, image->oci, path ? path : name, NULL);
	image_cache_close(&cache);
	return ret;
}

static int open_oci(const struct store *store, const char *name, const char *reference, const struct image_options *o,
		    struct image *image, struct gcs_error *err)
{
	image->oci = calloc(1, sizeof(*image->oci));
	if (!image->oci)
		return gcs_fail(err, ENOMEM, HR_FAIL, "image");
	if (oci_find(image->oci, store, reference, o->platform ? o->platform : DEFAULT_PLATFORM, err) < 0)
		return -1;
	image->config = image->oci->config;
	image->oci->config = (struct image_config){ .cwd = NULL };
	return o->documents ? 0 : fill_cache(store, name, o, image, err);
}

/* --- a root file system --- */

/* Nothing in it says what to run. */
static int add_root(int fd, struct image *image, struct gcs_error *err)
{
	if (fd < 0)
		return -1;
	image->layers[image->layer_count++] = fd;
	image->config.command = image_config_list("/bin/sh", err);
	return image->config.command ? 0 : -1;
}

static int open_tar(int fd, const struct layer_tree *tree, bool verity, struct gcs_error *err)
{
	_cleanup_close_ int disk = unnamed_file(err);
	struct archive *a = disk < 0 ? NULL : archive_open(fd, err);
	unsigned char uuid[16];
	int ret;

	if (!a)
		return -1;
	if (getrandom(uuid, sizeof(uuid), 0) == sizeof(uuid))
		ret = layer_disk_write(disk, tree, a, uuid, err);
	else
		ret = gcs_fail(err, errno, HR_FAIL, "disk");
	archive_read_free(a);
	if (ret == 0 && verity)
		ret = verity_append(disk, uuid, err);
	return ret < 0 ? -1 : reopen(disk, O_RDONLY, err);
}

/* --- what it is --- */

/* How IMAGE begins: the kind that it has to be. */
enum kind { ANY, OCI, DOCKER };

static int open_file(int fd, enum kind kind, const char *path, const char *reference, const struct image_options *o,
		     struct image *image, struct gcs_error *err)
{
	/* It may have several layers in it, each as large as is allowed. */
	struct layer_limits limits = { .bytes = INT64_MAX, .nodes = NODES_MAX };
	struct store store = { .fd = fd };
	struct archive *a;
	int ret;

	if (kind == ANY && ext4_is(fd) && o->verity && !verity_is(fd))
		return gcs_fail(err, 0, HR_FAIL, "--verity: it is used as it is, and there is no tree of hashes behind its file system");
	if (kind == ANY && ext4_is(fd))
		return add_root(fcntl(fd, F_DUPFD_CLOEXEC, 0), image, err);
	a = archive_open(fd, err);
	if (!a)
		return kind == ANY ? gcs_fail(err, 0, HR_FAIL, "not a directory, a tar or an ext4 file system") : -1;
	ret = layer_tree_read(&store.index, a, false, &limits, err);
	/* Zeros are a tar, of nothing. */
	if (ret == 0 && store.index.nodes == 1)
		ret = gcs_fail(err, 0, HR_FAIL, "not a directory, a tar or an ext4 file system");
	archive_read_free(a);
	if (ret < 0)
		goto out;
	if (kind != ANY || oci_is_image(&store))
		ret = open_oci(&store, path, reference, o, image, err);
	else if (store.index.file_bytes > limits_of(o).bytes)
		ret = gcs_fail(err, 0, HR_FAIL, "unpacked there are more than %llu MiB (--max-size)",
			       (unsigned long long)limits_of(o).bytes >> 20);
	else
		ret = o->documents ? 0 : add_root(open_tar(fd, &store.index, o->verity, err), image, err);
out:
	layer_tree_free(&store.index);
	return ret;
}

static int open_any(const char *path, enum kind kind, const char *reference, const struct image_options *o, struct image *image,
		    struct gcs_error *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct store store = { .fd = fd };
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return gcs_fail(err, errno, HR_FAIL, "open");
	if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))
		return open_file(fd, kind, path, reference, o, image, err);
	if (!S_ISDIR(st.st_mode))
		return gcs_fail(err, 0, HR_FAIL, "neither a directory nor a file");
	if (kind != ANY || oci_is_image(&store))
		return open_oci(&store, path, reference, o, image, err);
	return o->documents ? 0 : add_root(ext4_of_directory(path, o->verity, err), image, err);
}

/* KIND:PATH[:TAG]; a path that is there is never cut. */
static enum kind split(char *text, char **path, char **reference)
{
	static const struct {
		const char *prefix;
		enum kind kind;
	} kinds[] = { { "oci:", OCI }, { "oci-archive:", OCI }, { "docker-archive:", DOCKER } };
	char *colon;

	*path = text;
	*reference = NULL;
	if (access(text, F_OK) == 0)
		return ANY;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t n = strlen(kinds[i].prefix);

		if (strncmp(text, kinds[i].prefix, n))
			continue;
		*path = text + n;
		/* The first one behind which is no path: a tag may have one itself. */
		for (colon = strchr(*path, ':'); colon && access(*path, F_OK) < 0; colon = strchr(colon + 1, ':')) {
			*colon = '\0';
			if (access(*path, F_OK) == 0)
				*reference = colon + 1;
			else
				*colon = ':';
			if (*reference)
				break;
		}
		return kinds[i].kind;
	}
	return ANY;
}

int image_process(const struct image *image, const struct options *o, struct image_process *p, struct gcs_error *err)
{
	const struct image_config *config = &image->config;
	const char *user = o->user ? o->user : json_str(config->user);
	struct image_user found = { .uid = 0 };
	int n;

	*p = (struct image_process){ .cwd = o->cwd };
	if (!p->cwd)
		p->cwd = *json_str(config->cwd) ? config->cwd : "/";
	if (*user && image_user(image, user, &found, err) < 0)
		return -1;
	/* As Docker has it, where nobody says anything else. */
	n = *user ? asprintf(&p->home, "HOME=%s", found.home ? found.home : "/") : 0;
	free(found.home);
	if (n < 0) {
		p->home = NULL;
		return gcs_fail(err, ENOMEM, HR_FAIL, "environment");
	}
	n = snprintf(p->user, sizeof(p->user), "%u:%u", found.uid, found.gid);
	for (unsigned int i = 0; i < found.group_count; i++)
		n += snprintf(p->user + n, sizeof(p->user) - (size_t)n, ",%u", found.groups[i]);
	/* The first operand is the image. */
	p->args = image_argv(config, o->entrypoint, o->operands + 1, err);
	p->env = p->args ? image_env(config, p->home, o->env, err) : NULL;
	if (p->env)
		return 0;
	image_process_free(p);
	return -1;
}

void image_process_free(struct image_process *p)
{
	free(p->args);
	free(p->env);
	free(p->home);
	*p = (struct image_process){ .args = NULL };
}

int image_open(const char *name, const struct image_options *options, struct image *image, struct gcs_error *err)
{
	static const struct image_options defaults;
	_cleanup_free_ char *text = strdup(name);
	locale_t utf8, old;
	char *path, *reference;
	enum kind kind;
	int ret;

	*image = (struct image){ .layer_count = 0 };
	if (!text)
		return gcs_fail(err, ENOMEM, HR_FAIL, "image %s", name);
	kind = split(text, &path, &reference);
	/* Names are bytes, and libarchive has them as such only in a locale with UTF-8. */
	utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
	old = uselocale(utf8);
	ret = open_any(path, kind, reference, options ? options : &defaults, image, err);
	uselocale(old);
	if (utf8)
		freelocale(utf8);
	if (ret == 0)
		return 0;
	image_close(image);
	/* Names of whoever made the image, for somebody's terminal. */
	for (char *c = err ? err->text : NULL; c && *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7F)
			*c = '?';
	return gcs_fail_prefix(err, "image %s", name);
}

void image_close(struct image *image)
{
	while (image->layer_count)
		close(image->layers[--image->layer_count]);
	image_config_free(&image->config);
	if (image->oci)
		oci_free(image->oci);
	free(image->oci);
	image->oci = NULL;
}

int image_scratch(uint64_t size, struct gcs_error *err)
{
	_cleanup_close_ int fd = unnamed_file(err);

	if (fd < 0)
		return -1;
	if (ftruncate(fd, (off_t)size) < 0)
		return gcs_fail(err, errno, HR_FAIL, "scratch disk: set its size");
	return steal_fd(&fd);
}
