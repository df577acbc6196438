#!/system/bin/sh
# Runs the daemon from the end of the boot on, and again when it crashed, each time after
# a longer pause. Sleeps while nothing happens. The root manager starts this at each boot,
# action.sh when the daemon was given up.
MODDIR=${0%/*}
# shellcheck source=android/magisk/module.sh
. "$MODDIR/module.sh"

FIRST_PAUSE=1   # seconds
LONGEST_PAUSE=300
STEADY=600      # who ran that long did not crash at the start

main() {
    [ -z "$(script_pid service)" ] || exit 0
    prepare
    # One that outlived its service.
    old=$(script_pid network) && kill "$old"
    rm -f "$RUN/optout.pid" "$RUN/pending"
    echo $$ >"$RUN/service.pid"
    trap stop TERM INT
    await_boot
    make_tun
    link_command
    sh "$MODDIR/resolvers.sh"
    # Apart, so that its waiting for the kernel is not ours for the daemon.
    sh "$MODDIR/network.sh" &
    network=$!
    supervise
    stop
}

await_boot() {
    until [ "$(getprop sys.boot_completed)" = 1 ]; do sleep 1; done
}

# Android has the TUN at a place of its own.
make_tun() {
    [ ! -c /dev/net/tun ] || return
    mkdir -p /dev/net
    ln -sf /dev/tun /dev/net/tun
}

# Where the root manager mounts nothing over /system, its own folder has the command.
link_command() {
    [ -e "$MODDIR/skip_mount" ] || return
    for folder in /data/adb/ksu/bin /data/adb/ap/bin; do
        [ -d "$folder" ] && ln -sf "$MODDIR/system/bin/optout" "$folder/optout"
    done
}

uptime() {
    read -r seconds _ </proc/uptime
    echo "${seconds%.*}"
}

supervise() {
    pause=$FIRST_PAUSE
    while [ ! -e "$MODDIR/disable" ] && [ ! -e "$MODDIR/remove" ]; do
        trim_log
        begun=$(uptime)
        "$MODDIR/optout" run --config "$CONFIG" >>"$LOG" 2>&1 &
        daemon=$!
        echo "$daemon" >"$RUN/optout.pid"
        greet "$daemon" &
        wait "$daemon"
        code=$?
        # 0: it was told to stop. 2 and 3: its configuration is wrong, or there is another
        # one, and trying again will not help.
        case $code in 0 | 2 | 3) return ;; esac
        [ $(($(uptime) - begun)) -lt $STEADY ] || pause=$FIRST_PAUSE
        echo "optout ended with code $code; again in $pause s" >>"$LOG"
        describe
        sleep "$pause" &
        wait $!
        pause=$((pause * 2))
        [ $pause -le $LONGEST_PAUSE ] || pause=$LONGEST_PAUSE
    done
}

# Shows the state as soon as the daemon answers; it does within a second, or not at all.
greet() {
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        [ "$(state)" = stopped ] || break
        kill -0 "$1" 2>/dev/null || break
        sleep 1
    done
    describe
}

# shellcheck disable=SC2317 # reached by the trap
stop() {
    trap - TERM INT
    [ -z "${daemon:-}" ] || kill "$daemon" 2>/dev/null
    [ -z "${network:-}" ] || kill "$network" 2>/dev/null
    wait
    rm -f "$RUN/service.pid" "$RUN/optout.pid"
    [ ! -f "$MODDIR/module.prop" ] || describe
    exit 0
}

main
