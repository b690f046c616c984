# shellcheck shell=bash
# Ask a server in its own protocol. An open port alone proves little: a dying xrdp still accepts.

# RDP: send an X.224 connection request that offers the protocols $3 (1 TLS, 2 CredSSP, 8 CredSSP with early
# authorization), print what the server chose: "selected N" or "refused N" (MS-RDPBCGR 2.2.1.2).
probe_rdp() {
  local reply
  # shellcheck disable=SC2016 # expanded by the inner shell
  reply="$(timeout 3 bash -c 'exec 3<>"/dev/tcp/$0/$1" || exit 1
    printf "\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x$2\x00\x00\x00" >&3
    head -c 19 <&3 | od -An -v -tx1 -w19' "$1" "$2" "$(printf '%02x' "$3")" 2>/dev/null)" || return 1
  local bytes
  read -ra bytes <<<"$reply"
  ((${#bytes[@]} == 19)) || return 1
  case "${bytes[11]}" in
    02) say "selected $((16#${bytes[15]}))" ;;
    03) say "refused $((16#${bytes[15]}))" ;;
    *) return 1 ;;
  esac
}

probe_ssh() {
  local banner
  # shellcheck disable=SC2016
  banner="$(timeout 3 bash -c 'exec 3<>"/dev/tcp/$0/$1" && head -n 1 <&3' "$1" "$2" 2>/dev/null)" || return 1
  [[ $banner == SSH-2.0-* ]] && say "${banner%$'\r'}"
}
