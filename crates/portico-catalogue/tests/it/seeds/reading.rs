//! Tables, lists and cells of the documents. Knows nothing of how the catalogue was made.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use portico_catalogue::{PortRange, Transport};

/// A row of a table, or an item of a list.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) section: String,
    pub(super) row: u32,
    /// Cells without the markup around them; one for an item of a list.
    pub(super) cells: Vec<String>,
}

pub(super) fn document(prefix: &str) -> Option<String> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/seeds");
    let folder = std::env::var_os("PORTICO_SEEDS").map_or(beside, PathBuf::from);
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!(
            "skipped: there is no folder {}; set PORTICO_SEEDS",
            folder.display()
        );
        return None;
    };
    let found = entries.map(|entry| entry.unwrap().path()).find(|path| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(prefix))
    });
    let path = found.unwrap_or_else(|| panic!("{} has no {prefix}*", folder.display()));
    // The catalogue writes the documents' no-break spaces as plain ones.
    Some(
        std::fs::read_to_string(path)
            .unwrap()
            .replace('\u{a0}', " "),
    )
}

fn cells(line: &str) -> Vec<String> {
    let line = line.trim();
    let line = line.strip_prefix('|').unwrap_or(line);
    let line = line.strip_suffix('|').unwrap_or(line);
    line.split('|').map(|cell| cell.trim().to_owned()).collect()
}

pub(super) fn is_rule(line: &str) -> bool {
    line.contains('-') && line.chars().all(|c| "|-: ".contains(c))
}

/// Rows of all tables of a Markdown text, by heading; the line before a rule is the head.
pub(super) fn table_rows(text: &str) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    let mut section = String::new();
    let lines: Vec<&str> = text.lines().collect();
    for (i, line) in lines.iter().enumerate() {
        if line.starts_with('#') {
            section = line.trim_start_matches('#').trim().to_owned();
        }
        let is_head = lines.get(i + 1).is_some_and(|next| is_rule(next));
        let is_empty = line.chars().all(|c| c == '|');
        if !line.starts_with('|') || is_rule(line) || is_head || is_empty {
            continue;
        }
        let row = counts.entry(section.clone()).or_default();
        *row += 1;
        rows.push(Row {
            section: section.clone(),
            row: *row,
            cells: cells(line),
        });
    }
    rows
}

/// Items of all lists, by heading; a heading of the third level goes behind the one above it when
/// `joined` is set.
pub(super) fn list_rows(text: &str, joined: bool) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    let (mut above, mut section) = (String::new(), String::new());
    for line in text.lines() {
        let title = line.trim_start_matches('#').trim();
        if line.starts_with("### ") && joined {
            section = format!("{above} / {title}");
        } else if line.starts_with('#') {
            above = title.to_owned();
            section = title.to_owned();
        }
        if let Some(item) = line.trim_start().strip_prefix("- ") {
            let row = counts.entry(section.clone()).or_default();
            *row += 1;
            rows.push(Row {
                section: section.clone(),
                row: *row,
                cells: vec![item.trim().to_owned()],
            });
        }
    }
    rows
}

/// All ports and ranges of a cell: `1024 - 65535`, `1024 and 65535`, `135, 445`.
pub(super) fn ranges(cell: &str, range_words: &[&str]) -> Vec<PortRange> {
    let mut numbers: Vec<(u16, String)> = Vec::new();
    let mut between = String::new();
    let mut rest = cell;
    while let Some(c) = rest.chars().next() {
        let len = rest.bytes().take_while(u8::is_ascii_digit).count();
        if len > 0 {
            numbers.push((rest[..len].parse().unwrap(), std::mem::take(&mut between)));
            rest = &rest[len..];
        } else {
            between.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    let mut ranges: Vec<PortRange> = Vec::new();
    for (number, before) in numbers {
        match ranges.last_mut() {
            Some(last) if range_words.contains(&before.trim()) => last.last = number,
            _ => ranges.push(PortRange::one(number)),
        }
    }
    ranges
}

pub(super) fn transports(cell: &str) -> Vec<Transport> {
    let mut all = Vec::new();
    // WinRM's rows say TP, and one of SMS says UPD.
    if cell.contains("TCP") || cell == "TP" {
        all.push(Transport::Tcp);
    }
    if cell.contains("UDP") || cell == "UPD" {
        all.push(Transport::Udp);
    }
    if cell == "ICMP" {
        all.push(Transport::Icmp);
    }
    if ["GRE", "AH", "ESP"].contains(&cell) {
        all.push(Transport::Ip);
    }
    all
}

/// Transports and the part of an item of RDS that names its ports.
pub(super) fn rds_item(item: &str) -> (Vec<Transport>, String) {
    let mut found = Vec::new();
    let mut rest = item;
    loop {
        rest = rest.trim_start_matches([' ', ':', '|']);
        let known = [
            ("TCP", Some(Transport::Tcp)),
            ("UDP", Some(Transport::Udp)),
            ("and ", None),
        ];
        let Some((word, transport)) = known.into_iter().find(|(word, _)| rest.starts_with(word))
        else {
            break;
        };
        found.extend(transport);
        rest = &rest[word.len()..];
    }
    let words = ["-", " ", ",", "and"];
    let mut numbers = String::new();
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let word = words.into_iter().find(|word| rest.starts_with(word));
        let len = if digits > 0 {
            digits
        } else {
            word.map_or(0, str::len)
        };
        if len == 0 {
            break;
        }
        numbers.push_str(&rest[..len]);
        rest = &rest[len..];
    }
    (found, numbers)
}

pub(super) fn tarantella_rows(text: &str) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let (mut table, mut row) = (0, 0);
    for line in text
        .lines()
        .filter(|line| line.contains('|') && !is_rule(line))
    {
        if line.starts_with("Source |") {
            (table, row) = (table + 1, 0);
            continue;
        }
        row += 1;
        rows.push(Row {
            section: format!("Table {table}"),
            row,
            cells: cells(line),
        });
    }
    rows
}

/// A cell without footnotes and remarks in brackets.
pub(super) fn plain(cell: &str) -> String {
    let cell = cell.split(" (").next().unwrap().replace("<br/>", ";");
    cell.chars().filter(|c| !"*¹²³`".contains(*c)).collect()
}

/// System service names of the sections, as the document writes them.
pub(super) fn system_names(text: &str) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    let mut section = String::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("### ") {
            section = title.to_owned();
        }
        let at = line.find("System service name: ").map(|at| at + 21);
        let at = at.or_else(|| line.find("System service names: ").map(|at| at + 22));
        if let Some(at) = at {
            let name: String = line[at..].chars().filter(|c| !"*`.".contains(*c)).collect();
            names.insert(section.clone(), name);
        }
    }
    names
}

/// Text of each section, headings of all levels apart.
pub(super) fn sections(text: &str) -> BTreeMap<String, String> {
    let mut sections: BTreeMap<String, String> = BTreeMap::new();
    let mut section = String::new();
    for line in text.lines() {
        if line.starts_with('#') {
            section = line.trim_start_matches('#').trim().to_owned();
        }
        let text = sections.entry(section.clone()).or_default();
        text.push_str(line);
        text.push('\n');
    }
    sections
}
