# shellcheck shell=sh disable=SC2034 # who sources this uses the names
# What the scripts of the module share: where things are, whether the daemon runs, and
# what the root manager shows of it. Sourced; MODDIR is where the module is.

DATA=/data/adb/optout
RUN=$DATA/run
LOG=$DATA/optout.log
CONFIG=$DATA/optout.toml
SOCKET=$RUN/control.sock
ABOUT="Stops telemetry of the system and of apps, and keeps the proof."

# The system's own: the root managers' busybox has one that cannot monitor.
IP=/system/bin/ip

# Android has none of the places where other systems have these.
prepare() {
    mkdir -p "$RUN"
    chmod 0750 "$DATA" "$RUN"
    export TMPDIR="$RUN" SQLITE_TMPDIR="$RUN"
    # As POSIX writes it, with the sign the other way round; no names of zones are there.
    TZ=$(/system/bin/date +%z |
        sed 's/^+\(..\)\(..\)$/<+\1\2>-\1:\2/; s/^-\(..\)\(..\)$/<-\1\2>+\1:\2/')
    export TZ
    for SSL_CERT_DIR in /apex/com.android.conscrypt/cacerts /system/etc/security/cacerts; do
        [ -d "$SSL_CERT_DIR" ] && break
    done
    export SSL_CERT_DIR
}

# optout COMMAND...: asks the daemon.
optout() { "$MODDIR/optout" --socket "$SOCKET" "$@"; }

# The process of the daemon. A number that an earlier boot left is somebody else's.
daemon_pid() {
    pid=$(cat "$RUN/optout.pid" 2>/dev/null) || return 1
    [ "$(readlink "/proc/$pid/exe" 2>/dev/null)" = "$(readlink -f "$MODDIR/optout")" ] && echo "$pid"
}

# script_pid NAME: the process of NAME.sh.
script_pid() {
    pid=$(cat "$RUN/$1.pid" 2>/dev/null) || return 1
    tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -q "optout/$1.sh" && echo "$pid"
}

# on, off, paused; or stopped, where nobody answers.
state() {
    said=$(optout status --json 2>/dev/null) || { echo stopped; return; }
    echo "$said" | first state
}

# first NAME: the first value of that name, of JSON on standard input.
first() { tr -d '\n' | sed 's/"'"$1"'": *"\{0,1\}/\n/' | sed -n '2s/[",}].*//p'; }

# Says in the root manager's list how things are. Called when something else woke us.
describe() {
    now=$(state)
    if [ "$now" != stopped ]; then
        blocked=$(optout report --since "$(date +%Y-%m-%d)" --json 2>/dev/null | first blocked)
        now="$now, ${blocked:-0} stopped today"
    fi
    line="description=[$now] $ABOUT"
    grep -qxF "$line" "$MODDIR/module.prop" && return
    sed '/^description=/d' "$MODDIR/module.prop" >"$MODDIR/module.prop.new" &&
        echo "$line" >>"$MODDIR/module.prop.new" &&
        chmod 0644 "$MODDIR/module.prop.new" &&
        mv -f "$MODDIR/module.prop.new" "$MODDIR/module.prop"
}

# Keeps the end of the log once it has grown. The daemon appends, so it writes on.
trim_log() {
    size=$(wc -c 2>/dev/null <"$LOG") || return 0
    [ "$size" -gt 262144 ] || return 0
    tail -c 65536 "$LOG" >"$LOG.old"
    : >"$LOG"
}
