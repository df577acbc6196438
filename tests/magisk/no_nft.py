"""Runs a program without nftables, as on a phone: no_nft.py PROGRAM...

socket(AF_NETLINK, _, NETLINK_NETFILTER) fails for it and its children; all else is as ever.
"""

import ctypes
import os
import struct
import sys

LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # linux/bpf_common.h
SOCKET = 41  # x86_64's number
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | 93  # linux/seccomp.h; EPROTONOSUPPORT


def step(code, value, if_not=0):
    return struct.pack("HBBI", code, 0, if_not, value)


# The numbers of a call and of its first and third argument (struct seccomp_data).
program = b"".join([
    step(LOAD, 0), step(EQUAL, SOCKET, 5),
    step(LOAD, 16), step(EQUAL, 16, 3),  # AF_NETLINK
    step(LOAD, 32), step(EQUAL, 12, 1),  # NETLINK_NETFILTER
    step(RETURN, REFUSE), step(RETURN, ALLOW),
])
libc = ctypes.CDLL(None, use_errno=True)
steps = ctypes.create_string_buffer(program)
filter = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(steps))
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, filter, 0, 0):  # PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP
    sys.exit(f"no filter: {os.strerror(ctypes.get_errno())}")
os.execvp(sys.argv[1], sys.argv[1:])
