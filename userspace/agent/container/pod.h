/* SPDX-License-Identifier: MIT */
/*
 * Pods: what a sandbox container and its workloads share in the VM. A pod is made by its sandbox, whose id it has, and ends with
 * the last of its containers, in whatever order they are deleted.
 */
#ifndef GCS_POD_H
#define GCS_POD_H

#include "container/spec.h"

struct pod {
	struct pod *next;
	char *id;
	char *root;   /* where hostname, hosts, resolv.conf and the directories of pod.c are */
	char *cgroup; /* "/pods/<id>" */
	char *bundle, *scratch; /* the sandbox's; workloads may have theirs below */
	bool virtual;
	bool host_network;
	/* Under the state lock. */
	bool ready;   /* the sandbox has been created */
	bool closed;  /* it has been deleted: no container may join, its files go with the last one */
	unsigned int members;
	/* Held while something below @root is made, mounted or unmounted. Taken alone, or outside of the state lock. */
	pthread_mutex_t files;
	unsigned int made; /* a bit for each directory that was not there before */
};

/* Is there a pod of this name? With the state lock held. */
bool pod_exists(const char *id);

/* Make the pod of the sandbox @c, which gets @c->pod: its root with the shared directories, its cgroup with limits. */
int pod_make(struct container *c, const struct spec *s, struct gcs_error *err);

/* Make the workload @c a member of a pod that is ready. */
int pod_join(struct container *c, const char *id, struct gcs_error *err);

/* A workload's way to the pod's directories: an error if the sandbox has been deleted. */
int pod_lock_files(struct pod *p, struct gcs_error *err);
void pod_unlock_files(struct pod *p);

/* For a member whose creation failed: take back the directories that it had made, if nobody else can be using them. */
void pod_undo_mounts(struct pod *p, struct path_list *made);

/* The sandbox is deleted: nobody may join any more, and what is mounted below the pod's directories is unmounted. */
int pod_close(struct pod *p, struct gcs_error *err);

/* End @c's membership. The last one takes the pod down; if that fails @c is still a member. NULL: success. */
int pod_leave(struct container *c, struct gcs_error *err);

/* After a pod_leave() that failed, of a container that will not be there to try again: what is left of the pod stays, its id is free. */
void pod_abandon(struct container *c);

#endif
