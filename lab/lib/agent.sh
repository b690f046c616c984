# shellcheck shell=bash
# Portico's agent on a server: started inside its namespaces, with its state below the server's folder.
#
# PORTICO_AGENT names the program; it is Portico's, so the lab does not build it.

agent_program() {
  local program="${PORTICO_AGENT:-$(dirname "$lab_src")/target/debug/portico-agent}"
  [[ -x $program ]] || die "the agent's program $program is missing: build it with 'make build', or name it in PORTICO_AGENT"
  realpath -- "$program"
}

agent_pid() { # prints the pid of the running agent, or fails
  local pid started boot
  { read -r pid started boot <"$dir/agent.pid"; } 2>/dev/null || return 1
  [[ $boot == "$(</proc/sys/kernel/random/boot_id)" && "$(start_time "$pid")" == "$started" ]] || return 1
  printf '%s' "$pid"
}

pid_namespace() { stat -L -c %i "/proc/$1/ns/pid" 2>/dev/null; } # of PID $1

agent_state() {
  if agent_pid >/dev/null; then say running
  elif [[ -e $dir/agent.wanted ]]; then say dead
  else say stopped; fi
}

# Starts the agent of the loaded server; further words go to the agent.
agent_up() {
  local box program load=machine tries pid input=""
  agent_pid >/dev/null && return 0
  box="$(box_pid)" || die "$name is not running: 'lab start $name'"
  program="$(agent_program)"
  mkdir -p -m 0700 "$dir/agent"
  if in_cgroup "$box"; then load=cgroup; fi
  # What this command gets on its standard input is the agent's, a join token for example.
  if [[ " $* " == *" --join - "* ]]; then read -r input; fi
  # The program may lie where the server cannot look (below /tmp or /home): an open file goes along.
  # It looks up its control group once, at its start.
  (
    cd /
    join_cgroup "$BASHPID"
    exec setsid nsenter --target "$box" --mount --uts --ipc --net --pid -- \
      env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME=/root \
      bash -c 'exec -a portico-agent /proc/self/fd/8 "$@"' portico-agent \
      --state-dir /run/lab/state/agent --load "$load" "$@" \
      8<"$program" 9>&- <<<"$input" >>"$log/agent.log" 2>&1
  ) &
  disown
  # Its pid as the outside knows it: the one child of nsenter, in the server's pid namespace.
  # (Before that the subshell has other children for moments.)
  for ((tries = 0; tries < 100; tries++)); do
    pid="$(pgrep --parent "$!" 2>/dev/null | head -1)" || pid=""
    [[ -n $pid && $(pid_namespace "$pid") == "$(pid_namespace "$box")" ]] && break
    pid=""
    sleep 0.05
  done
  [[ -n $pid ]] || { tail -n 5 "$log/agent.log" >&2; die "$name: the agent did not start"; }
  printf '%s %s %s\n' "$pid" "$(start_time "$pid")" "$(</proc/sys/kernel/random/boot_id)" >"$dir/agent.pid"
  touch "$dir/agent.wanted"
}

agent_down() { # $1: TERM or KILL
  local pid tries
  pid="$(agent_pid)" || { rm -f "$dir/agent.pid"; return 0; }
  kill -s "$1" "$pid" 2>/dev/null || true
  for ((tries = 0; tries < 50; tries++)); do
    agent_pid >/dev/null || break
    ((tries != 40)) || kill -s KILL "$pid" 2>/dev/null || true
    sleep 0.1
  done
  rm -f "$dir/agent.pid"
}

# A control group for each server, so that its agent sees the server's load and not the machine's.
# Version 1 here, where each controller has a tree; a machine without it gives the machine's load.
cgroup_folders() { say "/sys/fs/cgroup/cpuacct/$netns"; say "/sys/fs/cgroup/memory/$netns"; }
join_cgroup() { # PID
  local folder
  for folder in $(cgroup_folders); do
    [[ -w $(dirname "$folder")/cgroup.procs ]] || return 0
    mkdir -p "$folder" 2>/dev/null && printf '%s' "$1" >"$folder/cgroup.procs" 2>/dev/null || return 0
  done
}
in_cgroup() { grep -q ":/$netns\$" "/proc/$1/cgroup" 2>/dev/null; }
leave_cgroup() {
  local folder tries
  for folder in $(cgroup_folders); do
    # The kernel takes a moment to forget the last process.
    for ((tries = 0; tries < 10; tries++)); do
      if [[ ! -d $folder ]] || rmdir "$folder" 2>/dev/null; then break; fi
      sleep 0.05
    done
  done
}

cmd_agent() {
  local what="${1:-}" n
  (($# == 0)) || shift
  case "$what" in
    start)
      need_names "$@"
      check_root agent start "$@"
      n="$1"
      shift
      load_server "$n"
      agent_up "$@"
      say "$name: agent $(agent_state)"
      ;;
    stop | kill)
      need_names "$@"
      check_root agent "$what" "$@"
      for n in "$@"; do
        (
          load_server "$n"
          agent_down "$([[ $what == kill ]] && say KILL || say TERM)"
          [[ $what == kill ]] || rm -f "$dir/agent.wanted"
          say "$name: agent $(agent_state)"
        )
      done
      ;;
    status)
      choose "$@"
      { say "NAME AGENT PID"; for n in "${chosen[@]}"; do (load_server "$n"; say "$name $(agent_state) $(agent_pid || say -)"); done; } | column -t
      ;;
    *) die "lab agent start NAME [AGENT OPTION…] | stop NAME… | kill NAME… | status [NAME…]" ;;
  esac
}

# Work on the loaded server, in its control group.
cmd_load() {
  local seconds="${2:-20}" box n
  need_names "$@"
  [[ $seconds =~ ^[1-9][0-9]{0,2}$ ]] || die "lab load NAME [SECONDS]: 1 to 999 seconds"
  check_root load "$@"
  load_server "$1"
  box="$(box_pid)" || die "$name is not running: 'lab start $name'"
  for ((n = 0; n < $(nproc); n++)); do
    (
      cd /
      join_cgroup "$BASHPID"
      exec setsid nsenter --target "$box" --mount --uts --ipc --net --pid -- \
        timeout "$seconds" bash -c 'while :; do :; done' 9>&- </dev/null >/dev/null 2>&1
    ) &
    disown
  done
  say "$name: busy for $seconds s"
}
