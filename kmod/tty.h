/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The terminal relay: what tty.c, tty_move.c, ioctl_tty.c and netlink_tty.c share
 */
#ifndef _GCS_TTY_H
#define _GCS_TTY_H

#include <linux/atomic.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/kref.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include <linux/gcs.h>

/* What one way holds at most: a few reads of a pty (4095 bytes each) make one packet. The slab's own takes the rest. */
#define GCS_TTY_BUFFER	(SZ_16K - 64)

/* What has happened at either side, as the wait queues tell it. */
#define GCS_TTY_FILE_READ	BIT(0)	/* the file has data, or has ended */
#define GCS_TTY_FILE_WRITE	BIT(1)	/* the file has room */
#define GCS_TTY_IN_READ		BIT(2)	/* the socket of the way in has data, or has ended */
#define GCS_TTY_OUT_WRITE	BIT(3)	/* the peer has made room on the way out */
#define GCS_TTY_OUT_READ	BIT(4)	/* the peer has sent or ended something on the way out */
#define GCS_TTY_CHANGE		BIT(5)	/* a connection has changed its state */
#define GCS_TTY_KICK		BIT(6)	/* look at both ways, whatever they wait for */

/**
 * struct gcs_tty_end - a wait queue entry on the file or a socket
 * @entry: on @head while that is set
 * @head: the wait queue
 * @tty: whose
 */
struct gcs_tty_end {
	wait_queue_entry_t entry;
	wait_queue_head_t *head;
	struct gcs_tty *tty;
};

/**
 * struct gcs_tty_way - one direction
 * @from: where bytes are taken from: the file, or a socket; or NULL; @work's
 * @to: where they are put; or NULL; @work's
 * @from_event: GCS_TTY_*: @from has data
 * @to_event: GCS_TTY_*: @to has room
 * @sock: the wait queue entry on the way's socket
 * @buf: GCS_TTY_BUFFER bytes while the way holds any, else NULL; @work's
 * @at: the first byte in @buf that was not put yet; changed under the lock
 * @end: the last one, plus one; likewise
 * @ended: nothing more is taken; @work's, as the following
 * @error: why, when it was no end of file
 * @dead: nothing more can be put: @to is gone
 * @drop: what is taken is not put, and counted as lost
 * @dry: when last asked there was nothing to take
 * @want: what it waits for: @from_event, @to_event, both or nothing
 * @moved: bytes put; under the lock
 * @lost: bytes taken and not put; under the lock
 */
struct gcs_tty_way {
	struct file *from;
	struct file *to;
	u8 from_event;
	u8 to_event;
	struct gcs_tty_end sock;
	u8 *buf;
	u32 at;
	u32 end;
	bool ended;
	bool error;
	bool dead;
	bool drop;
	bool dry;
	u32 want;
	u64 moved;
	u64 lost;
};

/**
 * struct gcs_tty - a relay between a file and a connection
 * @ref: held by a queued work item, by whoever looked the id up, and once by the tty itself until it has finished
 * @lock: protects everything below that has no comment of its own. Taken in process context. The wait queues' locks and
 *        the workqueue's may be taken inside it; nothing sleeps in it.
 * @id: from the same numbers as streams'
 * @cookie: the creator's tag
 * @flags: GCS_TTY_*
 * @work: moves the bytes and makes every change of state but those of attach
 * @queue: where it is queued
 * @timer: runs @work again at the next deadline; armed by @work alone
 * @file: the pty's master, or what stands for it, until the tty has finished
 * @file_ends: on the file's wait queues; there are two at most
 * @pty: @file is a master
 * @in_sock: the socket of the way in, once there is one, until the tty has finished
 * @out_sock: the same of the way out
 * @in: the way from the peer to the file; unless the file can be written, it has no @to
 * @out: the way from the file to the peer; unless the file can be read, it has no @from
 * @events: GCS_TTY_*: what has happened since @work began; set by the wait queues' callbacks
 * @want: GCS_TTY_*: what @work is to be queued for; 0 while it runs, for it looks at @events itself when it is done
 * @gather: adds GCS_TTY_FILE_READ to @want after a while; started by @work alone
 * @gather_ns: how long a while, at present; @work's, as the following
 * @answered: the bytes put into the file when the last output was taken
 * @state: enum gcs_tty_state; may be read without the lock
 * @finish: GCS_TTY_FINISH was called
 * @retry: memory was short in this run; @work's
 * @last: when bytes were last taken from the file, or the idle time began; this and the following in jiffies
 * @idle: gcs_tty_finish.idle_ms
 * @deadline: when to give up, or 0
 * @eof: when to stop waiting for the peer's end of file, or 0
 */
struct gcs_tty {
	struct kref ref;
	spinlock_t lock;
	u64 id;
	u64 cookie;
	u32 flags;
	struct work_struct work;
	struct workqueue_struct *queue;
	struct timer_list timer;
	struct file *file;
	struct gcs_tty_end file_ends[2];
	bool pty;
	struct file *in_sock;
	struct file *out_sock;
	struct gcs_tty_way in;
	struct gcs_tty_way out;
	atomic_t events;
	atomic_t want;
	struct hrtimer gather;
	u32 gather_ns;
	u64 answered;
	u8 state;
	bool finish;
	bool retry;
	u64 last;
	u64 idle;
	u64 deadline;
	u64 eof;
};

static inline u32 gcs_tty_queued(const struct gcs_tty_way *w)
{
	return w->end - w->at;
}

/* tty.c */
extern struct xarray gcs_ttys;
extern atomic_t gcs_ttys_generation;
int gcs_tty_init(void);
void gcs_tty_exit(void);
struct gcs_tty *gcs_tty_find(u64 id);
struct gcs_tty *gcs_tty_next(u64 *id);
void gcs_tty_put(struct gcs_tty *t);
void gcs_tty_kick(struct gcs_tty *t, u32 events);
int gcs_tty_open(const struct gcs_tty_open *arg, u64 id);
int gcs_tty_attach(struct gcs_tty *t, u32 flags, int in_fd, int out_fd);
int gcs_tty_finish(struct gcs_tty *t, u32 idle_ms, u32 deadline_ms);

/* tty_move.c */
extern struct kmem_cache *gcs_tty_buffers;
bool gcs_tty_move(struct gcs_tty *t, struct gcs_tty_way *w);
void gcs_tty_lose(struct gcs_tty *t, struct gcs_tty_way *w);
struct file *gcs_tty_get_file(int fd, bool *pty);
int gcs_tty_watch_file(struct gcs_tty *t);
void gcs_tty_watch_sock(struct gcs_tty *t, struct gcs_tty_way *w, struct file *sock);
void gcs_tty_unwatch(struct gcs_tty *t);
void gcs_tty_want(struct gcs_tty *t, u32 want);

/* ioctl_tty.c */
long gcs_ioctl_tty_open(struct gcs_tty_open __user *uarg);
long gcs_ioctl_tty_attach(const struct gcs_tty_attach __user *uarg);
long gcs_ioctl_tty_finish(const struct gcs_tty_finish __user *uarg);

/* netlink_tty.c */
struct genl_info;
struct netlink_callback;
int gcs_netlink_tty_get(struct sk_buff *skb, struct genl_info *info);
int gcs_netlink_tty_dump(struct sk_buff *skb, struct netlink_callback *cb);
struct sk_buff *gcs_netlink_tty_event(struct gcs_tty *t, enum gcs_stream_reason reason);

#endif /* _GCS_TTY_H */
