/** Kinds of causes: `CauseKind::ALL` of `portico-probe`. */
export const KINDS = [
  'not-planned', 'unchecked', 'name-unknown', 'address-of-another', 'nothing-listens', 'firewall-drops', 'firewall-rejects', 'host-down', 'connection-reset',
  'reverse-path-missing', 'wrong-service', 'too-slow', 'tls-refused', 'certificate-expired', 'certificate-expires-soon', 'certificate-not-yet-valid',
  'certificate-wrong-name', 'certificate-self-signed', 'certificate-intercepted', 'certificate-untrusted', 'clock-skew', 'not-shown',
];
