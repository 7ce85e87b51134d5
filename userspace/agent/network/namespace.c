// SPDX-License-Identifier: MIT
/*
 * The table of network namespaces. The kernel's are made by the runtime; here is what the host says about them: a record is
 * there while a container has it or adapters were added to it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "network/internal.h"

/* Protects the list, references and claims; held for moments, nothing is taken inside. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct netns *table;

/* With the lock held. The host does not care about the case of a GUID; "" is nobody's name. */
static struct netns *find(const char *id)
{
	struct netns *n = *id ? table : NULL;

	while (n && strcasecmp(n->id, id))
		n = n->next;
	return n;
}

static struct netns *make_record(const char *id, struct gcs_error *err)
{
	struct netns *n = calloc(1, sizeof(*n));

	if (!n || !(n->id = strdup(id))) {
		free(n);
		gcs_fail(err, ENOMEM, HR_FAIL, "network namespace \"%s\"", id);
		return NULL;
	}
	pthread_mutex_init(&n->lock, NULL);
	n->fd = -1;
	return n;
}

static void free_record(struct netns *n)
{
	pthread_mutex_destroy(&n->lock);
	free(n->id);
	free(n);
}

struct netns *netns_get(const char *id, bool make, struct gcs_error *err)
{
	struct netns *fresh = make ? make_record(id, err) : NULL, *n;

	if (make && !fresh)
		return NULL;
	pthread_mutex_lock(&lock);
	n = find(id);
	if (!n && fresh) {
		n = fresh;
		n->next = table;
		table = n;
		fresh = NULL;
	}
	if (n)
		n->refs++;
	pthread_mutex_unlock(&lock);
	if (fresh)
		free_record(fresh);
	return n;
}

struct netns *netns_next(struct netns *n)
{
	struct netns *next;

	pthread_mutex_lock(&lock);
	next = n ? n->next : table;
	if (next)
		next->refs++;
	pthread_mutex_unlock(&lock);
	if (n)
		netns_put(n);
	return next;
}

void netns_put(struct netns *n)
{
	struct netns **at;
	bool last;

	pthread_mutex_lock(&lock);
	last = !--n->refs;
	if (last) {
		for (at = &table; *at != n;)
			at = &(*at)->next;
		*at = n->next;
	}
	pthread_mutex_unlock(&lock);
	if (last)
		free_record(n);
}

static bool has_adapters(struct netns *n)
{
	bool has;

	pthread_mutex_lock(&n->lock);
	has = n->adapters;
	pthread_mutex_unlock(&n->lock);
	return has;
}

int netns_claim(const char *id, bool make, struct netns **n, struct gcs_error *err)
{
	_cleanup_netns_ struct netns *found = netns_get(id, make, err);
	bool taken;

	if (make && !found)
		return -1;
	if (!found || (!make && !has_adapters(found)))
		return gcs_fail(err, 0, HR_NOT_FOUND, "network namespace \"%s\": no adapter was added to it", id);
	pthread_mutex_lock(&lock);
	taken = found->claimed;
	found->claimed = true;
	pthread_mutex_unlock(&lock);
	if (taken)
		return gcs_fail(err, EBUSY, HR_FAIL, "network namespace \"%s\": belongs to another container", id);
	*n = steal_ptr(&found);
	return 0;
}

/* With n->lock held: undo netns_attach(), as far as it went; the newest adapter first. */
static void detach(struct netns *n)
{
	struct adapter *last;

	do {
		last = NULL;
		for (struct adapter *a = n->adapters; a; a = a->next)
			if (a->configured)
				last = a;
		if (last)
			adapter_unconfigure(n, last);
	} while (last);
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
}

void netns_release(struct netns *n)
{
	if (!n)
		return;
	pthread_mutex_lock(&n->lock);
	detach(n);
	pthread_mutex_unlock(&n->lock);
	pthread_mutex_lock(&lock);
	n->claimed = false;
	pthread_mutex_unlock(&lock);
	netns_put(n);
}

/* Is it the one that the agent is in? -1 with errno. */
static int is_own(int fd)
{
	struct stat its, own;

	if (fstat(fd, &its) < 0 || stat("/proc/thread-self/ns/net", &own) < 0)
		return -1;
	return its.st_ino == own.st_ino && its.st_dev == own.st_dev;
}

int netns_attach(struct netns *n, pid_t pid, struct gcs_error *err)
{
	_cleanup_close_ int fd = -1;
	char path[64];
	int own, ret = 0;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	own = fd < 0 ? -1 : is_own(fd);
	if (own < 0)
		return gcs_fail(err, errno, HR_FAIL, "network namespace \"%s\": open that of process %d", n->id, (int)pid);
	pthread_mutex_lock(&n->lock);
	n->fd = steal_fd(&fd);
	n->shared = own;
	for (struct adapter *a = n->adapters; a && ret == 0; a = a->next)
		/* An adapter that is still waited for is configured when it comes. */
		if (!a->waiting)
			ret = adapter_configure(n, a, err);
	if (ret < 0)
		detach(n);
	pthread_mutex_unlock(&n->lock);
	return ret < 0 ? gcs_fail_prefix(err, "network namespace \"%s\"", n->id) : 0;
}

void netns_dump(FILE *out)
{
	for (struct netns *n = netns_next(NULL); n; n = netns_next(n)) {
		/* Whoever works on it may wait for a DHCP server. */
		if (pthread_mutex_trylock(&n->lock) != 0) {
			fprintf(out, "network namespace \"%s\": being changed\n", n->id);
			continue;
		}
		fprintf(out, "network namespace \"%s\": %s\n", n->id, n->fd < 0 ? "no container's" : n->shared ? "the VM's" : "a container's");
		for (const struct adapter *a = n->adapters; a; a = a->next)
			if (a->waiting)
				fprintf(out, "  adapter %s: waited for\n", a->id);
			else
				fprintf(out, "  adapter %s: interface %u%s\n", a->id, a->ifindex, a->configured ? ", configured" : "");
		pthread_mutex_unlock(&n->lock);
	}
}

/* Print the words that are not among those of the adapters before, nor before in their own list. */
static void print_new(FILE *f, const struct netns *n, bool servers)
{
	bool first = true;

	for (const struct adapter *a = n->adapters; a; a = a->next) {
		char **words = servers ? a->config.dns_servers : a->config.dns_search;

		if (a->waiting)
			continue;
		for (char **w = words; *w; w++) {
			bool seen = false;

			for (const struct adapter *b = n->adapters; !seen; b = b->next) {
				char **other = servers ? b->config.dns_servers : b->config.dns_search;

				for (; !b->waiting && !seen && *other && other != w; other++)
					seen = !strcmp(*other, *w);
				if (b == a)
					break;
			}
			if (seen)
				continue;
			if (servers)
				fprintf(f, "nameserver %s\n", *w);
			else
				fprintf(f, "%s %s", first ? "search" : "", *w);
			first = false;
		}
	}
	if (!servers && !first)
		fprintf(f, "\n");
}

char *netns_resolv_conf(struct netns *n, struct gcs_error *err)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (f) {
		pthread_mutex_lock(&n->lock);
		print_new(f, n, false);
		print_new(f, n, true);
		pthread_mutex_unlock(&n->lock);
	}
	if (f && fclose(f) == 0 && text)
		return text;
	free(text);
	gcs_fail(err, ENOMEM, HR_FAIL, "network namespace \"%s\": name servers", n->id);
	return NULL;
}
