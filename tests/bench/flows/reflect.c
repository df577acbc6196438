/* A bare reflector: what comes out of a TUN goes back into it, unread.
 *
 *   reflect DEVICE [offload]
 *
 * With `offload` packets come and go with a virtio header (linux/virtio_net.h),
 * segments not yet cut and checksums not yet made, up to 64 KiB each. It is what
 * a program can reach at best that sees all packets of a TUN.
 */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

int main(int argc, char **argv)
{
    static char packet[10 + 65536]; /* 10: struct virtio_net_hdr, as long as the kernel makes it by default */
    struct ifreq request = {0};
    int offload = argc > 2 && !strcmp(argv[2], "offload"), fd = open("/dev/net/tun", O_RDWR);
    unsigned long kinds = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
    if (argc < 2 || fd < 0)
        return perror("reflect: /dev/net/tun"), 1;
    strncpy(request.ifr_name, argv[1], IFNAMSIZ - 1);
    request.ifr_flags = IFF_TUN | IFF_NO_PI | (offload ? IFF_VNET_HDR : 0);
    if (ioctl(fd, TUNSETIFF, &request))
        return perror("reflect: TUNSETIFF"), 1;
    /* Kernels before 6.2 know no USO. */
    if (offload && ioctl(fd, TUNSETOFFLOAD, kinds | TUN_F_USO4 | TUN_F_USO6) && ioctl(fd, TUNSETOFFLOAD, kinds))
        return perror("reflect: TUNSETOFFLOAD"), 1;
    for (;;) {
        ssize_t length = read(fd, packet, sizeof packet);
        /* What the kernel does not take back is a lost packet, as in any network. */
        if (length > 0)
            (void)!write(fd, packet, length);
    }
}
