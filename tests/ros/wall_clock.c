/* Moves the wall clock of one process, without touching the machine's: preloaded by the row T1.
 *
 * WALL_CLOCK_FILE holds the offset in whole seconds as text; it is read at each call, so that the clock can step
 * while the process runs. CLOCK_REALTIME only: monotonic clocks stay, as when a real clock steps. Deadlines of
 * condition variables (the middleware's) are moved back to the kernel's time. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long offset(void) {
  const char *path = getenv("WALL_CLOCK_FILE");
  char text[32] = {0};
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return 0;
  ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  return length > 0 ? strtol(text, NULL, 10) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  int result = real ? real(clock, now) : (int)syscall(SYS_clock_gettime, clock, now);
  if (result == 0 && clock == CLOCK_REALTIME) now->tv_sec += offset();
  return result;
}

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *deadline) {
  typedef int (*wait_t)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
  static wait_t real;
  if (!real) real = (wait_t)dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
  if (!real) real = (wait_t)dlsym(RTLD_NEXT, "pthread_cond_timedwait");
  struct timespec kernel = *deadline;
  kernel.tv_sec -= offset();
  return real(condition, mutex, &kernel);
}
