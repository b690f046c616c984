# shellcheck shell=bash
# What others need to know of the servers: written at every start, also readable without root.
#
# Each server's part lies in servers/NAME/facts.{toml,json}; the files beside facts.toml are put together from them.

write_facts() { # of the loaded server
  local pins pin toml_pins="" fingerprint="null" host_keys="" quoted
  mapfile -t pins < <(server_pins)
  for pin in "${pins[@]}"; do
    quoted="\"$pin\""
    toml_pins+="${toml_pins:+, }$quoted"
    case "$pin" in
      sha256:*) fingerprint="\"${pin#sha256:}\"" ;;
      ssh-*) host_keys+="${host_keys:+, }$quoted" ;;
    esac
  done
  {
    say "[[servers]]"
    say "name = \"$name\""
    say "kind = \"$kind\""
    say "address = \"$address\""
    say "port = $port"
    say "protocol = \"$protocol\""
    [[ -z $security ]] || say "security = \"$security\""
    [[ -z $pool ]] || say "pool = \"$pool\""
    [[ $fingerprint == null ]] || say "tls_sha256 = $fingerprint"
    [[ -z $host_keys ]] || say "host_keys = [$host_keys]"
    say "pins = [$toml_pins]"
  } >"$dir/facts.toml"
  printf '{"name": "%s", "kind": "%s", "address": "%s", "port": %d, "protocol": "%s", "security": "%s", "pool": "%s", "tls_sha256": %s, "host_keys": [%s], "pins": [%s]}\n' \
    "$name" "$kind" "$address" "$port" "$protocol" "$security" "$pool" "$fingerprint" "$host_keys" "$toml_pins" >"$dir/facts.json"
  write_estate_part "$toml_pins" >"$dir/estate.toml"
  # With an agent, the host's identity comes over its link.
  if [[ -n $managed ]]; then write_estate_part "" required >"$dir/estate-managed.toml"
  else cp "$dir/estate.toml" "$dir/estate-managed.toml"; fi
  [[ -n $pool ]] || rm -f "$dir"/estate{,-managed}.toml
  if declare -F server_estate >/dev/null; then server_estate "$toml_pins" | tee -a "$dir/estate.toml" >>"$dir/estate-managed.toml"; fi
}

write_estate_part() { # PINS [AGENT]
  say "[[hosts]]"
  say "id = \"$name\""
  say "pool = \"$pool\""
  say "address = \"$address\""
  say "protocol = \"$protocol\""
  say "port = $port"
  say "agent = \"${2:-none}\""
  [[ -z $sessions_max ]] || say "sessions_max = $sessions_max"
  [[ -z $1 ]] || say "pins = [$1]"
  [[ -z $security ]] || say "security = \"$security\""
}

fact_parts() { # SUFFIX: the files of the servers that a command without names means, in order of address
  local n
  for n in $(usual_servers); do
    (load_server "$n"; [[ ! -s $dir/$1 ]] || say "$host $dir/$1")
  done | sort -n | cut -d' ' -f2-
}

write_facts_files() {
  local parts users="" entry
  mapfile -t parts < <(fact_parts facts.toml)
  for entry in "${lab_users[@]}"; do users+="${users:+, }\"${entry%%:*}\""; done
  {
    say "# Written by 'lab up'."
    say "lab = \"$LAB_NAME\""
    say "net = \"$LAB_NET.0/24\""
    say "gateway = \"$LAB_NET.1\""
    say "dir = \"$LAB_DIR\""
    say "users = [$users]"
    say "password = \"$LAB_PASSWORD\""
    for entry in "${parts[@]}"; do say ""; cat "$entry"; done
  } >"$LAB_DIR/facts.toml"
  mapfile -t parts < <(fact_parts facts.json)
  {
    printf '{"lab": "%s", "net": "%s.0/24", "gateway": "%s.1", "dir": "%s", "users": [%s], "password": "%s", "servers": [' \
      "$LAB_NAME" "$LAB_NET" "$LAB_NET" "$LAB_DIR" "$users" "$LAB_PASSWORD"
    ((${#parts[@]} == 0)) || { printf '\n  '; cat "${parts[@]}" | sed '$!s/$/,/; 2,$s/^/  /'; }
    say "]}"
  } >"$LAB_DIR/facts.json"
  write_estate estate.toml
  write_estate estate-managed.toml
}

write_estate() { # NAME: everything up to the line @hosts@, then the hosts, then the rest
  local estates entry
  mapfile -t estates < <(fact_parts "$1")
  {
    sed '/^@hosts@$/,$d' "$lab_src/estate.toml.in"
    for entry in "${estates[@]}"; do cat "$entry"; say ""; done
    sed '1,/^@hosts@$/d' "$lab_src/estate.toml.in"
  } | sed "s/@password@/$LAB_PASSWORD/g; s/@net@/$LAB_NET/g" >"$LAB_DIR/$1"
}

need_facts() { [[ -r $LAB_DIR/$1 ]] || die "there are no facts yet in $LAB_DIR: run 'lab up' first"; }
cmd_facts() {
  local format="${2:-toml}"
  (($# == 0)) || [[ $1 == -o && $format =~ ^(toml|json)$ ]] || die "lab facts [-o toml|json]"
  need_facts "facts.$format"
  cat "$LAB_DIR/facts.$format"
}
cmd_estate() {
  local file=estate.toml
  case "${1:-}" in
    "") ;;
    --managed) file=estate-managed.toml ;;
    --services)
      # It is the same whatever is up, as it is for the port plan alone.
      sed "s/@net@/$LAB_NET/g" "$lab_src/estate-services.toml.in"
      return
      ;;
    *) die "lab estate takes --managed or --services" ;;
  esac
  need_facts "$file"
  # Whoever starts Portico knows its port.
  sed "s/@port@/${PORTICO_PORT:-8443}/" "$LAB_DIR/$file"
}
