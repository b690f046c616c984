//! As much of BER and DER (X.690) as questions and answers of LDAP, Kerberos and SNMP need:
//! elements with one-byte tags and definite lengths.

/// SEQUENCE.
pub(super) const SEQUENCE: u8 = 0x30;
/// INTEGER.
pub(super) const INTEGER: u8 = 0x02;
/// OCTET STRING.
pub(super) const OCTETS: u8 = 0x04;
/// ENUMERATED.
pub(super) const ENUMERATED: u8 = 0x0a;

/// Writes one element.
pub(super) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let len = content.len();
    match u8::try_from(len) {
        Ok(short @ 0..=0x7f) => out.push(short),
        Ok(one) => out.extend_from_slice(&[0x81, one]),
        Err(_) => {
            out.push(0x82);
            // Requests here are a few hundred bytes long.
            out.extend_from_slice(&u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    out.extend_from_slice(content);
    out
}

/// Writes one element that is made of others.
pub(super) fn of(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    element(tag, &parts.concat())
}

/// Writes an INTEGER that is not negative.
pub(super) fn integer(value: u32) -> Vec<u8> {
    number(INTEGER, value)
}

/// Writes a number that is not negative under a tag.
pub(super) fn number(tag: u8, value: u32) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let skip = bytes.iter().take(3).take_while(|byte| **byte == 0).count();
    let mut content = bytes.get(skip..).unwrap_or_default().to_vec();
    if content.first().is_some_and(|first| *first >= 0x80) {
        content.insert(0, 0);
    }
    element(tag, &content)
}

/// One element that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
    /// What follows it.
    pub(super) rest: &'a [u8],
}

/// Reads what is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read<'a> {
    Whole(Element<'a>),
    /// It may become one.
    Short,
    /// It has no definite length within reason.
    Bad,
}

/// Longest element that is read.
const LEN_MAX: usize = super::ANSWER_LEN_MAX;

pub(super) fn read(bytes: &[u8]) -> Read<'_> {
    let (Some(tag), Some(first)) = (bytes.first(), bytes.get(1)) else {
        return Read::Short;
    };
    let (len, begin) = match usize::from(*first) {
        short @ 0..=0x7f => (short, 2),
        long @ 0x81..=0x84 => {
            let digits = long - 0x80;
            let Some(digits) = bytes.get(2..2 + digits) else {
                return Read::Short;
            };
            let len = digits
                .iter()
                .fold(0_usize, |len, digit| (len << 8) | usize::from(*digit));
            (len, 2 + digits.len())
        }
        _ => return Read::Bad,
    };
    if len > LEN_MAX {
        return Read::Bad;
    }
    let Some(content) = bytes.get(begin..begin + len) else {
        return Read::Short;
    };
    Read::Whole(Element {
        tag: *tag,
        content,
        rest: bytes.get(begin + len..).unwrap_or_default(),
    })
}

impl<'a> Element<'a> {
    /// The first element of `bytes`.
    pub(super) fn first(bytes: &'a [u8]) -> Option<Self> {
        match read(bytes) {
            Read::Whole(element) => Some(element),
            Read::Short | Read::Bad => None,
        }
    }

    /// The first element of `bytes`, if it has this tag.
    pub(super) fn tagged(bytes: &'a [u8], tag: u8) -> Option<Self> {
        Self::first(bytes).filter(|element| element.tag == tag)
    }

    /// The elements that it is made of, up to one that is not whole.
    pub(super) fn parts(self) -> impl Iterator<Item = Element<'a>> {
        let mut rest = self.content;
        std::iter::from_fn(move || {
            let next = Element::first(rest)?;
            rest = next.rest;
            Some(next)
        })
    }

    /// The part with this tag, and what is in it when the tag is only around it.
    pub(super) fn part(self, tag: u8) -> Option<Element<'a>> {
        self.parts().find(|part| part.tag == tag)
    }

    /// Its content as a number that is not negative.
    pub(super) fn number(self) -> Option<u32> {
        if self.content.is_empty() || self.content.len() > 5 {
            return None;
        }
        let value = self
            .content
            .iter()
            .fold(0_u64, |value, byte| (value << 8) | u64::from(*byte));
        u32::try_from(value).ok()
    }
}
