// SPDX-License-Identifier: MIT
/* Statistics of a directory with the files of a cgroup: what is there, what is missing, what is odd. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container/stats.h"
#include "fs.h"
#include "kselftest_harness.h"

FIXTURE(stats)
{
	char dir[32];
	int fd;
	struct cgroup_stats s;
	struct gcs_error err;
};

FIXTURE_SETUP(stats)
{
	strcpy(self->dir, "/tmp/test_stats.XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->dir));
	self->fd = open(self->dir, O_RDONLY | O_DIRECTORY);
	memset(&self->s, 0, sizeof(self->s));
}

FIXTURE_TEARDOWN(stats)
{
	stats_free(&self->s);
	close(self->fd);
	EXPECT_EQ(0, fs_remove_tree(self->dir, &self->err));
}

static void put(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	close(fd);
}

TEST_F(stats, an_empty_or_missing_cgroup_is_all_zeros)
{
	static const struct cgroup_stats zero;

	EXPECT_EQ(0, stats_read_v2(self->fd, &self->s, &self->err));
	EXPECT_EQ(0, memcmp(&zero, &self->s, sizeof(zero)));
	EXPECT_EQ(0, stats_read_v2(-1, &self->s, &self->err));
	EXPECT_EQ(0, memcmp(&zero, &self->s, sizeof(zero)));
	/* Optional ones that are empty are not there. */
	put(self->fd, "memory.events", "");
	put(self->fd, "io.stat", "");
	EXPECT_EQ(0, stats_read_v2(self->fd, &self->s, &self->err));
	EXPECT_EQ(0, memcmp(&zero, &self->s, sizeof(zero)));
}

TEST_F(stats, keys_are_whole_words_and_times_become_nanoseconds)
{
	put(self->fd, "cpu.stat", "usage_usec 1197454\nuser_usec 372066\nsystem_usec 825388\nnr_periods 7\nnr_throttled 3\n"
				  "throttled_usec 18446744073709551\n");
	put(self->fd, "memory.stat", "anon 65536\nfile_mapped 1\nfile 1757184\nkernel_stack 16384\nkernel 99\nanon_thp 5\nsock 4");
	put(self->fd, "memory.events", "low 0\nhigh 0\nmax 4\noom 1\noom_kill 2\noom_group_kill 3\n");
	put(self->fd, "io.stat", "8:0 rbytes=4096\n");
	ASSERT_EQ(0, stats_read_v2(self->fd, &self->s, &self->err));
	EXPECT_EQ(1197454000, self->s.cpu.usage.total);
	EXPECT_EQ(372066000, self->s.cpu.usage.user);
	EXPECT_EQ(825388000, self->s.cpu.usage.kernel);
	EXPECT_EQ(7, self->s.cpu.throttling.periods);
	EXPECT_EQ(3, self->s.cpu.throttling.throttled_periods);
	EXPECT_EQ(18446744073709551000ull, self->s.cpu.throttling.throttled_time);
	EXPECT_EQ(65536, self->s.memory.pages.rss);
	EXPECT_EQ(1757184, self->s.memory.pages.cache);
	EXPECT_EQ(1, self->s.memory.pages.mapped_file);
	EXPECT_EQ(99, self->s.memory.kernel.usage);
	EXPECT_EQ(4, self->s.memory.kernel_tcp.usage);
	ASSERT_NE(NULL, self->s.oom);
	EXPECT_EQ(2, self->s.oom->oom_kill);
	EXPECT_NE(NULL, self->s.blkio);
}

TEST_F(stats, no_limit_is_the_largest_number)
{
	put(self->fd, "memory.max", "max\n");
	put(self->fd, "memory.swap.max", "18446744073709551615\n");
	put(self->fd, "memory.current", "2134016\n");
	put(self->fd, "pids.max", "max\n");
	ASSERT_EQ(0, stats_read_v2(self->fd, &self->s, &self->err));
	EXPECT_EQ(UINT64_MAX, self->s.memory.usage.limit);
	EXPECT_EQ(UINT64_MAX, self->s.memory.hierarchical_memory_limit);
	EXPECT_EQ(UINT64_MAX, self->s.memory.hierarchical_swap_limit);
	EXPECT_EQ(UINT64_MAX, self->s.pids.limit);
	EXPECT_EQ(2134016, self->s.memory.usage.usage);
}

TEST_F(stats, huge_pages_have_their_size_and_what_they_were_refused)
{
	const struct hugetlb_stats *h;

	put(self->fd, "hugetlb.2MB.current", "2097152\n");
	put(self->fd, "hugetlb.2MB.max", "4194304\n");
	put(self->fd, "hugetlb.2MB.events", "max 5\n");
	put(self->fd, "hugetlb.2MB.rsvd.current", "1\n");
	put(self->fd, "hugetlb.x.current", "1\n");
	ASSERT_EQ(0, stats_read_v2(self->fd, &self->s, &self->err));
	ASSERT_EQ(1, self->s.hugetlb.count);
	h = self->s.hugetlb.items;
	EXPECT_STREQ("2MB", h->pagesize);
	EXPECT_EQ(2097152, h->usage);
	EXPECT_EQ(4194304, h->max);
	EXPECT_EQ(5, h->failcnt);
}

