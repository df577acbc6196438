# shellcheck shell=bash disable=SC2016,SC2034 # stubs are text; who sources this uses the names
# A phone without Android: its root, its programs, its networks. Sourced.

PHONE=$WORK/phone
MODULE=/data/adb/modules/optout

# on_phone COMMAND...: runs it there, with what a root manager's shell has and no more.
on_phone() {
    env -i PATH=/system/bin:/applets HOME=/ ASH_STANDALONE=1 "$(command -v chroot)" "$PHONE" "$@"
}

# as_app UID COMMAND...
as_app() {
    local uid=$1
    shift
    on_phone /usr/bin/setpriv --reuid "$uid" --regid "$uid" --clear-groups -- "$@"
}

make_root() {
    mkdir -p "$PHONE"
    mount -t tmpfs -o mode=755 phone "$PHONE"
    local folder
    for folder in usr bin sbin lib lib64 etc; do
        if [ -L "/$folder" ]; then
            ln -s "$(readlink "/$folder")" "$PHONE/$folder"
        elif [ -d "/$folder" ]; then
            mkdir "$PHONE/$folder" && mount --rbind "/$folder" "$PHONE/$folder"
        fi
    done
    mkdir -p "$PHONE"/{proc,sys,dev,run,tmp,applets,system/bin,data/system,data/adb/modules,optout}
    mount -t proc proc "$PHONE/proc"
    mount -t sysfs sysfs "$PHONE/sys"
    # A kernel with SELinux, that forbids.
    mount -t tmpfs fs "$PHONE/sys/fs"
    mkdir "$PHONE/sys/fs/selinux" && echo 1 >"$PHONE/sys/fs/selinux/enforce"
    mount -t tmpfs -o mode=755 dev "$PHONE/dev"
    make_devices
    make_programs
}

# The TUN where Android has it.
make_devices() {
    mknod -m 666 "$PHONE/dev/null" c 1 3
    mknod -m 666 "$PHONE/dev/urandom" c 1 9
    mknod -m 660 "$PHONE/dev/tun" c 10 200
}

make_programs() {
    chroot "$PHONE" /usr/bin/busybox --install -s /applets
    # These are not busybox's on a phone, and busybox's could not do what is asked of them.
    rm -f "$PHONE"/applets/ip
    local program
    for program in ip setpriv curl; do
        ln -s "$(command -v "$program")" "$PHONE/system/bin/$program"
    done
    # Not one of another place, which the phone's root has not.
    ln -s /usr/bin/python3 "$PHONE/system/bin/python3"
    ln -s /usr/sbin/iptables-legacy "$PHONE/system/bin/iptables"
    ln -s /usr/sbin/ip6tables-legacy "$PHONE/system/bin/ip6tables"
    ln -s /usr/bin/busybox "$PHONE/system/bin/sh"
    ln -s /applets/date "$PHONE/system/bin/date"
    : >"$PHONE/system/bin/app_process"
    stub getprop 'cat "/data/property.$1" 2>/dev/null || echo'
    stub dumpsys 'cat /data/dumpsys'
    stub settings 'cat "/data/setting.$3" 2>/dev/null || echo null'
    stub dmesg 'cat /data/dmesg 2>/dev/null'
    stub logcat 'exit 0'
    cp "$(dirname "$0")"/{ask,no_nft}.py "$PHONE/optout/"
    echo 'com.example.shop 10123 0 /data/user/0/com.example.shop default:targetSdkVersion=34 none' \
        >"$PHONE/data/system/packages.list"
}

stub() {
    printf '#!/system/bin/sh\n%s\n' "$2" >"$PHONE/system/bin/$1"
    chmod 755 "$PHONE/system/bin/$1"
}

# Wi-Fi and mobile data, each with a resolver behind it that knows every name.
make_networks() {
    sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 \
        net.ipv6.conf.all.disable_ipv6=1
    ip link set lo up
    unshare --net sleep 600 &
    INTERNET=$!
    until [ "$(readlink /proc/$INTERNET/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
    internet ip link set lo up
    connect wlan0 192.0.2 53
    connect rmnet0 198.51.100 53
    internet dnsmasq --no-daemon --no-resolv --no-hosts --conf-file=/dev/null \
        --address=/#/203.0.113.80 --log-queries --log-facility="$WORK/queries" --user=root \
        --pid-file= >/dev/null 2>&1 &
    until grep -q started "$WORK/queries" 2>/dev/null; do sleep 0.05; done
}

internet() { nsenter --target "$INTERNET" --net -- "$@"; }

# connect LINK PREFIX HOST: a network with a table as netd makes it.
connect() {
    ip link add "$1" type veth peer name "far-$1" netns "$INTERNET"
    ip addr add "$2.2/24" dev "$1"
    ip link set "$1" up
    internet ip addr add "$2.$3/24" dev "far-$1"
    internet ip link set "far-$1" up
    ip route flush table main dev "$1"
    ip route add "$2.0/24" dev "$1" table "$(table "$1")" proto static
    ip route add default via "$2.$3" dev "$1" table "$(table "$1")" proto static
}

# netd: the index of the device and 1000.
table() { echo $((1000 + $(ip -o link show "$1" | cut -d: -f1))); }

# netd's rules, of a phone with these two networks, Android 12 and newer.
make_rules() {
    ip rule add priority 10000 fwmark 0xc0000/0xd0000 lookup 99
    ip rule add priority 32000 unreachable
    local link mark=0x64
    for link in wlan0 rmnet0; do
        ip rule add priority 11000 iif lo oif $link uidrange 0-0 lookup "$(table $link)"
        ip rule add priority 16000 fwmark "$(printf 0x%x $((mark | 0x10000)))/0x1ffff" iif lo \
            lookup "$(table $link)"
        ip rule add priority 17000 iif lo oif $link lookup "$(table $link)"
        ip rule add priority 23000 fwmark $mark/0x1ffff iif lo lookup "$(table $link)"
        mark=0x65
    done
    default_network wlan0 192.0.2.53 rmnet0 198.51.100.53
}

# default_network LINK RESOLVER LINK RESOLVER: the first is the default one from now on.
default_network() {
    {
        echo "Active default network: 100"
        agent "$1" "$2"
        agent "$3" "$4"
    } >"$PHONE/data/dumpsys"
    ip rule add priority 31000 fwmark 0x0/0xffff iif lo lookup "$(table "$1")"
    ip rule del priority 31000 fwmark 0x0/0xffff iif lo lookup "$(table "$3")" 2>/dev/null || true
}

agent() {
    echo "  NetworkAgentInfo{network{100} ni{CONNECTED} lp{{InterfaceName: $1 LinkAddresses: [" \
        "192.0.2.2/24 ] DnsAddresses: [ /$2 ] Domains: null MTU: 1500 Routes: [ ]}} nc{[ ]}}"
}
