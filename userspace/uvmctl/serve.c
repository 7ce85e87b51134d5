// SPDX-License-Identifier: MIT
/* Who connects to the supervisor: a thread that does what one request asks for, step by step, whether its client lives or not. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "event.h"
#include "jsonset.h"
#include "supervisor.h"
#include "thread.h"

static int serve_status(struct client *c, struct json_object *request, struct json_object *answer, struct gcs_error *err)
{
	static const char *const states[] = { "booting", "running", "ended" };
	struct supervisor *s = c->s;
	struct container *container;
	int count = 0, running = 0;

	pthread_mutex_lock(&s->lock);
	LIST_FOREACH(container, &s->containers, link) {
		count++;
		running += container->state == CONTAINER_RUNNING;
	}
	set_string(answer, "state", states[s->state]);
	pthread_mutex_unlock(&s->lock);
	set_string(answer, "name", s->name);
	set_number(answer, "pid", getpid());
	set_number(answer, "started", s->started);
	set_number(answer, "memory_mib", s->o->memory_mib);
	set_number(answer, "containers", count);
	set_number(answer, "running", running);
	return 0;
}

static int serve_down(struct client *c, struct json_object *request, struct json_object *answer, struct gcs_error *err)
{
	struct supervisor *s = c->s;
	struct container *container;
	int running = 0;

	pthread_mutex_lock(&s->lock);
	LIST_FOREACH(container, &s->containers, link)
		running += container->state == CONTAINER_RUNNING || container->state == CONTAINER_STARTING;
	s->going_down |= !running || get_bool(request, "force");
	pthread_mutex_unlock(&s->lock);
	if (running && !get_bool(request, "force"))
		return gcs_fail(err, 0, HR_FAIL, "UVM %s: %d container%s still running; `uvmctl down -f %s` ends %s too", s->name, running,
				running == 1 ? " is" : "s are", s->name, running == 1 ? "it" : "them");
	eventfd_write(s->down_fd, 1);
	return 0;
}

static const struct {
	const char *name;
	serve_fn fn;
	bool while_booting;
} verbs[] = {
	{ "status", serve_status, true },	 { "down", serve_down, false },
	{ "create", serve_create, false },	 { "start", serve_start_container, false },
	{ "attach", serve_attach, false },	 { "exec", serve_exec, false },
	{ "kill", serve_kill, false },		 { "wait", serve_wait, false },
	{ "rm", serve_rm, false },		 { "ps", serve_ps, false },
	{ "stats", serve_stats, false },	 { "timeline", serve_timeline, false },
	{ "stop", serve_stop, false },
	{ "device add", serve_device_add, false }, { "device rm", serve_device_rm, false },
	{ "device ls", serve_device_ls, false },
};

/* Who comes while the guest boots waits. Returns whether it runs. */
static int until_up(struct supervisor *s, struct gcs_error *err)
{
	enum uvm_state state;

	pthread_mutex_lock(&s->lock);
	while (s->state == UVM_BOOTING)
		pthread_cond_wait(&s->changed, &s->lock);
	state = s->state;
	pthread_mutex_unlock(&s->lock);
	return state == UVM_RUNNING ? 0 : gcs_fail(err, 0, HR_FAIL, "UVM %s has ended", s->name);
}

static int dispatch(struct client *c, struct json_object *request, struct json_object *answer, struct gcs_error *err)
{
	const char *verb = get_string(request, "verb");

	for (size_t i = 0; verb && i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verbs[i].name, verb))
			continue;
		return verbs[i].while_booting || until_up(c->s, err) == 0 ? verbs[i].fn(c, request, answer, err) : -1;
	}
	return gcs_fail(err, 0, HR_FAIL, "the supervisor of UVM %s does not know '%s': is it of another version?", c->s->name, verb ?: "");
}

static bool vm_has_ended(struct supervisor *s)
{
	struct pollfd p[] = { { .fd = s->uvm.watch.vm_fd, .events = POLLIN },
			      { .fd = bridge_ended_fd(s->uvm.guest.bridge), .events = POLLIN } };

	return poll(p, 2, 0) > 0;
}

/* Whatever has failed when the VM was gone has failed for that reason. */
static void answer_error(struct client *c, const struct gcs_error *err)
{
	_cleanup_json_ struct json_object *answer = json_object_new_object();
	struct supervisor *s = c->s;
	char text[GCS_ERROR_TEXT_MAX + 128];

	snprintf(text, sizeof(text), "%s", err->text);
	pthread_mutex_lock(&s->lock);
	/* The VM's end is known here before it is known why; that comes soon. */
	while (s->state == UVM_RUNNING && vm_has_ended(s))
		pthread_cond_wait(&s->changed, &s->lock);
	if (s->state == UVM_ENDED)
		snprintf(text, sizeof(text), "UVM %s has ended: %s", s->name, s->why);
	pthread_mutex_unlock(&s->lock);
	set_string(answer, "error", text);
	set_number(answer, "errno", err->err);
	control_send(c->fd, answer, NULL, NULL);
}

static void *client_thread(void *arg)
{
	_cleanup_json_ struct json_object *request = NULL, *answer = json_object_new_object();
	struct client *c = arg;
	struct supervisor *s = c->s;
	struct gcs_error err = { 0 };
	int ret = control_receive(c->fd, &request, &c->fds, &err);

	if (ret > 0)
		ret = dispatch(c, request, answer, &err);
	else if (ret == 0)
		ret = 1;
	/* One that is too large is an error, too. */
	if (ret == 0)
		ret = control_send(c->fd, answer, NULL, &err);
	if (ret < 0)
		answer_error(c, &err);
	control_close(&c->fds);
	pthread_mutex_lock(&s->lock);
	LIST_REMOVE(c, link);
	close(c->fd);
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	free(c);
	return NULL;
}

/* For a connection there is no descriptor or memory. One that stayed in the queue would wake us for ever. */
static void turn_away(struct supervisor *s, int fd)
{
	_cleanup_json_ struct json_object *answer = json_object_new_object();

	if (fd < 0 && (errno == EMFILE || errno == ENFILE) && s->spare_fd >= 0) {
		close(s->spare_fd);
		fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
		s->spare_fd = -1;
	}
	if (fd >= 0) {
		set_string(answer, "error", "too many ask: the supervisor has no descriptor or memory for one more");
		set_number(answer, "errno", EMFILE);
		control_send(fd, answer, NULL, NULL);
		close(fd);
	}
	if (s->spare_fd < 0)
		s->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_client(struct event *ev, uint32_t events, void *arg)
{
	struct supervisor *s = arg;
	struct client *c = calloc(1, sizeof(*c));
	int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
	pthread_t thread;

	if (fd < 0 || !c) {
		turn_away(s, fd);
		free(c);
		return;
	}
	*c = (struct client){ .s = s, .fd = fd };
	pthread_mutex_lock(&s->lock);
	if (s->state == UVM_ENDED)
		shutdown(fd, SHUT_RD);
	LIST_INSERT_HEAD(&s->clients, c, link);
	pthread_mutex_unlock(&s->lock);
	if (thread_start(&thread, client_thread, c) == 0) {
		pthread_detach(thread);
		return;
	}
	pthread_mutex_lock(&s->lock);
	LIST_REMOVE(c, link);
	pthread_mutex_unlock(&s->lock);
	close(fd);
	free(c);
}

int serve_start(struct supervisor *s, struct gcs_error *err)
{
	s->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (s->spare_fd < 0)
		return gcs_fail(err, errno, HR_FAIL, "open /dev/null");
	return event_add(s->listener, EPOLLIN, on_client, s, err) ? 0 : -1;
}
