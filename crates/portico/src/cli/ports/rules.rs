//! `portico ports rules`.

use std::{fs, path::PathBuf};

use clap::{Args, builder::PossibleValuesParser};
use portico_catalogue::{
    Catalogue, plan,
    rules::{self, Format, GapRule, Options, OutboundRule, RuleFile},
};
use serde_json::json;

use super::{EstateArgs, Source};
use crate::cli::{Globals, failure::Failure, output};

/// Which rules.
#[derive(Debug, Args)]
pub(crate) struct RulesArgs {
    #[command(flatten)]
    estate: EstateArgs,

    /// Whose words the rules are in; docs/rules.md says how to load each.
    #[arg(long, value_name = "FORMAT", value_parser = PossibleValuesParser::new(Format::ALL.map(Format::name)))]
    format: String,

    /// Only the rules of this host.
    #[arg(long, value_name = "HOST")]
    host: Option<String>,

    /// Folder for the files, which is made if needed; without it they are printed.
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,

    /// Let hosts open only what is planned, too; otherwise they may open anything.
    #[arg(long)]
    planned_outbound: bool,

    /// Write the rules also when the estate does not say enough for some flows; the rules begin
    /// with what is missing.
    #[arg(long)]
    with_gaps: bool,
}

/// Writes the rules of an estate.
pub(crate) async fn rules(globals: &Globals, args: &RulesArgs) -> Result<String, Failure> {
    let source = Source::read(globals, &args.estate).await?;
    let planned = plan::plan(Catalogue::portico(), &source.deployment);
    let options = Options {
        outbound: match args.planned_outbound {
            true => OutboundRule::Planned,
            false => OutboundRule::Any,
        },
        gaps: match args.with_gaps {
            true => GapRule::Note,
            false => GapRule::Refuse,
        },
    };
    let format = Format::by_name(&args.format).unwrap_or(Format::Nftables);
    let files =
        rules::write(format, &planned, args.host.as_deref(), &options).map_err(not_written)?;
    if let Some(folder) = &args.into {
        return save(folder, &files);
    }
    match globals.output {
        output::Format::Table => printed(&files),
        format => format.show(
            &files
                .iter()
                .map(|file| json!({ "name": file.name, "text": file.text }))
                .collect(),
            |_| Ok(String::new()),
        ),
    }
}

fn not_written(error: rules::RulesError) -> Failure {
    let text = error.to_string();
    let mut lines = text.lines();
    let what = lines.next().unwrap_or_default().trim_end_matches(':');
    let failure = Failure::new(format!("No rules are written: {what}"))
        .lines(lines.map(|line| line.trim().to_owned()).collect());
    match error {
        rules::RulesError::UnknownHost { .. } => failure,
        rules::RulesError::Gaps(_) => {
            failure.next_step("complete the estate, or write the rest with --with-gaps")
        }
        rules::RulesError::Unsayable { .. } => failure.next_step(
            "change the estate as each line says, or choose another --format; nothing is left out \
             silently",
        ),
    }
}

/// One file as it is; several can only be told apart when they are saved.
fn printed(files: &[RuleFile]) -> Result<String, Failure> {
    match files {
        [] => Err(Failure::new("There are no rules to write")
            .reason("no host of the estate takes connections")
            .next_step("look at the plan with `portico ports plan`")),
        [file] => Ok(file.text.clone()),
        files => Err(Failure::new(format!("The rules are {} files", files.len()))
            .reason("printed together they could not be told apart")
            .next_step("name a folder with --into DIR, or one host with --host")),
    }
}

fn save(folder: &std::path::Path, files: &[RuleFile]) -> Result<String, Failure> {
    let failed = |path: &std::path::Path, error: std::io::Error| {
        Failure::new(format!("{} cannot be written", path.display()))
            .reason(error)
            .next_step("name a folder that is yours to write with --into")
    };
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    let mut out = String::new();
    for file in files {
        let path = folder.join(&file.name);
        fs::write(&path, &file.text).map_err(|error| failed(&path, error))?;
        out.push_str(&format!("{}\n", path.display()));
    }
    Ok(out)
}
