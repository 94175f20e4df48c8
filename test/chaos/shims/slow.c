/* A disk on which a sync takes long. */
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <unistd.h>

int fdatasync(int fd) {
  usleep(1500000);
  return (int)syscall(SYS_fdatasync, fd);
}
