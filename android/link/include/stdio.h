#pragma once
#include <stdarg.h>
#include <stddef.h>
#define FILENAME_MAX 4096
/* Nothing here is given a file of stdio's. */
typedef struct stdio_file FILE;
int rename(const char *, const char *);
int snprintf(char *, size_t, const char *, ...);
