//! Paths and names as a host may say them, and as the device may have them.
//!
//! A path of a host is cut into names that stand for themselves: nothing in one leads up, out, to
//! a device of Windows, or to another stream of a file. What the device has under other names is
//! not shown, since the host could not ask for it.

use ironrdp_rdpdr::pdu::efs::NtStatus;

/// Names from the shared folder down; empty is the folder itself.
pub(crate) type Path = Vec<String>;

/// UTF-16 units of one name (MS-FSCC 2.1.5.2), which is also what file systems take in bytes.
const NAME_LEN_MAX: usize = 255;
/// Characters of a name that is made good, in which each may take two units.
const GOOD_NAME_LEN_MAX: usize = 120;
/// Names in one path.
const DEPTH_MAX: usize = 64;
/// Bytes of a whole path.
const PATH_LEN_MAX: usize = 4096;

/// Devices of Windows, with any extension (MS-FSCC 2.1.5.1).
const DEVICES: [&str; 4] = ["CON", "PRN", "AUX", "NUL"];
const NUMBERED_DEVICES: [&str; 2] = ["COM", "LPT"];

/// Cuts a path of a host into names.
pub(crate) fn parse(path: &str) -> Result<Path, NtStatus> {
    let path = path.trim_end_matches('\0');
    if path.len() > PATH_LEN_MAX {
        return Err(NtStatus::OBJECT_NAME_INVALID);
    }
    let names: Path = path
        .split(['\\', '/'])
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    if names.len() > DEPTH_MAX || !names.iter().all(|name| is_good(name)) {
        return Err(NtStatus::OBJECT_NAME_INVALID);
    }
    Ok(names)
}

/// The last name of a path in a directory listing is a pattern (MS-RDPEFS 2.2.3.3.10).
pub(crate) fn pattern_of(path: &str) -> &str {
    let path = path.trim_end_matches('\0');
    path.rsplit(['\\', '/']).next().unwrap_or_default()
}

/// Whether a name can stand in a path on both sides.
pub(crate) fn is_good(name: &str) -> bool {
    let short_enough =
        name.len() <= NAME_LEN_MAX * 3 && name.encode_utf16().count() <= NAME_LEN_MAX;
    let only_good = !name
        .chars()
        .any(|character| character.is_control() || r#"<>:"/\|?*"#.contains(character));
    // Windows drops dots and spaces at the end, so that two names would be one; this also refuses
    // `.` and `..`.
    let ends_well = !name.is_empty() && !name.ends_with(['.', ' ']);
    short_enough && only_good && ends_well && !is_device(name)
}

/// A name that can stand on both sides, as near to this one as possible.
pub(crate) fn good_name(name: &str) -> String {
    let good = |character: char| {
        if character.is_control() || r#"<>:"/\|?*"#.contains(character) {
            '_'
        } else {
            character
        }
    };
    let name: String = name.chars().take(GOOD_NAME_LEN_MAX).map(good).collect();
    let name = name.trim_end_matches(['.', ' ']);
    match name {
        "" => "_".to_owned(),
        _ if is_device(name) => format!("_{name}"),
        _ => name.to_owned(),
    }
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    if DEVICES
        .iter()
        .any(|device| stem.eq_ignore_ascii_case(device))
    {
        return true;
    }
    let Some((letters, number)) = stem.split_at_checked(3) else {
        return false;
    };
    // The superscript digits count, too.
    NUMBERED_DEVICES
        .iter()
        .any(|device| letters.eq_ignore_ascii_case(device))
        && matches!(
            number,
            "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cut_into_names() {
        for (path, names) in [
            ("", &[][..]),
            ("\\", &[]),
            ("\\a", &["a"]),
            ("\\Folder\\ä ö.txt\0", &["Folder", "ä ö.txt"]),
            ("a//b\\\\c", &["a", "b", "c"]),
            (".hidden", &[".hidden"]),
            ("\\COM10\\console", &["COM10", "console"]),
        ] {
            assert_eq!(parse(path).unwrap(), names, "{path}");
        }
    }

    #[test]
    fn nothing_leads_out_of_the_folder() {
        for path in [
            "..",
            "\\..\\x",
            "a\\..\\..\\b",
            ".",
            "a\\.",
            "C:\\Windows",
            "\\a:stream",
            "a\\b.",
            "a ",
            "a\u{0}b",
            "a\nb",
            "what?",
            "*",
            "con",
            "Aux.txt",
            "a\\lpt1",
            "COM9.x.y",
            "com²",
            "nul .txt",
        ] {
            assert_eq!(parse(path), Err(NtStatus::OBJECT_NAME_INVALID), "{path:?}");
        }
    }

    #[test]
    fn names_of_others_are_made_good() {
        for (name, expected) in [
            ("Brief.pdf", "Brief.pdf"),
            ("a/b\\c:d", "a_b_c_d"),
            ("..", "_"),
            ("", "_"),
            ("NUL", "_NUL"),
            ("tab\there.", "tab_here"),
        ] {
            assert_eq!(good_name(name), expected);
            assert!(is_good(&good_name(name)));
        }
        assert!(is_good(&good_name(&"🎈".repeat(1000))));
    }

    #[test]
    fn paths_and_names_have_a_limit() {
        let longest = "n".repeat(NAME_LEN_MAX);
        assert!(parse(&longest).is_ok());
        assert!(parse(&format!("{longest}n")).is_err());
        let deepest = "a\\".repeat(DEPTH_MAX);
        assert!(parse(&deepest).is_ok());
        assert!(parse(&format!("{deepest}a")).is_err());
        assert!(parse(&"\\".repeat(PATH_LEN_MAX + 1)).is_err());
    }
}
