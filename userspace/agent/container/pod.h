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
	/*
	 * Held while something below @root is opened, made or unmounted by those who do not own it alone. Taken alone, or outside of the
	 * state lock. No file system that a container may have mounted is asked anything under it: that may never answer.
	 */
	pthread_mutex_t files;
	/* Held by a workload's creation while it looks for huge pages, or mounts them. */
	pthread_mutex_t hugepages;
	unsigned int made; /* a bit for each directory that was not there before */
};

/* Is there a pod of this name? With the state lock held. */
bool pod_exists(const char *id);

/* Make the pod of the sandbox @c, which gets @c->pod: its root with the shared directories, its cgroup with limits. */
int pod_make(struct container *c, const struct spec *s, struct gcs_error *err);

/* Make the workload @c a member of a pod that is ready. */
int pod_join(struct container *c, const char *id, struct gcs_error *err);

/*
 * A workload's way to one of the pod's directories, which does not change when the pod is closed: nothing can be mounted there
 * then. An error if its sandbox has been deleted.
 */
int pod_open_dir(struct pod *p, const char *dir, struct gcs_error *err);

/* For a member whose creation failed: take back what it had made, if nobody else can be using it. */
void pod_undo_mounts(struct pod *p, struct fs_made *made);

/*
 * The sandbox is deleted: nobody may join any more, and what is mounted below the pod's directories is unmounted. Workloads that run
 * keep what they have. What cannot be unmounted is logged.
 */
void pod_close(struct pod *p);

/* End @c's membership. The last one takes the pod down; if that fails @c is still a member. NULL: success. */
int pod_leave(struct container *c, struct gcs_error *err);

/* After a pod_leave() that failed, of a container that will not be there to try again: what is left of the pod stays, its id is free. */
void pod_abandon(struct container *c);

#endif
