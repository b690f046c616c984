//! What the host's RDP and SSH servers show to prove who they are.
//!
//! RDP: the server itself is asked on loopback, because only it knows; when it does not answer,
//! the certificate that `xrdp.ini` names counts. SSH: the public keys beside the keys that
//! `sshd_config` names; without one, what is public in the private key's file.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use portico_model::{estate::Pin, seen::IDENTITIES_MAX};
use portico_net::{
    dial_tcp, flows,
    tls::{CaCertificate, PinMismatch, client_config_pinned, machine_server_name},
};
use portico_wire::x224::{
    ConnectionConfirm, ConnectionRequest, NegotiationRequest, NegotiationResponse, PACKET_LEN_MAX,
    SecurityProtocols, frame_len,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;

use crate::files::Files;

/// Time for the whole exchange with the RDP server.
pub const ASK_TIMEOUT: Duration = Duration::from_secs(3);
/// Files that `sshd_config` may include.
const INCLUDED_MAX: usize = 64;

/// The identities of this host. `rdp_port` is where its RDP server listens.
pub async fn identities(root: &std::path::Path, rdp_port: u16) -> Vec<Pin> {
    let mut files = Files::new(root);
    let shown = tokio::time::timeout(ASK_TIMEOUT, shown_certificate(rdp_port)).await;
    let certificate = shown
        .ok()
        .flatten()
        .or_else(|| configured_certificate(&mut files));
    let mut pins: Vec<Pin> = certificate
        .map(Pin::CertificateSha256)
        .into_iter()
        .collect();
    pins.extend(ssh_keys(&mut files));
    pins.truncate(IDENTITIES_MAX);
    pins
}

/// SHA-256 of the certificate that the RDP server shows. The check against no pin at all always
/// fails, and tells what was seen.
async fn shown_certificate(port: u16) -> Option<[u8; 32]> {
    let mut stream = dial_tcp(flows::GATEWAY_HOST_RDP, "127.0.0.1", port, ASK_TIMEOUT)
        .await
        .ok()?;
    let request = ConnectionRequest {
        cookie: None,
        negotiation: Some(NegotiationRequest {
            protocols: SecurityProtocols::TLS.with(SecurityProtocols::CREDSSP),
            ..NegotiationRequest::default()
        }),
    };
    stream.write_all(&request.encode().ok()?).await.ok()?;
    let mut packet = Vec::with_capacity(PACKET_LEN_MAX);
    let len = loop {
        packet.push(stream.read_u8().await.ok()?);
        if let Some(len) = frame_len(&packet).ok()? {
            break len;
        }
    };
    while packet.len() < len {
        packet.push(stream.read_u8().await.ok()?);
    }
    match ConnectionConfirm::decode(&packet).ok()?.negotiation {
        NegotiationResponse::Selected { protocol, .. } if protocol != SecurityProtocols::RDP => {}
        _ => return None,
    }
    let connector = TlsConnector::from(client_config_pinned(&[]));
    let error = connector
        .connect(machine_server_name(), stream)
        .await
        .err()?;
    Some(PinMismatch::in_io(&error)?.seen)
}

/// The certificate of `xrdp.ini`, or of Debian's default.
fn configured_certificate(files: &mut Files) -> Option<[u8; 32]> {
    let ini = files.text("etc/xrdp/xrdp.ini").ok()?;
    let path = ini_value(&ini, "certificate").map(str::to_owned);
    let path = path.unwrap_or_else(|| "/etc/xrdp/cert.pem".into());
    let pem = files.bytes(path.trim_start_matches('/')).ok()?;
    // It need not be an authority's: the type only takes the first certificate of a PEM text.
    Some(CaCertificate::from_pem(pem).ok()?.sha256())
}

/// The value of a key in the `[Globals]` of an `xrdp.ini`; an empty one is none.
fn ini_value<'a>(ini: &'a str, key: &str) -> Option<&'a str> {
    ini.lines()
        .map(str::trim)
        .skip_while(|line| !line.eq_ignore_ascii_case("[globals]"))
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case(key))
        .map(|(_, value)| value.trim())
        .filter(|value| !value.is_empty())
}

fn ssh_keys(files: &mut Files) -> Vec<Pin> {
    let mut named = Vec::new();
    if let Ok(text) = files.text("etc/ssh/sshd_config") {
        named.extend(host_keys(&text));
    }
    let mut included = files.names("etc/ssh/sshd_config.d");
    included.sort();
    for name in included
        .iter()
        .filter(|name| name.ends_with(".conf"))
        .take(INCLUDED_MAX)
    {
        if let Ok(text) = files.text(&format!("etc/ssh/sshd_config.d/{name}")) {
            named.extend(host_keys(&text));
        }
    }
    if named.is_empty() {
        named = ["rsa", "ecdsa", "ed25519"]
            .map(|kind| format!("/etc/ssh/ssh_host_{kind}_key"))
            .into();
    }
    let mut pins: Vec<Pin> = Vec::new();
    for path in named.iter().take(INCLUDED_MAX) {
        let path = path.trim_start_matches('/');
        let public = files
            .text(&format!("{path}.pub"))
            .ok()
            .and_then(|text| public_key(&text));
        let pin = match public {
            Some(pin) => Some(pin),
            None => files.text(path).ok().and_then(|text| public_part(&text)),
        };
        if let Some(pin) = pin
            && !pins.contains(&pin)
        {
            pins.push(pin);
        }
    }
    pins
}

