//! What is kept of checks: for each two hosts the last outcome of each flow between them, and how
//! their verdicts changed.

use portico_model::{HostId, Timestamp};
use portico_probe::check::{Clue, Verdict};
use serde::{Deserialize, Serialize};

use crate::documents::ROOT;

/// Flows that are kept between two hosts; more are not planned to be checked. All of them fit into
/// one document of the store.
pub(crate) const ROWS_MAX: usize = 256;
/// Changes that are kept between two hosts, the newest.
pub(crate) const CHANGES_MAX: usize = 50;
/// Longest text that is kept, in characters.
const TEXT_LEN_MAX: usize = 300;
/// What a flow was before its first check.
pub(crate) const NOT_CHECKED: &str = "not-checked";

pub(crate) fn checks_prefix() -> String {
    format!("{ROOT}/port-check/")
}

/// Id of a record among the others.
pub(crate) fn pair_id(from: &HostId, to: &HostId) -> String {
    format!("{from}/{to}")
}

/// The hosts of a record.
pub(crate) fn pair_of(id: &str) -> Option<(HostId, HostId)> {
    let (from, to) = id.split_once('/')?;
    Some((HostId::new(from).ok()?, HostId::new(to).ok()?))
}

pub(crate) fn pair_key(from: &HostId, to: &HostId) -> String {
    format!("{}{}", checks_prefix(), pair_id(from, to))
}

/// Flows from one host to another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PairRecord {
    #[serde(default)]
    pub(crate) rows: Vec<CheckedRow>,
    /// Oldest first.
    #[serde(default)]
    pub(crate) changes: Vec<StoredChange>,
}

/// Which flow at which address and port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct RowKey {
    pub(crate) flow: String,
    pub(crate) address: String,
    pub(crate) port: u16,
}

/// The last outcome of a flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CheckedRow {
    #[serde(flatten)]
    pub(crate) key: RowKey,
    pub(crate) verdict: String,
    pub(crate) evidence: String,
    #[serde(default)]
    pub(crate) next_step: Option<String>,
    /// By its slug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) clue: Option<String>,
    pub(crate) took_ms: u32,
    pub(crate) checked_at: Timestamp,
    /// When the verdict became what it is.
    pub(crate) since: Timestamp,
}

/// A change of a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredChange {
    #[serde(flatten)]
    pub(crate) key: RowKey,
    pub(crate) at: Timestamp,
    pub(crate) verdict: String,
    pub(crate) before: String,
    pub(crate) evidence: String,
}

/// What was found out, whoever did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) verdict: Verdict,
    pub(crate) evidence: String,
    pub(crate) next_step: Option<String>,
    pub(crate) clue: Option<Clue>,
    pub(crate) took_ms: u32,
}

/// A verdict by its slug.
pub(crate) fn verdict_of(slug: &str) -> Option<Verdict> {
    let mut all = Verdict::ALL.iter().copied();
    all.find(|verdict| verdict.slug() == slug)
}

/// Whether a verdict says that the flow does not work. What is reachable and not proven may work.
pub(crate) const fn is_failure(verdict: Verdict) -> bool {
    matches!(
        verdict,
        Verdict::WrongService
            | Verdict::Refused
            | Verdict::NoAnswer
            | Verdict::Blocked
            | Verdict::NotResolvable
    )
}

impl PairRecord {
    pub(crate) fn row(&self, key: &RowKey) -> Option<&CheckedRow> {
        self.rows.iter().find(|row| row.key == *key)
    }

