/* Lets writing and syncing of recordings wait as long as a file exists: a disk that stalls, preloaded by the row L4. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int is_stalled(void) {
  const char *stall = getenv("SLOW_DISK_FILE");
  return stall && access(stall, F_OK) == 0;
}

static int is_recording(int file) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return strstr(path, ".mcap.active") != NULL;
}

static void stall(int file) {
  while (is_stalled() && is_recording(file)) usleep(10000);
}

ssize_t write(int file, const void *bytes, size_t count) {
  stall(file);
  return syscall(SYS_write, file, bytes, count);
}

int fdatasync(int file) {
  stall(file);
  return (int)syscall(SYS_fdatasync, file);
}
