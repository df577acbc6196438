/* A kernel without nftables, as a program sees it.
 *
 *   no_nft COMMAND...   runs COMMAND, which can open no netlink socket of netfilter
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The lower half of an argument, on machines that put it first; all that run optout do. */
#define ARGUMENT(n) (offsetof(struct seccomp_data, args) + 8 * (n))
#define LOAD(at) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (at))
#define UNLESS(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (skip))

int main(int argc, char **argv)
{
    struct sock_filter filter[] = {
        LOAD(offsetof(struct seccomp_data, nr)),
        UNLESS(__NR_socket, 5),
        LOAD(ARGUMENT(0)),
        UNLESS(AF_NETLINK, 3),
        LOAD(ARGUMENT(2)),
        UNLESS(NETLINK_NETFILTER, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPROTONOSUPPORT),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    if (argc < 2)
        return fprintf(stderr, "usage: no_nft COMMAND...\n"), 2;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        return perror("no_nft: seccomp"), 1;
    execvp(argv[1], argv + 1);
    perror(argv[1]);
    return 127;
}
