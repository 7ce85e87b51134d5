// SPDX-License-Identifier: MIT
/* Containers for conformance tests: a layer with busybox, specifications, the requests of a container's life. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "oci.h"

static void shell(const struct host *h, const char *command)
{
	if (system(command) != 0)
		host_fail(h, "%s", command);
}

void oci_make_layer(const struct host *h)
{
	/* The last thing that is made. Running containers have busybox mapped: it must not be written again. */
	if (access(LAYER "/etc/passwd", F_OK) == 0)
		return;
	shell(h, "mkdir -p " LAYER "/bin " LAYER "/proc " LAYER "/dev " LAYER "/sys " LAYER "/tmp " LAYER "/etc && "
		 "cp /bin/busybox " LAYER "/bin/busybox && "
		 "for a in sh cat echo true false sleep yes head ls id env readlink wc kill dd printf stty tty mkfifo; do "
		 "ln -sf busybox " LAYER "/bin/$a; done && "
		 "echo root:x:0:0:root:/:/bin/sh > " LAYER "/etc/passwd");
}

char *oci_spec(const char *cid, const char *args)
{
	char *spec;

	if (asprintf(&spec,
		     "{\"ociVersion\":\"1.0.2\",\"process\":{\"user\":{\"uid\":0,\"gid\":0},\"args\":%s,"
		     "\"env\":[\"PATH=/bin\",\"HERE=container\"],\"cwd\":\"/\",\"capabilities\":{\"bounding\":[\"CAP_KILL\"],"
		     "\"effective\":[\"CAP_KILL\"],\"permitted\":[\"CAP_KILL\"]},\"noNewPrivileges\":true},"
		     "\"root\":{\"path\":\"/run/gcs/c/%s/rootfs\"},\"hostname\":\"box\",\"mounts\":["
		     "{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\",\"options\":[\"nosuid\",\"noexec\",\"nodev\"]},"
		     "{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":[\"nosuid\",\"mode=755\"]},"
		     "{\"destination\":\"/tmp\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"}],"
		     "\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},"
		     "{\"type\":\"network\"}],\"resources\":{\"devices\":[{\"allow\":true,\"access\":\"rwm\"}]}}}",
		     args, cid) < 0)
		abort();
	return spec;
}

static int64_t layers(struct host *h, const char *cid, const char *request)
{
	return host_call(h, MSG_MODIFY_SETTINGS, Z,
			 ",\"Request\":{\"RequestType\":\"%s\",\"ResourceType\":\"CombinedLayers\",\"Settings\":{"
			 "\"ContainerID\":\"%s\",\"ContainerRootPath\":\"/run/gcs/c/%s/rootfs\",\"Layers\":[{\"Path\":\"" LAYER
			 "\"}],\"ScratchPath\":\"/run/test/scratch/%s\"}}",
			 request, cid, cid, cid);
}

int64_t oci_combine(struct host *h, const char *cid)
{
	char path[300];

	oci_make_layer(h);
	snprintf(path, sizeof(path), "mkdir -p /run/test/scratch/%s", cid);
	shell(h, path);
	return layers(h, cid, "Add");
}

int64_t oci_uncombine(struct host *h, const char *cid)
{
	return layers(h, cid, "Remove");
}

char *oci_config(const char *cid, const char *spec)
{
	char *document, *string;

	if (asprintf(&document,
		     "{\"SchemaVersion\":{\"Major\":2,\"Minor\":1},\"OciBundlePath\":\"/run/gcs/c/%s\",\"OciSpecification\":%s,"
		     "\"ScratchDirPath\":\"/run/test/scratch/%s\"}",
		     cid, spec, cid) < 0)
		abort();
	string = quoted(document);
	free(document);
	return string;
}

int64_t oci_create_spec(struct host *h, const char *cid, const char *spec)
{
	char *string = oci_config(cid, spec);
	int64_t result;

	result = host_call(h, MSG_CREATE, cid, ",\"ContainerConfig\":%s", string);
	free(string);
	if (result == 0)
		host_register(h, cid);
	return result;
}

int64_t oci_create(struct host *h, const char *cid, const char *args)
{
	char *spec = oci_spec(cid, args);
	int64_t result = oci_combine(h, cid);

	if (result == 0)
		result = oci_create_spec(h, cid, spec);
	free(spec);
	return result;
}

int64_t oci_start(struct host *h, const char *cid, struct host_stream *in, struct host_stream *out,
		  struct host_stream *err)
{
	int64_t result = host_call(h, MSG_START, cid, "%s", "");

	return result ? result : host_execute(h, cid, "", in, out, err);
}

int64_t oci_exec(struct host *h, const char *cid, const char *args, struct host_stream *in, struct host_stream *out,
		 struct host_stream *err)
{
	char *more;
	int64_t pid;

	if (asprintf(&more, ",\"OciProcess\":{\"user\":{\"uid\":0,\"gid\":0},\"args\":%s,\"env\":[\"PATH=/bin\"],"
			    "\"cwd\":\"/\"}", args) < 0)
		host_fail(h, "no memory");
	pid = host_execute(h, cid, more, in, out, err);
	free(more);
	return pid;
}

void oci_lost(const struct host *h, const struct host_stream *s, int n)
{
	char port[32];

	snprintf(port, sizeof(port), "vsock port %u:", s->port);
	json_object_put(host_log_line(h, port, "connection lost", n));
}

void oci_go_on(int64_t pid)
{
	struct host h = { 0 };
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/root/tmp/f", (int)pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "\n", 1) != 1)
		host_fail(&h, "write to %s: %s", path, strerror(errno));
	close(fd);
}

int64_t oci_delete(struct host *h, const char *cid)
{
	if (oci_uncombine(h, cid) != 0)
		host_fail(h, "remove the layers: %s", answer_text(host_last(h), "ErrorMessage"));
	return host_call(h, MSG_DELETE_CONTAINER_STATE, cid, "%s", "");
}

void oci_end(struct host *h, const char *cid, int64_t init)
{
	if (host_call(h, MSG_SHUTDOWN_FORCED, cid, "%s", "") != 0 || host_wait(h, cid, init) != 137)
		host_fail(h, "%s does not end", cid);
	host_notified(h, cid, NULL);
	if (oci_delete(h, cid) != 0)
		host_fail(h, "delete %s: %s", cid, answer_text(host_last(h), "ErrorMessage"));
}
