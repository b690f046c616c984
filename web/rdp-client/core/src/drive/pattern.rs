//! Patterns of directory listings (MS-FSCC 2.1.4): `*`, `?`, and what DOS made of them.

/// Whether a name fits a pattern, whatever the case of its letters.
pub(crate) fn fits(pattern: &str, name: &str) -> bool {
    if matches!(pattern, "" | "*" | "*.*") {
        return true;
    }
    let pattern: Vec<char> = pattern.chars().flat_map(char::to_lowercase).collect();
    let name: Vec<char> = name.chars().flat_map(char::to_lowercase).collect();
    // One way back, to the last star: linear for each of the name's letters, whatever the pattern.
    let (mut p, mut n) = (0, 0);
    let mut retry = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*' | '<') => {
                retry = Some((p + 1, n));
                p += 1;
                continue;
            }
            Some('?' | '>') => {
                p += 1;
                n += 1;
                continue;
            }
            // DOS dot: a dot, or the end.
            Some('"') if name.get(n) == Some(&'.') => {
                p += 1;
                n += 1;
                continue;
            }
            Some(character) if name.get(n) == Some(character) => {
                p += 1;
                n += 1;
                continue;
            }
            _ => {}
        }
        let Some((after_star, from)) = retry else {
            return false;
        };
        retry = Some((after_star, from + 1));
        p = after_star;
        n = from + 1;
    }
    pattern
        .get(p..)
        .unwrap_or_default()
        .iter()
        .all(|rest| matches!(rest, '*' | '<' | '>' | '"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_patterns_as_on_windows() {
        for (pattern, name, expected) in [
            ("*", "a.txt", true),
            ("*.*", "README", true),
            ("", "x", true),
            ("*.TXT", "a.b.txt", true),
            ("*.txt", "a.txt.bak", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("ÄB*", "äbc", true),
            ("desktop.ini", "Desktop.ini", true),
            ("desktop.ini", "desktop.in", false),
            ("<.txt", "a.b.txt", true),
            ("a\"", "a", true),
            ("a\"b", "a.b", true),
            ("a>>", "a", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn no_pattern_takes_long() {
        // Would take ages with a way back for each star.
        let pattern = format!("{}b", "*a".repeat(120));
        assert!(!fits(&pattern, &"a".repeat(255)));
    }
}
