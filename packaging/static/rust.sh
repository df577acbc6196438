# shellcheck shell=bash disable=SC2034 # what is set here is for those who source it
# A Rust that can build its standard library for any target. Sourced by what builds for
# other machines, from the top of the repository.
# shellcheck source=tests/lab/install.sh
. tests/lab/install.sh

# The toolchain in use, if it has the library's source and is new enough; else Debian's, which
# all comes in one version. `-Zbuild-std` is asked of a stable compiler.
need_rust_with_source() {
    need cc:gcc
    [ -e /usr/include/stdio.h ] || install_packages libc6-dev
    export RUSTC_BOOTSTRAP=1
    is_fit && return
    PATH=/usr/bin:$PATH
    # An older one may be there, and be all that was known when it came.
    is_fit || { apt_get update || true; install_packages rustc-web rust-web-src cargo-web; }
    is_fit && return
    echo "no Rust here is 1.92 or newer and has the source of its standard library: run rustup component add rust-src," \
        "or switch on Debian's security updates, which have one" >&2
    return 1
}

# What makes a program small. A panic ends it without a word, so that the words, and the
# tables for unwinding, can be left out. What is logged of a structure for developers is its
# name. The journal uses SQLite for tables and indices alone.
small_rust="-Cforce-unwind-tables=no -Zlocation-detail=none -Zfmt-debug=shallow \
-Zunstable-options -Cpanic=immediate-abort"
small_c="-fno-unwind-tables -fno-asynchronous-unwind-tables"
small_std=('-Zbuild-std=std,panic_abort' -Zbuild-std-features=optimize_for_size)
export LIBSQLITE3_FLAGS="-USQLITE_ENABLE_FTS3 -USQLITE_ENABLE_FTS3_PARENTHESIS -USQLITE_ENABLE_FTS5 \
-USQLITE_ENABLE_RTREE -USQLITE_ENABLE_STAT4 -USQLITE_ENABLE_DBSTAT_VTAB -USQLITE_SOUNDEX \
-DSQLITE_OMIT_LOAD_EXTENSION"

# for_target TRIPLE WHAT: the variable that tells cargo this of one target alone.
for_target() {
    echo "CARGO_TARGET_$(tr a-z- A-Z_ <<<"$1")_$2"
}

# shellcheck disable=SC2086 # words of their own
is_fit() {
    command -v cargo && [ -d "$(rustc --print sysroot)/lib/rustlib/src/rust/library/std" ] &&
        rustc $small_rust --print cfg
} >/dev/null 2>&1
