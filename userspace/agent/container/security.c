// SPDX-License-Identifier: MIT
/* The security context of a container: a directory in its root with what proves to it where it runs (lifecycle.md 13.3). */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "container/spec.h"
#include "container/spec_tree.h"
#include "fs.h"
#include "log.h"

/* A policy has none: only one without a text is accepted. */
#define FILES 3

/* Protects the two below: base64 as the host has sent it, set once. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *reference, *hash_envelope;

int container_set_references(const char *new_reference, const char *new_hash_envelope, struct gcs_error *err)
{
	_cleanup_free_ char *first = strdup(new_reference), *second = strdup(new_hash_envelope);

	if (!first || !second)
		return gcs_fail(err, ENOMEM, HR_FAIL, "the VM's reference information");
	pthread_mutex_lock(&lock);
	reference = steal_ptr(&first);
	hash_envelope = steal_ptr(&second);
	pthread_mutex_unlock(&lock);
	return 0;
}

struct file {
	const char *name, *content;
};

/* @dir: made under a name that nobody knows, and nothing of the container runs yet. */
static int write_files(int dir, const struct file files[FILES], struct gcs_error *err)
{
	for (size_t i = 0; i < FILES; i++) {
		char path[80];

		if (!*files[i].content)
			continue;
		snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir, files[i].name);
		if (fs_write(path, files[i].content, strlen(files[i].content), 0644, err) < 0)
			return -1;
	}
	return 0;
}

static int make(struct container *c, const char *name, const struct file files[FILES], struct gcs_error *err)
{
	_cleanup_close_ int root = open(c->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int dir = -1;
	char *path;

	if (root < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: open", c->rootfs);
	if (asprintf(&path, "%s/%s", c->rootfs, name) < 0)
		return gcs_fail(err, ENOMEM, HR_FAIL, "%s", name);
	if (mkdirat(root, name, 0755) < 0) {
		gcs_fail(err, errno, HR_FAIL, "%s: make directory", path);
		free(path);
		return -1;
	}
	/* From here on the caller takes it back. */
	c->security_dir = path;
	dir = openat(root, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return gcs_fail(err, errno, HR_FAIL, "%s: open", path);
	return write_files(dir, files, err);
}

int security_context_make(struct container *c, struct spec *s, struct gcs_error *err)
{
	struct file files[FILES] = {
		{ "reference-info-base64", "" },
		{ "transparent-reference-info-base64", "" },
		{ "host-amd-cert-base64", s->a.amd_certificate },
	};
	char name[40], variable[80];
	const char *wrong = NULL;
	uint64_t number;

	pthread_mutex_lock(&lock);
	if (reference) {
		files[0].content = reference;
		files[1].content = hash_envelope;
	}
	pthread_mutex_unlock(&lock);
	if (s->a.no_security_context || (!*files[0].content && !*files[1].content && !*files[2].content))
		return 0;
	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return gcs_fail(err, errno, HR_FAIL, "security context: random name");
	snprintf(name, sizeof(name), "security-context-%" PRIu64, number);
	if (make(c, name, files, err) < 0)
		return gcs_fail_prefix(err, "security context");
	snprintf(variable, sizeof(variable), "UVM_SECURITY_CONTEXT_DIR=/%s", name);
	json_object_array_add(member_or_new(s->process, "env", json_type_array, &wrong), json_object_new_string(variable));
	return 0;
}

void security_context_remove(struct container *c)
{
	struct gcs_error err;

	/* Its container may have put anything there, or the root may be gone. */
	if (c->security_dir && fs_remove_tree(c->security_dir, &err) < 0)
		log_warning("container %s: security context: %s", c->id, err.text);
	free(c->security_dir);
	c->security_dir = NULL;
}