TEST_F(stats, version_1_has_directories_for_its_controllers)
{
	static const char *const dirs[] = { "cpu", "cpuacct", "memory", "pids", "hugetlb", "blkio" };
	struct hugetlb_stats *h;

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		char path[64];

		snprintf(path, sizeof(path), "%s/%s/pods/x", self->dir, dirs[i]);
		ASSERT_EQ(0, fs_mkdir_p(path, 0700, NULL, &self->err));
	}
	put(self->fd, "cpu/pods/x/cpu.stat", "nr_periods 7\nnr_throttled 3\nthrottled_time 18446744073709551615\n");
	put(self->fd, "cpuacct/pods/x/cpuacct.usage", "1197454001\n");
	put(self->fd, "cpuacct/pods/x/cpuacct.usage_percpu", "1000000000 197454001 \n");
	put(self->fd, "cpuacct/pods/x/cpuacct.stat", "user 37\nsystem 82\n");
	put(self->fd, "memory/pods/x/memory.stat", "cache 1\nrss 2\nrss_huge 3\npgpgin 4\nhierarchical_memory_limit 5\n"
						   "hierarchical_memsw_limit 6\ntotal_cache 7\ntotal_rss 8\ntotal_pgpgin 9\n");
	put(self->fd, "memory/pods/x/memory.usage_in_bytes", "10\n");
	put(self->fd, "memory/pods/x/memory.limit_in_bytes", "9223372036854771712\n");
	put(self->fd, "memory/pods/x/memory.kmem.tcp.failcnt", "11\n");
	put(self->fd, "memory/pods/x/memory.oom_control", "oom_kill_disable 1\nunder_oom 0\noom_kill 12\n");
	put(self->fd, "pids/pods/x/pids.current", "13\n");
	put(self->fd, "pids/pods/x/pids.max", "max\n");
	put(self->fd, "hugetlb/pods/x/hugetlb.2MB.usage_in_bytes", "14\n");
	put(self->fd, "hugetlb/pods/x/hugetlb.2MB.max_usage_in_bytes", "15\n");
	put(self->fd, "hugetlb/pods/x/hugetlb.2MB.failcnt", "16\n");
	put(self->fd, "hugetlb/pods/x/hugetlb.2MB.rsvd.usage_in_bytes", "17\n");
	ASSERT_EQ(0, stats_read_v1(self->fd, "/pods/x", &self->s, &self->err));
	EXPECT_EQ(7, self->s.cpu.throttling.periods);
	EXPECT_EQ(UINT64_MAX, self->s.cpu.throttling.throttled_time);
	EXPECT_EQ(1197454001, self->s.cpu.usage.total);
	ASSERT_EQ(2, self->s.cpu.usage.per_cpu.count);
	EXPECT_EQ(197454001, self->s.cpu.usage.per_cpu.items[1]);
	EXPECT_EQ(370000000, self->s.cpu.usage.user);
	EXPECT_EQ(820000000, self->s.cpu.usage.kernel);
	EXPECT_EQ(1, self->s.memory.pages.cache);
	EXPECT_EQ(2, self->s.memory.pages.rss);
	EXPECT_EQ(3, self->s.memory.pages.rss_huge);
	EXPECT_EQ(4, self->s.memory.pages.pg_pg_in);
	EXPECT_EQ(5, self->s.memory.hierarchical_memory_limit);
	EXPECT_EQ(6, self->s.memory.hierarchical_swap_limit);
	EXPECT_EQ(7, self->s.memory.total.cache);
	EXPECT_EQ(8, self->s.memory.total.rss);
	EXPECT_EQ(9, self->s.memory.total.pg_pg_in);
	EXPECT_EQ(10, self->s.memory.usage.usage);
	EXPECT_EQ(9223372036854771712ull, self->s.memory.usage.limit);
	EXPECT_EQ(11, self->s.memory.kernel_tcp.failcnt);
	ASSERT_NE(NULL, self->s.oom);
	EXPECT_EQ(1, self->s.oom->oom_kill_disable);
	EXPECT_EQ(12, self->s.oom->oom_kill);
	EXPECT_EQ(13, self->s.pids.current);
	EXPECT_EQ(0, self->s.pids.limit);
	ASSERT_EQ(1, self->s.hugetlb.count);
	h = self->s.hugetlb.items;
	EXPECT_STREQ("2MB", h->pagesize);
	EXPECT_EQ(14, h->usage);
	EXPECT_EQ(15, h->max);
	EXPECT_EQ(16, h->failcnt);
	EXPECT_NE(NULL, self->s.blkio);
	/* Nothing of it is elsewhere. */
	stats_free(&self->s);
	ASSERT_EQ(0, stats_read_v1(self->fd, "/pods/y", &self->s, &self->err));
	EXPECT_EQ(0, self->s.memory.usage.usage);
	EXPECT_EQ(NULL, self->s.oom);
}

TEST_F(stats, files_longer_than_anybody_expects_are_cut)
{
	char *text = malloc(100001);

	memset(text, 'x', 100000);
	text[100000] = '\0';
	put(self->fd, "memory.stat", text);
	put(self->fd, "cpu.stat", text);
	put(self->fd, "memory.current", text);
	EXPECT_EQ(0, stats_read_v2(self->fd, &self->s, &self->err));
	EXPECT_EQ(0, self->s.memory.pages.rss);
	free(text);
}

TEST_HARNESS_MAIN
