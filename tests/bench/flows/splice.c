/* A proxy behind an nftables redirect that moves bytes with splice(2).
 *
 *   splice PORT THREADS
 *
 * The way of sing-box's auto_redirect: the kernel hands each connection to a
 * local socket, the proxy dials the address that was meant (SO_ORIGINAL_DST), and
 * from then on pipes carry the bytes, which never come to userspace. It looks at
 * none, so a proxy that learns names is slower, not faster. One epoll a thread.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <linux/netfilter_ipv4.h> /* after netinet/in.h, or both define the same */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    MAX_FDS = 65536,
    MAX_EVENTS = 256,
    SPARE_PIPES = 64,
    PIPE_BYTES = 1 << 20,
    TURNS = 16,
    READY = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
};

/* Half of a connection: what comes from `fd` goes through `pipe` to `peer`. */
struct half {
    struct pair *pair;
    int fd, pipe[2], ended, shut;
    size_t held;
    struct half *peer;
};
struct pair {
    struct half half[2];
    struct pair *next_dead;
    int connected, dead;
};

static int port;
static __thread int epoll, spare[SPARE_PIPES][2], spares;
static __thread struct pair *dead;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int take_pipe(int ends[2])
{
    if (spares) {
        spares--;
        ends[0] = spare[spares][0];
        ends[1] = spare[spares][1];
        return 0;
    }
    if (pipe2(ends, O_NONBLOCK))
        return -1;
    fcntl(ends[0], F_SETPIPE_SZ, PIPE_BYTES);
    return 0;
}

static void keep_pipe(struct half *half)
{
    if (!half->held && spares < SPARE_PIPES) {
        spare[spares][0] = half->pipe[0];
        spare[spares++][1] = half->pipe[1];
        return;
    }
    close(half->pipe[0]);
    close(half->pipe[1]);
}

/* Freed after the events at hand: one of them may still mean it. */
static void end(struct pair *pair)
{
    if (pair->dead)
        return;
    for (int n = 0; n < 2; n++) {
        close(pair->half[n].fd);
        keep_pipe(&pair->half[n]);
    }
    pair->dead = 1;
    pair->next_dead = dead;
    dead = pair;
}

/* A change of what is watched has it told again if it is ready: others come first now. */
static void later(struct half *half)
{
    struct epoll_event event = {.events = READY, .data.ptr = half};
    epoll_ctl(epoll, EPOLL_CTL_MOD, half->fd, &event);
}

/* -1: broken. */
static int move(struct half *half)
{
    for (int turn = 0; turn < TURNS; turn++) {
        ssize_t in = 0, out = 0;
        if (!half->ended) {
            in = splice(half->fd, NULL, half->pipe[1], NULL, PIPE_BYTES, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
            if (in < 0 && errno != EAGAIN)
                return -1;
            half->ended = in == 0;
            half->held += in > 0 ? in : 0;
        }
        if (half->held) {
            out = splice(half->pipe[0], NULL, half->peer->fd, NULL, half->held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
            if (out < 0 && errno != EAGAIN)
                return -1;
            half->held -= out > 0 ? out : 0;
        }
        if (half->ended && !half->held && !half->shut) {
            shutdown(half->peer->fd, SHUT_WR);
            half->shut = 1;
        }
        if (in <= 0 && out <= 0)
            return 0;
    }
    later(half);
    return 0;
}

static void go_on(struct half *half)
{
    struct pair *pair = half->pair;
    int error = 0;
    socklen_t length = sizeof error;
    if (pair->dead)
        return;
    if (!pair->connected) {
        if (half == &pair->half[0])
            return; /* the client speaks; it is heard once there is somebody to tell it */
        if (getsockopt(half->fd, SOL_SOCKET, SO_ERROR, &error, &length) || error)
            return end(pair);
        pair->connected = 1;
    }
    if (move(&pair->half[0]) || move(&pair->half[1]) || (pair->half[0].shut && pair->half[1].shut))
        end(pair);
}

static void watch(struct half *half, int fd, unsigned events)
{
    struct epoll_event event = {.events = events, .data.ptr = half};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
        die("epoll_ctl");
}

static void take(int listener)
{
    int client, one = 1;
    while ((client = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct sockaddr_in meant;
        socklen_t length = sizeof meant;
        struct pair *pair = calloc(1, sizeof *pair);
        int server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), fds[2] = {client, server};
        if (!pair || server < 0 || getsockopt(client, SOL_IP, SO_ORIGINAL_DST, &meant, &length)
            || take_pipe(pair->half[0].pipe) || take_pipe(pair->half[1].pipe))
            die("a new connection");
        for (int n = 0; n < 2; n++) {
            pair->half[n].pair = pair;
            pair->half[n].fd = fds[n];
            pair->half[n].peer = &pair->half[!n];
            setsockopt(fds[n], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        }
        if (connect(server, (void *)&meant, sizeof meant) && errno != EINPROGRESS) {
            end(pair);
            continue;
        }
        for (int n = 0; n < 2; n++)
            watch(&pair->half[n], fds[n], READY);
    }
}

static void *work(void *unused)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    struct epoll_event events[MAX_EVENTS];
    epoll = epoll_create1(0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    if (bind(listener, (void *)&at, sizeof at) || listen(listener, 4096))
        die("listen");
    watch(NULL, listener, EPOLLIN);
    for (;;) {
        int ready = epoll_wait(epoll, events, MAX_EVENTS, -1);
        for (int n = 0; n < ready; n++) {
            if (events[n].data.ptr)
                go_on(events[n].data.ptr);
            else
                take(listener);
        }
        while (dead) {
            struct pair *gone = dead;
            dead = gone->next_dead;
            free(gone);
        }
    }
    return unused;
}

int main(int argc, char **argv)
{
    struct rlimit files = {MAX_FDS, MAX_FDS};
    pthread_t thread;
    if (argc != 3)
        return fprintf(stderr, "usage: splice PORT THREADS\n"), 2;
    port = atoi(argv[1]);
    signal(SIGPIPE, SIG_IGN);
    setrlimit(RLIMIT_NOFILE, &files);
    for (int n = 1; n < atoi(argv[2]); n++)
        pthread_create(&thread, NULL, work, NULL);
    work(NULL);
    return 0;
}
