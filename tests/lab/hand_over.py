"""Opens a TUN and hands it to a program, as somebody does who is not optout.

hand_over.py NAME ADDRESSES ROUTES KIND PROGRAM [ARGUMENT...]

Makes the device NAME up with these addresses and routes (comma-separated) and then
becomes PROGRAM. In its arguments TUN stands for the descriptor's number, SOCKET for a
unix socket that hands it over, SPARE for the number of a second TUN that is called spare0
and is down, and COPIES for the first of a thousand copies of the descriptor. KIND is what
is handed over: tun, tap, headers (a TUN with virtio headers), closed, file, or tun:MTU.
"""

import fcntl
import os
import resource
import socket
import struct
import subprocess
import sys

TUNSETIFF = 0x400454CA  # linux/if_tun.h
IFF_TUN, IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 1, 2, 0x1000, 0x4000


def main():
    name, addresses, routes, kind, *program = sys.argv[1:]
    kind, _, mtu = kind.partition(":")
    device = os.open("/dev/null", os.O_RDWR) if kind == "file" else opened(name, kind)
    if kind not in ("file", "tap"):
        set_up(name, mtu or "1500", addresses.split(","), routes.split(","))
    if kind == "closed":
        os.close(device)
    else:
        os.set_inheritable(device, True)
    if "SOCKET" in program:
        serve(device)
    words = {"TUN": device, "SOCKET": SOCKET}
    if "SPARE" in program:
        words["SPARE"] = opened("spare0", "tun")
        os.set_inheritable(words["SPARE"], True)
    if "COPIES" in program:
        words["COPIES"] = copies(device)
    program = [str(words.get(word, word)) for word in program]
    os.execvp(program[0], program)


def opened(name, kind):
    flags = IFF_TAP | IFF_NO_PI if kind == "tap" else IFF_TUN
    flags |= IFF_NO_PI | (IFF_VNET_HDR if kind == "headers" else 0)
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
    return device


def set_up(name, mtu, addresses, routes):
    run = lambda *words: subprocess.run(["ip", *words], check=True)
    # The kernel would look for routers there, again and again.
    with open(f"/proc/sys/net/ipv6/conf/{name}/router_solicitations", "w") as switch:
        switch.write("0")
    run("link", "set", name, "mtu", mtu, "addrgenmode", "none")
    run("link", "set", name, "up")
    for address in addresses:
        run("address", "add", address, "dev", name, *(["nodad"] if ":" in address else []))
    for route in routes:
        run("route", "replace", route, "dev", name)


def copies(device):
    """A thousand copies whose numbers follow one another; the first."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit, 4096), limit))
    for number in range(COPIES, COPIES + 1000):
        os.dup2(device, number)
    return COPIES


def serve(device):
    """Hands the device to whoever connects, from a process of its own."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(SOCKET)
    os.chmod(SOCKET, 0o777)
    listener.listen()
    if os.fork() == 0:
        peer, _ = listener.accept()
        socket.send_fds(peer, [b"x"], [device])
        os._exit(0)
    os.close(device)


SOCKET = "/run/optout-tun.sock"
COPIES = 1000  # above what the program opens for itself

if __name__ == "__main__":
    main()
