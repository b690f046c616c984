//! Reading of a TOML file so that *all* that is wrong with it is found in one run, each with its
//! place, its key in words, the reason, and what would be right.
//!
//! Not serde's derive: that stops at the first error. Not `toml_edit`: its parser stops at the
//! first syntax error, while `toml`'s `DeTable` has the same spans and goes on.
//!
//! Read [`Document`] and [`Table`] first. A reader asks a table for its keys, and in the end the
//! table reports every key that nobody asked for.

mod error;
mod item;
mod suggest;
mod syntax;
mod table;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    ops::Range,
    rc::Rc,
};

use portico_model::printable;
use toml::{Spanned, de::DeTable};

pub use error::DocumentError;
pub use item::{Item, Wrong};
pub use suggest::nearest;
pub use table::Table;

use syntax::SyntaxError;

/// Most errors that are listed; one more says that there are others.
pub const ERRORS_MAX: usize = 1000;

/// Most errors that are kept for that list; when so many were found, the search for more ends, so
/// that a file made of errors takes no longer than another.
const FINDINGS_MAX: usize = 10 * ERRORS_MAX;

/// Searches for a similar word, of which each may look at every id, in one run.
const SUGGESTIONS_MAX: u32 = 32;

/// Characters of a value that an error repeats.
const QUOTED_LEN_MAX: usize = 60;

/// A file being read, and what was found wrong with it so far.
#[derive(Debug)]
pub struct Document<'t> {
    file_name: &'t str,
    text: &'t str,
    line_starts: Vec<usize>,
    root: Spanned<DeTable<'t>>,
    findings: RefCell<Vec<Finding>>,
    broken_lines: BTreeSet<u32>,
    suggestions_left: Cell<u32>,
}

/// Where something stands, in the file and in words.
#[derive(Debug, Clone)]
pub struct Place {
    offset: usize,
    key: String,
    object: Option<Rc<str>>,
}

/// Whether a finding stays true while parts of the file could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nature {
    /// About what is written there.
    Written,
    /// About something that is not there, which an unreadable part may hide.
    Absent,
}

#[derive(Debug)]
struct Finding {
    place: Place,
    reason: String,
    expected: Option<String>,
}

impl<'t> Document<'t> {
    /// Reads `text`, which may have `bytes_max` bytes at most; beyond that nothing is looked at.
    pub fn read(
        file_name: &'t str,
        text: &'t str,
        bytes_max: usize,
    ) -> Result<Self, Vec<DocumentError>> {
        if text.len() > bytes_max {
            return Err(vec![DocumentError {
                file: file_name.into(),
                line: 1,
                column: 1,
                key: String::new(),
                object: None,
                reason: format!("the file has {} bytes", text.len()),
                expected: Some(format!("give at most {bytes_max} bytes")),
            }]);
        }
        let line_starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        // A file made of syntax errors would take a gigabyte for them: it is only looked through.
        let (root, syntax_errors) = match syntax::too_many_errors(text, FINDINGS_MAX) {
            Some(errors) => (Spanned::new(0..0, DeTable::new()), errors),
            None => {
                let (root, errors) = DeTable::parse_recoverable(text);
                let errors = errors.iter().map(SyntaxError::from).collect();
                (root, errors)
            }
        };
        let mut document = Self {
            file_name,
            text,
            line_starts,
            root,
            findings: RefCell::default(),
            broken_lines: BTreeSet::new(),
            suggestions_left: Cell::new(SUGGESTIONS_MAX),
        };
        let is_whole = syntax_errors.len() < FINDINGS_MAX;
        for error in syntax_errors {
            document.report_syntax(&error);
        }
        if is_whole {
            Ok(document)
        } else {
            Err(document.into_errors())
        }
    }

