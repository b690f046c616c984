//! Answers as people or programs read them. Whatever a name has in it, what comes out here is safe
//! for a terminal: in tables it is escaped for people, in JSON and YAML by their own escapes.

use std::fmt::Write;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use portico_model::{
    printable,
    text::{is_unsafe_to_show, without_formulas},
};
use serde_json::Value;

use super::failure::Failure;

/// How an answer is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// The schema of the HTTP API.
    Json,
    /// The same as YAML.
    Yaml,
    /// Rows of `ports`, for spreadsheets.
    Csv,
    /// Rows of `ports`, for documents.
    Markdown,
    /// A picture of `ports diagram`.
    Svg,
    /// The same for Mermaid.
    Mermaid,
    /// The same for Graphviz.
    Dot,
    /// Results of `ports check`, for build servers.
    Junit,
    /// Results of `ports check` as one page with a picture.
    Html,
}

impl Format {
    /// Shows `answer` for programs, or what `table` makes of it for people.
    pub(crate) fn show(
        self,
        answer: &Value,
        table: impl FnOnce(&Value) -> Result<String, Failure>,
    ) -> Result<String, Failure> {
        match self {
            Self::Table => table(answer),
            Self::Json => Ok(json(answer)),
            Self::Yaml => Ok(yaml(answer)),
            Self::Csv
            | Self::Markdown
            | Self::Svg
            | Self::Mermaid
            | Self::Dot
            | Self::Junit
            | Self::Html => Err(self.unfit("table, json or yaml")),
        }
    }

    /// Shows `answer` for programs, or its `rows` for people.
    pub(crate) fn show_rows(
        self,
        answer: &Value,
        rows: impl FnOnce(&Value) -> Rows,
    ) -> Result<String, Failure> {
        match self {
            Self::Csv => Ok(rows(answer).csv()),
            Self::Markdown => Ok(rows(answer).markdown()),
            Self::Svg | Self::Mermaid | Self::Dot | Self::Junit | Self::Html => {
                Err(self.unfit("table, json, yaml, csv or markdown"))
            }
            Self::Table | Self::Json | Self::Yaml => {
                self.show(answer, |answer| Ok(rows(answer).table()))
            }
        }
    }

    fn unfit(self, forms: &str) -> Failure {
        let name = clap::ValueEnum::to_possible_value(&self);
        let name = name.as_ref().map_or("", |value| value.get_name());
        Failure::new(format!("This cannot be shown as {name}"))
            .reason("the form is for other commands")
            .next_step(format!("use -o {forms}"))
    }
}

/// A table before it is known for whom it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    /// What stands above the columns.
    pub(crate) headings: &'static [&'static str],
    /// Those of them that are numbers.
    pub(crate) numbers: &'static [&'static str],
    /// The cells, as many in each row as there are headings.
    pub(crate) cells: Vec<Vec<String>>,
    /// What people read instead when there are none.
    pub(crate) none: &'static str,
}

impl Rows {
    fn table(self) -> String {
        if self.cells.is_empty() {
            return format!("{}\n", self.none);
        }
        table(self.headings, self.numbers, self.cells)
    }

    /// RFC 4180, but with plain line ends. A cell that a spreadsheet would take for a formula gets
    /// an apostrophe in front.
    fn csv(self) -> String {
        let line = |cells: &mut dyn Iterator<Item = String>| -> String {
            let cells: Vec<String> = cells.map(|cell| csv_cell(&cell)).collect();
            format!("{}\n", cells.join(","))
        };
        let mut out = line(&mut self.headings.iter().map(ToString::to_string));
        for row in self.cells {
            out.push_str(&line(&mut row.into_iter()));
        }
        out
    }

    fn markdown(self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let mut out = line(self.headings.iter().map(ToString::to_string).collect());
        let rule = |heading: &&str| {
            if self.numbers.contains(heading) {
                "---:"
            } else {
                "---"
            }
        };
        out.push_str(&line(
            self.headings
                .iter()
                .map(|heading| rule(heading).to_owned())
                .collect(),
        ));
        for row in self.cells {
            out.push_str(&line(row.iter().map(|cell| markdown_cell(cell)).collect()));
        }
        out
    }
}

