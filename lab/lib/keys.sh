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

make_ssh_key() {
  [[ -s $keys/ssh_host_ed25519_key.pub ]] && return
  rm -f "$keys/ssh_host_ed25519_key"
  ssh-keygen -q -t ed25519 -N '' -C "$name" -f "$keys/ssh_host_ed25519_key"
}
ssh_public_key() { cut -d' ' -f1,2 "$keys/ssh_host_ed25519_key.pub"; }
