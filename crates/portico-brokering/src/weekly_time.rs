//! Spans of the week, on the clock that hangs on the wall of a time zone.

use jiff::{civil::Weekday, tz::TimeZone};
use portico_model::{Timestamp, estate::WeeklyTime};

/// Whether `now` lies in the span.
///
/// The span is compared with what a clock on the wall shows. When the clocks go back, an hour that
/// is in the span counts both times; one that is skipped does not occur. A zone that is not known
/// contains nothing, as doubt must not open a door.
pub(crate) fn contains(span: &WeeklyTime, now: Timestamp) -> bool {
    let Ok(zone) = TimeZone::get(&span.time_zone) else {
        return false;
    };
    let Ok(instant) = jiff::Timestamp::from_millisecond(now.unix_ms()) else {
        return false;
    };
    let wall = instant.to_zoned(zone);
    let minute =
        u16::from(wall.hour().unsigned_abs()) * 60 + u16::from(wall.minute().unsigned_abs());
    let begins_on = |day: Weekday| {
        span.days
            .contains(&day.to_monday_zero_offset().unsigned_abs())
    };
    let (today, yesterday) = (wall.weekday(), wall.weekday().previous());
    if span.to_min > span.from_min {
        begins_on(today) && (span.from_min..span.to_min).contains(&minute)
    } else {
        (begins_on(today) && minute >= span.from_min)
            || (begins_on(yesterday) && minute < span.to_min)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn span(days: &[u8], from_min: u16, to_min: u16, time_zone: &str) -> WeeklyTime {
        WeeklyTime {
            days: days.to_vec(),
            from_min,
            to_min,
            time_zone: time_zone.into(),
        }
    }

    fn at(text: &str) -> Timestamp {
        let instant: jiff::Timestamp = text.parse().unwrap();
        Timestamp::from_unix_ms(instant.as_millisecond())
    }

    fn check(span: &WeeklyTime, cases: &[(&str, bool)]) {
        for (instant, expected) in cases {
            assert_eq!(contains(span, at(instant)), *expected, "{instant}");
        }
    }

    #[test]
    fn a_span_of_the_day_holds_on_its_days_in_its_zone() {
        // 2025-01-06 is a Monday; Berlin is one hour ahead of UTC in winter.
        check(
            &span(&[0], 8 * 60, 18 * 60, "Europe/Berlin"),
            &[
                ("2025-01-06T06:59:59Z", false),
                ("2025-01-06T07:00:00Z", true),
                ("2025-01-06T16:59:59Z", true),
                ("2025-01-06T17:00:00Z", false),
                ("2025-01-07T08:00:00Z", false),
            ],
        );
    }

    #[test]
    fn a_span_over_midnight_belongs_to_the_day_it_begins_on() {
        // Friday night, 22:00 to 06:00.
        check(
            &span(&[4], 22 * 60, 6 * 60, "Etc/UTC"),
            &[
                ("2025-01-10T05:00:00Z", false),
                ("2025-01-10T21:59:00Z", false),
                ("2025-01-10T22:00:00Z", true),
                ("2025-01-11T05:59:00Z", true),
                ("2025-01-11T06:00:00Z", false),
                ("2025-01-11T22:30:00Z", false),
            ],
        );
        // Sunday night runs into Monday of the next week.
        check(
            &span(&[6], 22 * 60, 6 * 60, "Etc/UTC"),
            &[
                ("2025-01-13T03:00:00Z", true),
                ("2025-01-14T03:00:00Z", false),
            ],
        );
    }

    #[test]
    fn the_end_of_the_day_is_not_the_next_one() {
        check(
            &span(&[0], 0, 1440, "Etc/UTC"),
            &[
                ("2025-01-06T00:00:00Z", true),
                ("2025-01-06T23:59:59Z", true),
                ("2025-01-07T00:00:00Z", false),
            ],
        );
    }

    #[test]
    fn the_hour_that_comes_twice_counts_twice() {
        // 2025-10-26: at 03:00 summer time the clocks of Berlin go back to 02:00.
        check(
            &span(&[6], 2 * 60, 3 * 60, "Europe/Berlin"),
            &[
                ("2025-10-25T23:59:59Z", false),
                ("2025-10-26T00:30:00Z", true),
                ("2025-10-26T01:30:00Z", true),
                ("2025-10-26T02:00:00Z", false),
            ],
        );
    }

    #[test]
    fn the_hour_that_is_skipped_does_not_occur() {
        // 2025-03-30: at 02:00 the clocks of Berlin go forward to 03:00.
        check(
            &span(&[6], 2 * 60, 3 * 60, "Europe/Berlin"),
            &[
                ("2025-03-30T00:59:59Z", false),
                ("2025-03-30T01:00:00Z", false),
            ],
        );
        check(
            &span(&[5], 22 * 60, 2 * 60 + 30, "Europe/Berlin"),
            &[
                ("2025-03-30T00:59:59Z", true),
                ("2025-03-30T01:00:00Z", false),
            ],
        );
        // The zone counts, not the offset of the season: the same wall time in summer.
        check(
            &span(&[0], 8 * 60, 9 * 60, "Europe/Berlin"),
            &[
                ("2025-07-07T06:30:00Z", true),
                ("2025-07-07T07:30:00Z", false),
            ],
        );
    }

    #[test]
    fn an_unknown_zone_contains_nothing() {
        check(
            &span(&[0, 1, 2, 3, 4, 5, 6], 0, 1440, "Mars/Olympus"),
            &[("2025-01-06T12:00:00Z", false)],
        );
    }

    proptest! {
        #[test]
        fn any_instant_and_span_is_answered(
            ms: i64, days in proptest::collection::vec(any::<u8>(), 0..8), from_min: u16, to_min: u16,
        ) {
            contains(&span(&days, from_min, to_min, "America/St_Johns"), Timestamp::from_unix_ms(ms));
        }

        #[test]
        fn a_span_and_its_complement_cover_the_week(
            ms in 0_i64..4_102_444_800_000, from in 0_u16..1440, to in 1_u16..1440,
        ) {
            prop_assume!(from != to);
            let all = [0, 1, 2, 3, 4, 5, 6];
            let now = Timestamp::from_unix_ms(ms);
            let inside = contains(&span(&all, from, to, "Europe/Berlin"), now);
            let outside = contains(&span(&all, to, if from == 0 { 1440 } else { from }, "Europe/Berlin"), now);
            prop_assert!(inside != outside);
        }
    }
}
