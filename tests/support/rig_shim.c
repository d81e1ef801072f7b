/* Answers CPU affinity calls for a pretended machine, whose CPUs are mostly more than the real ones.
 *
 * LD_PRELOADed by tests/support/rig.py with AUTOTP_RIG_CPUS = the pretended CPUs that are online, as 0-3,8. Nothing reaches the
 * kernel: masks live in this process, one for each thread. As in Linux a new thread and a forked child start with the
 * mask of the thread that made them, a mask is cut to the CPUs that exist, an empty one is EINVAL, and so is a buffer
 * that is too small (sched_setaffinity(2)). Unlike in Linux a mask ends with exec, and another process's mask can be
 * neither read nor set: EPERM, so that code relying on it fails where a test sees it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAX_CPUS = 2048, MAX_THREADS = 1024, WORD_BITS = 8 * sizeof(unsigned long), WORDS = MAX_CPUS / WORD_BITS };

typedef struct {
    unsigned long words[WORDS];
} mask_t;

typedef struct {
    pid_t tid; /* 0: free */
    pthread_t handle;
    mask_t mask;
} entry_t;

typedef struct {
    void *(*run)(void *);
    void *argument;
    mask_t mask;
} start_t;

static int cpus;
static mask_t all;
static entry_t entries[MAX_THREADS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static mask_t forking;

static int (*real_pthread_create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
static long (*real_syscall)(long, ...);
static int (*real_sched_getcpu)(void);

static pid_t own_tid(void) { return (pid_t)real_syscall(SYS_gettid); }

static size_t kernel_bytes(void) { return (cpus + WORD_BITS - 1) / WORD_BITS * sizeof(unsigned long); }

static entry_t *find(pid_t tid) {
    for (int i = 0; i < MAX_THREADS; i++)
        if (entries[i].tid == tid) return &entries[i];
    return NULL;
}

static mask_t mask_of(pid_t tid) {
    entry_t *entry = find(tid);
    if (!entry) entry = find(getpid());
    return entry ? entry->mask : all;
}

static void remember(pid_t tid, const mask_t *mask) {
    entry_t *entry = find(tid);
    if (!entry) entry = find(0);
    if (!entry) abort();
    entry->tid = tid;
    entry->mask = *mask;
}

/* The thread meant by a pid argument, or 0 with errno set. */
static pid_t thread_of(pid_t pid) {
    if (pid == 0) return own_tid();
    if (pid > 0 && real_syscall(SYS_tgkill, getpid(), pid, 0) == 0) return pid;
    errno = pid > 0 && real_syscall(SYS_tgkill, pid, pid, 0) == 0 ? EPERM : ESRCH;
    return 0;
}

static long get(pid_t pid, size_t bytes, void *out) {
    pid_t tid = thread_of(pid);
    if (!tid) return -1;
    if (bytes < kernel_bytes() || bytes % sizeof(unsigned long)) {
        errno = EINVAL;
        return -1;
    }
    pthread_mutex_lock(&lock);
    mask_t mask = mask_of(tid);
    pthread_mutex_unlock(&lock);
    memcpy(out, mask.words, kernel_bytes());
    return (long)kernel_bytes();
}

static long set(pid_t pid, size_t bytes, const void *in) {
    pid_t tid = thread_of(pid);
    if (!tid) return -1;
    mask_t mask = {{0}};
    memcpy(mask.words, in, bytes < sizeof mask ? bytes : sizeof mask);
    unsigned long any = 0;
    for (int i = 0; i < WORDS; i++) any |= mask.words[i] &= all.words[i];
    if (!any) {
        errno = EINVAL;
        return -1;
    }
    pthread_mutex_lock(&lock);
    remember(tid, &mask);
    pthread_mutex_unlock(&lock);
    return 0;
}

static pid_t tid_of(pthread_t thread) {
    if (pthread_equal(thread, pthread_self())) return own_tid();
    pid_t tid = 0;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < MAX_THREADS && !tid; i++)
        if (entries[i].tid && pthread_equal(entries[i].handle, thread)) tid = entries[i].tid;
    pthread_mutex_unlock(&lock);
    return tid;
}

int sched_getaffinity(pid_t pid, size_t bytes, cpu_set_t *out) {
    long filled = get(pid, bytes, out);
    if (filled < 0) return -1;
    memset((char *)out + filled, 0, bytes - filled);
    return 0;
}

int sched_setaffinity(pid_t pid, size_t bytes, const cpu_set_t *in) { return (int)set(pid, bytes, in); }

int pthread_getaffinity_np(pthread_t thread, size_t bytes, cpu_set_t *out) {
    pid_t tid = tid_of(thread);
    if (!tid) return ESRCH;
    return sched_getaffinity(tid, bytes, out) ? errno : 0;
}

int pthread_setaffinity_np(pthread_t thread, size_t bytes, const cpu_set_t *in) {
    pid_t tid = tid_of(thread);
    if (!tid) return ESRCH;
    return set(tid, bytes, in) ? errno : 0;
}

/* One of the CPUs of the thread's mask, so that readers of the pretended topology find it there. */
int sched_getcpu(void) {
    pthread_mutex_lock(&lock);
    mask_t mask = mask_of(own_tid());
    pthread_mutex_unlock(&lock);
    int real = real_sched_getcpu(), first = -1;
    for (int cpu = 0; cpu < cpus; cpu++) {
        if (!(mask.words[cpu / WORD_BITS] >> (cpu % WORD_BITS) & 1)) continue;
        if (cpu == real) return cpu;
        if (first < 0) first = cpu;
    }
    return first;
}

long syscall(long number, ...) {
    long a[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
    va_end(list);
    if (number == SYS_sched_getaffinity) return get((pid_t)a[0], (size_t)a[1], (void *)a[2]);
    if (number == SYS_sched_setaffinity) return set((pid_t)a[0], (size_t)a[1], (const void *)a[2]);
    return real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static void forget(void *unused) {
    (void)unused;
    pthread_mutex_lock(&lock);
    entry_t *entry = find(own_tid());
    if (entry) entry->tid = 0;
    pthread_mutex_unlock(&lock);
}

static void introduce(const mask_t *mask) {
    pthread_mutex_lock(&lock);
    remember(own_tid(), mask);
    find(own_tid())->handle = pthread_self();
    pthread_mutex_unlock(&lock);
}

static void *started(void *given) {
    start_t start = *(start_t *)given;
    free(given);
    introduce(&start.mask);
    void *result;
    pthread_cleanup_push(forget, NULL);
    result = start.run(start.argument);
    pthread_cleanup_pop(1);
    return result;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
    start_t *start = malloc(sizeof *start);
    if (!start) return EAGAIN;
    start->run = run;
    start->argument = argument;
    pthread_mutex_lock(&lock);
    start->mask = mask_of(own_tid());
    pthread_mutex_unlock(&lock);
    int error = real_pthread_create(thread, attributes, started, start);
    if (error) free(start);
    return error;
}

static void before_fork(void) {
    pthread_mutex_lock(&lock);
    forking = mask_of(own_tid());
}

static void after_fork_parent(void) { pthread_mutex_unlock(&lock); }

static void after_fork_child(void) {
    pthread_mutex_init(&lock, NULL);
    for (int i = 0; i < MAX_THREADS; i++)
        if (entries[i].tid) entries[i].tid = 0;
    introduce(&forking);
}

/* Set `all` and `cpus`, the highest id and one, from a list in the kernel's notation; 0 if it isn't one. */
static int take_list(const char *text) {
    for (char *end = (char *)text;; text = end + 1) {
        long first = strtol(text, &end, 10), last = first;
        if (end == text) return 0;
        if (*end == '-') {
            text = end + 1;
            last = strtol(text, &end, 10);
            if (end == text) return 0;
        }
        if (first < 0 || last < first || last >= MAX_CPUS) return 0;
        for (long cpu = first; cpu <= last; cpu++) all.words[cpu / WORD_BITS] |= 1UL << (cpu % WORD_BITS);
        if (last >= cpus) cpus = (int)last + 1;
        if (*end != ',') return *end == 0;
    }
}

__attribute__((constructor)) static void begin(void) {
    const char *text = getenv("AUTOTP_RIG_CPUS");
    if (!text || !take_list(text)) {
        fprintf(stderr, "rig_shim: AUTOTP_RIG_CPUS must list CPUs of 0 to %d, as 0-3,8\n", MAX_CPUS - 1);
        abort();
    }
    real_pthread_create = dlsym(RTLD_NEXT, "pthread_create");
    real_syscall = dlsym(RTLD_NEXT, "syscall");
    real_sched_getcpu = dlsym(RTLD_NEXT, "sched_getcpu");
    introduce(&all);
    pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}
