//! Texts of the file that have a form of their own: each is read here, and refused with what
//! would be right.

use std::{collections::BTreeMap, net::IpAddr, sync::LazyLock};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ipnet::IpNet;
use jiff::tz::TimeZoneDatabase;
use portico_model::{estate::Pin, text::is_control};

use crate::{
    document::{Wrong, shortened},
    limits,
};

/// Free text of one line that is shown to people: at most `len_max` characters, and anything
/// printable, hostile as it may look; who shows it must escape it for the place.
pub(crate) fn line_of_text(text: &str, len_max: usize) -> Result<String, Wrong> {
    free_text(text, len_max, |_| false)
}

/// As [`line_of_text`], but of several lines.
pub(crate) fn lines_of_text(text: &str, len_max: usize) -> Result<String, Wrong> {
    free_text(text, len_max, |character| character == '\n')
}

/// As [`line_of_text`], but with something in it to see.
pub(crate) fn title(text: &str) -> Result<String, Wrong> {
    if text.trim().is_empty() {
        return Err(Wrong::new(
            "is empty",
            "give a name that people can read, or leave the key out where it may be",
        ));
    }
    line_of_text(text, limits::TITLE_LEN_MAX)
}

fn free_text(text: &str, len_max: usize, also: impl Fn(char) -> bool) -> Result<String, Wrong> {
    if let Some(control) = text.chars().find(|c| is_control(*c) && !also(*c)) {
        return Err(Wrong::new(
            format!(
                "has the control character U+{:04X}, which terminals and mails act on",
                u32::from(control)
            ),
            "use printable characters only",
        ));
    }
    let len = text.chars().count();
    if len > len_max {
        return Err(Wrong::new(
            format!("is {len} characters long"),
            format!("give at most {len_max}"),
        ));
    }
    Ok(text.to_owned())
}

/// Folders separated by `/`.
pub(crate) fn folder(text: &str) -> Result<String, Wrong> {
    let text = line_of_text(text, limits::TITLE_LEN_MAX)?;
    if !text.is_empty() && text.split('/').any(|part| part.trim().is_empty()) {
        return Err(Wrong::new(
            "has a folder without a name",
            "write names with one / between them, as in \"Work/Reports\"",
        ));
    }
    Ok(text)
}

/// Address or name that can be dialled: an IP address, or a host name in lower case.
pub fn address(text: &str) -> Result<String, Wrong> {
    let expected =
        "give an IP address or a host name, such as \"10.0.0.11\" or \"sh1.example.org\"";
    if let Ok(address) = text.parse::<IpAddr>() {
        return match address {
            _ if address.is_unspecified() || address.is_multicast() => Err(Wrong::new(
                format!("{address} is not the address of one host"),
                expected,
            )),
            _ => Ok(address.to_string()),
        };
    }
    if text.contains("://") {
        return Err(Wrong::new(
            "is a URL",
            format!("{expected}, without a scheme"),
        ));
    }
    if let Some((host, port)) = text.rsplit_once(':')
        && port.bytes().all(|b| b.is_ascii_digit())
        && !host.contains(':')
    {
        return Err(Wrong::new(
            "has a port in it",
            "put the port into the key \"port\"",
        ));
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    let looks_numeric = name
        .rsplit('.')
        .next()
        .is_some_and(|label| label.bytes().all(|b| b.is_ascii_digit()));
    if name.len() > 253 || looks_numeric || !name.split('.').all(is_label) {
        let shown = shortened(text);
        return Err(Wrong::new(
            format!("\"{shown}\" is neither an IP address nor a host name"),
            expected,
        ));
    }
    Ok(name.to_ascii_lowercase())
}

/// Where a host is that is in the estate for its ports: also a network of hosts that are alike.
pub(crate) fn host_address(text: &str) -> Result<String, Wrong> {
    if text.contains('/') {
        return network(text).map(|network| network.to_string());
    }
    address(text)
}

/// A label of a host name; the underscore is not in the standard but in use.
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Absolute http or https URL that a browser can be sent to.
pub(crate) fn url(text: &str) -> Result<String, Wrong> {
    let expected = "give an absolute address that begins with http:// or https://";
    if text.len() > limits::URL_LEN_MAX {
        return Err(Wrong::new(
            format!("is {} bytes long", text.len()),
            format!("give at most {}", limits::URL_LEN_MAX),
        ));
    }
    let scheme_end = text.find("://").unwrap_or(0);
    let scheme = text.get(..scheme_end).unwrap_or_default();
    if !["http", "https"]
        .iter()
        .any(|s| scheme.eq_ignore_ascii_case(s))
    {
        return Err(Wrong::new(
            format!("\"{}\" is not an http or https address", shortened(text)),
            expected,
        ));
    }
    // RFC 3986 section 2: what is not in this set must be percent-encoded, and a bidirectional
    // mark or a look-alike letter in the host cannot hide.
    let outside = |c: char| {
        !c.is_ascii_graphic() || matches!(c, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}')
    };
    if let Some(character) = text.chars().find(|c| outside(*c)) {
        return Err(Wrong::new(
            format!("has {character:?}, which does not belong into a URL"),
            "write it percent-encoded, and names of hosts in Punycode",
        ));
    }
    let rest = text.get(scheme_end + 3..).unwrap_or_default();
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(Wrong::new(
            "has a user name or password in it",
            "leave them out; everybody who sees the link would see them",
        ));
    }
    let (host, port) = split_port(authority);
    let host_good = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
        None => address(host).is_ok() && !host.contains(':'),
    };
    if !host_good || port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return Err(Wrong::new(
            format!("\"{authority}\" is not a host that a browser can be sent to"),
            expected,
        ));
    }
    Ok(text.to_owned())
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

