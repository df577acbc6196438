#!/system/bin/sh
# Follows the network: when netd changes its routing rules, as it does when the default
# network is another, the resolvers are looked up anew. Between two changes it waits in
# a read. Ends with TERM, from service.sh or from the next one.
MODDIR=${0%/*}
# shellcheck source=android/magisk/module.sh
. "$MODDIR/module.sh"

# A handover is a dozen changes within a second: one look for all of them. Changes that
# come while it looks ask for another.
look_soon() {
    [ ! -e "$RUN/pending" ] || return
    : >"$RUN/pending"
    {
        sleep 1
        rm -f "$RUN/pending"
        sh "$MODDIR/resolvers.sh"
        trim_log
        describe
    } &
}

# TERM comes through at once only while a shell waits, and does not read.
follow() {
    "$IP" monitor rule >"$RUN/changes" 2>/dev/null &
    monitor=$!
    while read -r _; do look_soon; done <"$RUN/changes" &
    wait $!
    kill "$monitor" 2>/dev/null
}

echo $$ >"$RUN/network.pid"
trap 'kill "$monitor" 2>/dev/null; rm -f "$RUN/changes" "$RUN/network.pid"; exit 0' TERM INT
rm -f "$RUN/changes"
mkfifo "$RUN/changes"
while :; do
    follow
    # It ended by itself, as it does when changes come faster than it reads them.
    look_soon
    sleep 10
done