    /// The whole file.
    pub fn root(&self) -> Table<'_> {
        Table::new(self, self.root.get_ref(), Place::at(0))
    }

    /// Everything that was found, in the order of the file; none means the file is good.
    pub fn into_errors(self) -> Vec<DocumentError> {
        let mut findings = self.findings.take();
        // The sort is stable: at one place the order is that of finding.
        findings.sort_by_key(|finding| finding.place.offset);
        let more = findings.len().saturating_sub(ERRORS_MAX);
        findings.truncate(ERRORS_MAX);
        let mut errors: Vec<DocumentError> = findings
            .into_iter()
            .map(|finding| {
                let (line, column) = self.position(finding.place.offset);
                DocumentError {
                    file: self.file_name.into(),
                    line,
                    column,
                    key: finding.place.key,
                    object: finding.place.object.map(|object| object.to_string()),
                    reason: finding.reason,
                    expected: finding.expected,
                }
            })
            .collect();
        if more > 0
            && let Some(last) = errors.last()
        {
            errors.push(DocumentError {
                key: String::new(),
                object: None,
                reason: format!("at least {more} more errors follow"),
                expected: Some("correct these first".into()),
                ..last.clone()
            });
        }
        errors
    }

    /// Reports that something at `place` is wrong.
    pub fn report(
        &self,
        nature: Nature,
        place: &Place,
        reason: impl Into<String>,
        expected: impl Into<Option<String>>,
    ) {
        let hidden = match nature {
            // Values on a broken line are the parser's guesses.
            Nature::Written => self.is_broken(place.offset),
            Nature::Absent => !self.broken_lines.is_empty(),
        };
        if !hidden && !self.is_full() {
            self.findings.borrow_mut().push(Finding {
                place: place.clone(),
                reason: reason.into(),
                expected: expected.into(),
            });
        }
    }

    /// Whether so many errors were found that no more are taken.
    pub fn is_full(&self) -> bool {
        self.findings.borrow().len() >= FINDINGS_MAX
    }

    /// Line of `place`, counted from 1.
    pub fn line(&self, place: &Place) -> u32 {
        self.position(place.offset).0
    }

    /// The candidate most like `word`, as ` (did you mean …?)` or nothing.
    pub fn did_you_mean<'c>(
        &self,
        word: &str,
        candidates: impl IntoIterator<Item = &'c str>,
    ) -> String {
        let Some(left) = self.suggestions_left.get().checked_sub(1) else {
            return String::new();
        };
        self.suggestions_left.set(left);
        nearest(word, candidates)
            .map(|word| format!("; did you mean \"{word}\"?"))
            .unwrap_or_default()
    }

    fn report_syntax(&mut self, error: &SyntaxError) {
        let SyntaxError { span, message } = error;
        let (line, _) = self.position(span.start);
        // The parser goes on behind an error and often stumbles over the same line again.
        if !self.broken_lines.insert(line) {
            return;
        }
        let written = self.text.get(span.clone()).unwrap_or_default();
        let (key, reason, expected) = match message.as_str() {
            "duplicate key" => (
                shortened(written),
                "is given twice in the same table".to_owned(),
                "keep one of them".to_owned(),
            ),
            message => (
                String::new(),
                format!("this is not TOML: {}", printable(message)),
                "write it as `key = value`, texts in \"quotes\", and sections as [[hosts]]"
                    .to_owned(),
            ),
        };
        let place = Place {
            offset: span.start,
            key,
            object: None,
        };
        self.findings.get_mut().push(Finding {
            place,
            reason,
            expected: Some(expected),
        });
    }

    fn is_broken(&self, offset: usize) -> bool {
        !self.broken_lines.is_empty() && self.broken_lines.contains(&self.position(offset).0)
    }

    /// Line and column, in characters, both counted from 1.
    fn position(&self, offset: usize) -> (u32, u32) {
        let line = self
            .line_starts
            .partition_point(|start| *start <= offset)
            .saturating_sub(1);
        let start = self.line_starts.get(line).copied().unwrap_or(0);
        // A minified line may be megabytes long; counting its characters for each error would
        // take quadratic time, and nobody reads such a column.
        let before = self.text.as_bytes().get(start..offset).unwrap_or_default();
        let column = if before.len() > 4096 {
            before.len()
        } else {
            String::from_utf8_lossy(before).chars().count()
        };
        (counted(line), counted(column))
    }
}

impl Place {
    fn at(offset: usize) -> Self {
        Self {
            offset,
            key: String::new(),
            object: None,
        }
    }

    /// The place of `key` in the table at this place, where the key itself has no place to show.
    pub fn named(&self, key: &str) -> Self {
        self.child(key, &(self.offset..self.offset))
    }

    fn child(&self, key: &str, span: &Range<usize>) -> Self {
        let key = if self.key.is_empty() {
            shortened(key)
        } else {
            format!("{}.{}", self.key, shortened(key))
        };
        Self {
            offset: span.start,
            key,
            object: self.object.clone(),
        }
    }

    fn element(&self, index: usize, span: &Range<usize>) -> Self {
        Self {
            offset: span.start,
            key: format!("{}[{index}]", self.key),
            object: self.object.clone(),
        }
    }
}

/// A text of the file as an error repeats it: safe to show, and not too long.
pub fn shortened(text: &str) -> String {
    let mut characters = text.chars();
    let head: String = characters.by_ref().take(QUOTED_LEN_MAX).collect();
    let mut shown = printable(&head).into_owned();
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}

fn counted(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1)
}
