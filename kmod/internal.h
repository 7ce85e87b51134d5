/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of gcs.ko share: the stream, and each file's functions
 *
 * Objects, owners, locks and states are explained in Documentation/kmod.md.
 */
#ifndef _GCS_INTERNAL_H
#define _GCS_INTERNAL_H

#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/jiffies.h>
#include <linux/kref.h>
#include <linux/limits.h>
#include <linux/math.h>
#include <linux/net.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include <linux/gcs.h>

/*
 * Room for what is to be sent, a power of two; what is kept of what was sent comes on top. A writer
 * that finds the ring full sleeps, which costs more than all else here.
 */
#define GCS_RING_SIZE		SZ_256K
/* What a vsock packet can carry at most. */
#define GCS_PACKET_MAX		SZ_64K

/**
 * enum gcs_sender - who may send on a written stream's connection
 * @GCS_SENDER_NONE: nobody is sending; what the ring holds, if anything, is gathering, or held
 * @GCS_SENDER_INLINE: a writer sends, from its own memory or the ring, which waits behind it
 * @GCS_SENDER_WORK: the work item sends the ring, or waits for the peer to make room
 *
 * Ownership, not a lock: who has it may sleep, everybody else goes on with the ring.
 */
enum gcs_sender {
	GCS_SENDER_NONE,
	GCS_SENDER_INLINE,
	GCS_SENDER_WORK,
};

/**
 * struct gcs_stream - one direction of a connection, as a file
 * @ref: held by the inode, by a queued work item, by whoever looked the id up, and once by the
 *       stream itself until it has finished
 * @lock: protects everything below that has no comment of its own. Taken in process context.
 *        The wait queues' locks and the workqueue's may be taken inside it; nothing sleeps in it.
 * @id: never used twice; also the inode number
 * @cookie: the creator's tag
 * @flags: GCS_STREAM_*; this, @size, @keep and @lost_ms never change
 * @opens: open files, not counting duplicates of one
 * @wait: readers, writers and pollers of the file
 * @fasync: who gets a signal instead
 * @work: sends the ring and makes every change of state after the stream was opened
 * @timer: runs @work again at the next deadline; armed by @work alone
 * @gather: runs @work when a burst of writes is over, or has taken long enough
 * @sock: the socket's file, until the connection is lost or the stream has finished. @work may use it
 *        as it is, because nobody else takes it away; all others take a reference under @lock.
 * @next: the file of the socket that @work is to put in the place of @sock
 * @next_out: what @out is then
 * @sock_wait: on the socket's wait queue while @sock and @watched are set
 * @space_seq: counts the socket's wake-ups; changed under the lock of the socket's wait queue
 * @want_space: @work waits for @space_seq to change
 * @watched: the socket's wake-ups are of interest: always but for a stream that is only read; changed
 *           under @lock, once
 * @state: enum gcs_stream_state; changed under @lock, may be read without
 * @sender: enum gcs_sender
 * @copying: the writer that is @sender has sent and counted what it can, and copies the rest
 * @sealed: no more bytes may enter
 * @peer_eof: the peer has shut down its sending side in good order; latched, a close may follow it
 * @closed: the last file was closed; it cannot be opened again
 * @finish: GCS_STREAM_FINISH was called
 * @discard: writes to the finished stream succeed
 * @stalled: somebody waits for room in the ring
 * @gathering: @gather runs; set under @lock, cleared by the timer itself
 * @ring: @size bytes, allocated when first needed, or NULL. What a sender reads or fills outside the lock
 *        is safe from everybody else; nobody else may be there when it is freed.
 * @size: a power of two
 * @keep: how much of what was sent is kept, in front of @head
 * @kept: the oldest byte that is kept; @head without GCS_STREAM_KEEP
 * @head: next byte to send, counting from the first; changed by the sender
 * @tail: next byte to fill
 * @reserved: bytes at @head that a writer is sending from its own memory and that are not in the
 *            ring: should it have to leave some behind, they have their place before all others
 * @seen: @tail when @gather last looked
 * @looks: how often @gather has looked since the ring began to gather
 * @held: what the ring has is not gathering: the writer that began it is about to send it. Should another
 *        writer come meanwhile, or its memory be missing, it gathers after all, since that may take long.
 * @last_ns: local_clock() when bytes last left the ring or a writer's memory; cheap, and good enough to
 *           see a burst
 * @last: when the last write ended; this and the following are in jiffies
 * @idle: gcs_stream_finish.idle_ms
 * @deadline: when to give up, or 0
 * @eof: when to stop waiting for the peer's end of file
 * @give_up: when to stop waiting for a new socket, or 0
 * @lost_ms: gcs_stream_open.lost_ms
 * @in: bytes accepted from writers
 * @received: instead of it, on a stream to read: bytes received and returned to readers; changed without
 *            the lock, which would cost a reader more than the count
 * @out: bytes handed to the connection; set back with what is sent again
 * @lost: bytes accepted and dropped
 * @inlines: sends from a writer's own memory
 * @flushes: sends from the ring
 * @stalls: times a writer found the ring full
 */
