//! A kernel without nftables, as a program sees it.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::libc::{
    AF_NETLINK, BPF_ABS, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, EPROTONOSUPPORT,
    NETLINK_NETFILTER, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, SECCOMP_RET_ALLOW,
    SECCOMP_RET_ERRNO, SYS_socket, c_ulong, prctl, sock_filter, sock_fprog,
};

/// The command, and whatever it starts, can open no netlink socket of netfilter.
#[expect(unsafe_code, reason = "the kernel's filter of system calls has no other way")]
pub(super) fn without_nftables(command: &mut Command) {
    let mut filter = filter();
    // SAFETY: between fork and exec it makes two system calls and allocates nothing; the
    // filter is the closure's own.
    unsafe {
        command.pre_exec(move || {
            let len = u16::try_from(filter.len()).expect("eight");
            let program = sock_fprog { len, filter: filter.as_mut_ptr() };
            let (on, none): (c_ulong, c_ulong) = (1, 0);
            if prctl(PR_SET_NO_NEW_PRIVS, on, none, none, none) != 0
                || prctl(PR_SET_SECCOMP, c_ulong::from(SECCOMP_MODE_FILTER), &raw const program)
                    != 0
            {
                return Err(io::Error::last_os_error());
            }
            Ok(())
        });
    }
}

/// `socket(AF_NETLINK, _, NETLINK_NETFILTER)` fails, and all else is as ever.
fn filter() -> [sock_filter; 8] {
    let load = |at| statement(BPF_LD | BPF_W | BPF_ABS, at);
    let unless =
        |value, skip| sock_filter { jf: skip, ..statement(BPF_JMP | BPF_JEQ | BPF_K, value) };
    let number = |value| u32::try_from(value).expect("a small number");
    [
        load(0), // struct seccomp_data: number, architecture, address, arguments
        unless(u32::try_from(SYS_socket).expect("a small number"), 5),
        load(argument(0)),
        unless(number(AF_NETLINK), 3),
        load(argument(2)),
        unless(number(NETLINK_NETFILTER), 1),
        statement(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | number(EPROTONOSUPPORT)),
        statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    ]
}

/// Where the lower half of an argument is.
fn argument(n: u32) -> u32 {
    16 + 8 * n + if cfg!(target_endian = "big") { 4 } else { 0 }
}

fn statement(code: u32, k: u32) -> sock_filter {
    sock_filter { code: u16::try_from(code).expect("a code"), jt: 0, jf: 0, k }
}
