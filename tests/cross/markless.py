"""A system whose sockets take no mark and that has no packet filter, as qemu-user is: a
filter of system calls makes one of any, for a program that is started with it."""

import ctypes
import errno
import struct

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD, UNLESS, RETURN = 0x20, 0x15, 0x06  # of classic BPF: ld, jeq and ret, with a constant
ALLOW, REFUSE = 0x7FFF0000, 0x00050000
SOCKET, SETSOCKOPT = 41, 54  # x86_64
AF_NETLINK, NETLINK_NETFILTER, SOL_SOCKET, SO_MARK = 16, 12, 1, 36
NUMBER, ARGUMENTS = 0, [16, 24, 32]  # where struct seccomp_data has them


def filter_calls():
    """For subprocess's preexec_fn."""
    program = (
        _refuse(SOCKET, {0: AF_NETLINK, 2: NETLINK_NETFILTER}, errno.EPROTONOSUPPORT)
        + _refuse(SETSOCKOPT, {1: SOL_SOCKET, 2: SO_MARK}, errno.ENOPROTOOPT)
        + [(RETURN, 0, 0, ALLOW)]
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *each) for each in program))
    described = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    for words in [(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, described)]:
        if libc.prctl(*words):
            raise OSError(ctypes.get_errno(), "prctl")


def _refuse(call, arguments, error):
    """Refuses a call with such arguments; another one goes on behind."""
    steps = [(LOAD, 0, 0, NUMBER), (UNLESS, 0, 2 * len(arguments) + 1, call)]
    for count, (place, value) in enumerate(arguments.items(), 1):
        steps += [(LOAD, 0, 0, ARGUMENTS[place]), (UNLESS, 0, 2 * (len(arguments) - count) + 1, value)]
    return steps + [(RETURN, 0, 0, REFUSE | error)]
