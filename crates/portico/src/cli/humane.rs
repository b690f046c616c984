//! Durations, times, shares and amounts as people write and read them.

/// Longest duration that is taken, in seconds: a year.
const DURATION_MAX_S: u64 = 365 * 86_400;
/// Cells of a bar.
const BAR_LEN: u32 = 20;
/// The whole of a share.
const WHOLE: u32 = 10_000;

/// A point in time as it is given on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// So many seconds from now.
    In(u32),
    /// Milliseconds since 1970.
    At(i64),
}

impl When {
    /// Milliseconds since 1970, when it is `now_ms`.
    pub(crate) fn at_ms(self, now_ms: i64) -> i64 {
        match self {
            Self::In(seconds) => now_ms.saturating_add(i64::from(seconds) * 1000),
            Self::At(ms) => ms,
        }
    }
}

/// Reads `now`, `+2h`, or a date and time with its distance from UTC.
pub(crate) fn when(text: &str) -> Result<When, String> {
    if text == "now" {
        return Ok(When::In(0));
    }
    if let Some(later) = text.strip_prefix('+') {
        return duration_s(later).map(When::In);
    }
    match text.parse::<jiff::Timestamp>() {
        Ok(time) => Ok(When::At(time.as_millisecond())),
        Err(_) => Err(
            "give `now`, `+2h`, or a date and time with its distance from UTC, such as \
             2026-12-01T02:00Z or 2026-12-01T02:00+01:00"
                .into(),
        ),
    }
}

/// Reads a duration such as `90s`, `15m`, `1h30m` or `7d`, in seconds.
pub(crate) fn duration_s(text: &str) -> Result<u32, String> {
    let wrong = || "give a duration such as 90s, 15m, 1h30m or 7d, at most 365d".to_owned();
    let (mut total, mut number) = (0_u64, String::new());
    for character in text.chars() {
        if character.is_ascii_digit() {
            number.push(character);
            continue;
        }
        let unit = match character {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return Err(wrong()),
        };
        let count: u64 = number.parse().map_err(|_| wrong())?;
        number.clear();
        total = count
            .checked_mul(unit)
            .and_then(|seconds| total.checked_add(seconds))
            .filter(|total| *total <= DURATION_MAX_S)
            .ok_or_else(wrong)?;
    }
    if text.is_empty() || !number.is_empty() {
        return Err(wrong());
    }
    u32::try_from(total).map_err(|_| wrong())
}

/// A duration in its one or two largest units: `90s`, `15m`, `1h 30m`, `3d 4h`.
pub(crate) fn duration(seconds: u64) -> String {
    let two = |large: u64, unit: char, small: u64, below: char| match small {
        0 => format!("{large}{unit}"),
        small => format!("{large}{unit} {small}{below}"),
    };
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=3_599 => two(seconds / 60, 'm', seconds % 60, 's'),
        3_600..=86_399 => two(seconds / 3_600, 'h', seconds % 3_600 / 60, 'm'),
        _ => two(seconds / 86_400, 'd', seconds % 86_400 / 3_600, 'h'),
    }
}

/// How long ago `at_ms` was, at `now_ms`.
pub(crate) fn since(at_ms: i64, now_ms: i64) -> String {
    let ms = now_ms.saturating_sub(at_ms).max(0);
    duration(u64::try_from(ms / 1000).unwrap_or(0))
}

/// How long it is until `at_ms`, at `now_ms`; `None` when it is over.
pub(crate) fn until(at_ms: i64, now_ms: i64) -> Option<String> {
    (at_ms > now_ms).then(|| since(now_ms, at_ms))
}

/// A share of ten thousand in percent.
pub(crate) fn percent(share: u32) -> String {
    format!("{} %", share.saturating_add(50) / 100)
}

/// A share of ten thousand as a bar of [`BAR_LEN`] cells.
pub(crate) fn bar(share: u32) -> String {
    let full = (share.min(WHOLE) * BAR_LEN + WHOLE / 2) / WHOLE;
    (0..BAR_LEN)
        .map(|cell| if cell < full { '█' } else { '░' })
        .collect()
}

/// Shares of ten thousand over time, one column each.
pub(crate) fn columns(shares: &[u32]) -> String {
    const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let height = |share: &u32| {
        let step = (*share).min(WHOLE - 1) * 8 / WHOLE;
        usize::try_from(step).ok().and_then(|at| HEIGHTS.get(at))
    };
    shares.iter().filter_map(height).collect()
}

/// An amount in bytes: `512 B`, `1.5 GiB`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut tenths = count.saturating_mul(10) / 1024;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while tenths >= 10_240
        && let Some(next) = units.next()
    {
        tenths /= 1024;
        unit = Some(next);
    }
    let unit = unit.unwrap_or(&"");
    match tenths {
        100.. => format!("{} {unit}", tenths / 10),
        _ => format!("{}.{} {unit}", tenths / 10, tenths % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_shown_as_people_write_them() {
        for (text, seconds, shown) in [
            ("0s", 0, "0s"),
            ("90s", 90, "90s"),
            ("15m", 900, "15m"),
            ("1h", 3_600, "1h"),
            ("1h30m", 5_400, "1h 30m"),
            ("7d", 604_800, "7d"),
            ("1d1h1m1s", 90_061, "1d 1h"),
            ("150s", 150, "2m 30s"),
        ] {
            assert_eq!(duration_s(text), Ok(seconds), "{text}");
            assert_eq!(duration(u64::from(seconds)), shown);
        }
        for wrong in [
            "",
            "1",
            "h",
            "1 h",
            "-1h",
            "1w",
            "1.5h",
            "1h30",
            "366d",
            "99999999999999999999s",
        ] {
            assert!(duration_s(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_relative_or_say_their_distance_from_utc() {
        assert_eq!(when("now").unwrap().at_ms(5_000), 5_000);
        assert_eq!(when("+2h").unwrap().at_ms(5_000), 7_205_000);
        for text in [
            "2026-12-01T02:00:00Z",
            "2026-12-01T02:00Z",
            "2026-12-01T03:00+01:00",
        ] {
            assert_eq!(when(text), Ok(When::At(1_796_090_400_000)), "{text}");
        }
        for wrong in ["", "02:00", "2026-12-01", "2026-12-01T02:00", "+", "soon"] {
            assert!(when(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn distances_in_time_never_run_backwards() {
        assert_eq!(since(1_000, 61_000), "60s");
        assert_eq!(since(61_000, 1_000), "0s");
        assert_eq!(until(61_000, 1_000).as_deref(), Some("60s"));
        assert_eq!(until(1_000, 61_000), None);
    }

    #[test]
    fn bars_and_columns_show_shares() {
        assert_eq!(bar(0), "░".repeat(20));
        assert_eq!(bar(5_000), format!("{}{}", "█".repeat(10), "░".repeat(10)));
        assert_eq!(bar(u32::MAX), "█".repeat(20));
        assert_eq!(
            columns(&[0, 1_249, 1_250, 5_000, 10_000, u32::MAX]),
            "▁▁▂▅██"
        );
        assert_eq!(percent(1_234), "12 %");
        assert_eq!(percent(1_250), "13 %");
    }

    #[test]
    fn amounts_have_the_largest_unit() {
        for (count, shown) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_536, "1.5 KiB"),
            (8 << 30, "8.0 GiB"),
            (200 << 20, "200 MiB"),
            (1_023 << 20, "1023 MiB"),
        ] {
            assert_eq!(bytes(count), shown);
        }
        assert!(bytes(u64::MAX).ends_with(" PiB"));
    }
}
