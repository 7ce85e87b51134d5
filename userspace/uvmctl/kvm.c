// SPDX-License-Identifier: MIT
/*
 * Does KVM run anything here? Some sandboxes have a /dev/kvm without hardware behind it, which makes a VM, may even execute an
 * instruction, and gets nowhere with a guest.
 */
#include "kvm.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/kvm.h>

#include "cleanup.h"
#include "proc.h"

#define CPUID_VMX (1u << 5) /* leaf 1, ECX */
#define CPUID_SVM (1u << 2) /* leaf 0x80000001, ECX */
#define PAGE 4096u
#define HLT 0xF4
#define TRIAL_MS 3000

static const char *const steps[] = { NULL, "make a VM", "give it memory", "make a processor", "set its registers", "run it",
				     "run it to its first instruction" };

/* Returns the step that failed, or 0. */
static int run_hlt(int kvm)
{
	struct kvm_userspace_memory_region region = { .memory_size = PAGE };
	struct kvm_regs regs = { .rflags = 2 };
	struct kvm_sregs sregs;
	struct kvm_run *run;
	uint8_t *memory;
	int vm, cpu, size;

	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0)
		return 1;
	memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return 2;
	*memory = HLT;
	region.userspace_addr = (uintptr_t)memory;
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return 2;
	cpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	run = cpu < 0 || size < 0 ? MAP_FAILED : mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu, 0);
	if (run == MAP_FAILED)
		return 3;
	if (ioctl(cpu, KVM_GET_SREGS, &sregs) < 0)
		return 4;
	sregs.cs.base = sregs.cs.selector = 0;
	if (ioctl(cpu, KVM_SET_SREGS, &sregs) < 0 || ioctl(cpu, KVM_SET_REGS, &regs) < 0)
		return 4;
	if (ioctl(cpu, KVM_RUN, 0) < 0)
		return 5;
	return run->exit_reason == KVM_EXIT_HLT ? 0 : 6;
}

int kvm_may_work(struct gcs_error *err)
{
	unsigned int a, b, c = 0, d, e = 0;

	if (access("/dev/kvm", R_OK | W_OK) < 0)
		return gcs_fail(err, errno, HR_FAIL, "/dev/kvm");
	__get_cpuid(1, &a, &b, &c, &d);
	__get_cpuid(0x80000001, &a, &b, &e, &d);
	return (c & CPUID_VMX) || (e & CPUID_SVM) ? 0 : gcs_fail(err, 0, HR_FAIL, "/dev/kvm: a processor without VMX or SVM");
}

int kvm_try(struct gcs_error *err)
{
	_cleanup_close_ int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	struct pollfd p = { .events = POLLIN };
	pid_t parent = getpid(), pid;
	int code;

	if (kvm_may_work(err) < 0)
		return -1;
	if (kvm < 0)
		return gcs_fail(err, errno, HR_FAIL, "/dev/kvm");
	/* In a process of its own: it may never come back. */
	pid = fork();
	if (pid < 0)
		return gcs_fail(err, errno, HR_FAIL, "try KVM: fork");
	if (pid == 0) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
			_exit(1);
		_exit(run_hlt(kvm));
	}
	p.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (p.fd >= 0 && poll(&p, 1, TRIAL_MS) != 1)
		kill(pid, SIGKILL);
	code = proc_wait(p.fd);
	if (code == 0)
		return 0;
	if (code >= (int)(sizeof(steps) / sizeof(steps[0])))
		return gcs_fail(err, 0, HR_FAIL, "/dev/kvm: it makes a VM and does not run it");
	return gcs_fail(err, 0, HR_FAIL, "/dev/kvm: %s: it cannot", steps[code]);
}
