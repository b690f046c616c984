//! Hosts that sessions do not get to: which flows of theirs fail, and why.
//!
//! The words of a cause are for operators; of users only its kind is known, which names nothing.

use std::collections::BTreeSet;

use portico_model::{
    HostId,
    launch::{Explanation, ExplanationOutcome, HostVerdict, NotChosen, Refusal},
};
use portico_probe::check::cause::CauseKind;
use portico_store::StoreError;

use super::{
    PORT_CHECK_ROWS_MAX, PortCheckFilter, PortCheckRow,
    bars::NEEDED,
    explained::{FlowCause, causes_of, causes_of_failures},
    lock,
    records::{CheckedRow, is_failure, pair_id, verdict_of},
};
use crate::broker::{Broker, Inner};

/// Hosts of one launch that are explained.
const HOSTS_MAX: usize = 10;
/// Hosts of a refusal that are asked about for its user, who gets one word.
const HOSTS_OF_USER_MAX: usize = 3;

/// The flows to a host that do not work.
#[derive(Debug, Clone, Default)]
pub struct BrokenFlows {
    /// Their last verdicts.
    pub rows: Vec<PortCheckRow>,
    /// What is most likely wrong.
    pub causes: Vec<FlowCause>,
}

impl Broker {
    /// The flows to a host that were seen not to work, from wherever, and why.
    pub async fn broken_flows(&self, to: &HostId) -> Result<BrokenFlows, StoreError> {
        let rows = self.0.rows_to(to).await?;
        let causes = causes_of_failures(&rows);
        let mut rows = rows;
        rows.retain(PortCheckRow::is_failure);
        Ok(BrokenFlows { rows, causes })
    }

    /// Why hosts are ruled out of a launch that this process does not get to, as far as its checks
    /// know: of the first ten of them.
    pub async fn causes_of_launch(
        &self,
        explanation: &Explanation,
    ) -> Result<Vec<FlowCause>, StoreError> {
        let verdicts: &[HostVerdict] = match &explanation.outcome {
            ExplanationOutcome::Placed(placement) => &placement.others,
            ExplanationOutcome::Refused(Refusal::NoHost { hosts, .. }) => hosts,
            ExplanationOutcome::Refused(_) => &[],
        };
        let mut out = Vec::new();
        for host in unreached(verdicts).take(HOSTS_MAX) {
            out.extend(self.0.causes_of_host(host).await?);
        }
        Ok(out)
    }

    /// What most likely keeps the hosts of a refusal from being reached; `None` when others are
    /// full or shut, or the checks do not know.
    pub async fn cause_of_refusal(&self, refusal: &Refusal) -> Option<CauseKind> {
        let Refusal::NoHost { hosts, .. } = refusal else {
            return None;
        };
        let mut found = Vec::new();
        for host in unreached(hosts).take(HOSTS_OF_USER_MAX) {
            match self.0.causes_of_host(host).await {
                Ok(causes) => found.extend(causes),
                Err(error) => tracing::debug!(%error, "No cause is known"),
            }
        }
        let surest = found.iter().min_by_key(|found| found.cause.certainty);
        surest.map(|found| found.cause.kind)
    }
}

impl Inner {
    /// What is most likely wrong with the flows of this process to the protocol of a host, the
    /// surest first; nothing when none of them fails.
    async fn causes_of_host(&self, to: &HostId) -> Result<Vec<FlowCause>, StoreError> {
        // Launches come by here: what is not at hand, as before the first round, is not made for
        // them.
        let Some((_, wanted)) = lock(&self.port_checks.wanted).clone() else {
            return Ok(Vec::new());
        };
        let fails = |from: &HostId| {
            let record = self.port_checks.records.get(&pair_id(from, to));
            record.is_some_and(|record| record.rows.iter().any(is_bar))
        };
        // Hardly ever: only then it is worth to read all that is known of the host.
        if !wanted.own.iter().any(fails) {
            return Ok(Vec::new());
        }
        let rows = self.rows_to(to).await?;
        let ours: Vec<&PortCheckRow> = rows
            .iter()
            .filter(|row| keeps_away(row, &wanted.own))
            .collect();
        Ok(causes_of(&ours, &rows))
    }

    /// The kind of what is most likely wrong between this process and a host, when it is known that
    /// something is.
    pub(crate) async fn cause_kind_of_host(&self, to: &HostId) -> Option<CauseKind> {
        let causes = self.causes_of_host(to).await.ok()?;
        causes.first().map(|found| found.cause.kind)
    }

    async fn rows_to(&self, to: &HostId) -> Result<Vec<PortCheckRow>, StoreError> {
        let filter = PortCheckFilter {
            to: Some(to.clone()),
            limit: PORT_CHECK_ROWS_MAX,
            ..PortCheckFilter::default()
        };
        Ok(self.port_check_table(&filter).await?.rows)
    }
}

/// The hosts that cannot be reached, or say nothing.
fn unreached(verdicts: &[HostVerdict]) -> impl Iterator<Item = &HostId> {
    let is_away = |reason: &NotChosen| {
        matches!(
            reason,
            NotChosen::Unreachable { .. } | NotChosen::Silent { .. }
        )
    };
    let away = verdicts
        .iter()
        .filter(move |verdict| is_away(&verdict.reason));
    away.map(|verdict| &verdict.host)
}

fn is_needed(flow: &str) -> bool {
    NEEDED.iter().any(|needed| needed.as_str() == flow)
}

fn is_bar(row: &CheckedRow) -> bool {
    is_needed(&row.key.flow) && verdict_of(&row.verdict).is_some_and(is_failure)
}

fn keeps_away(row: &PortCheckRow, own: &BTreeSet<HostId>) -> bool {
    own.contains(&row.from) && is_needed(&row.flow.id) && row.is_failure()
}
