/* SPDX-License-Identifier: MIT */
/* Containers for conformance tests: a layer with busybox, specifications, the requests of a container's life. */
#ifndef GCS_TEST_OCI_H
#define GCS_TEST_OCI_H

#include "host.h"

#define LAYER "/run/test/layer"

/* A layer directory with busybox and the mount points that a container needs. */
void oci_make_layer(const struct host *h);

/* An OCI specification that runs the JSON list @args; malloc'd. */
char *oci_spec(const char *cid, const char *args);

/* Combine LAYER and a new scratch into the container's root. Returns the Result. */
int64_t oci_combine(struct host *h, const char *cid);
int64_t oci_uncombine(struct host *h, const char *cid);

/* The ContainerConfig of a Create with this specification (JSON text), a JSON string with its quotes; malloc'd. */
char *oci_config(const char *cid, const char *spec);

/* Create with this specification (JSON text). Registers the container with the host. Returns the Result. */
int64_t oci_create_spec(struct host *h, const char *cid, const char *spec);

/* oci_combine() and oci_create_spec() of oci_spec(). */
int64_t oci_create(struct host *h, const char *cid, const char *args);

/* Start and ExecuteProcess of the init. Returns its pid, or the Result. */
int64_t oci_start(struct host *h, const char *cid, struct host_stream *in, struct host_stream *out,
		  struct host_stream *err);

/* Run a further process. Returns its pid, or the Result. */
int64_t oci_exec(struct host *h, const char *cid, const char *args, struct host_stream *in, struct host_stream *out,
		 struct host_stream *err);

/* Wait until the agent has noticed that the stream has lost its connection, for the @n-th time. What is sent before that may go with it. */
void oci_lost(const struct host *h, const struct host_stream *s, int n);

/* Let the init go on that reads a line from /tmp/f, without a bridge to tell it over. */
void oci_go_on(int64_t pid);

/* Remove the layers, then DeleteContainerState, as the host does. Returns the latter's Result. */
int64_t oci_delete(struct host *h, const char *cid);

/* Kill it, whose init is @init, hear of that, and oci_delete() it. */
void oci_end(struct host *h, const char *cid, int64_t init);

#endif
