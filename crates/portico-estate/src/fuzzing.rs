//! What must hold for any text at all: the body of the fuzz target, replayed as a test over seeded
//! mutations of the fixtures.

use std::collections::BTreeSet;

use portico_model::{estate::Estate, text::is_unsafe_to_show};

use crate::{Passwords, document, parse, plan, to_toml};

/// Reads `text` as an estate file and says which rule of the reader does not hold, if any:
///
/// - errors are bounded, within the file, in its order, and safe to show;
/// - a good file, written and read again, is the same estate, and planning it twice changes
///   nothing.
pub fn check_parse(text: &str) -> Result<(), String> {
    let draft = match parse("estate.toml", text) {
        Ok(draft) => draft,
        Err(errors) => return check_errors(text, &errors),
    };
    let written = to_toml(&draft.estate, Passwords::Hashes);
    let again = parse("written.toml", &written).map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        format!("what was written is refused: {errors:?}\n{written}")
    })?;
    if again.estate != draft.estate {
        return Err(format!("what was written reads differently:\n{written}"));
    }
    let wanted = draft
        .wanted("estate.toml", &Estate::default())
        .map_err(|errors| format!("refused for an empty store: {errors:?}"))?;
    let twice = draft
        .wanted("estate.toml", &wanted)
        .map_err(|errors| format!("refused the second time: {errors:?}"))?;
    let changes = plan(&wanted, &twice, &BTreeSet::new());
    if !changes.is_empty() {
        return Err(format!("applied twice, it changes:\n{changes}"));
    }
    Ok(())
}

fn check_errors(text: &str, errors: &[crate::EstateError]) -> Result<(), String> {
    if errors.is_empty() || errors.len() > document::ERRORS_MAX + 1 {
        return Err(format!("{} errors", errors.len()));
    }
    let lines = text.matches('\n').count() + 1;
    let mut line_before = 0;
    for error in errors {
        let shown = error.to_string();
        if shown.chars().any(is_unsafe_to_show) {
            return Err(format!("not safe to show: {shown:?}"));
        }
        if shown.chars().count() > 4096 {
            return Err(format!("too long: {} bytes", shown.len()));
        }
        let line = usize::try_from(error.line).unwrap_or(usize::MAX);
        if line == 0 || line > lines || line < line_before || error.column == 0 {
            return Err(format!("at a wrong place: {shown}"));
        }
        line_before = line;
    }
    Ok(())
}