fn csv_cell(cell: &str) -> String {
    let shown = without_formulas(&printable(cell));
    if shown.contains([',', '"', '\n', '\r']) || shown != shown.trim() {
        format!("\"{}\"", shown.replace('"', "\"\""))
    } else {
        shown
    }
}

fn markdown_cell(cell: &str) -> String {
    let mut out = String::with_capacity(cell.len());
    for character in printable(cell).chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '!' | '#' | '~' => {
                out.push('\\');
                out.push(character);
            }
            other => out.push(other),
        }
    }
    out
}

/// `value` as JSON of several lines.
pub(crate) fn json(value: &Value) -> String {
    let mut out = escaped(&format!("{value:#}"), |out, unit| {
        // Writing to a String cannot fail.
        let _ = write!(out, "\\u{unit:04x}");
    });
    out.push('\n');
    out
}

/// `value` as JSON on one line, without the line end.
pub(crate) fn json_line(value: &Value) -> String {
    escaped(&value.to_string(), |out, unit| {
        // Writing to a String cannot fail.
        let _ = write!(out, "\\u{unit:04x}");
    })
}

/// `value` as YAML 1.2. Texts that YAML could take for something else are quoted.
pub(crate) fn yaml(value: &Value) -> String {
    let mut out = String::new();
    write_yaml(&mut out, value, 0, Position::LineStart);
    out
}

