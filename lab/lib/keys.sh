# shellcheck shell=bash
# Keys and certificates are made once and kept, so that pins stay true over runs.

make_tls() { # $keys/tls.key, $keys/tls.crt; again only if the address changed
  [[ -s $keys/tls.crt && "$(cat "$keys/tls.address" 2>/dev/null)" == "$address" ]] && return
  # RSA, because the RDP security of FreeRDP's shadow server can load no other key.
  # The configuration is our own: openssl's default would make it a CA certificate.
  openssl req -x509 -newkey rsa:2048 -sha256 -nodes -days 3650 -keyout "$keys/tls.key" -out "$keys/tls.new" \
    -config <(printf '%s\n' '[req]' 'prompt=no' 'distinguished_name=dn' 'x509_extensions=ext' '[dn]' "CN=$name" \
      '[ext]' 'basicConstraints=critical,CA:FALSE' 'keyUsage=critical,digitalSignature,keyEncipherment' \
      'extendedKeyUsage=serverAuth' "subjectAltName=IP:$address,DNS:$name") 2>"$keys/openssl.log" ||
    die "$name: openssl made no certificate: $(tail -n 1 "$keys/openssl.log")"
  mv "$keys/tls.new" "$keys/tls.crt"
  say "$address" >"$keys/tls.address"
}
tls_fingerprint() { openssl x509 -in "$keys/tls.crt" -outform DER | sha256sum | cut -d' ' -f1; }

# The lab's own authority, for servers whose certificate shall have nothing wrong with it: LAB_DIR/ca/ca.crt.
make_ca() {
  local ca="$LAB_DIR/ca"
  mkdir -p "$ca"
  (
    # Servers start side by side.
    flock 7
    [[ ! -s $ca/ca.crt ]] || exit 0
    openssl req -x509 -newkey rsa:2048 -sha256 -nodes -days 3650 -keyout "$ca/ca.key" -out "$ca/ca.new" \
      -config <(printf '%s\n' '[req]' 'prompt=no' 'distinguished_name=dn' 'x509_extensions=ext' '[dn]' 'CN=The lab' \
        '[ext]' 'basicConstraints=critical,CA:TRUE' 'keyUsage=critical,keyCertSign,cRLSign' 'subjectKeyIdentifier=hash') 2>"$ca/openssl.log" &&
      mv "$ca/ca.new" "$ca/ca.crt"
  ) 7>"$ca/lock" || die "no authority: $(tail -n 1 "$ca/openssl.log")"
}

# [--from TIME --to TIME] FILE NAME…: $keys/FILE.key and .crt by the authority, times as 20200101000000Z; again only if the
# names changed.
make_signed() {
  local from="" to="" file names work="" ca="$LAB_DIR/ca"
  while [[ $1 == --* ]]; do
    case "$1" in --from) from="$2" ;; --to) to="$2" ;; esac
    shift 2
  done
  file="$1"
  shift
  names="$(alternative_names "$@")"
  [[ -s $keys/$file.crt && "$(cat "$keys/$file.names" 2>/dev/null)" == "$names" && $keys/$file.crt -nt $ca/ca.crt ]] && return
  work="$(mktemp -d "$keys/issue.XXXXXX")"
  : >"$work/index.txt"
  openssl rand -hex 16 >"$work/serial"
  printf '%s\n' '[req]' 'prompt=no' 'distinguished_name=dn' '[dn]' "CN=$1" '[ca]' 'default_ca=lab' '[lab]' "new_certs_dir=$work" \
    "database=$work/index.txt" "serial=$work/serial" 'default_md=sha256' 'default_days=3650' 'policy=any' 'unique_subject=no' \
    'x509_extensions=ext' '[any]' 'commonName=supplied' '[ext]' 'basicConstraints=critical,CA:FALSE' \
    'keyUsage=critical,digitalSignature,keyEncipherment' 'extendedKeyUsage=serverAuth' "subjectAltName=$names" >"$work/conf"
  {
    openssl req -new -newkey rsa:2048 -sha256 -nodes -keyout "$keys/$file.key" -out "$work/request" -config "$work/conf" &&
      openssl ca -batch -notext -config "$work/conf" -in "$work/request" -out "$keys/$file.crt" -cert "$ca/ca.crt" -keyfile "$ca/ca.key" \
        ${from:+-startdate "$from"} ${to:+-enddate "$to"}
  } >"$keys/openssl.log" 2>&1 || die "$name: openssl made no certificate: $(tail -n 1 "$keys/openssl.log")"
  rm -rf "$work"
  say "$names" >"$keys/$file.names"
}
alternative_names() { # NAME-OR-ADDRESS…
  local each out=""
  for each in "$@"; do
    if [[ $each =~ ^[0-9.]+$ ]]; then out+="${out:+,}IP:$each"; else out+="${out:+,}DNS:$each"; fi
  done
  say "$out"
}

# FILE NAME…: $keys/FILE.key and .crt, signed by nobody else.
make_self_signed() {
  local file="$1" names
  shift
  names="$(alternative_names "$@")"
  [[ -s $keys/$file.crt && "$(cat "$keys/$file.names" 2>/dev/null)" == "$names" ]] && return
  openssl req -x509 -newkey rsa:2048 -sha256 -nodes -days 3650 -keyout "$keys/$file.key" -out "$keys/$file.crt" \
    -config <(printf '%s\n' '[req]' 'prompt=no' 'distinguished_name=dn' 'x509_extensions=ext' '[dn]' "CN=$1" \
      '[ext]' 'basicConstraints=critical,CA:FALSE' "subjectAltName=$names") 2>"$keys/openssl.log" ||
    die "$name: openssl made no certificate: $(tail -n 1 "$keys/openssl.log")"
  say "$names" >"$keys/$file.names"
}

make_ssh_key() {
  [[ -s $keys/ssh_host_ed25519_key.pub ]] && return
  rm -f "$keys/ssh_host_ed25519_key"
  ssh-keygen -q -t ed25519 -N '' -C "$name" -f "$keys/ssh_host_ed25519_key"
}
ssh_public_key() { cut -d' ' -f1,2 "$keys/ssh_host_ed25519_key.pub"; }
