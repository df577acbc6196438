# shellcheck shell=sh
# Installs the module: the binary for this processor, the configuration, if there is none
# yet. Sourced by the root manager's installer, which gives MODPATH, ARCH, API, ui_print,
# abort, set_perm and set_perm_recursive.

# shellcheck disable=SC2034 # read by Magisk
SKIPUNZIP=0
DATA=/data/adb/optout

case ${ARCH:-} in
    arm64) abi=arm64-v8a ;;
    arm) abi=armeabi-v7a ;;
    x64) abi=x86_64 ;;
    *) abort "! There is no optout for the processor ${ARCH:-that has no name}" ;;
esac
[ "${API:-0}" -ge 24 ] || abort "! Android 7 or newer is needed, this is API ${API:-unknown}"
[ -f "$MODPATH/bin/$abi/optout" ] || abort "! This zip was built without $abi"
if [ ! -c /dev/net/tun ] && [ ! -c /dev/tun ]; then
    abort "! This kernel has no TUN driver: neither /dev/tun nor /dev/net/tun is there"
fi

mv "$MODPATH/bin/$abi/optout" "$MODPATH/optout"
rm -rf "${MODPATH:?}/bin"
set_perm_recursive "$MODPATH" 0 0 0755 0644
for file in optout service.sh action.sh uninstall.sh network.sh resolvers.sh system/bin/optout; do
    set_perm "$MODPATH/$file" 0 0 0755
done
version=$("$MODPATH/optout" --version) || abort "! The binary for $abi does not run here"
ui_print "- $version for $abi"

mkdir -p "$DATA"
chmod 0750 "$DATA"
if [ -f "$DATA/optout.toml" ]; then
    ui_print "- Keeping the configuration in $DATA/optout.toml"
else
    cp "$MODPATH/optout.toml" "$DATA/optout.toml"
    chmod 0600 "$DATA/optout.toml"
    ui_print "- The configuration is $DATA/optout.toml"
fi

if [ "${KSU:-}" = true ] || [ "${APATCH:-}" = true ]; then
    # They mount nothing over /system by themselves any more, and need not: service.sh
    # puts the command where their own are.
    touch "$MODPATH/skip_mount"
    manager=KernelSU
    [ "${APATCH:-}" != true ] || manager=APatch
    ui_print "- $manager: the command is in its bin folder, the toggle is the action button"
else
    ui_print "- Magisk ${MAGISK_VER:-}: the command is \`su -c optout\`"
    if [ "${MAGISK_VER_CODE:-0}" -lt 28000 ]; then
        ui_print "- The action button needs Magisk 28; before, use \`su -c optout off\`"
    fi
fi
if [ "$(settings get global private_dns_mode 2>/dev/null)" != off ]; then
    ui_print "- Set Private DNS to Off (Settings, Network), or names may go past optout"
fi
ui_print "- Restart the phone to begin"
