//! The word somebody may have meant.

/// Longest word that is compared; comparing takes the square of it.
const WORD_LEN_MAX: usize = 64;

/// The candidate that differs least from `word`, when it differs little: in at most a third of its
/// letters. Among equals the first is taken.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let letters: Vec<char> = word.chars().take(WORD_LEN_MAX + 1).collect();
    if letters.len() > WORD_LEN_MAX {
        return None;
    }
    let most = (letters.len() / 3).max(1);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let other: Vec<char> = candidate.chars().take(WORD_LEN_MAX + 1).collect();
        if other.len() > WORD_LEN_MAX || other.len().abs_diff(letters.len()) > most {
            continue;
        }
        let distance = distance(&letters, &other);
        if distance <= most && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and exchanges of neighbours that turn `a` into `b`
/// (optimal string alignment), upper and lower case being alike.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut previous_a: Option<char> = None;
    for (row, &letter_a) in a.iter().enumerate() {
        let mut current = Vec::with_capacity(b.len() + 1);
        let mut left = row + 1;
        current.push(left);
        let mut previous_b: Option<char> = None;
        for (column, &letter_b) in b.iter().enumerate() {
            let cost = usize::from(!letter_a.eq_ignore_ascii_case(&letter_b));
            let at =
                |line: &[usize], column: usize| line.get(column).copied().unwrap_or(usize::MAX / 2);
            let mut least = (left + 1)
                .min(at(&above, column + 1) + 1)
                .min(at(&above, column) + cost);
            if previous_a == Some(letter_b) && previous_b == Some(letter_a) {
                least = least.min(at(&before, column.wrapping_sub(1)) + 1);
            }
            current.push(least);
            left = least;
            previous_b = Some(letter_b);
        }
        previous_a = Some(letter_a);
        before = std::mem::replace(&mut above, current);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_found_and_another_word_is_not() {
        let keys = ["title", "placement", "account", "sessions_max"];
        assert_eq!(nearest("titel", keys), Some("title"));
        assert_eq!(nearest("Title", keys), Some("title"));
        assert_eq!(nearest("max_sessions", keys), None);
        assert_eq!(nearest("session_max", keys), Some("sessions_max"));
        assert_eq!(nearest("acount", keys), Some("account"));
        assert_eq!(nearest("x", keys), None);
        assert_eq!(nearest(&"t".repeat(5000), keys), None);
    }

    #[test]
    fn exchanged_neighbours_are_one_change() {
        let distance = |a: &str, b: &str| {
            distance(
                &a.chars().collect::<Vec<_>>(),
                &b.chars().collect::<Vec<_>>(),
            )
        };
        assert_eq!(distance("ab", "ba"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
