#pragma once
#include <stddef.h>
#include <sys/types.h>
#define F_OK 0
#define X_OK 1
#define W_OK 2
#define R_OK 4
#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2
#define _SC_PAGESIZE 39
int access(const char *, int);
int close(int);
int fchown(int, uid_t, gid_t);
int fdatasync(int);
int fsync(int);
int ftruncate(int, off_t) OFFSET64(ftruncate64);
char *getcwd(char *, size_t);
uid_t geteuid(void);
int getpagesize(void);
pid_t getpid(void);
off_t lseek(int, off_t, int) OFFSET64(lseek64);
off64_t lseek64(int, off64_t, int);
ssize_t pread(int, void *, size_t, off_t) OFFSET64(pread64);
ssize_t pwrite(int, const void *, size_t, off_t) OFFSET64(pwrite64);
ssize_t read(int, void *, size_t);
ssize_t readlink(const char *, char *, size_t);
int rmdir(const char *);
unsigned int sleep(unsigned int);
long sysconf(int);
int unlink(const char *);
int usleep(unsigned int);
ssize_t write(int, const void *, size_t);
