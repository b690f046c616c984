# shellcheck shell=bash
# One server: its file, its folder, its process.
#
# `load_server NAME` sources servers/NAME.sh, which names a kind and a host number.
# Always call it in a subshell or in a worker: the next one replaces all of it.

# All that have a file.
server_names() {
  local file
  for file in "$lab_src"/servers/*.sh; do
    [[ -e $file ]] && basename "$file" .sh
  done
}

# Those that a command without names means: not the optional ones, unless they were started and not stopped.
usual_servers() {
  local n
  for n in $(server_names); do (load_server "$n"; [[ -n $optional && ! -e $dir/wanted ]] || say "$n"); done
}

load_server() {
  name="$1"
  [[ $name =~ ^[a-z][a-z0-9]{0,14}$ && -f $lab_src/servers/$name.sh ]] ||
    die "no server '$name': there are $(server_names | paste -sd' ')"
  kind="" host="" port="" title="" pool="" protocol="" security="" sessions_max="" managed="" optional=""
  rootfs="" rootfs_expects="" wait_s=""
  packages=() units=() rootfs_options=()
  dir="$LAB_DIR/servers/$name" keys="$LAB_DIR/servers/$name/keys" log="$LAB_DIR/servers/$name/log"
  netns="$LAB_NAME-$name"
  source "$lab_src/servers/$name.sh"
  [[ $host =~ ^[0-9]+$ ]] && ((host >= 2 && host <= 254)) ||
    die "servers/$name.sh: host='$host' must be 2 to 254, the last number of its address"
  address="$LAB_NET.$host" veth="${LAB_NAME}v$host"
}

# For server files: take over a kind's functions and defaults; what follows in the file wins.
use_kind() {
  kind="$1"
  source "$lab_src/kinds/$1.sh"
}

# Two servers with one address would fight in silence.
check_servers() {
  local twice
  twice="$(for n in $(server_names); do (load_server "$n"; say "$host"); done | sort | uniq -d)"
  [[ -z $twice ]] || die "two files in servers/ have the same host number: $twice"
}

# A pid alone may belong to somebody else by now; pid, start time and boot together cannot.
start_time() { # of PID $1: field 22 of stat, counted after the command name, which may hold spaces
  local stat fields
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
  read -ra fields <<<"${stat##*) }"
  [[ ${fields[0]} != [ZX] ]] || return 1
  printf '%s' "${fields[19]}"
}
write_pid() { printf '%s %s %s\n' "$1" "$(start_time "$1")" "$(</proc/sys/kernel/random/boot_id)" >"$dir/pid.new" && mv "$dir/pid.new" "$dir/pid"; }
box_pid() { # prints the pid of the running box, or fails
  local pid started boot
  { read -r pid started boot <"$dir/pid"; } 2>/dev/null || return 1
  [[ $boot == "$(</proc/sys/kernel/random/boot_id)" && "$(start_time "$pid")" == "$started" ]] || return 1
  printf '%s' "$pid"
}

# Start the box (see lab/box): new mount, uts, ipc and pid namespaces inside the server's network namespace.
# setsid: a Ctrl-C at the terminal must not reach servers that are already up.
start_box() {
  mkdir -p "$dir/home" "$log"
  chmod 0700 "$dir" "$keys"
  rm -f "$dir/pid"
  [[ ! -e $log/box.log ]] || mv "$log/box.log" "$log/box.log.1"
  (
    cd /
    join_cgroup "$BASHPID"
    exec setsid nsenter --net="/run/netns/$netns" \
      unshare --mount --uts --ipc --pid --fork --kill-child \
      env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
      LAB_NAME="$LAB_NAME" LAB_NET="$LAB_NET" LAB_DIR="$LAB_DIR" LAB_PASSWORD="$LAB_PASSWORD" LAB_CROWD="$LAB_CROWD" \
      LAB_CACHE="$LAB_CACHE" bash "$lab_src/box" "$name" </dev/null >"$log/box.log" 2>&1 9>&-
  ) &
  disown
}

# Stop the box: the end of its first process ends all others in its pid namespace.
stop_box() { # $1: TERM (orderly) or KILL (power cut)
  local pid tries
  pid="$(box_pid)" || { rm -f "$dir/pid"; return 0; }
  kill -s "$1" "$pid" 2>/dev/null || true
  for ((tries = 0; tries < 60; tries++)); do
    box_pid >/dev/null || break
    ((tries != 40)) || kill -s KILL "$pid" 2>/dev/null || true
    sleep 0.1
  done
  ! box_pid >/dev/null || { warn "$name: process $pid does not end"; return 1; }
  rm -f "$dir/pid" "$dir/agent.pid"
  leave_cgroup
}

# up: answers. starting: lives, has not answered yet. silent: lives, answered once. dead: should be up and is not.
server_state() {
  if box_pid >/dev/null; then
    if server_ready >/dev/null 2>&1; then say up
    elif [[ -e $dir/starting ]]; then say starting
    else say silent; fi
  elif [[ -e $dir/wanted ]]; then say dead
  else say down; fi
}

# All processes of all boxes as "namespace pid" lines, in one sweep over /proc.
pid_namespaces() { stat -L -c '%i %n' /proc/[0-9]*/ns/pid 2>/dev/null | sed 's|/proc/\([0-9]*\)/ns/pid|\1|' || true; }
