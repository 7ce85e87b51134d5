// SPDX-License-Identifier: MIT
/*
 * The table of network namespaces. The kernel's are made by the runtime; here is what the host says about them. No network
 * interface can be announced yet, so there are only records that were made on demand, and they end with their owner.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "network/network.h"

struct netns {
	char *id;
	struct netns *next;
};

/* Protects the list. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct netns *table;

int netns_claim(const char *id, bool make, struct netns **n, struct gcs_error *err)
{
	struct netns *fresh, *other;

	if (!make)
		return gcs_fail(err, 0, HR_NOT_FOUND, "network namespace \"%s\": no network interface was added to it", id);
	fresh = calloc(1, sizeof(*fresh));
	if (!fresh || !(fresh->id = strdup(id))) {
		free(fresh);
		return gcs_fail(err, ENOMEM, HR_FAIL, "network namespace \"%s\"", id);
	}
	pthread_mutex_lock(&lock);
	/* The host does not care about the case of a GUID. */
	for (other = *id ? table : NULL; other && strcasecmp(other->id, id);)
		other = other->next;
	if (!other) {
		fresh->next = table;
		table = fresh;
	}
	pthread_mutex_unlock(&lock);
	if (!other) {
		*n = fresh;
		return 0;
	}
	free(fresh->id);
	free(fresh);
	return gcs_fail(err, EBUSY, HR_FAIL, "network namespace \"%s\": belongs to another container", id);
}

void netns_release(struct netns *n)
{
	struct netns **at;

	if (!n)
		return;
	pthread_mutex_lock(&lock);
	for (at = &table; *at != n;)
		at = &(*at)->next;
	*at = n->next;
	pthread_mutex_unlock(&lock);
	free(n->id);
	free(n);
}
