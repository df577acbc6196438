#!/system/bin/sh
# The action button: on becomes off, anything else on. Then says how things are.
MODDIR=${0%/*}
# shellcheck source=android/magisk/module.sh
. "$MODDIR/module.sh"
prepare

case $(state) in
    on) optout off ;;
    stopped)
        echo "optout does not run; starting it"
        # On its own: this shell ends with the button's window.
        setsid sh "$MODDIR/service.sh" >/dev/null 2>&1 </dev/null &
        for _ in 1 2 3 4 5 6 7 8 9 10; do
            sleep 1
            [ "$(state)" = stopped ] || break
        done
        [ "$(state)" != off ] || optout on
        ;;
    *) optout on ;;
esac
describe
if ! optout status; then
    echo "The end of $LOG:"
    tail -n 5 "$LOG"
fi
