//! Texts of the kernel and of system programs, parsed. Nothing here reads a file: each function
//! takes the text, and answers `None` (or leaves out a line) where it is not what the kernel
//! writes. Programs choose their own names, so a name may hold any byte.

pub mod cgroup;
pub mod load;
pub mod net;
pub mod people;
pub mod process;

/// Part of a whole per ten thousand, never more than the whole.
pub(crate) fn share(part: u64, whole: u64) -> u32 {
    if whole == 0 {
        return 0;
    }
    let wide = u128::from(part.min(whole)) * u128::from(portico_model::seen::WHOLE);
    u32::try_from(wide / u128::from(whole)).unwrap_or(portico_model::seen::WHOLE)
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn a_share_is_never_more_than_the_whole() {
        assert_eq!(share(1, 3), 3_333);
        assert_eq!(share(u64::MAX, 7), 10_000);
        assert_eq!(share(u64::MAX, u64::MAX), 10_000);
        assert_eq!(share(5, 0), 0);
    }
}