/// Network in CIDR notation.
pub(crate) fn network(text: &str) -> Result<IpNet, Wrong> {
    let expected = "give a network such as \"10.0.0.0/8\" or \"2001:db8::/32\"";
    if let Ok(address) = text.parse::<IpAddr>() {
        let single = IpNet::from(address);
        return Err(Wrong::new(
            "has no prefix length",
            format!("write \"{single}\" for this one address"),
        ));
    }
    let network: IpNet = text.parse().map_err(|_| {
        Wrong::new(
            format!("\"{}\" is not a network", shortened(text)),
            expected,
        )
    })?;
    if network.trunc() != network {
        return Err(Wrong::new(
            format!("\"{network}\" has bits beyond its prefix"),
            format!("write \"{}\"", network.trunc()),
        ));
    }
    Ok(network)
}

/// Time of day as minutes since midnight, `24:00` included.
pub(crate) fn minute_of_day(text: &str) -> Result<u16, Wrong> {
    let number = |text: &str| -> Option<u16> {
        let two_digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        two_digits.then(|| text.parse().ok()).flatten()
    };
    text.split_once(':')
        .and_then(|(hour, minute)| Some((number(hour)?, number(minute)?)))
        .filter(|(hour, minute)| (*hour < 24 && *minute < 60) || (*hour == 24 && *minute == 0))
        .map(|(hour, minute)| hour * 60 + minute)
        .ok_or_else(|| {
            Wrong::new(
                format!("\"{}\" is not a time of day", shortened(text)),
                "give hours and minutes such as \"08:00\", up to \"24:00\"",
            )
        })
}

/// Names of the time zones that the program carries, by their lower-case form. No file is looked
/// at, and looking up a wrong name costs no more than a right one.
static TIME_ZONES: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    TimeZoneDatabase::bundled()
        .available()
        .map(|name| (name.as_str().to_ascii_lowercase(), name.to_string()))
        .collect()
});

/// IANA name of a time zone, as the data that Portico carries knows it, in its usual spelling.
pub(crate) fn time_zone(text: &str) -> Result<String, Wrong> {
    let known = match text.len() <= 64 {
        true => TIME_ZONES.get(&text.to_ascii_lowercase()),
        false => None,
    };
    known.cloned().ok_or_else(|| {
        Wrong::new(
            format!("\"{}\" is not the name of a time zone", shortened(text)),
            "give an IANA name such as \"Europe/Berlin\"",
        )
    })
}

/// Names of all time zones.
pub(crate) fn time_zones() -> impl Iterator<Item = &'static str> {
    TIME_ZONES.values().map(String::as_str)
}

/// Role in the form of the port catalogue. Whether it exists is checked where the catalogue is.
pub(crate) fn role(text: &str) -> Result<String, Wrong> {
    let part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    if text.len() <= 64 && text.contains('.') && text.split('.').all(part) {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(
        format!("\"{}\" is not the name of a role", shortened(text)),
        "give a role of the port catalogue such as \"portico.session-host\"",
    ))
}

/// Identity of a host.
pub(crate) fn pin(text: &str) -> Result<Pin, Wrong> {
    if let Some(hex) = text.strip_prefix("sha256:") {
        return certificate_pin(hex);
    }
    let mut words = text.split_ascii_whitespace();
    let (algorithm, blob) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    // A comment may follow, as in `known_hosts` and in public key files.
    if SSH_ALGORITHMS.contains(&algorithm) {
        return ssh_pin(algorithm, blob);
    }
    Err(Wrong::new(
        format!("\"{}\" is not an identity", shortened(text)),
        format!(
            "give \"sha256:\" and the 64 hexadecimal digits of the certificate's SHA-256, or an \
             SSH host key such as \"ssh-ed25519 AAAA…\" ({})",
            SSH_ALGORITHMS.join(", ")
        ),
    ))
}