    /// Takes outcomes of `at`, and forgets rows that are not wanted any more. Gives the changes of
    /// verdicts that were known before.
    pub(crate) fn take(
        &mut self,
        found: &[(RowKey, Found)],
        is_wanted: impl Fn(&RowKey) -> bool,
        at: Timestamp,
    ) -> Vec<StoredChange> {
        self.rows.retain(|row| is_wanted(&row.key));
        let mut changed = Vec::new();
        for (key, found) in found {
            let slug = found.verdict.slug();
            let place = self.rows.iter().position(|row| row.key == *key);
            let last = place.and_then(|place| self.rows.get(place));
            let is_same = last.is_some_and(|last| last.verdict == slug);
            let since = last.filter(|_| is_same).map_or(at, |last| last.since);
            if !is_same {
                let change = StoredChange {
                    key: key.clone(),
                    at,
                    verdict: slug.into(),
                    before: last.map_or_else(|| NOT_CHECKED.into(), |last| last.verdict.clone()),
                    evidence: cut(&found.evidence),
                };
                if last.is_some() {
                    changed.push(change.clone());
                }
                self.changes.push(change);
            }
            let row = CheckedRow {
                key: key.clone(),
                verdict: slug.into(),
                evidence: cut(&found.evidence),
                next_step: found.next_step.as_deref().map(cut),
                clue: found.clue.map(|clue| clue.slug().into()),
                took_ms: found.took_ms,
                checked_at: at,
                since,
            };
            let has_room = self.rows.len() < ROWS_MAX;
            match place.and_then(|place| self.rows.get_mut(place)) {
                Some(slot) => *slot = row,
                None if has_room => self.rows.push(row),
                None => {}
            }
        }
        let too_many = self.changes.len().saturating_sub(CHANGES_MAX);
        self.changes.drain(..too_many);
        changed
    }
}

/// Printable, and of a length that can be kept.
fn cut(text: &str) -> String {
    portico_model::printable(text)
        .chars()
        .take(TEXT_LEN_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(port: u16) -> RowKey {
        RowKey {
            flow: "portico.gateway-host-rdp".into(),
            address: "192.0.2.1".into(),
            port,
        }
    }

    fn found(verdict: Verdict) -> Found {
        Found {
            verdict,
            evidence: "said \u{1b}[2J".into(),
            next_step: None,
            clue: Some(Clue::Reset),
            took_ms: 3,
        }
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(ms)
    }

    #[test]
    fn a_change_is_told_once_and_its_time_is_kept() {
        let mut record = PairRecord::default();
        let mut take = |verdict, ms| {
            let changed = record.take(&[(key(1), found(verdict))], |_| true, at(ms));
            let row = record.row(&key(1)).unwrap().clone();
            (changed.len(), row.since, row.checked_at)
        };
        // The first outcome is none: nothing was known before.
        assert_eq!(take(Verdict::Proven, 1), (0, at(1), at(1)));
        assert_eq!(take(Verdict::Proven, 2), (0, at(1), at(2)));
        assert_eq!(take(Verdict::Refused, 3), (1, at(3), at(3)));
        assert_eq!(take(Verdict::Refused, 4), (0, at(3), at(4)));
        let history: Vec<(&str, &str)> = record
            .changes
            .iter()
            .map(|change| (change.before.as_str(), change.verdict.as_str()))
            .collect();
        assert_eq!(history, [("not-checked", "proven"), ("proven", "refused")]);
        assert!(!record.changes[0].evidence.contains('\u{1b}'));
    }

    #[test]
    fn what_is_kept_has_bounds_and_what_is_not_wanted_goes() {
        let mut record = PairRecord::default();
        for ms in 0..200 {
            let verdict = match ms % 2 {
                0 => Verdict::Proven,
                _ => Verdict::Blocked,
            };
            record.take(&[(key(1), found(verdict))], |_| true, at(ms));
        }
        assert_eq!(record.changes.len(), CHANGES_MAX);
        assert_eq!(record.changes[CHANGES_MAX - 1].at, at(199));
        let many: Vec<_> = (0..=u16::try_from(ROWS_MAX).unwrap())
            .map(|port| (key(port), found(Verdict::Proven)))
            .collect();
        record.take(&many, |key| key.port != 1, at(300));
        assert_eq!(record.rows.len(), ROWS_MAX);
        record.take(&[], |key| key.port == 7, at(301));
        assert_eq!(record.rows.len(), 1);
        let long = Found {
            evidence: "ä".repeat(5_000),
            ..found(Verdict::Proven)
        };
        record.take(&[(key(7), long)], |_| true, at(302));
        assert_eq!(record.rows[0].evidence.chars().count(), TEXT_LEN_MAX);
    }

    #[test]
    fn a_record_reads_as_it_was_written() {
        let mut record = PairRecord::default();
        record.take(&[(key(1), found(Verdict::Proven))], |_| true, at(1));
        let json = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<PairRecord>(&json).unwrap(), record);
        let (a, b) = (HostId::new("a").unwrap(), HostId::new("b").unwrap());
        assert_eq!(pair_of(&pair_id(&a, &b)), Some((a, b)));
        assert_eq!(pair_of("a"), None);
    }
}
