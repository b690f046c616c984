//! A table being read: it knows which keys were asked for, so that it can report the others.

use std::rc::Rc;

use toml::de::DeTable;

use super::{Document, Item, Nature, Place, shortened};

/// A table of the file. Drop it only through [`Table::finish`], which reports unknown keys.
#[derive(Debug)]
pub struct Table<'d> {
    document: &'d Document<'d>,
    entries: &'d DeTable<'d>,
    place: Place,
    asked: Vec<&'static str>,
}

impl<'d> Table<'d> {
    pub(super) fn new(document: &'d Document<'d>, entries: &'d DeTable<'d>, place: Place) -> Self {
        Self {
            document,
            entries,
            place,
            asked: Vec::new(),
        }
    }

    /// The value of `key`, if it is there.
    pub fn optional(&mut self, key: &'static str) -> Option<Item<'d>> {
        self.asked.push(key);
        let (_, value) = self.entries.get_key_value(key)?;
        let place = self.place.child(key, &value.span());
        Some(Item::new(self.document, value, place))
    }

    /// The value of `key`; a missing one is reported, with `expected` as what to write.
    pub fn required(&mut self, key: &'static str, expected: &str) -> Option<Item<'d>> {
        let item = self.optional(key);
        if item.is_none() {
            self.document.report(
                Nature::Absent,
                &self.place.named(key),
                "is missing",
                format!("add {expected}"),
            );
        }
        item
    }

    /// Whether `key` is there, whatever its value.
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Every key with its value, for tables whose keys are names.
    pub fn entries(&mut self) -> Vec<(&'d str, Item<'d>)> {
        let mut entries: Vec<_> = self
            .entries
            .iter()
            .map(|(key, value)| {
                let name: &'d str = key.get_ref();
                let place = self.place.child(name, &key.span());
                (name, Item::new(self.document, value, place))
            })
            .collect();
        entries.sort_by_key(|(_, item)| item.place().offset);
        entries
    }

    /// Names the object that this table describes, such as `host "sh1"`, for errors from now on.
    pub fn describe(&mut self, object: &str) {
        self.place.object = Some(Rc::from(object));
    }

    /// Where the table begins.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The document it belongs to.
    pub fn document(&self) -> &'d Document<'d> {
        self.document
    }

    /// Reports every key that nobody asked for.
    pub fn finish(self) {
        for (key, value) in self.entries.iter() {
            let name: &str = key.get_ref();
            if self.asked.contains(&name) {
                continue;
            }
            let span = if key.span().is_empty() {
                value.span()
            } else {
                key.span()
            };
            let hint = self.document.did_you_mean(name, self.asked.iter().copied());
            let expected = if hint.is_empty() {
                format!("use one of: {}", self.asked.join(", "))
            } else {
                hint.trim_start_matches("; ").to_owned()
            };
            self.document.report(
                Nature::Written,
                &self.place.child(name, &span),
                format!("\"{}\" is not a key that is known here", shortened(name)),
                expected,
            );
        }
    }
}
