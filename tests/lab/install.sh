# shellcheck shell=bash
# Installs what is missing from Debian's packages. Sourced by `dev` and by the
# benchmarks. Nothing that is installed here is started.

PATH=$PATH:/usr/sbin:/sbin # where Debian keeps ip, nft and the servers
export PATH

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "not root and no sudo; please run as root: $*" >&2
        return 1
    fi
}

# need COMMAND:PACKAGE... installs the packages of those commands that are missing.
need() {
    local pair packages=()
    for pair in "$@"; do
        command -v "${pair%%:*}" >/dev/null || packages+=("${pair#*:}")
    done
    [ ${#packages[@]} -eq 0 ] || install_packages "${packages[@]}"
}

install_packages() {
    if ! command -v apt-get >/dev/null; then
        echo "missing here, and there is no apt-get: please install $*" >&2
        return 1
    fi
    echo "installing: $*" >&2
    # A policy of 101 keeps what is installed from being started (policy-rc.d(8)):
    # the tests want the programs, not a web server on this machine.
    local policy=/usr/sbin/policy-rc.d ours=
    if [ ! -e $policy ]; then
        ours=1
        printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
        as_root chmod 755 $policy
    fi
    local failed=
    apt_get install "$@" || { apt_get update && apt_get install "$@"; } || failed=1
    [ -z "$ours" ] || as_root rm -f $policy
    [ -z "$failed" ] || { echo "could not install: $*" >&2; return 1; }
}

apt_get() {
    local verb=$1
    shift
    [ "$verb" = update ] || set -- --no-install-recommends "$@"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get "$verb" -qq -y -o DPkg::Lock::Timeout=300 "$@" \
        </dev/null >/dev/null
}

# What cargo itself needs: a linker, and a C compiler for SQLite and ring.
need_compiler() {
    need cc:gcc
    [ -e /usr/include/stdio.h ] || install_packages libc6-dev
    command -v cargo >/dev/null && return
    [ ! -x "$HOME/.cargo/bin/cargo" ] || { PATH=$HOME/.cargo/bin:$PATH; return; }
    echo "cargo is missing: install Rust's stable toolchain from https://rustup.rs" >&2
    return 1
}

# What the lab is made of (tests/lab/isolate.rs has the same list), and the browser of one test.
need_lab() {
    need unshare:util-linux nsenter:util-linux setpriv:util-linux mount:mount ip:iproute2 \
        nft:nftables dig:bind9-dnsutils curl:curl python3:python3 openssl:openssl \
        unbound:unbound nginx:nginx-light dnsmasq:dnsmasq-base sha256sum:coreutils hostname:hostname \
        sysctl:procps ss:iproute2 sqlite3:sqlite3 chromium:chromium iptables-nft:iptables
}
