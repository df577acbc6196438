/* Our headers describe Android's structures as they are: the numbers of android/native/src/layout.rs,
   where they are held against the crate libc. Compiled by android/link/build, and linked nowhere. */
#define _FILE_OFFSET_BITS 64
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#ifdef __LP64__
#define EITHER(wide, narrow) (wide)
#else
#define EITHER(wide, narrow) (narrow)
#endif
#define SIZE(type, wide, narrow) _Static_assert(sizeof(type) == EITHER(wide, narrow), #type)
#define AT(type, field, wide, narrow) \
    _Static_assert(offsetof(type, field) == EITHER(wide, narrow), #type "." #field)

SIZE(struct stat, 128, 104);
AT(struct stat, st_dev, 0, 0);
AT(struct stat, st_ino, 8, 96);
AT(struct stat, st_mode, 16, 16);
AT(struct stat, st_nlink, 20, 20);
AT(struct stat, st_uid, 24, 24);
AT(struct stat, st_size, 48, 48);
AT(struct stat, st_blksize, 56, 56);
AT(struct stat, st_mtim, 88, 80);

SIZE(off_t, 8, 8);
SIZE(struct flock, 32, 32);
AT(struct flock, l_start, 8, 8);
AT(struct flock, l_len, 16, 16);
AT(struct flock, l_pid, 24, 24);

SIZE(pthread_mutex_t, 40, 4);
SIZE(pthread_cond_t, 48, 4);
SIZE(pthread_mutexattr_t, 8, 4);
SIZE(pthread_attr_t, 56, 24);
SIZE(struct timespec, 16, 8);
SIZE(struct timeval, 16, 8);
SIZE(struct tm, 56, 44);
SIZE(mode_t, 4, 2);
_Static_assert(PTHREAD_MUTEX_RECURSIVE == 1, "recursive mutexes");
_Static_assert(RTLD_NOW == EITHER(2, 0), "dlopen");
_Static_assert(_SC_PAGESIZE == 39, "sysconf");
_Static_assert(O_NOFOLLOW == 0100000 && O_CLOEXEC == 02000000, "open");
