/* Short connections: who asks for them, and who answers.
 *
 *   load serve ADDRESS PORT COUNT             listens on COUNT ports from PORT on
 *   load rate ADDRESS PORT COUNT WIDE SECONDS how many connections a second, WIDE at a time
 *   load one ADDRESS PORT COUNT TIMES         how long one takes until its first byte, one at a time
 *
 * A connection: the client connects and sends a TLS ClientHello; the server
 * reads all of it, and if it is the one that was sent, answers with one byte and
 * closes; the client reads the byte and closes. The ports take turns.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FDS = 65536, MAX_EVENTS = 256, LATE_US = 1000000, GIVEN_UP = 10 };

static unsigned char hello[1024];
static size_t hello_length;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

/* ---------------------------------------------------------------- the hello (RFC 8446 section 4.1.2) */

static void put(const void *bytes, size_t length)
{
    memcpy(hello + hello_length, bytes, length);
    hello_length += length;
}

static void put16(unsigned value)
{
    unsigned char bytes[2] = {value >> 8, value};
    put(bytes, 2);
}

static void set16(size_t at, unsigned value)
{
    hello[at] = value >> 8;
    hello[at + 1] = value;
}

static void extension(unsigned type, const void *body, size_t length)
{
    put16(type);
    put16(length);
    put(body, length);
}

static void write_hello(const char *host)
{
    size_t length = strlen(host), extensions;
    unsigned char name[300] = {0, length + 3, 0, 0, length}, key[38] = {0, 36, 0, 0x1d, 0, 32};
    memcpy(name + 5, host, length);
    memset(key + 6, 0x5a, 32);
    put("\x16\x03\x01\0\0\x01\0\0\0\x03\x03", 11);
    for (int n = 0; n < 32; n++)
        put("\xa5", 1);
    put("\x20", 1);
    for (int n = 0; n < 32; n++)
        put("\x3c", 1);
    put("\0\x06\x13\x01\x13\x02\x13\x03\x01\0", 10);
    extensions = hello_length;
    put16(0);
    extension(0x0000, name, length + 5);
    extension(0x000a, "\0\x04\0\x1d\0\x17", 6);
    extension(0x000d, "\0\x06\x04\x03\x08\x04\x04\x01", 8);
    extension(0x0010, "\0\x0c\x02h2\x08http/1.1", 14);
    extension(0x002b, "\x04\x03\x04\x03\x03", 5);
    extension(0x002d, "\x01\x01", 2);
    extension(0x0033, key, sizeof key);
    set16(extensions, hello_length - extensions - 2);
    set16(7, hello_length - 9);
    set16(3, hello_length - 5);
}

/* ---------------------------------------------------------------- the server */

static unsigned short have[MAX_FDS]; /* bytes of the hello that a connection has sent */

static void answer(int fd)
{
    unsigned char got[sizeof hello];
    ssize_t length = recv(fd, got, sizeof got, 0);
    if (length < 0 && errno == EAGAIN)
        return;
    if (length <= 0 || have[fd] + (size_t)length > hello_length || memcmp(got, hello + have[fd], length)) {
        close(fd);
        return;
    }
    have[fd] += length;
    if (have[fd] == hello_length) {
        (void)!write(fd, "!", 1);
        close(fd);
    }
}

static void take(int epoll, int listener)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (fd >= MAX_FDS || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
            close(fd);
        else
            have[fd] = 0;
    }
}

static void serve(struct sockaddr_in at, int count)
{
    int epoll = epoll_create1(0), one = 1, last = 0, port = ntohs(at.sin_port);
    struct epoll_event events[MAX_EVENTS];
    for (int n = 0; n < count; n++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        at.sin_port = htons(port + n);
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (fd < 0 || bind(fd, (void *)&at, sizeof at) || listen(fd, 4096)
            || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
            die("listen");
        last = fd;
    }
    for (;;) {
        int ready = epoll_wait(epoll, events, MAX_EVENTS, -1);
        for (int n = 0; n < ready; n++) {
            /* The listeners were opened one after the other, right after the epoll itself. */
            if (events[n].data.fd <= last)
                take(epoll, events[n].data.fd);
            else
                answer(events[n].data.fd);
        }
    }
}

/* ---------------------------------------------------------------- the client, many at a time */

struct connection {
    int fd, sent;
    double begun;
};

static void begin(int epoll, struct connection *c, struct sockaddr_in at, int count)
{
    static unsigned turn;
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = c};
    int one = 1;
    at.sin_port = htons(ntohs(at.sin_port) + turn++ % count);
    *c = (struct connection){.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), .begun = now_us()};
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->fd, (void *)&at, sizeof at) && errno != EINPROGRESS)
        die("connect");
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event))
        die("epoll_ctl");
}

