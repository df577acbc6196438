#pragma once
#include <sys/types.h>
#include <time.h>
#define STAT_TIMES struct timespec st_atim, st_mtim, st_ctim
#ifdef __LP64__
struct stat {
    dev_t st_dev;
    unsigned long st_ino;
    unsigned int st_mode;
    uint32_t st_nlink;
    uid_t st_uid;
    gid_t st_gid;
    dev_t st_rdev;
    unsigned long reserved1;
    off_t st_size;
    int st_blksize;
    int reserved2;
    long st_blocks;
    STAT_TIMES;
    unsigned int reserved3[2];
};
#else
struct stat {
    unsigned long long st_dev;
    unsigned char reserved1[4];
    unsigned long st_ino_low;
    unsigned int st_mode;
    uint32_t st_nlink;
    uid_t st_uid;
    gid_t st_gid;
    unsigned long long st_rdev;
    unsigned char reserved2[4];
    long long st_size;
    unsigned long st_blksize;
    unsigned long long st_blocks;
    STAT_TIMES;
    unsigned long long st_ino;
};
#endif
#define st_atime st_atim.tv_sec
#define st_mtime st_mtim.tv_sec
#define st_ctime st_ctim.tv_sec
#define S_IFMT 0170000
#define S_IFDIR 0040000
#define S_IFREG 0100000
#define S_IFLNK 0120000
#define S_ISDIR(mode) (((mode) & S_IFMT) == S_IFDIR)
#define S_ISREG(mode) (((mode) & S_IFMT) == S_IFREG)
#define S_ISLNK(mode) (((mode) & S_IFMT) == S_IFLNK)
int chmod(const char *, mode_t);
int fchmod(int, mode_t);
int fstat(int, struct stat *);
int lstat(const char *, struct stat *);
int mkdir(const char *, mode_t);
int stat(const char *, struct stat *);
mode_t umask(mode_t);