/// Host key algorithms, RFC 8709, RFC 5656 and RFC 4253.
const SSH_ALGORITHMS: [&str; 5] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
];

fn certificate_pin(hex: &str) -> Result<Pin, Wrong> {
    let wrong = |reason: String| {
        Wrong::new(
            reason,
            "give \"sha256:\" and 64 hexadecimal digits, with or without colons between the bytes",
        )
    };
    if hex.len() > 256 {
        return Err(wrong(format!("is {} characters long", hex.len())));
    }
    let digits = hex
        .chars()
        .filter(|c| *c != ':')
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<Vec<u8>>>()
        .ok_or_else(|| wrong("has something else than hexadecimal digits".into()))?;
    let bytes: Vec<u8> = digits
        .chunks_exact(2)
        .filter_map(|pair| Some(pair.first()? << 4 | pair.get(1)?))
        .collect();
    match (digits.len(), <[u8; 32]>::try_from(bytes)) {
        (64, Ok(bytes)) => Ok(Pin::CertificateSha256(bytes)),
        (len, _) => Err(wrong(format!("has {len} hexadecimal digits"))),
    }
}

fn ssh_pin(algorithm: &str, blob: &str) -> Result<Pin, Wrong> {
    let expected = "copy the whole line of the host's public key file, /etc/ssh/ssh_host_*_key.pub";
    let bytes = STANDARD
        .decode(blob)
        .map_err(|_| Wrong::new("has a key that is not base64", expected))?;
    // RFC 4253 section 6.6: the blob begins with the length and name of its algorithm.
    let named = bytes
        .split_first_chunk::<4>()
        .and_then(|(len, rest)| rest.get(..usize::try_from(u32::from_be_bytes(*len)).ok()?));
    if named != Some(algorithm.as_bytes()) {
        return Err(Wrong::new(
            format!("has a key that is not of the algorithm {algorithm}"),
            expected,
        ));
    }
    Ok(Pin::SshKey {
        algorithm: algorithm.to_owned(),
        blob: blob.to_owned(),
    })
}

/// Account on a host.
pub(crate) fn account(text: &str) -> Result<String, Wrong> {
    let unprintable = text.chars().any(portico_model::text::is_unsafe_to_show);
    if text.trim().is_empty() || unprintable || text.len() > limits::ACCOUNT_LEN_MAX {
        return Err(Wrong::new(
            "is not the name of an account",
            format!(
                "give 1 to {} printable characters, without marks that cannot be seen",
                limits::ACCOUNT_LEN_MAX
            ),
        ));
    }
    Ok(text.to_owned())
}

/// Template of accounts.
pub(crate) fn account_template(text: &str) -> Result<String, Wrong> {
    let template = account(text)?;
    let expected =
        "write {user} where the name of the user goes, as in \"{user}\" or \"EXAMPLE\\\\{user}\"";
    let rest = template.replace("{user}", "");
    if rest.contains(['{', '}']) {
        return Err(Wrong::new(
            format!(
                "\"{}\" has a placeholder that is not known",
                shortened(text)
            ),
            expected,
        ));
    }
    if rest.len() == template.len() {
        return Err(Wrong::new(
            "would give every user the same account",
            expected,
        ));
    }
    Ok(template)
}

/// Plain password.
pub(crate) fn password(text: &str) -> Result<String, Wrong> {
    if text.is_empty() || text.len() > limits::PASSWORD_LEN_MAX || text.chars().any(is_control) {
        return Err(Wrong::new(
            "is not a password that somebody can type",
            format!(
                "give 1 to {} bytes without control characters",
                limits::PASSWORD_LEN_MAX
            ),
        ));
    }
    Ok(text.to_owned())
}

