//! Lists of the API as tables: which fields of an object are columns, and how they read.

use serde_json::Value;

use super::{humane, output};

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    /// What stands above it.
    pub(crate) heading: &'static str,
    /// Field of the object.
    pub(crate) field: &'static str,
    /// How its values read.
    pub(crate) form: Form,
}

/// How the values of a column read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As they are; lists with commas.
    Text,
    /// As they are, to the right.
    Number,
    /// Milliseconds since 1970, as date and time in UTC.
    Time,
    /// Seconds, in their largest units.
    Span,
}

/// A column that is called like its field.
pub(crate) const fn text(field: &'static str) -> Column {
    Column {
        heading: field,
        field,
        form: Form::Text,
    }
}

/// A column of numbers that is called like its field.
pub(crate) const fn number(field: &'static str) -> Column {
    Column {
        heading: field,
        field,
        form: Form::Number,
    }
}

/// A column of times.
pub(crate) const fn time(heading: &'static str, field: &'static str) -> Column {
    Column {
        heading,
        field,
        form: Form::Time,
    }
}

/// A column of durations.
pub(crate) const fn span(heading: &'static str, field: &'static str) -> Column {
    Column {
        heading,
        field,
        form: Form::Span,
    }
}

/// `items` as a table, or `none` when there are none.
pub(crate) fn table(items: &[Value], columns: &[Column], none: &str) -> String {
    if items.is_empty() {
        return format!("{none}\n");
    }
    let headings: Vec<&str> = columns.iter().map(|column| column.heading).collect();
    let numbers: Vec<&str> = columns
        .iter()
        .filter(|column| column.form == Form::Number)
        .map(|column| column.heading)
        .collect();
    let rows = items
        .iter()
        .map(|item| {
            columns
                .iter()
                .map(|column| cell(item.get(column.field), column.form))
                .collect()
        })
        .collect();
    output::table(&headings, &numbers, rows)
}

/// A time in milliseconds since 1970 as date and time in UTC.
pub(crate) fn utc(ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        Err(_) => format!("{ms} ms"),
    }
}

fn cell(value: Option<&Value>, form: Form) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| cell(Some(item), Form::Text))
            .collect::<Vec<_>>()
            .join(", "),
        Some(Value::Number(number)) if form == Form::Span => match number.as_u64() {
            Some(seconds) => humane::duration(seconds),
            None => number.to_string(),
        },
        Some(Value::Bool(yes)) if form == Form::Text => if *yes { "yes" } else { "no" }.into(),
        Some(Value::Number(number)) if form == Form::Time => match number.as_i64() {
            Some(ms) => utc(ms),
            None => number.to_string(),
        },
        Some(other) => other.to_string(),
    }
}