/* 0 while it goes on, 1 when it ended well, -1 when it did not. */
static int go_on(int epoll, struct connection *c)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    char got[16];
    ssize_t length;
    if (!c->sent) {
        if (send(c->fd, hello, hello_length, MSG_NOSIGNAL) != (ssize_t)hello_length)
            return -1;
        c->sent = 1;
        return epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &event) ? -1 : 0;
    }
    length = recv(c->fd, got, sizeof got, 0);
    return length == 1 ? 1 : length < 0 && errno == EAGAIN ? 0 : -1;
}

static void rate(struct sockaddr_in at, int count, int wide, double seconds)
{
    int epoll = epoll_create1(0);
    long done = 0, failed = 0, late = 0;
    struct connection *all = calloc(wide, sizeof *all);
    struct epoll_event events[MAX_EVENTS];
    double begun = now_us(), end = begun + seconds * 1e6, now;
    for (int n = 0; n < wide; n++)
        begin(epoll, &all[n], at, count);
    while ((now = now_us()) < end) {
        int ready = epoll_wait(epoll, events, MAX_EVENTS, 100);
        for (int n = 0; n < ready; n++) {
            struct connection *c = events[n].data.ptr;
            int how = go_on(epoll, c);
            if (!how)
                continue;
            *(how > 0 ? &done : &failed) += 1;
            late += now_us() - c->begun > LATE_US;
            close(c->fd);
            begin(epoll, c, at, count);
        }
    }
    for (int n = 0; n < wide; n++)
        late += now - all[n].begun > LATE_US;
    printf("{\"per_s\": %.1f, \"done\": %ld, \"failed\": %ld, \"late\": %ld}\n",
           done / (now - begun) * 1e6, done, failed, late);
}

/* ---------------------------------------------------------------- the client, one at a time */

static double one_connection(struct sockaddr_in at)
{
    struct timeval patience = {.tv_sec = 3};
    int one = 1, well, fd = socket(AF_INET, SOCK_STREAM, 0);
    double begun, took;
    char got[16];
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    begun = now_us();
    well = !connect(fd, (void *)&at, sizeof at)
        && send(fd, hello, hello_length, MSG_NOSIGNAL) == (ssize_t)hello_length
        && recv(fd, got, 1, 0) == 1;
    took = now_us() - begun;
    close(fd);
    return well ? took : -1;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void one_at_a_time(struct sockaddr_in at, int count, int times)
{
    double *took = calloc(times, sizeof *took);
    int port = ntohs(at.sin_port), done = 0, failed = 0;
    for (int n = 0; n < times && failed < GIVEN_UP; n++) {
        at.sin_port = htons(port + n % count);
        took[done] = one_connection(at);
        *(took[done] < 0 ? &failed : &done) += 1;
    }
    qsort(took, done, sizeof *took, by_size);
    printf("{\"p50_us\": %.1f, \"p99_us\": %.1f, \"most_us\": %.1f, \"done\": %d, \"failed\": %d}\n",
           done ? took[done / 2] : 0, done ? took[done * 99 / 100] : 0, done ? took[done - 1] : 0, done,
           failed);
}

int main(int argc, char **argv)
{
    struct rlimit files = {MAX_FDS, MAX_FDS};
    struct sockaddr_in at = {.sin_family = AF_INET};
    if (argc < 5 || inet_pton(AF_INET, argv[2], &at.sin_addr) != 1) {
        fprintf(stderr, "usage: load serve|rate|one ADDRESS PORT COUNT [WIDE SECONDS | TIMES]\n");
        return 2;
    }
    at.sin_port = htons(atoi(argv[3]));
    setrlimit(RLIMIT_NOFILE, &files);
    write_hello("www.passed.example");
    if (!strcmp(argv[1], "serve"))
        serve(at, atoi(argv[4]));
    else if (!strcmp(argv[1], "rate") && argc == 7)
        rate(at, atoi(argv[4]), atoi(argv[5]), atof(argv[6]));
    else if (!strcmp(argv[1], "one") && argc == 6)
        one_at_a_time(at, atoi(argv[4]), atoi(argv[5]));
    else
        return 2;
    return 0;
}
