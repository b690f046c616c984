//! A value being read.

use std::ops::RangeInclusive;

use toml::{
    Spanned,
    de::{DeInteger, DeValue},
};

use super::{Document, Nature, Place, Table, shortened};

/// A value of the file, with its place.
#[derive(Debug, Clone)]
pub struct Item<'d> {
    document: &'d Document<'d>,
    value: &'d Spanned<DeValue<'d>>,
    place: Place,
}

/// Why a text is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// What is wrong with it, as the predicate of a sentence.
    pub reason: String,
    /// What would be right, as an order.
    pub expected: String,
}

impl Wrong {
    /// From the two parts.
    pub fn new(reason: impl Into<String>, expected: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            expected: expected.into(),
        }
    }
}

impl<'d> Item<'d> {
    pub(super) fn new(
        document: &'d Document<'d>,
        value: &'d Spanned<DeValue<'d>>,
        place: Place,
    ) -> Self {
        Self {
            document,
            value,
            place,
        }
    }

    /// Where it stands.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Reports that it is wrong.
    pub fn wrong(&self, wrong: Wrong) {
        self.document
            .report(Nature::Written, &self.place, wrong.reason, wrong.expected);
    }

    /// Its text; another type is reported with what is `expected`.
    pub fn text(&self, expected: &str) -> Option<&'d str> {
        match self.value.get_ref() {
            DeValue::String(text) => Some(text),
            _ => self.wrong_type(&format!("give {expected} in \"quotes\"")),
        }
    }

    /// What `read` makes of its text; what `read` refuses is reported.
    pub fn parsed<T>(
        &self,
        expected: &str,
        read: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        match read(self.text(expected)?) {
            Ok(value) => Some(value),
            Err(wrong) => {
                self.wrong(wrong);
                None
            }
        }
    }

    /// The meaning of its text among `options`.
    pub fn choice<T: Copy>(&self, options: &[(&'static str, T)]) -> Option<T> {
        let names = || options.iter().map(|(name, _)| *name);
        let listed = names()
            .map(|name| format!("\"{name}\""))
            .collect::<Vec<_>>();
        let expected = format!("one of {}", listed.join(", "));
        let text = self.text(&expected)?;
        let found = options.iter().find(|(name, _)| *name == text);
        if found.is_none() {
            let hint = self.document.did_you_mean(text, names());
            self.wrong(Wrong::new(
                format!("\"{}\" is none of the choices", shortened(text)),
                format!("give {expected}{hint}"),
            ));
        }
        found.map(|(_, value)| *value)
    }

    /// Its whole number within `range`.
    pub fn whole_number(&self, range: RangeInclusive<u32>) -> Option<u32> {
        let expected = format!(
            "give a whole number from {} to {}, without quotes",
            range.start(),
            range.end()
        );
        let DeValue::Integer(number) = self.value.get_ref() else {
            return self.wrong_type(&expected);
        };
        let value = u32::from_str_radix(number.as_str(), number.radix())
            .ok()
            .filter(|value| range.contains(value));
        if value.is_none() {
            let shown = written(number);
            self.wrong(Wrong::new(format!("{shown} is out of range"), expected));
        }
        value
    }

    /// Its truth value.
    pub fn truth(&self) -> Option<bool> {
        match self.value.get_ref() {
            DeValue::Boolean(value) => Some(*value),
            _ => self.wrong_type("give true or false, without quotes"),
        }
    }

    /// Its elements; another type is reported with what is `expected`, such as `a list of texts`.
    pub fn list(&self, expected: &str) -> Option<Vec<Item<'d>>> {
        match self.value.get_ref() {
            DeValue::Array(elements) => Some(
                elements
                    .iter()
                    .enumerate()
                    .map(|(index, value)| {
                        let place = self.place.element(index, &value.span());
                        Item::new(self.document, value, place)
                    })
                    .collect(),
            ),
            _ => self.wrong_type(&format!("give {expected}")),
        }
    }

    /// The table it is; another type is reported with what is `expected`.
    pub fn table(&self, expected: &str) -> Option<Table<'d>> {
        match self.value.get_ref() {
            DeValue::Table(entries) => Some(Table::new(self.document, entries, self.place.clone())),
            _ => self.wrong_type(&format!("give {expected}")),
        }
    }

    /// The document it belongs to.
    pub fn document(&self) -> &'d Document<'d> {
        self.document
    }

    fn wrong_type<T>(&self, expected: &str) -> Option<T> {
        // What is written is not repeated: it may be a password at the wrong place or unquoted.
        let reason = match self.value.get_ref() {
            DeValue::String(_) => "is a text",
            DeValue::Integer(_) => "is a number",
            DeValue::Float(_) => "is a number with a fraction",
            DeValue::Boolean(_) => "is a truth value",
            DeValue::Datetime(_) => "is a date or time",
            DeValue::Array(_) => "is a list",
            DeValue::Table(_) => "is a table",
        };
        self.wrong(Wrong::new(reason, expected));
        None
    }
}

/// An integer as the file has it, prefix of its base included.
fn written(number: &DeInteger<'_>) -> String {
    shortened(&number.to_string())
}
