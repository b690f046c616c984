//! What `iptables-save` and `ip6tables-save` print, read into a [`Ruleset`].
//!
//! What is not understood is kept as such: a match that may hold or not, or a target that may do
//! anything.

mod options;

use std::collections::BTreeSet;

use super::{
    DumpError,
    packets::Version,
    ruleset::{Action, Base, Builder, Chain, ChainId, Hook, Policy, Rule, Ruleset, Verdict},
};

/// Rules that are read, at most.
const RULES_MAX: usize = 100_000;

/// Lines that are not understood and told, at most.
const UNREAD_MAX: usize = 20;

/// Reads one dump, or several after one another.
///
/// # Errors
/// When there is no table in it, or too much.
pub(super) fn read(text: &str) -> Result<Ruleset, DumpError> {
    let mut reader = Reader {
        builder: Builder::default(),
        version: guessed(text),
        is_in_nftables: false,
        table: None,
        incompatible: BTreeSet::new(),
        rules: Vec::new(),
        tables: 0,
        unread: 0,
    };
    for line in text.lines() {
        reader.line(line.trim_end())?;
    }
    if let Some(table) = reader.table.clone() {
        reader.unread(&format!("table {table} has no end: the dump is cut off"));
        reader.finish_table();
    }
    if reader.tables == 0 {
        return Err(DumpError::NoTable);
    }
    let incompatible = reader.incompatible;
    let mut set = reader.builder.set;
    set.kept_in_nftables
        .retain(|kept| !incompatible.contains(kept));
    Ok(set)
}

/// The version of a dump whose first line does not say it.
fn guessed(text: &str) -> Version {
    let is_v6 = text.contains("icmpv6") || text.contains("ipv6-icmp") || {
        let mut words = text.split_ascii_whitespace();
        words.any(|word| {
            let address = word.split('/').next().unwrap_or_default();
            address.parse::<std::net::Ipv6Addr>().is_ok()
        })
    };
    match is_v6 {
        true => Version::V6,
        false => Version::V4,
    }
}

struct Reader<'d> {
    builder: Builder,
    version: Version,
    /// Whether the tool keeps its tables in nftables.
    is_in_nftables: bool,
    /// The table that is read.
    table: Option<String>,
    /// Tables that the tool could not show as its own.
    incompatible: BTreeSet<(Version, String)>,
    /// Rules of the table, which may jump to chains that come later.
    rules: Vec<(ChainId, &'d str)>,
    tables: usize,
    unread: usize,
}

impl<'d> Reader<'d> {
    fn line(&mut self, line: &'d str) -> Result<(), DumpError> {
        if let Some(note) = line.strip_prefix('#') {
            self.note(note);
        } else if let Some(table) = line.strip_prefix('*') {
            self.tables += 1;
            self.finish_table();
            self.table = Some(table.to_owned());
            self.builder.set.versions.insert(self.version);
            if self.is_in_nftables {
                let kept = (self.version, table.to_owned());
                self.builder.set.kept_in_nftables.insert(kept);
            }
        } else if let Some(chain) = line.strip_prefix(':') {
            self.chain(chain);
        } else if line == "COMMIT" {
            self.finish_table();
            self.table = None;
        } else if !line.is_empty() {
            self.rule(line)?;
        }
        Ok(())
    }

