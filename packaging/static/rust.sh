# shellcheck shell=bash
# A Rust that can build its standard library for any target. Sourced by what builds for
# other machines, from the top of the repository.
# shellcheck source=tests/lab/install.sh
. tests/lab/install.sh

# The toolchain in use, if it has the library's source; else Debian's, which all comes in
# one version. `-Zbuild-std` is asked of a stable compiler.
need_rust_with_source() {
    need cc:gcc
    [ -e /usr/include/stdio.h ] || install_packages libc6-dev
    export RUSTC_BOOTSTRAP=1
    has_source && return
    PATH=/usr/bin:$PATH
    has_source || install_packages rustc-web rust-web-src cargo-web
    has_source || { echo "this Rust has no source of its standard library: rustup component add rust-src" >&2; return 1; }
}

has_source() {
    command -v cargo >/dev/null && [ -d "$(rustc --print sysroot)/lib/rustlib/src/rust/library/std" ]
} 2>/dev/null
