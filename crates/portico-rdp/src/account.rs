//! The name to log on with, in the two parts that RDP wants.

/// Longest field of the log-on, in UTF-16 units without the terminator: the Client Info PDU
/// allows 512 bytes with it (MS-RDPBCGR 2.2.1.11.1.1).
pub const FIELD_UNITS_MAX: usize = 255;

/// A field that cannot go into a log-on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// Longer than [`FIELD_UNITS_MAX`].
    #[error("the {field} is {units} UTF-16 units long; RDP allows {FIELD_UNITS_MAX}")]
    TooLong {
        /// Which field.
        field: &'static str,
        /// Its length.
        units: usize,
    },
    /// It has a NUL, at which the host would stop reading.
    #[error("the {field} contains a NUL")]
    Nul {
        /// Which field.
        field: &'static str,
    },
}

/// An account on a host: `user`, `DOMAIN\user` or `user@realm`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Empty when there is none, or when `user` names its realm itself.
    pub domain: String,
    /// Name without the domain.
    pub user: String,
}

impl Account {
    /// Splits the text at the first backslash.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let (domain, user) = text.split_once('\\').unwrap_or(("", text));
        check_field("domain", domain)?;
        check_field("user name", user)?;
        Ok(Self {
            domain: domain.to_owned(),
            user: user.to_owned(),
        })
    }
}

/// Checks that `text` fits the field.
pub(crate) fn check_field(field: &'static str, text: &str) -> Result<(), FieldError> {
    let units = text.encode_utf16().count();
    if units > FIELD_UNITS_MAX {
        return Err(FieldError::TooLong { field, units });
    }
    if text.contains('\0') {
        return Err(FieldError::Nul { field });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_splits_at_the_backslash_only() {
        let parts = |text| {
            let account = Account::parse(text).unwrap();
            (account.domain, account.user)
        };
        assert_eq!(parts("anna"), (String::new(), "anna".into()));
        assert_eq!(parts("EX\\anna"), ("EX".into(), "anna".into()));
        assert_eq!(parts("anna@ex.org"), (String::new(), "anna@ex.org".into()));
    }

    #[test]
    fn a_field_is_bounded_and_has_no_nul() {
        assert!(Account::parse(&"ä".repeat(255)).is_ok());
        assert_eq!(
            Account::parse(&"ä".repeat(256)),
            Err(FieldError::TooLong {
                field: "user name",
                units: 256
            })
        );
        assert_eq!(
            Account::parse("a\0b"),
            Err(FieldError::Nul { field: "user name" })
        );
    }
}
