#pragma once
#include <stddef.h>
#include <stdint.h>
typedef long time_t;
typedef int pid_t;
typedef uint32_t uid_t;
typedef uint32_t gid_t;
typedef int64_t off64_t;
#ifdef __LP64__
typedef long ssize_t;
typedef uint32_t mode_t;
typedef uint64_t dev_t;
typedef unsigned long ino_t;
typedef int64_t off_t;
#define OFFSET64(name)
#else
typedef int ssize_t;
typedef uint16_t mode_t;
typedef uint32_t dev_t;
typedef uint32_t ino_t;
#if defined(_FILE_OFFSET_BITS) && _FILE_OFFSET_BITS == 64
typedef int64_t off_t;
#define OFFSET64(name) __asm__(#name)
#else
typedef long off_t;
#define OFFSET64(name)
#endif
#endif
