#!/system/bin/sh
# Removes what the module made outside its folder. With a file /data/adb/optout/keep the
# configuration and the journal stay.
MODDIR=${0%/*}
# shellcheck source=android/magisk/module.sh
. "$MODDIR/module.sh"

# The daemon takes its rules along when it is told to stop.
stop_all() {
    for pid in $(script_pid service) $(script_pid network) $(daemon_pid); do
        kill "$pid" 2>/dev/null
    done
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        [ -n "$(daemon_pid)" ] || return
        sleep 1
    done
    kill -9 "$(daemon_pid)" 2>/dev/null
}

# After a crash rules may be left, which lead nowhere. 235 is their maker's number.
sweep() {
    for family in -4 -6; do
        "$IP" "$family" rule show 2>/dev/null | grep -w -e 'proto 235' | while read -r rule; do
            "$IP" "$family" rule del priority "${rule%%:*}" protocol 235 2>/dev/null
        done
        "$IP" "$family" route flush proto 235 table all 2>/dev/null
    done
    for program in iptables ip6tables; do
        "$program" -w -t mangle -D OUTPUT -j OPTOUT && "$program" -w -t mangle -F OPTOUT &&
            "$program" -w -t mangle -X OPTOUT
    done 2>/dev/null
}

stop_all
sweep
for folder in /data/adb/ksu/bin /data/adb/ap/bin; do
    [ ! -L "$folder/optout" ] || rm -f "$folder/optout"
done
if [ -e "$DATA/keep" ]; then rm -rf "$RUN"; else rm -rf "$DATA"; fi
