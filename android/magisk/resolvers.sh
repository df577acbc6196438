#!/system/bin/sh
# Writes the resolvers of the network that carries our questions where the daemon reads
# them. Android has no resolv.conf; the system's service for connectivity knows them.
MODDIR=${0%/*}
# shellcheck source=android/magisk/module.sh
. "$MODDIR/module.sh"

# Addresses that only a default route leads to (RFC 7526, RFC 3701), and our mark: so
# the kernel answers for our own sockets. With a VPN for all, that is the VPN.
FAR_V4=192.88.99.1
FAR_V6=3ffe::1
MARK=0x1000000

# The device of a route that `ip route get` printed.
device() { sed -n 's/.* dev \([^ ]*\).*/\1/p' | head -n 1; }

carrier() {
    found=$("$IP" route get "$FAR_V4" mark "$MARK" 2>/dev/null | device)
    [ -n "$found" ] || found=$("$IP" -6 route get "$FAR_V6" mark "$MARK" 2>/dev/null | device)
    # Over an IPv6 network IPv4 leaves by a device of its own, of the same network.
    echo "${found#v4-}"
}

# of DEVICE: its resolvers, from `{InterfaceName: wlan0 … DnsAddresses: [ /192.0.2.1,… ]`.
# shellcheck disable=SC2016 # the program is awk's
of() {
    dumpsys connectivity 2>/dev/null | awk -v name="InterfaceName: $1 " '
        (at = index($0, name)) {
            rest = substr($0, at)
            from = index(rest, "DnsAddresses: [")
            if (!from) next
            rest = substr(rest, from + 15)
            rest = substr(rest, 1, index(rest, "]") - 1)
            count = split(rest, words, ",")
            for (n = 1; n <= count; n++) {
                sub(/^.*\//, "", words[n])
                gsub(/[ \t]/, "", words[n])
                if (words[n] ~ /^[0-9a-fA-F.:]+(%[0-9A-Za-z_.-]+)?$/) { print words[n]; said = 1 }
            }
            if (said) exit
        }'
}

# Until Android 7 properties had them.
of_properties() {
    for n in 1 2; do getprop "net.dns$n"; done 2>/dev/null | grep .
}

main() {
    mkdir -p "$RUN"
    carrier=$(carrier)
    [ -n "$carrier" ] || return # no network: what was known may be right again
    addresses=$(of "$carrier")
    [ -n "$addresses" ] || addresses=$(of_properties)
    [ -n "$addresses" ] || return
    new=$RUN/resolv.conf.new.$$
    echo "$addresses" | sed 's/^/nameserver /' >"$new"
    # Only a change wakes the daemon.
    if cmp -s "$new" "$RUN/resolv.conf"; then rm -f "$new"; else mv -f "$new" "$RUN/resolv.conf"; fi
}

main