/// Hash of a password, as far as its form tells.
pub(crate) fn password_hash(text: &str) -> Result<String, Wrong> {
    let parts: Vec<&str> = text.split('$').collect();
    let good = text.len() <= limits::PASSWORD_LEN_MAX
        && text.bytes().all(|b| b.is_ascii_graphic())
        && matches!(parts.as_slice(), ["", "argon2id", version, params, salt, hash]
            if version.starts_with("v=") && params.contains("m=") && !salt.is_empty() && !hash.is_empty());
    if good {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(
        "is not a hash of argon2id",
        "give \"$argon2id$v=19$m=…,t=…,p=…$salt$hash\", or a plain text in the key \"password\"",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: std::fmt::Debug>(
        read: impl Fn(&str) -> Result<T, Wrong>,
        good: &[&str],
        bad: &[&str],
    ) {
        for text in good {
            assert!(read(text).is_ok(), "{text:?}: {:?}", read(text));
        }
        for text in bad {
            assert!(read(text).is_err(), "{text:?}: {:?}", read(text));
        }
    }

    #[test]
    fn addresses() {
        check(
            address,
            &[
                "10.0.0.1",
                "::1",
                "fe80::1",
                "sh1",
                "SH1.example.org.",
                "a_b",
                "1a",
            ],
            &[
                "",
                "10.0.0.1:22",
                "[::1]",
                "0.0.0.0",
                "::",
                "224.0.0.1",
                "10.0.0.256",
                "1.2.3",
                "http://a",
                "a b",
                "-a",
                "a-",
                "a..b",
                "ä",
                "a/b",
                "a\u{202e}b",
                "a:b:c",
            ],
        );
        assert!(address(&"a.".repeat(200)).is_err());
        assert!(address(&"a".repeat(64)).is_err());
        assert_eq!(address("SH1.Example.org.").unwrap(), "sh1.example.org");
    }

    #[test]
    fn urls() {
        check(
            url,
            &[
                "https://example.org",
                "http://10.0.0.1:8080/a?b=c#d",
                "HTTPS://[::1]:443/",
                "https://example.org/%22",
            ],
            &[
                "",
                "example.org",
                "/a",
                "//example.org",
                "javascript:alert(1)",
                "ftp://a",
                "javascript://example.org/%0aalert(1)",
                "https://",
                "https:///a",
                "https://a b",
                "https://a\\b",
                "https://u:p@a",
                "https://a:99999",
                "https://a/\u{202e}",
                "https://[::1",
                "https://a/\"onload=",
                "data:text/html,x",
                " https://a",
            ],
        );
        assert!(url(&format!("https://a/{}", "x".repeat(2000))).is_err());
    }

    #[test]
    fn networks_and_times() {
        check(
            network,
            &["10.0.0.0/8", "::/0"],
            &["", "10.0.0.1", "10.0.0.1/8", "a", "10/8", "10.0.0.0/33"],
        );
        check(
            minute_of_day,
            &["00:00", "23:59", "24:00"],
            &["", "8:00", "24:01", "12:60", "+1:00", "12", "12:00:00"],
        );
        check(
            time_zone,
            &["Europe/Berlin", "UTC"],
            &["", "Europe/Berln", "../etc/passwd", "CEST?"],
        );
        assert_eq!(time_zone("europe/berlin").unwrap(), "Europe/Berlin");
    }

    #[test]
    fn pins() {
        let ed25519 =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJd8hPDXZEdWY8sGRYTj9yTxfLJjJuPLHRRAWLl0Jq2p";
        let hex = "ab".repeat(32);
        let colons = vec!["AB"; 32].join(":");
        check(
            pin,
            &[
                ed25519,
                &format!("{ed25519} root@sh1"),
                &format!("sha256:{hex}"),
                &format!("sha256:{colons}"),
            ],
            &[
                "",
                "sha256:",
                &hex,
                &format!("sha256:{hex}00"),
                "ssh-ed25519",
                "ssh-ed25519 !",
                "ssh-ed25519 AAAA",
                "ssh-dss AAAA",
                &ed25519.replace("ssh-ed25519", "ssh-rsa"),
                &format!("sha256:{}", "zz".repeat(32)),
            ],
        );
        assert_eq!(
            pin(&format!("sha256:{colons}")),
            Ok(Pin::CertificateSha256([0xab; 32]))
        );
    }

    #[test]
    fn accounts_and_passwords() {
        check(
            account_template,
            &["{user}", "EX\\{user}", "{user}@example.org"],
            &["", "root", "{usr}", "{user}{", "{user}\n", "{user}\u{202e}"],
        );
        check(account, &["administrator"], &["", " ", "a\0"]);
        check(
            password_hash,
            &["$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA"],
            &[
                "",
                "hunter2",
                "$argon2i$v=19$m=1,t=2,p=1$a$b",
                "$argon2id$v=19$m=1,t=2,p=1$a",
                "$6$a$b",
            ],
        );
        check(password, &["a", "pass word ü"], &["", "a\nb"]);
    }

    #[test]
    fn free_text_is_hostile_but_printable() {
        check(
            title,
            &[
                "=cmd|' /C calc'!A0",
                "${HOME} `id` $(id)",
                "<script>\"'&",
                "\u{202e}txt.exe",
                "日本",
            ],
            &[
                "",
                " ",
                "a\r\nb",
                "\u{1b}[2J",
                "a\0",
                "\u{9b}",
                "\u{7f}",
                "\u{2028}",
                &"x".repeat(201),
            ],
        );
        check(
            folder,
            &["", "Work", "Work/Reports"],
            &["/", "Work/", "/Work", "a//b", "a/ /b"],
        );
        assert!(lines_of_text("a\nb", 10).is_ok());
        assert!(lines_of_text("a\rb", 10).is_err());
    }
}
