//! `portico apply`: makes an estate file true.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use clap::Args;
use portico_estate::{EstateError, Plan, limits::FILE_BYTES_MAX};
use serde_json::{Value, json};

use super::{
    Globals,
    client::{CallError, typed},
    failure::{ApiFault, Failure},
    teach,
};

/// End of its help.
pub(crate) const HELP: &str = teach![
    "portico apply -f estate.toml --dry-run   # what would change",
    "portico apply -f estate.toml             # change it; a second time changes nothing",
    "generate-estate | portico apply -f -     # from a program",
];

/// Which file, and whether in earnest.
#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// The estate file; `-` for standard input.
    ///
    /// What it does not describe is removed, except users who were made at set-up. When it has
    /// errors, all of them are listed and nothing is changed.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// Show what would change, and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Makes an estate file true, or shows what would change.
pub(crate) async fn apply(globals: &Globals, args: &ApplyArgs) -> Result<String, Failure> {
    let text = read(&args.file)?;
    let client = globals.client()?;
    let file_name = shown_name(&args.file);
    let path = if args.dry_run {
        "/estate/plan"
    } else {
        "/estate/apply"
    };
    let answer = client
        .post(path, &json!({ "file_name": file_name, "text": text }))
        .await
        .map_err(refused)?;
    globals
        .output
        .show(&answer, |answer| shown(answer, args.dry_run))
}

/// A plan for people.
pub(crate) fn shown(answer: &Value, dry_run: bool) -> Result<String, Failure> {
    let plan: Plan = typed(answer)?;
    let note = match dry_run && !plan.is_empty() {
        true => "This was a dry run: nothing was changed.\n",
        false => "",
    };
    Ok(format!("{plan}{note}"))
}

/// A refused file with all its errors.
pub(crate) fn refused(error: CallError) -> Failure {
    let CallError::Refused(fault) = error else {
        return error.into();
    };
    let lines = errors_of(&fault);
    Failure::from(*fault).lines(lines)
}

fn errors_of(fault: &ApiFault) -> Vec<String> {
    let errors: Vec<EstateError> = fault
        .details
        .get("errors")
        .and_then(|errors| typed(errors).ok())
        .unwrap_or_default();
    errors.iter().map(ToString::to_string).collect()
}

/// What a file is called in messages.
pub(crate) fn shown_name(path: &Path) -> String {
    match path.as_os_str() == "-" {
        true => "standard input".to_owned(),
        false => path.display().to_string(),
    }
}

/// Text of an estate file; `-` is standard input.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    let shown = path.display();
    let failed = |error: &dyn std::fmt::Display| {
        Failure::new(format!("{shown} cannot be read"))
            .reason(error)
            .next_step("check the path given with -f, and that the file is yours to read")
    };
    let source: Box<dyn Read> = match path.as_os_str() == "-" {
        true => Box::new(io::stdin()),
        false => Box::new(File::open(path).map_err(|error| failed(&error))?),
    };
    // One byte more than is allowed tells a file that is too long.
    let limit = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    source
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| failed(&error))?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(Failure::new(format!("{shown} is too long"))
            .reason(format!("an estate file has at most {FILE_BYTES_MAX} bytes"))
            .next_step("check that this is the estate file"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let line = error
            .as_bytes()
            .iter()
            .take(error.utf8_error().valid_up_to());
        let line = line.filter(|byte| **byte == b'\n').count() + 1;
        Failure::new(format!("{shown} is not text"))
            .reason(format!("line {line} is not UTF-8"))
            .next_step("save it as UTF-8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_an_estate_is_refused_before_anybody_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("estate.toml");
        assert!(
            read(&path)
                .unwrap_err()
                .to_string()
                .contains("cannot be read")
        );
        std::fs::write(&path, vec![b'#'; 5_000_000]).unwrap();
        let failure = read(&path).unwrap_err();
        assert_eq!(
            failure.reason.as_deref(),
            Some("an estate file has at most 4194304 bytes")
        );
        std::fs::write(&path, b"a\nb\xff").unwrap();
        assert_eq!(
            read(&path).unwrap_err().reason.as_deref(),
            Some("line 2 is not UTF-8")
        );
        std::fs::write(&path, vec![b'#'; FILE_BYTES_MAX]).unwrap();
        assert_eq!(read(&path).unwrap().len(), FILE_BYTES_MAX);
    }
}
