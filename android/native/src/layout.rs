//! What the headers in `android/link/include` say of Android's structures is what the crate
//! `libc` says of them, which is tested against the real headers. The numbers are those of
//! `android/link/layout.c`, where a C compiler holds the headers against them.

use std::mem::{offset_of, size_of};

const WIDE: bool = cfg!(target_pointer_width = "64");

/// The first for 64 bits, the second for 32.
const fn either(wide: usize, narrow: usize) -> usize {
    if WIDE { wide } else { narrow }
}

const _: () = {
    assert!(size_of::<libc::stat>() == either(128, 104));
    assert!(offset_of!(libc::stat, st_dev) == 0);
    assert!(offset_of!(libc::stat, st_ino) == either(8, 96));
    assert!(offset_of!(libc::stat, st_mode) == 16);
    assert!(offset_of!(libc::stat, st_nlink) == 20);
    assert!(offset_of!(libc::stat, st_uid) == 24);
    assert!(offset_of!(libc::stat, st_size) == 48);
    assert!(offset_of!(libc::stat, st_blksize) == 56);
    assert!(offset_of!(libc::stat, st_mtime) == either(88, 80));

    // With 64-bit offsets, which on 32 bits need another name here and a macro there.
    assert!(size_of::<libc::flock64>() == 32);
    assert!(offset_of!(libc::flock64, l_start) == 8);
    assert!(offset_of!(libc::flock64, l_len) == 16);
    assert!(offset_of!(libc::flock64, l_pid) == 24);

    assert!(size_of::<libc::pthread_mutex_t>() == either(40, 4));
    assert!(size_of::<libc::pthread_cond_t>() == either(48, 4));
    assert!(size_of::<libc::pthread_mutexattr_t>() == either(8, 4));
    assert!(size_of::<libc::pthread_attr_t>() == either(56, 24));
    assert!(size_of::<libc::timespec>() == either(16, 8));
    assert!(size_of::<libc::timeval>() == either(16, 8));
    assert!(size_of::<libc::tm>() == either(56, 44));
    assert!(size_of::<libc::mode_t>() == either(4, 2));
    assert!(libc::PTHREAD_MUTEX_RECURSIVE == 1);
    assert!(libc::RTLD_NOW == if WIDE { 2 } else { 0 });
    assert!(libc::_SC_PAGESIZE == 39);
    assert!(libc::O_NOFOLLOW == 0o100_000 && libc::O_CLOEXEC == 0o2_000_000);
};