struct gcs_stream {
	struct kref ref;
	spinlock_t lock;
	u64 id;
	u64 cookie;
	u32 flags;
	u32 opens;
	wait_queue_head_t wait;
	struct fasync_struct *fasync;
	struct work_struct work;
	struct timer_list timer;
	struct hrtimer gather;

	struct file *sock;
	struct file *next;
	u64 next_out;
	wait_queue_entry_t sock_wait;
	u32 space_seq;
	bool want_space;
	bool watched;

	u8 state;
	u8 sender;
	bool copying;
	bool sealed;
	bool peer_eof;
	bool closed;
	bool finish;
	bool discard;
	bool stalled;
	bool gathering;

	u8 *ring;
	u32 size;
	u32 keep;
	u32 kept;
	u32 head;
	u32 tail;
	u32 reserved;
	u32 seen;
	u8 looks;
	bool held;

	u64 last_ns;
	u64 last;
	u64 idle;
	u64 deadline;
	u64 eof;
	u64 give_up;
	u32 lost_ms;

	union {
		u64 in;
		atomic64_t received;
	};
	u64 out;
	u64 lost;
	u64 inlines;
	u64 flushes;
	u64 stalls;
};

/* The two counts that are reported. What a reader has received it has. */
static inline u64 gcs_stream_in(const struct gcs_stream *s)
{
	return s->flags & GCS_STREAM_READ ? atomic64_read(&s->received) : s->in;
}

static inline u64 gcs_stream_out(const struct gcs_stream *s)
{
	return s->flags & GCS_STREAM_READ ? atomic64_read(&s->received) : s->out;
}

/* What the ring holds, without what a writer is sending from its own memory. */
static inline u32 gcs_stream_queued(const struct gcs_stream *s)
{
	return READ_ONCE(s->tail) - READ_ONCE(s->head) - READ_ONCE(s->reserved);
}

static inline u32 gcs_stream_room(const struct gcs_stream *s)
{
	return s->size - (READ_ONCE(s->tail) - READ_ONCE(s->kept));
}

/* Bytes may still enter. */
static inline bool gcs_stream_live(const struct gcs_stream *s)
{
	u8 state = READ_ONCE(s->state);

	return !READ_ONCE(s->sealed) && (state == GCS_STATE_DETACHED || state == GCS_STATE_OPEN ||
					 state == GCS_STATE_LOST);
}

/* SIGIO, wherever pollers are woken. May be called in an interrupt. */
static inline void gcs_stream_signal(struct gcs_stream *s)
{
	kill_fasync(&s->fasync, SIGIO, s->flags & GCS_STREAM_READ ? POLL_IN : POLL_OUT);
}

/* msecs_to_jiffies() takes half of the values for infinity. */
static inline u64 gcs_jiffies(u32 ms)
{
	/* One more: the jiffy that has begun does not count. */
	return DIV_ROUND_UP_ULL((u64)ms * HZ, MSEC_PER_SEC) + 1;
}

/* fs.c */
int gcs_fs_pin(void);
bool gcs_fs_owns(const struct file *file);
void gcs_fs_unpin(void);
struct file *gcs_fs_new_file(struct gcs_stream *s, int flags);

/* stream.c */
extern struct xarray gcs_streams;
extern atomic_t gcs_streams_generation;
int gcs_stream_init(void);
void gcs_stream_exit(void);
struct gcs_stream *gcs_stream_find(u64 id);
struct gcs_stream *gcs_stream_next(u64 *id);
void gcs_stream_put(struct gcs_stream *s);
void gcs_stream_kick(struct gcs_stream *s);
void gcs_stream_set_state(struct gcs_stream *s, enum gcs_stream_state state);
struct file *gcs_stream_get_sock(struct gcs_stream *s);
struct file *gcs_stream_open(const struct gcs_stream_open *arg, u64 id);
u64 gcs_stream_new_id(void);
int gcs_stream_finish(struct gcs_stream *s, u32 flags, u32 idle_ms, u32 deadline_ms);
int gcs_stream_opened(struct gcs_stream *s);
void gcs_stream_closed(struct gcs_stream *s);