/// Paths after `HostKey` in an `sshd_config`.
fn host_keys(config: &str) -> Vec<String> {
    config
        .lines()
        .filter_map(|line| {
            let line = line.trim();
            let (key, value) = line.split_once(|c: char| c.is_ascii_whitespace() || c == '=')?;
            let value =
                value.trim_matches(|c: char| c.is_ascii_whitespace() || c == '=' || c == '"');
            let fits = key.eq_ignore_ascii_case("HostKey") && value.starts_with('/');
            fits.then(|| value.to_owned())
        })
        .collect()
}

/// A line of a `.pub` file: algorithm, base64, comment.
fn public_key(text: &str) -> Option<Pin> {
    let mut fields = text.split_ascii_whitespace();
    let (algorithm, blob) = (fields.next()?, fields.next()?);
    let bytes = STANDARD.decode(blob).ok()?;
    let (named, _) = string(&bytes)?;
    (named == algorithm.as_bytes()).then(|| Pin::SshKey {
        algorithm: algorithm.to_owned(),
        blob: blob.to_owned(),
    })
}

/// The public key in an OpenSSH private key (PROTOCOL.key): it stands there in the clear.
fn public_part(pem: &str) -> Option<Pin> {
    let body: String = pem
        .lines()
        .skip_while(|line| *line != "-----BEGIN OPENSSH PRIVATE KEY-----")
        .skip(1)
        .take_while(|line| !line.starts_with("-----"))
        .collect();
    let bytes = STANDARD.decode(body).ok()?;
    let rest = bytes.strip_prefix(b"openssh-key-v1\0")?;
    let (_cipher, rest) = string(rest)?;
    let (_kdf, rest) = string(rest)?;
    let (_kdf_options, rest) = string(rest)?;
    let (_count, rest) = rest.split_first_chunk::<4>()?;
    let (blob, _) = string(rest)?;
    let (algorithm, _) = string(blob)?;
    Some(Pin::SshKey {
        algorithm: String::from_utf8(algorithm.to_vec()).ok()?,
        blob: STANDARD.encode(blob),
    })
}

/// A string of SSH: length in four bytes, then the bytes (RFC 4251 §5).
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    let len = usize::try_from(u32::from_be_bytes(*len)).ok()?;
    rest.split_at_checked(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS root@host";

    fn private(blob: &[u8]) -> String {
        let mut bytes = b"openssh-key-v1\0".to_vec();
        for part in [&b"none"[..], b"none", b""] {
            bytes.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
            bytes.extend(part);
        }
        bytes.extend(1_u32.to_be_bytes());
        bytes.extend(u32::try_from(blob.len()).unwrap().to_be_bytes());
        bytes.extend(blob);
        let body = STANDARD.encode(bytes);
        format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{body}\n-----END OPENSSH PRIVATE KEY-----\n")
    }

    #[test]
    fn the_public_part_of_a_private_key_is_the_public_key() {
        let pin = public_key(PUBLIC).unwrap();
        let Pin::SshKey { blob, .. } = &pin else {
            panic!("{pin:?}");
        };
        let pem = private(&STANDARD.decode(blob).unwrap());
        assert_eq!(public_part(&pem), Some(pin));
        // The blob goes on to the 133rd byte; cut before that it is no key.
        let whole = STANDARD.decode(pem.lines().nth(1).unwrap()).unwrap();
        for len in 0..whole.len() {
            let cut = STANDARD.encode(&whole[..len]);
            let cut = format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{cut}\n");
            assert_eq!(public_part(&cut), None, "{len}");
        }
    }

    #[test]
    fn what_is_no_key_is_left_out() {
        let other = PUBLIC.replacen("ssh-ed25519", "ssh-rsa", 1);
        for wrong in [
            "",
            "ssh-ed25519",
            "ssh-ed25519 !!!!",
            &other,
            "ssh-rsa AAAA",
        ] {
            assert_eq!(public_key(wrong), None, "{wrong}");
        }
        assert_eq!(public_part("-----BEGIN PRIVATE KEY-----\nAAAA\n"), None);
    }

    #[test]
    fn keys_are_those_that_the_server_is_told() {
        let config = "Port 22\n#HostKey /no\nHostKey /etc/ssh/a\nhostkey=\"/etc/ssh/b\"\nHostKey relative\nHostKeyAgent /x\n";
        assert_eq!(host_keys(config), ["/etc/ssh/a", "/etc/ssh/b"]);
        let ini =
            "[Globals]\nport=3389\ncertificate= /etc/xrdp/lab.crt \n[Xorg]\ncertificate=/no\n";
        assert_eq!(ini_value(ini, "certificate"), Some("/etc/xrdp/lab.crt"));
        assert_eq!(
            ini_value("[Globals]\ncertificate=\n[X]\n", "certificate"),
            None
        );
    }

    #[tokio::test]
    async fn without_servers_the_files_tell() {
        let folder = tempfile::tempdir().unwrap();
        let ssh = folder.path().join("etc/ssh");
        std::fs::create_dir_all(&ssh).unwrap();
        std::fs::write(ssh.join("ssh_host_ed25519_key.pub"), PUBLIC).unwrap();
        // Port 1 of loopback: nobody listens there.
        let found = identities(folder.path(), 1).await;
        assert_eq!(found, [public_key(PUBLIC).unwrap()]);
    }
}