    fn note(&mut self, note: &str) {
        let mut words = note.split_ascii_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some("Generated"), Some("by"), Some(program)) => {
                self.version = match program.starts_with("ip6") {
                    true => Version::V6,
                    false => Version::V4,
                };
                self.is_in_nftables = note.contains("(nf_tables)");
            }
            // # Table `mangle' contains incompatible base-chains, use 'nft' tool to list them.
            (Some("Table"), Some(table), _) if note.contains("incompatible") => {
                let table = table.trim_matches(['`', '\'']);
                self.incompatible.insert((self.version, table.to_owned()));
            }
            _ => {}
        }
    }

    /// Name of the table among those of both versions.
    fn table_name(&self) -> String {
        let program = match self.version {
            Version::V4 => "iptables",
            Version::V6 => "ip6tables",
        };
        format!("{program} {}", self.table.as_deref().unwrap_or_default())
    }

    fn chain(&mut self, line: &str) {
        let mut words = line.split_ascii_whitespace();
        let (Some(name), Some(policy)) = (words.next(), words.next()) else {
            self.unread(&format!("a chain without name or policy: {line:?}"));
            return;
        };
        let policy = match policy {
            "DROP" => Policy::Drop,
            _ => Policy::Accept,
        };
        let base = self.base(name).map(|(hook, priority)| Base {
            hook,
            priority,
            policy,
        });
        let table = self.table_name();
        self.builder.set.chains.push(Chain {
            table,
            name: name.to_owned(),
            version: Some(self.version),
            base,
            rules: Vec::new(),
        });
    }

    /// Where the kernel hooks the built-in chains in.
    fn base(&self, chain: &str) -> Option<(Hook, i64)> {
        let table = self.table.as_deref()?;
        let hook = match chain {
            "PREROUTING" => Hook::Prerouting,
            "INPUT" => Hook::Input,
            _ => return None,
        };
        let priority = match (table, hook) {
            ("raw", _) => -300,
            ("mangle", _) => -150,
            ("nat", Hook::Prerouting) => -100,
            ("nat", Hook::Input) => 100,
            ("filter", _) => 0,
            ("security", _) => 50,
            _ => return None,
        };
        Some((hook, priority))
    }

    fn rule(&mut self, line: &'d str) -> Result<(), DumpError> {
        // With `-c` the counters stand before.
        let rule = match line.strip_prefix('[') {
            Some(counted) => counted.split_once("] ").map_or(line, |(_, rule)| rule),
            None => line,
        };
        let found = rule.strip_prefix("-A ").and_then(|rule| {
            let (chain, _) = rule.split_once(' ').unwrap_or((rule, ""));
            self.builder.chain(&self.table_name(), chain)
        });
        match (found, &self.table) {
            (Some(chain), Some(_)) => self.rules.push((chain, rule)),
            _ => self.unread(&format!(
                "a line that is no rule of a known chain: {rule:?}"
            )),
        }
        match self.rules.len() + self.builder.set.rules.len() > RULES_MAX {
            true => Err(DumpError::TooManyRules { max: RULES_MAX }),
            false => Ok(()),
        }
    }

    fn finish_table(&mut self) {
        let table = self.table_name();
        for (chain, line) in std::mem::take(&mut self.rules) {
            let mut words = split(line);
            // `-A` and the chain.
            words.drain(..words.len().min(2));
            let parsed = options::Parsed::of(&words, self.version);
            let action = match parsed.target {
                None => Action::Nothing,
                Some(target) => self.action(&table, &target),
            };
            self.builder.push(Rule {
                name: format!("rule {line} in table {table}"),
                chain,
                removal: removal(&table, line),
                conditions: parsed.conditions,
                action,
            });
        }
    }

    fn action(&self, table: &str, target: &options::Target) -> Action {
        let name = target.name.as_str();
        let chain = self.builder.chain(table, name);
        Action::Do(match (name, chain) {
            (_, Some(chain)) if target.is_goto => Verdict::Goto(chain),
            (_, Some(chain)) => Verdict::Jump(chain),
            ("ACCEPT" | "SNAT" | "MASQUERADE" | "NETMAP", None) => Verdict::Accept,
            ("DROP" | "REJECT" | "TARPIT", None) => Verdict::Drop,
            ("RETURN", None) => Verdict::Return,
            ("DNAT" | "REDIRECT" | "TPROXY" | "NFQUEUE" | "QUEUE" | "SYNPROXY", None) => {
                Verdict::Elsewhere(format!("target {name}"))
            }
            (
                "LOG" | "NFLOG" | "ULOG" | "MARK" | "CONNMARK" | "TCPMSS" | "TRACE" | "CLASSIFY"
                | "DSCP" | "TOS" | "SET" | "AUDIT" | "SECMARK" | "CONNSECMARK" | "CHECKSUM" | "TTL"
                | "HL" | "TEE" | "RATEEST" | "LED",
                None,
            ) => return Action::Nothing,
            _ => Verdict::Unclear(format!("target {name}")),
        })
    }

    fn unread(&mut self, what: &str) {
        self.unread += 1;
        if self.unread <= UNREAD_MAX {
            let table = self.table_name();
            self.builder.set.unread.push(format!("{table}: {what}"));
        }
    }
}

/// Command that takes the rule out, when all its characters mean the same to a shell.
fn removal(table: &str, line: &str) -> Option<String> {
    let (program, table) = table.split_once(' ')?;
    let rule = line.strip_prefix("-A ")?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " ./:,_-+=!\"".contains(c);
    let is_whole = rule.chars().all(is_plain) && table.chars().all(|c| c.is_ascii_alphanumeric());
    is_whole.then(|| format!("{program} -t {table} -D {rule}"))
}

/// Words of a line: quoted ones may have spaces, and `\` before a character that means nothing.
fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut is_quoted = false;
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            '\\' if is_quoted => word.get_or_insert_default().extend(characters.next()),
            ' ' if !is_quoted => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_words_have_spaces_and_quotes() {
        assert_eq!(
            split(r#"-A INPUT  -m comment --comment "a \"q\" \\ b" -j X"#),
            [
                "-A",
                "INPUT",
                "-m",
                "comment",
                "--comment",
                r#"a "q" \ b"#,
                "-j",
                "X"
            ]
        );
        assert_eq!(split("a \"\" b"), ["a", "", "b"]);
        assert_eq!(split("\"open \\"), ["open "]);
    }

    #[test]
    fn a_removal_is_only_given_where_a_shell_takes_it_literally() {
        let table = "iptables filter";
        assert_eq!(
            removal(table, "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT").as_deref(),
            Some("iptables -t filter -D INPUT -p tcp -m tcp --dport 22 -j ACCEPT")
        );
        assert_eq!(
            removal(
                table,
                "-A INPUT -m comment --comment \"$(reboot)\" -j ACCEPT"
            ),
            None
        );
    }
}