/// A table with `headings`; columns named in `numbers` are aligned to the right.
pub(crate) fn table(headings: &[&str], numbers: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(headings.iter().map(|heading| heading.to_uppercase()));
    for row in rows {
        table.add_row(row.iter().map(|cell| match cell.as_str() {
            "" => "-".into(),
            cell => printable(cell).into_owned(),
        }));
    }
    for (index, heading) in headings.iter().enumerate() {
        if let Some(column) = table.column_mut(index) {
            column.set_padding((0, 2));
            if numbers.contains(heading) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    let mut out = String::new();
    for line in table.lines() {
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// The text of a JSON document with every unsafe character escaped. Outside of strings JSON has
/// none but line ends, so that each of them is in a string.
fn escaped(text: &str, mut escape: impl FnMut(&mut String, u16)) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character != '\n' && is_unsafe_to_show(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                escape(&mut out, *unit);
            }
        } else {
            out.push(character);
        }
    }
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    LineStart,
    AfterKey,
    AfterDash,
}

fn write_yaml(out: &mut String, value: &Value, depth: usize, position: Position) {
    let indent = |out: &mut String, depth: usize| out.extend(std::iter::repeat_n("  ", depth));
    match value {
        Value::Array(items) if !items.is_empty() => {
            if position != Position::LineStart {
                out.push('\n');
            }
            for item in items {
                indent(out, depth);
                out.push('-');
                write_yaml(out, item, depth + 1, Position::AfterDash);
            }
        }
        Value::Object(entries) if !entries.is_empty() => {
            if position == Position::AfterKey {
                out.push('\n');
            }
            for (index, (key, value)) in entries.iter().enumerate() {
                // The first key of a list's element stands behind the dash.
                if position == Position::AfterDash && index == 0 {
                    out.push(' ');
                } else {
                    indent(out, depth);
                }
                out.push_str(&yaml_text(key));
                out.push(':');
                // YAML lets the dashes of a list stand under its key.
                write_yaml(out, value, depth + 1, Position::AfterKey);
            }
        }
        scalar => {
            if position != Position::LineStart {
                out.push(' ');
            }
            match scalar {
                Value::String(text) => out.push_str(&yaml_text(text)),
                Value::Array(_) => out.push_str("[]"),
                Value::Object(_) => out.push_str("{}"),
                other => out.push_str(&other.to_string()),
            }
            out.push('\n');
        }
    }
}

/// A text as it is when nothing but a text could be meant, else in quotes with JSON's escapes,
/// which YAML has too.
fn yaml_text(text: &str) -> String {
    let mut characters = text.chars();
    let plain = characters.next().is_some_and(|c| c.is_ascii_alphabetic())
        && characters
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '@'))
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
            .iter()
            .any(|word| text.eq_ignore_ascii_case(word));
    if plain {
        return text.to_owned();
    }
    let quoted = Value::from(text).to_string();
    // A pair of surrogates is two characters in YAML, so it is written as one there.
    let mut out = String::with_capacity(quoted.len());
    for character in quoted.chars() {
        if is_unsafe_to_show(character) {
            let _ = write!(out, "\\U{:08x}", u32::from(character));
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hostile() -> Value {
        json!({
            "no": ["", " ", "-", "a: b", "# c", "0x1", "1e3", "~", "null", "Yes", "[", "a\nb"],
            "\u{1b}[2J": {"": null, "deep": [[1, [2.5, []]], {}, {"a": {"b": [true]}}]},
            "bidi": "\u{202e}txt\u{2066}", "tag": "\u{e0041}", "c1": "\u{9b}\u{7f}\u{85}",
            "quotes": "\"'`\\ ${x} =cmd <b>", "emoji": "\u{1f469}\u{200d}\u{1f4bb}",
        })
    }

    #[test]
    fn json_and_yaml_are_safe_to_show_and_mean_the_same() {
        let shown = json(&hostile());
        assert!(
            !shown.chars().any(|c| c != '\n' && is_unsafe_to_show(c)),
            "{shown}"
        );
        assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), hostile());
        let shown = yaml(&hostile());
        assert!(
            !shown.chars().any(|c| c != '\n' && is_unsafe_to_show(c)),
            "{shown}"
        );
        assert_eq!(
            serde_yaml_ng::from_str::<Value>(&shown).unwrap(),
            hostile(),
            "{shown}"
        );
    }

    #[test]
    fn rows_are_safe_in_spreadsheets_and_documents() {
        let rows = || Rows {
            headings: &["name", "port"],
            numbers: &["port"],
            cells: vec![
                vec!["=cmd|' /C calc'!A0".into(), "1".into()],
                vec!["a,\"b\"\n\u{1b}[2J".into(), "2".into()],
                vec!["<b>|`x`".into(), "-3".into()],
            ],
            none: "None.",
        };
        expect_test::expect![[r#"
            name,port
            '=cmd|' /C calc'!A0,1
            "a,""b""\n\u{1b}[2J",2
            <b>|`x`,'-3
        "#]]
        .assert_eq(&rows().csv());
        expect_test::expect![[r#"
            | name | port |
            | --- | ---: |
            | =cmd\|' /C calc'\!A0 | 1 |
            | a,"b"\\n\\u{1b}\[2J | 2 |
            | &lt;b&gt;\|\`x\` | -3 |
        "#]]
        .assert_eq(&rows().markdown());
        assert_eq!(
            Rows {
                cells: vec![],
                ..rows()
            }
            .table(),
            "None.\n"
        );
    }

    #[test]
    fn a_form_that_does_not_fit_is_refused_with_those_that_do() {
        let failure = Format::Svg
            .show(&json!([]), |_| unreachable!())
            .unwrap_err();
        assert_eq!(
            failure.next_step.as_deref(),
            Some("use -o table, json or yaml")
        );
    }

    #[test]
    fn yaml_reads_well() {
        let value = json!([{"id": "sh1", "pins": ["a", "b"], "port": 22}, {"id": "sh2"}]);
        expect_test::expect![[r"
            - id: sh1
              pins:
                - a
                - b
              port: 22
            - id: sh2
        "]]
        .assert_eq(&yaml(&value));
        assert_eq!(yaml(&json!([])), "[]\n");
        assert_eq!(yaml(&json!(null)), "null\n");
    }

    #[test]
    fn tables_are_aligned_and_have_no_empty_cell() {
        let rows = vec![
            vec!["a".into(), "1".into(), "x\u{1b}".into()],
            vec!["long name".into(), "10".into(), String::new()],
        ];
        expect_test::expect![[r"
            ID         SESSIONS  TITLE
            a                 1  x\u{1b}
            long name        10  -
        "]]
        .assert_eq(&table(&["id", "sessions", "title"], &["sessions"], rows));
    }
}
