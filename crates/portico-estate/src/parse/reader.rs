//! What all sections have in common: ids, uniqueness, and references that are checked at the end.

use std::{
    collections::{BTreeMap, HashMap},
    str::FromStr,
};

use portico_model::{PoolId, names::NameError};

use crate::{
    Kind,
    document::{Document, Item, Nature, Place, Table, Wrong, shortened},
};

/// What has been seen of the file so far.
pub(super) struct Reader<'d> {
    document: &'d Document<'d>,
    /// Every id that is described, also where the rest of its description is wrong, so that one
    /// error does not bring forth others.
    described: HashMap<Kind, BTreeMap<String, Place>>,
    references: Vec<Reference>,
    places: Vec<(String, Place)>,
}

/// The use of an id that must be described somewhere.
pub(super) struct Reference {
    pub(super) kind: Kind,
    pub(super) id: String,
    pub(super) place: Place,
}

impl<'d> Reader<'d> {
    pub(super) fn new(document: &'d Document<'d>) -> Self {
        Self {
            document,
            described: HashMap::new(),
            references: Vec::new(),
            places: Vec::new(),
        }
    }

    pub(super) fn document(&self) -> &'d Document<'d> {
        self.document
    }

    pub(super) fn references(&self) -> &[Reference] {
        &self.references
    }

    /// Uses of ids of hosts, zones or sites.
    pub(super) fn places(&self) -> &[(String, Place)] {
        &self.places
    }

    /// Notes the use of an id that must be one of a host, a zone or a site.
    pub(super) fn reference_to_place(&mut self, id: &str, item: &Item<'d>) {
        self.places.push((id.to_owned(), item.place().clone()));
    }

    pub(super) fn described(&self, kind: Kind) -> Option<&BTreeMap<String, Place>> {
        self.described.get(&kind)
    }

    /// Reads the section of `kind`: its objects by id, without those that have errors.
    pub(super) fn section<Id, T>(
        &mut self,
        root: &mut Table<'d>,
        kind: Kind,
        len_max: usize,
        mut read: impl FnMut(&mut Self, &mut Table<'d>, &Id) -> Option<T>,
    ) -> BTreeMap<Id, T>
    where
        Id: FromStr<Err = NameError> + Ord + Clone + AsRef<str>,
    {
        let mut objects = BTreeMap::new();
        let form = format!("a section [[{}]] for each {kind}", kind.section());
        let Some(list) = root.optional(kind.section()) else {
            return objects;
        };
        let Some(items) = list.list(&form) else {
            return objects;
        };
        if items.len() > len_max {
            list.wrong(Wrong::new(
                format!("has {} entries", items.len()),
                format!("describe at most {len_max}"),
            ));
            return objects;
        }
        for item in items {
            let Some(mut table) = item.table(&form) else {
                continue;
            };
            let id = self.own_id::<Id>(&mut table, kind);
            // Without an id the rest is read all the same, for the errors in it.
            let stand_in = Id::from_str("x").ok();
            if let Some(named) = id.as_ref().or(stand_in.as_ref()) {
                let object = read(self, &mut table, named);
                if let (Some(id), Some(object)) = (id, object) {
                    objects.entry(id).or_insert(object);
                }
            }
            table.finish();
        }
        objects
    }

    /// A reference to an object of `kind`.
    pub(super) fn reference<Id>(&mut self, kind: Kind, item: &Item<'d>) -> Option<Id>
    where
        Id: FromStr<Err = NameError>,
    {
        let text = item.text(&format!("the id of a {kind}"))?;
        self.reference_to(kind, text, item)
    }

    /// A reference to an object of `kind`, of which `text` is the id and `item` the place.
    pub(super) fn reference_to<Id>(&mut self, kind: Kind, text: &str, item: &Item<'d>) -> Option<Id>
    where
        Id: FromStr<Err = NameError>,
    {
        match Id::from_str(text) {
            Ok(id) => {
                self.references.push(Reference {
                    kind,
                    id: text.to_owned(),
                    place: item.place().clone(),
                });
                Some(id)
            }
            Err(error) => {
                item.wrong(wrong_id(text, &error));
                None
            }
        }
    }

    /// References to objects of `kind`, each at most once.
    pub(super) fn reference_list<Id>(&mut self, kind: Kind, item: &Item<'d>) -> Option<Vec<Id>>
    where
        Id: FromStr<Err = NameError> + Ord,
    {
        let elements: Vec<(Id, Item<'d>)> = item
            .list(&format!("a list of ids, such as [\"{}\"]", example(kind)))?
            .into_iter()
            .filter_map(|element| Some((self.reference(kind, &element)?, element)))
            .collect();
        super::refuse_twice(&elements);
        Some(elements.into_iter().map(|(id, _)| id).collect())
    }

    fn own_id<Id>(&mut self, table: &mut Table<'d>, kind: Kind) -> Option<Id>
    where
        Id: FromStr<Err = NameError>,
    {
        let item = table.required(
            "id",
            &format!("the {kind}'s id, such as id = \"{}\"", example(kind)),
        )?;
        let text = item.text("an id")?;
        let id = match Id::from_str(text) {
            Ok(id) => id,
            Err(error) => {
                item.wrong(wrong_id(text, &error));
                return None;
            }
        };
        table.describe(&format!("{kind} \"{text}\""));
        let described = self.described.entry(kind).or_default();
        match described.entry(text.to_owned()) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(table.place().clone());
            }
            std::collections::btree_map::Entry::Occupied(first) => {
                let line = self.document.line(first.get());
                self.document.report(
                    Nature::Written,
                    item.place(),
                    format!("{kind} \"{text}\" is already described in line {line}"),
                    "give each its own id".to_owned(),
                );
            }
        }
        Some(id)
    }
}

/// An id that an object of `kind` might have.
fn example(kind: Kind) -> String {
    format!("{kind}-1").replace(' ', "-")
}

fn wrong_id(text: &str, error: &NameError) -> Wrong {
    let slug: String = text
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let expected = match PoolId::from_str(slug.trim_matches('-')) {
        Ok(slug) if matches!(error, NameError::Character { .. }) => format!("write \"{slug}\""),
        _ => "choose a short id such as \"sh1\"; what people read goes into the title".into(),
    };
    let reason = error.to_string();
    Wrong::new(
        format!(
            "the id \"{}\" {}",
            shortened(text),
            portico_model::printable(&reason)
        ),
        expected,
    )
}
