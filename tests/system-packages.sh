#!/bin/sh
# system-packages.sh FILE            install the packages of FILE whose commands are not on PATH
# system-packages.sh --install NAME  install these packages
# Nothing is done, and apt not asked, when nothing is missing. Services that the packages bring are neither
# started nor enabled: the tests start the programs themselves.
set -eu

there() {
    case "$1" in
        *.so.*) /sbin/ldconfig -p | grep -q "^[[:space:]]*$1 " ;;
        *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

missing() {
    sed 's/#.*//' "$1" | while read -r package commands; do
        for command in $commands; do
            there "$command" || { printf '%s ' "$package"; break; }
        done
    done
}

list=""
if [ "$1" = --install ]; then
    shift
    packages="$*"
else
    list="$1"
    packages=$(missing "$list")
fi
[ -n "$packages" ] || exit 0

command -v apt-get >/dev/null 2>&1 || { echo "$0: missing: $packages (and no apt-get to install them)" >&2; exit 1; }
root=""
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || { echo "$0: missing: $packages (root or sudo is needed to install them)" >&2; exit 1; }
    root="sudo"
fi

policy=/usr/sbin/policy-rc.d
ours=""
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $root sh -c "cat > $policy && chmod 755 $policy"
    ours=yes
fi
cleanup() { [ -z "$ours" ] || $root rm -f "$policy"; }
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

echo "Installing system packages: $packages"
$root env DEBIAN_FRONTEND=noninteractive apt-get -q -y update
# shellcheck disable=SC2086
$root env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends $packages
if command -v systemctl >/dev/null 2>&1; then
    for unit in docker-registry etcd; do
        case " $packages " in
            *" $unit "* | *" $unit-server "*) $root systemctl disable "$unit.service" >/dev/null 2>&1 || true ;;
        esac
    done
fi
[ -n "$list" ] || exit 0
still=$(missing "$list")
[ -z "$still" ] || { echo "$0: still missing after installation: $still" >&2; exit 1; }
