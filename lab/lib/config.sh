# shellcheck shell=bash
# Settings of one lab. Everything a caller may change is here, nothing else reads the environment.

LAB_NAME="${LAB_NAME:-portico}"            # prefix of namespaces and interfaces
LAB_NET="${LAB_NET:-10.91.0}"              # first three numbers of the /24
LAB_DIR="${LAB_DIR:-$(dirname "$lab_src")/.lab}" # state, logs, pid files
LAB_PASSWORD="${LAB_PASSWORD:-portico-demo}" # of every demo user
LAB_WAIT_S="${LAB_WAIT_S:-30}"             # how long a server may take to answer
LAB_CACHE="${LAB_CACHE:-$(dirname "$lab_src")/.lab-cache}" # root file systems of newer Debians, shared by all labs
LAB_MIRROR="${LAB_MIRROR:-http://deb.debian.org/debian}" # where they come from
LAB_CROWD="${LAB_CROWD:-0}"                # further users, crowd01 and on, for tests with many people

# name:uid. They exist only in the overlay of /etc of each server.
lab_users=(demo:2001 anna:2002 ben:2003)
# The first uid of the crowd. They are accounts of the servers alone: no facts and no estate name them.
crowd_uid=2101

# Names of servers in certificates and in the lab's own DNS; nobody else has them (RFC 6761).
lab_domain=portico.test

say() { printf '%s\n' "$*"; }
warn() { printf 'lab: %s\n' "$*" >&2; }
die() { warn "$*"; exit 1; }

# The settings end up in interface names, paths and configuration files: refuse what does not fit there.
check_config() {
  [[ $LAB_NAME =~ ^[a-z][a-z0-9]{0,9}$ ]] ||
    die "LAB_NAME '$LAB_NAME' does not fit: a letter, then up to 9 letters or digits (interface names end at 15 characters)"
  local octet='(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])'
  [[ $LAB_NET =~ ^$octet\.$octet\.$octet$ ]] ||
    die "LAB_NET '$LAB_NET' does not fit: three numbers such as 10.91.0 (the lab adds .0/24)"
  [[ $LAB_PASSWORD =~ ^[A-Za-z0-9._-]{4,64}$ ]] ||
    die "LAB_PASSWORD does not fit: 4 to 64 letters, digits, dots, dashes or underscores"
  [[ $LAB_WAIT_S =~ ^[1-9][0-9]{0,2}$ ]] || die "LAB_WAIT_S '$LAB_WAIT_S' does not fit: 1 to 999 seconds"
  [[ $LAB_CROWD =~ ^(0|[1-9][0-9]?)$ ]] || die "LAB_CROWD '$LAB_CROWD' does not fit: 0 to 99 further users"
  [[ $LAB_DIR == /* ]] || LAB_DIR="$PWD/$LAB_DIR"
  LAB_DIR="$(realpath -m -- "$LAB_DIR")"
  # Each server gets its own copies of these, so state in them would vanish from its sight.
  case "$LAB_DIR/" in
    /run/* | /etc/* | /proc/* | /sys/* | /dev/* | /) die "LAB_DIR '$LAB_DIR' does not fit: choose a folder outside /run, /etc, /proc, /sys and /dev" ;;
  esac
  [[ $LAB_CACHE == /* ]] || LAB_CACHE="$PWD/$LAB_CACHE"
  # The overlay's options are separated by commas and colons.
  [[ $LAB_CACHE =~ ^[^[:space:],:]+$ ]] || die "LAB_CACHE '$LAB_CACHE' does not fit: no white space, comma or colon"
  [[ $LAB_MIRROR =~ ^https?://[^[:space:]]+$ ]] || die "LAB_MIRROR '$LAB_MIRROR' does not fit: the address of a Debian mirror"
  [[ $LAB_DIR != *[[:space:]]* ]] || die "LAB_DIR '$LAB_DIR' does not fit: it contains white space"
  bridge="${LAB_NAME}br"
}

check_root() {
  [[ $EUID -eq 0 ]] && return
  local settings="" key default
  for key in LAB_NAME:portico LAB_NET:10.91.0 LAB_PASSWORD:portico-demo LAB_DIR:"$(dirname "$lab_src")/.lab"; do
    default="${key#*:}" key="${key%%:*}"
    [[ ${!key} == "$default" ]] || settings+=" $key=${!key@Q}"
  done
  warn "root is needed to make network namespaces, a bridge and an overlay of /etc. Run:"
  printf '  sudo%s %s' "$settings" "$lab_src/lab" >&2
  printf ' %q' "$@" >&2
  printf '\n' >&2
  exit 1
}

# Say exactly what this kernel lacks instead of failing half way.
check_kernel() {
  local missing=() probe="${LAB_NAME}x"
  if ! grep -qw overlay /proc/filesystems; then
    modprobe -q overlay 2>/dev/null || true
    grep -qw overlay /proc/filesystems || missing+=("overlay file system (CONFIG_OVERLAY_FS)")
  fi
  # A network namespace of its own, so that the try cannot be seen outside.
  unshare --net true 2>/dev/null || missing+=("network namespaces (CONFIG_NET_NS)")
  unshare --pid --fork true 2>/dev/null || missing+=("pid namespaces (CONFIG_PID_NS)")
  unshare --net ip link add "$probe" type bridge 2>/dev/null || missing+=("bridge (CONFIG_BRIDGE)")
  unshare --net ip link add "$probe" type veth peer name "${probe}1" 2>/dev/null || missing+=("veth (CONFIG_VETH)")
  ((${#missing[@]} == 0)) && return
  warn "this kernel or container lacks what the lab is built on:"
  printf '  - %s\n' "${missing[@]}" >&2
  exit 1
}
