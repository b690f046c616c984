//! Entries of a `.Xauthority` file: five fields, the first a number, the others texts with their
//! length before them, all with the most significant byte first (`Xau(3)`).

use super::{COOKIE_LEN, COOKIE_NAME, Cookie, X11Error};

/// Longest file that is read, in bytes; a file has some 50 for each display.
pub const AUTHORITY_LEN_MAX: usize = 64 << 10;
/// Family of an entry for the machine's own displays; the address is the machine's name.
pub const FAMILY_LOCAL: u16 = 256;
/// Family of an entry for every machine.
pub const FAMILY_WILD: u16 = 65_535;

/// One entry; it borrows from the file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AuthorityEntry<'a> {
    /// What kind of address follows.
    pub family: u16,
    /// Machine.
    pub address: &'a [u8],
    /// Display in decimal digits; empty for all.
    pub number: &'a [u8],
    /// How one shows who one is: [`COOKIE_NAME`].
    pub name: &'a [u8],
    /// The secret.
    pub data: &'a [u8],
}

/// The entries of a file, up to the first that is damaged.
#[derive(Clone)]
pub struct Entries<'a> {
    rest: &'a [u8],
}

/// The entries in the bytes of a file.
///
/// # Errors
/// [`X11Error::AuthorityLength`] past [`AUTHORITY_LEN_MAX`]; each entry then can be
/// [`X11Error::Authority`], which is the last.
pub fn entries(file: &[u8]) -> Result<Entries<'_>, X11Error> {
    if file.len() > AUTHORITY_LEN_MAX {
        return Err(X11Error::AuthorityLength(file.len()));
    }
    Ok(Entries { rest: file })
}

/// The cookie for `display` of the machine `host`, by the bytes of a file. An entry for that
/// machine comes before one for every machine, and that before one for the machine under another
/// name, because machines are renamed while sessions live.
///
/// # Errors
/// As [`entries`]; a file that is damaged anywhere has no cookie.
pub fn cookie_for(file: &[u8], host: &[u8], display: u16) -> Result<Option<Cookie>, X11Error> {
    let number = display.to_string();
    let mut best: Option<(u8, Cookie)> = None;
    for entry in entries(file)? {
        let entry = entry?;
        let rank = match entry.family {
            FAMILY_LOCAL if entry.address == host => 0,
            FAMILY_WILD => 1,
            FAMILY_LOCAL => 2,
            _ => continue,
        };
        let is_display = entry.number.is_empty() || entry.number == number.as_bytes();
        let is_better = best.as_ref().is_none_or(|(other, _)| rank < *other);
        if is_display
            && is_better
            && entry.name == COOKIE_NAME
            && let Ok(data) = <[u8; COOKIE_LEN]>::try_from(entry.data)
        {
            best = Some((rank, Cookie::new(data)));
        }
    }
    Ok(best.map(|(_, cookie)| cookie))
}

impl AuthorityEntry<'_> {
    /// Adds the entry to the bytes of a file.
    ///
    /// # Errors
    /// [`X11Error::TextLength`] when a text is longer than its length can say; nothing is added.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), X11Error> {
        let mut bytes = self.family.to_be_bytes().to_vec();
        for text in [self.address, self.number, self.name, self.data] {
            let len = u16::try_from(text.len()).map_err(|_| X11Error::TextLength(text.len()))?;
            bytes.extend_from_slice(&len.to_be_bytes());
            bytes.extend_from_slice(text);
        }
        out.append(&mut bytes);
        Ok(())
    }
}

impl std::fmt::Debug for AuthorityEntry<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthorityEntry")
            .field("family", &self.family)
            .finish_non_exhaustive()
    }
}

impl<'a> Entries<'a> {
    fn entry(&mut self) -> Option<AuthorityEntry<'a>> {
        Some(AuthorityEntry {
            family: self.number()?,
            address: self.text()?,
            number: self.text()?,
            name: self.text()?,
            data: self.text()?,
        })
    }

    fn number(&mut self) -> Option<u16> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(u16::from_be_bytes(*bytes))
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let len = usize::from(self.number()?);
        let (text, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(text)
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<AuthorityEntry<'a>, X11Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let entry = self.entry();
        if entry.is_none() {
            self.rest = &[];
        }
        Some(entry.ok_or(X11Error::Authority))
    }
}