/* stream_attach.c */
struct file *gcs_sock_get(int fd);
int gcs_sock_claim(struct file *file, void *user);
void gcs_sock_release(struct file *file);
void gcs_stream_set_sock(struct gcs_stream *s, struct file *sock, u64 out);
void gcs_stream_watch(struct gcs_stream *s);
struct file *gcs_stream_unset_sock(struct gcs_stream *s);
void gcs_sock_close(struct file *sock, int how);
void gcs_stream_switch(struct gcs_stream *s);
void gcs_stream_wait_for_socket(struct gcs_stream *s, u64 now);
int gcs_stream_attach(struct gcs_stream *s, const struct gcs_stream_attach *arg);

/* stream_write.c */
ssize_t gcs_stream_write_iter(struct kiocb *iocb, struct iov_iter *from);
__poll_t gcs_stream_write_poll(struct gcs_stream *s);
void gcs_stream_flush(struct gcs_stream *s);
enum hrtimer_restart gcs_stream_gather(struct hrtimer *timer);
bool gcs_sock_gone(const struct socket *sock);
void gcs_stream_broken(struct gcs_stream *s);
void gcs_stream_forget(struct gcs_stream *s);
u64 gcs_stream_oldest(const struct gcs_stream *s);

/* stream_read.c */
ssize_t gcs_stream_read_iter(struct kiocb *iocb, struct iov_iter *to);
__poll_t gcs_stream_read_poll(struct gcs_stream *s);
size_t gcs_sock_readable(struct socket *sock);
bool gcs_sock_is_eof(struct socket *sock, ssize_t err);
int gcs_sock_skip_to_eof(struct socket *sock);
bool gcs_sock_at_end(struct socket *sock);
bool gcs_stream_peer_eof(struct gcs_stream *s, const struct socket *sock);

/* netlink.c */
struct genl_family;
extern struct genl_family gcs_family;
int gcs_netlink_init(void);
void gcs_netlink_exit(void);
void gcs_netlink_send_event(struct sk_buff *event);

/* Puts an object's attributes. @reason: of its end, or -1. Returns 0, -EMSGSIZE, or -ENOENT: it is gone. */
typedef int (*gcs_netlink_put)(struct sk_buff *skb, void *object, int reason);
struct genl_info;
struct netlink_callback;
int gcs_netlink_answer(struct genl_info *info, u8 cmd, size_t size, gcs_netlink_put put, void *object);
int gcs_netlink_dump_one(struct sk_buff *skb, struct netlink_callback *cb, u8 cmd,
			 gcs_netlink_put put, void *object);
struct sk_buff *gcs_netlink_event(u8 cmd, size_t size, gfp_t gfp, gcs_netlink_put put, void *object,
				  int reason);

/* netlink_stream.c */
int gcs_netlink_stream_get(struct sk_buff *skb, struct genl_info *info);
int gcs_netlink_stream_dump(struct sk_buff *skb, struct netlink_callback *cb);
struct sk_buff *gcs_netlink_stream_event(struct gcs_stream *s, u8 cmd, int reason);

/* devmap.c */
int gcs_devmap_init(void);
void gcs_devmap_exit(void);
int gcs_dev_wait(struct gcs_dev_wait *arg);
int gcs_dev_eject(const struct gcs_dev_addr *addr);

/* ioctl_dev.c */
long gcs_ioctl_dev_wait(struct gcs_dev_wait __user *uarg);
long gcs_ioctl_dev_eject(const struct gcs_dev_eject __user *uarg);

/* netlink_dev.c */
struct gcs_dev;
int gcs_netlink_dev_dump(struct sk_buff *skb, struct netlink_callback *cb);
struct sk_buff *gcs_netlink_dev_event(struct gcs_dev *d, enum gcs_cmd cmd);

/* selftest/selftest.c */
#ifdef GCS_SELFTEST
int gcs_selftest(void);
#else
static inline int gcs_selftest(void)
{
	return 0;
}
#endif

#endif /* _GCS_INTERNAL_H */
