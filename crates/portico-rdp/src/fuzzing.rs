//! Bodies of fuzz targets as oracles, and sample input. Replayed over `tests/corpus` as ordinary
//! tests; `fuzz/` drives them with libFuzzer.

mod samples;

use portico_model::{Secret, estate::Clipboard, grant::Program};
use zeroize::Zeroizing;

pub use samples::{connect_sequence, erect_to_join};

use crate::{
    account::Account,
    cleanpath::{Request, TICKET_LEN_MAX},
    connect::{ConnectRewriter, ConnectRules, Progress, RewriteError},
    negotiation::{Offer, Security, confirm_len, decode_confirm},
};

/// A request is detected and decoded consistently, and its ticket is bounded.
pub fn cleanpath_request(bytes: &[u8]) {
    let detected = Request::detect(bytes);
    if let Ok(request) = Request::decode(bytes) {
        assert_eq!(detected, Ok(Some(bytes.len())), "decoded, not detected");
        assert!(request.ticket.expose().len() <= TICKET_LEN_MAX, "unbounded");
    }
}

/// A confirm is framed and decoded without a panic, and what the browser is told is TLS.
pub fn x224_confirm(bytes: &[u8]) {
    let framed = confirm_len(bytes);
    if let Ok(selected) = decode_confirm(Offer::TlsOrCredSsp, bytes) {
        assert_eq!(framed, Ok(Some(bytes.len())), "decoded, not framed");
        let told = decode_confirm(Offer::Tls, &selected.confirm_for_browser());
        assert!(
            told.is_ok_and(|told| told.security == Security::Tls),
            "not TLS"
        );
    }
}

/// Rules with every field set.
pub fn sample_rules(clipboard: Clipboard) -> ConnectRules {
    let account = Account {
        domain: "EX".into(),
        user: "anna".into(),
    };
    let program = Program {
        command: "xterm -e top".into(),
        work_dir: "/srv".into(),
    };
    let password = Some(Secret::new("pässwörd".into()));
    #[expect(clippy::unwrap_used, reason = "the sample fits; only tests call this")]
    ConnectRules::new(account, password, Some(&program), clipboard, [7; 7]).unwrap()
}

/// The outcome of a rewriter that is fed `parts`.
pub fn rewrite(
    rules: ConnectRules,
    security: Security,
    parts: &[&[u8]],
) -> Result<(Progress, Zeroizing<Vec<u8>>), RewriteError> {
    let mut rewriter = ConnectRewriter::new(rules, security);
    let mut output = Zeroizing::default();
    let mut progress = Progress::More;
    for part in parts {
        progress = rewriter.feed(part, &mut output)?;
    }
    Ok((progress, output))
}

/// Whatever comes: no panic; the outcome does not depend on how the bytes are cut; and when it is
/// done, a second rewriter accepts its output and changes nothing.
pub fn connect_sequence_rewriting(bytes: &[u8]) {
    let rules = || sample_rules(Clipboard::None);
    let whole = rewrite(rules(), Security::Hybrid, &[bytes]);
    let (front, back) = bytes.split_at(bytes.len() / 2);
    let cut = rewrite(rules(), Security::Hybrid, &[front, back]);
    match (&whole, &cut) {
        (Ok(whole), Ok(cut)) => assert!(whole == cut, "cutting changes the outcome"),
        (Err(whole), Err(cut)) => assert_eq!(whole, cut, "cutting changes the error"),
        _ => panic_on_difference(),
    }
    if let Ok((Progress::Done, output)) = whole {
        let again = rewrite(rules(), Security::Hybrid, &[&output]);
        assert!(
            again.is_ok_and(|(_, again)| again == output),
            "not idempotent"
        );
    }
}

#[expect(clippy::panic, reason = "this is the oracle's complaint")]
fn panic_on_difference() -> ! {
    panic!("cutting the input changes success");
}
