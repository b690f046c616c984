//! `portico audit`: reading the audit log, and proving that nobody changed it.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use portico_model::printable;
use portico_store::{Anchor, Journal, SqliteJournal, Verdict};
use serde_json::Value;

use super::{
    Globals,
    failure::Failure,
    listed::{self, Column, number, text, time},
    teach,
};

const LIST_HELP: &str = teach![
    "portico audit list --limit 20",
    "portico audit list --before 1200 -o json",
];
const ANCHOR_HELP: &str =
    teach!["portico audit anchor > /media/safe/anchor.json   # keep it off this machine",];
const VERIFY_HELP: &str = teach![
    "portico audit verify",
    "portico audit verify --anchor /media/safe/anchor.json   # shows truncation and rewriting too",
    "portico audit verify --state /srv/portico",
];

/// What to do with the audit log.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// List records, newest first.
    #[command(after_help = LIST_HELP)]
    List {
        /// How many at most.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Only records before this number.
        #[arg(long, value_name = "SEQ")]
        before: Option<u64>,
    },
    /// Show the last signed head of the log, to be kept on another machine.
    ///
    /// Reads the journal in the state folder on this machine.
    #[command(after_help = ANCHOR_HELP)]
    Anchor,
    /// Check the whole log: that no record was edited, removed or put in between.
    ///
    /// Reads the journal in the state folder on this machine; Portico may be running. Without an
    /// anchor that was kept elsewhere, somebody who has the signing key beside the journal could
    /// have rewritten all of it.
    #[command(after_help = VERIFY_HELP)]
    Verify(VerifyArgs),
}

/// What to check against.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// A signed head that `portico audit anchor` gave earlier.
    #[arg(long, value_name = "FILE")]
    pub(crate) anchor: Option<PathBuf>,
}

const COLUMNS: &[Column] = &[
    number("seq"),
    time("at", "at"),
    text("actor"),
    text("action"),
    text("object"),
    text("outcome"),
    Column {
        heading: "client",
        ..text("client_address")
    },
];

/// Does it.
pub(crate) async fn audit(globals: &Globals, what: &AuditCommand) -> Result<String, Failure> {
    match what {
        AuditCommand::List { limit, before } => {
            let before = before
                .map(|seq| format!("&before={seq}"))
                .unwrap_or_default();
            let page = globals
                .client()?
                .get(&format!("/audit?limit={limit}{before}"))
                .await?;
            globals.output.show(&page, |page| Ok(listed_page(page)))
        }
        AuditCommand::Anchor => {
            let journal = open(globals)?;
            let anchor = journal.anchor().await.map_err(|error| unreadable(&error))?;
            let anchor = anchor.ok_or_else(|| {
                Failure::new("There is no signed head yet")
                    .reason("Portico signs the log every minute while there is something new")
                    .next_step("try again in a minute")
            })?;
            let text = anchor.to_json().map_err(|error| unreadable(&error))?;
            Ok(text + "\n")
        }
        AuditCommand::Verify(args) => {
            let anchor = args.anchor.as_deref().map(read_anchor).transpose()?;
            let journal = open(globals)?;
            let verdict = journal
                .verify(anchor)
                .await
                .map_err(|error| unreadable(&error))?;
            judged(&verdict)
        }
    }
}

/// A page of records for people.
pub(crate) fn listed_page(page: &Value) -> String {
    let records = page.get("records").unwrap_or(page);
    let records = records.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut out = listed::table(records, COLUMNS, "There is no record.");
    if let Some(next) = page.get("next").and_then(Value::as_u64) {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "Older ones: portico audit list --before {next}");
    }
    out
}

/// A verdict for people; a failure when something is wrong.
pub(crate) fn judged(verdict: &Verdict) -> Result<String, Failure> {
    if !verdict.is_intact() {
        let lines = verdict.faults.iter().map(ToString::to_string).collect();
        return Err(Failure::new("The audit log was changed, or is damaged")
            .lines(lines)
            .next_step(
                "keep a copy of the state folder as evidence, and compare with copies of the log \
                 and anchors that were kept elsewhere",
            ));
    }
    let mut out = format!("The audit log is intact: {} records", verdict.last_seq);
    // Writing to a String cannot fail.
    let _ = match verdict.anchored_seq {
        Some(seq) => writeln!(out, ", proven by the anchor up to record {seq}."),
        None => writeln!(out, ", signed up to record {}.", verdict.signed_seq),
    };
    if verdict.anchored_seq.is_none() {
        out.push_str("Only an anchor kept elsewhere (--anchor) can show that it was not rewritten as a whole.\n");
    }
    Ok(out)
}

fn open(globals: &Globals) -> Result<SqliteJournal, Failure> {
    let state = match &globals.state {
        Some(state) => state.clone(),
        None => globals.settings()?.state_dir,
    };
    let path = crate::settings::journal_file(&state);
    SqliteJournal::open_to_read(&path).map_err(|error| {
        Failure::new(format!("The journal {} cannot be opened", path.display()))
            .reason(error)
            .next_step(
                "name the state folder with --state, and run this as the user that Portico runs as",
            )
    })
}

fn read_anchor(path: &Path) -> Result<Anchor, Failure> {
    let failed = |reason: &dyn std::fmt::Display| {
        Failure::new(format!("The anchor {} cannot be used", path.display()))
            .reason(reason)
            .next_step("give a file that `portico audit anchor` made")
    };
    let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
    Anchor::from_json(&text).map_err(|error| failed(&error))
}

fn unreadable(error: &dyn std::fmt::Display) -> Failure {
    Failure::new("The journal cannot be read")
        .reason(printable(&error.to_string()))
        .next_step("check the disk, and the permissions of the state folder")
}
