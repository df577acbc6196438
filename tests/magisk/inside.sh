#!/usr/bin/env bash
# What tests/magisk/run runs in its namespaces.
set -uo pipefail
mount --make-rprivate /
mount -t proc proc /proc
# shellcheck source=tests/magisk/phone.sh
. tests/magisk/phone.sh

passed=0 failed=0

# check NAME COMMAND...
check() {
    local name=$1
    shift
    if "$@" >"$WORK/said" 2>&1; then
        passed=$((passed + 1))
        echo "ok      $name"
    else
        failed=$((failed + 1))
        echo "FAILED  $name"
        tail -n 20 "$WORK/said" | sed 's/^/        /'
    fi
}

# within SECONDS COMMAND...: until it is true.
within() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.1
    done
}

is() { [ "$1" = "$2" ] || { echo "\"$1\" is not \"$2\""; false; }; }
holds() { case $1 in *"$2"*) ;; *) echo "\"$1\" does not hold \"$2\""; false ;; esac; }
lacks() { ! holds "$@" >/dev/null || { echo "\"$1\" holds \"$2\""; false; }; }

scripts=(android/magisk/*.sh android/magisk/system/bin/optout
    android/magisk/META-INF/com/google/android/update-binary)
parse() {
    local script
    for script in "${scripts[@]}"; do
        "$@" -n "$script" || { echo "$script"; return 1; }
    done
}

build() {
    mkdir -p "$WORK/binaries/x86_64"
    cp "$OPTOUT" "$WORK/binaries/x86_64/optout"
    local n
    for n in 1 2; do
        android/magisk/build --binaries "$WORK/binaries" --output "$WORK/$n.zip" || return
        sleep 2.1 # ZIP counts two seconds
    done
    cmp "$WORK/1.zip" "$WORK/2.zip"
}

# install_as NAME=VALUE...: what the root manager's installer does, with these words.
install_as() {
    cp "$WORK/1.zip" "$PHONE/data/module.zip"
    cat >"$PHONE/data/installer.sh" <<'END'
ui_print() { echo "$1"; }
abort() { echo "$1"; exit 1; }
set_perm() { chown "$2:$3" "$1" && chmod "$4" "$1"; }
set_perm_recursive() {
    find "$1" -type d -exec chmod "$4" {} + && find "$1" -type f -exec chmod "$5" {} +
}
install_module() {
    rm -rf "$MODPATH" && mkdir -p "$MODPATH"
    unzip -q -o "${ZIPFILE:-/data/module.zip}" -d "$MODPATH" || exit 1
    . "$MODPATH/customize.sh"
    rm -rf "$MODPATH/META-INF" "$MODPATH/customize.sh"
}
END
    on_phone /system/bin/sh -c "MODPATH=$MODULE API=34 ARCH=x64 MAGISK_VER=28.1 MAGISK_VER_CODE=28100
        $*
        . /data/installer.sh && install_module"
}

refuses() {
    local why=$1
    shift
    if install_as "$@" >"$WORK/installed" 2>&1; then
        echo "it installed"
        return 1
    fi
    holds "$(cat "$WORK/installed")" "$why"
}

# By Magisk's own door, which finds its functions where Magisk keeps them.
by_update_binary() {
    mkdir -p "$PHONE/data/adb/magisk" "$PHONE/data/zip"
    { echo "MAGISK_VER_CODE=28100 MAGISK_VER=28.1 API=34 ARCH=x64 MODPATH=$MODULE"; cat "$PHONE/data/installer.sh"; } \
        >"$PHONE/data/adb/magisk/util_functions.sh"
    unzip -q -o "$WORK/1.zip" 'META-INF/*' -d "$PHONE/data/zip"
    rm -rf "${PHONE:?}$MODULE"
    on_phone /system/bin/sh /data/zip/META-INF/com/google/android/update-binary 3 1 /data/module.zip
    [ -x "$PHONE$MODULE/optout" ] && [ ! -e "$PHONE$MODULE/bin" ]
}

script() { on_phone /system/bin/sh "$MODULE/$1"; }
command_() { on_phone /system/bin/sh "$MODULE/system/bin/optout" "$@"; }
description() { sed -n 's/^description=//p' "$PHONE$MODULE/module.prop"; }
daemon() { cat "$PHONE/data/adb/optout/run/optout.pid" 2>/dev/null; }
runs() { command_ status --json >/dev/null 2>&1; }
resolvers() { cat "$PHONE/data/adb/optout/run/resolv.conf" 2>/dev/null; }
described() { holds "$(description)" "$1" >/dev/null; }

start_service() {
    on_phone /system/bin/python3 /optout/no_nft.py /system/bin/sh "$MODULE/service.sh" \
        >"$WORK/service" 2>&1 </dev/null &
}

# As netd asks for an app: with the network chosen, protected from VPNs, permission of
# the system.
netd_asks() { on_phone /system/bin/python3 /optout/ask.py "$1" "${2:-192.0.2.53}" "${3:-0xe0064}"; }
is_stopped() { holds "$(netd_asks "$1")" "198.18."; }
passes() { is "$(netd_asks "$1")" 203.0.113.80; }
asked_upstream() { grep -qi " $1 from $2" "$WORK/queries"; }

app_is_named() {
    local sinkhole
    sinkhole=$(netd_asks "$VENDOR")
    local said
    said=$(as_app 10123 /system/bin/curl -sS -m 5 "http://$sinkhole/" 2>&1)
    holds "$said" "Failed to connect" || return
    within 10 logged com.example.shop
}
logged() { holds "$(command_ log --since 1h --json)" "\"$1\""; }

# What the system is like without us.
state() { ip rule; ip -6 rule; ip route show table all; ip link | sed 's/state.*//'; iptables-legacy -t mangle -S; }

processes() { pgrep -f "optout/(service|network)\.sh|monitor rule" | tr '\n' ' '; }
switches() {
    local pid sum=0
    for pid in $(processes); do
        sum=$((sum + $(awk '/ctxt_switches/ { n += $2 } END { print n + 0 }' "/proc/$pid/status")))
    done
    echo $sum
}
sleeps() {
    sleep 2 # what was just done comes to its end
    local before
    before=$(switches)
    sleep 5
    is "$(switches)" "$before"
}

crash_and_return() {
    local old
    old=$(daemon)
    kill -9 "$old"
    # Nobody captures for a second, and nothing is cut off: what was to be stopped passes.
    until ! ip link show optout0 >/dev/null 2>&1; do sleep 0.02; done
    passes "$VENDOR" || return
    within 15 another "$old" && within 10 is_stopped "$VENDOR"
}
second_crash() {
    local old
    old=$(daemon)
    kill -9 "$old"
    within 15 another "$old" && grep -q "again in 2 s" "$PHONE/data/adb/optout/optout.log"
}
another() { [ "$(daemon)" != "$1" ] && runs; }

changes_network() {
    sleep 2 # nothing else is under way
    local begun=${EPOCHREALTIME/./}
    default_network rmnet0 198.51.100.53 wlan0 192.0.2.53
    within 10 follows 198.51.100.53 || return
    echo "        (new resolvers after $(((${EPOCHREALTIME/./} - begun) / 1000)) ms)" >&3
    within 5 asked_from_there
}
follows() { is "$(resolvers)" "nameserver $1" >/dev/null; }
asked_from_there() { netd_asks "handover$RANDOM.example" 198.51.100.53 0xe0065 >/dev/null && asked_upstream 'handover[0-9]*\.example' 198.51.100.2; }

vpn() {
    ip tuntap add tun0 mode tun
    ip link set tun0 up
    ip route add default dev tun0 table "$(table tun0)"
    agent tun0 203.0.113.53 >>"$PHONE/data/dumpsys"
    ip rule add priority 16000 fwmark 0x10066/0x1ffff iif lo uidrange "$1" lookup "$(table tun0)"
    ip rule add priority 13000 fwmark 0x0/0x20000 iif lo uidrange "$1" lookup "$(table tun0)"
    sleep 2.5
}
no_vpn() {
    ip rule del priority 13000
    ip rule del priority 16000 fwmark 0x10066/0x1ffff
    ip link del tun0
    sed -i /tun0/d "$PHONE/data/dumpsys"
}
# The network under the VPN is left alone then: by it the VPN looks for its own server.
vpn_for_all() {
    vpn 0-99999 && follows 203.0.113.53 && holds "$(command_ doctor)" "a VPN app is up" &&
        is "$(netd_asks "$VENDOR" 198.51.100.53 0xe0065)" 203.0.113.80 &&
        holds "$(netd_asks "$VENDOR" 203.0.113.53 0xe0066)" 198.18.
}
vpn_for_some() { vpn 10200-10300 && follows 198.51.100.53; }

# reads TEXT WANTED...: the resolvers that are found in what dumpsys says of wlan0.
reads() {
    local text=$1 wanted
    shift
    cp "$PHONE/data/dumpsys" "$WORK/dumpsys"
    printf '%b\n' "$text" >"$PHONE/data/dumpsys"
    script resolvers.sh
    cp "$WORK/dumpsys" "$PHONE/data/dumpsys"
    wanted=$(printf 'nameserver %s\n' "$@")
    is "$(resolvers)" "$wanted"
}

gives_up_and_begins_again() {
    echo 'nonsense = 1' >>"$PHONE/data/adb/optout/optout.toml"
    kill -9 "$(daemon)"
    within 10 described "[stopped]" || return
    within 10 gone || return
    sed -i /nonsense/d "$PHONE/data/adb/optout/optout.toml"
    holds "$(script action.sh)" "optout is on" && within 10 described "[on, "
}

# Everything killed at once, so that nothing could be put in order.
kill_all() {
    # shellcheck disable=SC2046 # numbers
    kill -9 $(processes) "$(daemon)"
    within 5 gone && holds "$(ip rule)" "proto 235"
}

doctor_says() { holds "$(command_ doctor)" "$1"; }

nothing_is_left() {
    script uninstall.sh
    rm -rf "${PHONE:?}$MODULE"
    within 10 gone || { pgrep -af optout; return 1; }
    is "$(state)" "$before" && [ ! -e "$PHONE/data/adb/optout" ] && [ ! -e "$PHONE/data/adb/ksu/bin/optout" ]
}
gone() { [ -z "$(processes)" ] && [ -z "$(pgrep -f "$MODULE/optout")" ]; }

VENDOR=open.oneplus.net
exec 3>&1

check "the scripts are sound for dash" parse dash
check "the scripts are sound for busybox" parse busybox sh
check "the scripts are sound for mksh, which is Android's own" parse mksh
check "the scripts are sound for shellcheck" shellcheck -x -s sh "${scripts[@]}"
check "two builds of the zip are the same" build

make_root
make_networks
make_rules
before=$(state)

check "a processor without a binary is refused" refuses "without arm64-v8a" ARCH=arm64
check "a processor that nobody knows is refused" refuses "no optout for the processor riscv64" ARCH=riscv64
check "Android 6 is refused" refuses "Android 7 or newer" API=23
mv "$PHONE/dev/tun" "$PHONE/dev/elsewhere"
check "a kernel without TUN is refused" refuses "no TUN driver"
mv "$PHONE/dev/elsewhere" "$PHONE/dev/tun"
check "the module installs" install_as
check "so it does by Magisk's update-binary" by_update_binary
check "it says what Private DNS should be" holds "$(install_as)" "Set Private DNS to Off"
check "it keeps a configuration that is there" holds "$(install_as)" "Keeping the configuration"

start_service
sleep 2
check "before the end of the boot nothing runs" is "$(daemon)" ""
echo 1 >"$PHONE/data/property.sys.boot_completed"
check "after it the daemon runs" within 20 runs
check "the resolvers are those of the network" is "$(resolvers)" "nameserver 192.0.2.53"
check "the state is shown" within 10 described "[on, "
check "no rule of ours comes after netd's first" bash -c "! ip rule | awk -F: '/proto 235/ && \$1 >= 10000' | grep ."
check "what netd asks for is stopped" is_stopped "$VENDOR"
check "what netd asks for passes" passes www.ordinary.example
check "what is for another network goes there, past us" is "$(netd_asks "$VENDOR" 198.51.100.53 0xe0065)" 203.0.113.80
check "our own questions leave by the default network" asked_upstream www.ordinary.example 192.0.2.2
check "the app is named that went to the sinkhole" app_is_named
check "between two events the scripts sleep" sleeps

check "the action button switches off" holds "$(script action.sh)" "optout is off"
check "that is shown" described "[off, "
check "then nothing is stopped" passes "$VENDOR"
check "then no rule is left" lacks "$(ip rule)" "proto 235"
check "the action button switches on" holds "$(script action.sh)" "optout is on"
check "that is shown, with a number" bash -c "sed -n s/^description=//p '$PHONE$MODULE/module.prop' | grep -E '^\[on, [1-9][0-9]* stopped today\]'"
check "the command pauses" command_ pause 10m
check "that is shown too" described "[paused, "
check "the command resumes" command_ resume
check "it is stopped again" is_stopped "$VENDOR"

check "a handover is followed" changes_network
check "with a VPN for all its resolvers are asked" vpn_for_all
no_vpn
check "with a VPN for some apps they are not" vpn_for_some
no_vpn
echo hostname >"$PHONE/data/setting.private_dns_mode"
check "the doctor names Private DNS" doctor_says "Private DNS names a provider"
echo 'avc:  denied  { create } for  pid=7 comm="optout" scontext=u:r:su:s0 tcontext=u:r:su:s0 tclass=tun_socket permissive=0' \
    >"$PHONE/data/dmesg"
check "the doctor names what SELinux denies" doctor_says "SELinux denies su { create } of su:tun_socket"
rm "$PHONE/data/dmesg"

default_network wlan0 192.0.2.53 rmnet0 198.51.100.53
within 10 follows 192.0.2.53
lp='lp{{InterfaceName: wlan0 LinkAddresses: [ 192.0.2.2/24 ]'
check "resolvers: several, and one of the link" reads \
    "$lp DnsAddresses: [ /192.0.2.7,/fe80::1%wlan0,/2001:db8::53 ] Domains: x}}" 192.0.2.7 fe80::1%wlan0 2001:db8::53
check "resolvers: as Android 7 writes them" reads \
    'LinkProperties{InterfaceName: wlan0 Routes: [0.0.0.0/0 -> 192.0.2.1 wlan0,] DnsAddresses: [192.0.2.8,192.0.2.9,] Domains: }' \
    192.0.2.8 192.0.2.9
check "resolvers: of this network and of no other" reads \
    "lp{{InterfaceName: wlan01 DnsAddresses: [ /192.0.2.6 ]}}\n$lp DnsAddresses: [ ]}}\n$lp DnsAddresses: [ /192.0.2.7 ]}}" 192.0.2.7
check "resolvers: what is no address is none" reads \
    "$lp DnsAddresses: [ /192.0.2.7,/\$(reboot),nameserver,dns.example/192.0.2.8,;id ]}}" 192.0.2.7 192.0.2.8
check "resolvers: where none is named what was known stays" reads "$lp DnsAddresses: [" 192.0.2.7 192.0.2.8
script resolvers.sh
check "after a crash it comes again" crash_and_return
check "the log says so" grep -q "ended with code 137; again in 1 s" "$PHONE/data/adb/optout/optout.log"
check "after another it takes longer" second_crash
check "with a wrong configuration it gives up, until the action button" gives_up_and_begins_again
check "uninstalling leaves nothing" nothing_is_left

mkdir -p "$PHONE/data/adb/ksu/bin"
check "KernelSU: it installs" holds "$(install_as KSU=true)" "KernelSU: the command is in its bin folder"
start_service
check "KernelSU: it runs" within 20 runs
check "KernelSU: the command is there" holds "$(on_phone /data/adb/ksu/bin/optout status)" "optout is on"
touch "$PHONE/data/adb/optout/keep"
script uninstall.sh
check "who wants to keeps the journal" test -e "$PHONE/data/adb/optout/state"
rm "$PHONE/data/adb/optout/keep"
start_service
within 20 runs
check "killed with all its scripts it leaves rules" kill_all
check "KernelSU: uninstalling leaves nothing" nothing_is_left

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
