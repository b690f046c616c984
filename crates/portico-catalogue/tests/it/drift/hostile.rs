//! No dump breaks the readers: cut off anywhere, changed anywhere, deep, wide and endless.

use portico_catalogue::{
    drift::{self, DumpError},
    fuzzing::check_drift,
};

use super::captured::{IPTABLES, NFT};

#[test]
fn a_dump_cut_off_anywhere_does_not_break_the_reader() {
    for (number, text) in [NFT, IPTABLES].into_iter().enumerate() {
        for end in 0..text.len() {
            let cut = text.get(..end).unwrap();
            check_drift(cut).unwrap_or_else(|broken| panic!("{number} at {end}: {broken}"));
        }
    }
    // A document that is cut is no document; a table that is cut is told.
    assert!(matches!(
        drift::read_rules(&[NFT.trim_end().strip_suffix('}').unwrap()]),
        Err((0, DumpError::NotJson(_)))
    ));
    let cut = IPTABLES.rsplit_once("COMMIT").unwrap().0;
    let rules = drift::read_rules(&[cut]).unwrap();
    assert_eq!(
        rules.unread,
        ["ip6tables filter: table filter has no end: the dump is cut off"]
    );
}

/// A small generator (xorshift64*), so that a failure can be repeated from its seed alone.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let value = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(value).unwrap() % end.max(1)
    }
}

const SNIPPETS: [&str; 20] = [
    "\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    "\n",
    "!",
    " ",
    "-j ",
    "-A INPUT ",
    "null",
    "@ns",
    "*",
    ":",
    "\"in\"",
    "999999999999999999999",
    "\u{1b}",
    "\u{202e}",
    "/129",
];

#[test]
fn no_text_breaks_the_readers() {
    const SS: &str = "tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:((\"sshd\",pid=1,fd=3))\n\
                      udp UNCONN 0 0 [fe80::1]%eth0:546 [::]:*\n";
    for (file, text) in [NFT, IPTABLES, SS].into_iter().enumerate() {
        for seed in 1..=300_u64 {
            let mut chance = Chance(seed);
            let mut characters: Vec<char> = text.chars().collect();
            for _ in 0..=chance.below(5) {
                let at = chance.below(characters.len());
                let end = (at + chance.below(60)).min(characters.len());
                match chance.below(3) {
                    0 => drop(characters.drain(at..end)),
                    1 => {
                        let copied: Vec<char> = characters[at..end].to_vec();
                        let to = chance.below(characters.len());
                        characters.splice(to..to, copied);
                    }
                    _ => {
                        let snippet = SNIPPETS[chance.below(SNIPPETS.len())];
                        characters.splice(at..at, snippet.chars());
                    }
                }
            }
            let mutated: String = characters.into_iter().collect();
            check_drift(&mutated)
                .unwrap_or_else(|broken| panic!("file {file}, seed {seed}: {broken}\n{mutated}"));
        }
    }
}

#[test]
fn deep_and_wide_texts_end_in_time() {
    for (piece, count) in [
        ("[", 200_000),
        ("{\"nftables\":[", 100_000),
        ("*filter\n", 20_000),
        ("*filter\n:INPUT ACCEPT\n-A INPUT -j INPUT\n", 100),
        ("-A INPUT ", 100_000),
        ("tcp LISTEN 0 0 *:1 ", 50_000),
    ] {
        check_drift(&piece.repeat(count)).unwrap();
    }
    let many: String = (0..2_000)
        .map(|n| {
            format!(
                "-A INPUT -s 10.{}.{}.0/24 -p tcp --dport {n} -j DROP\n",
                n / 250,
                n % 250
            )
        })
        .collect();
    check_drift(&format!("*filter\n:INPUT DROP\n{many}COMMIT\n")).unwrap();
}

#[test]
fn chains_that_go_round_are_not_judged_and_said_so() {
    let plan = crate::rules_plans::plan(
        &[("a", &["10.0.0.1"]), ("b", &["10.0.0.2"])],
        &[("t.ssh", "tcp 22", "a", "b")],
    );
    let rules = drift::read_rules(&["*filter\n:INPUT DROP\n-A INPUT -j INPUT\nCOMMIT\n"]).unwrap();
    let found = super::diff(&plan, "b", Some(&rules), None);
    assert_eq!(
        found.findings[0].evidence,
        "the rules for IPv4 are not judged: they cut packets into more parts than are judged"
    );
}

#[test]
fn the_number_of_rules_is_bounded() {
    let many = "-A INPUT -j ACCEPT\n".repeat(100_001);
    let dump = format!("*filter\n:INPUT DROP\n{many}COMMIT\n");
    assert!(matches!(
        drift::read_rules(&[&dump]),
        Err((0, DumpError::TooManyRules { .. }))
    ));
}
