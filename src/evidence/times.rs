//! Times as evidence writes them. In: a time. Out: RFC 3339, a stamp for names, seconds of the epoch.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use humantime::{format_rfc3339_millis, format_rfc3339_seconds, parse_rfc3339};

/// How long evidence is valid.
const YEARS: u64 = 10;

/// `2026-11-22T10:15:30.123Z`.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    format_rfc3339_millis(time).to_string()
}

/// `20261122T101530Z`: sorts by time, and is allowed in a name everywhere.
pub(super) fn stamp(time: SystemTime) -> String {
    format_rfc3339_seconds(time).to_string().replace(['-', ':'], "")
}

/// Seconds since the epoch, rounded down.
pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The time of so many seconds.
pub(crate) fn of_seconds(seconds: u64) -> Option<SystemTime> {
    // What humantime can still write: the year 9999.
    (seconds < 253_402_300_800).then(|| UNIX_EPOCH + Duration::from_secs(seconds))
}

/// The same day and time ten years on; the 28th of February where that year has no 29th.
pub(super) fn ten_years_on(time: SystemTime) -> SystemTime {
    let text = format_rfc3339_seconds(time).to_string();
    let (year, rest) = text.split_at(4);
    let year = year.parse::<u64>().unwrap_or_default() + YEARS;
    let on = |rest: &str| parse_rfc3339(&format!("{year:04}{rest}"));
    // humantime refuses a day that the month does not have.
    on(rest).or_else(|_| on(&rest.replacen("-02-29", "-02-28", 1))).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SystemTime {
        parse_rfc3339(text).unwrap()
    }

    #[test]
    fn ten_years_are_those_of_the_calendar() {
        for (now, then) in [
            ("2026-11-22T10:15:30Z", "2036-11-22T10:15:30Z"),
            ("2028-02-29T23:59:59Z", "2038-02-28T23:59:59Z"),
            ("2094-02-28T00:00:00Z", "2104-02-28T00:00:00Z"),
        ] {
            assert_eq!(ten_years_on(at(now)), at(then), "{now}");
        }
    }

    #[test]
    fn a_stamp_has_only_what_every_file_system_takes() {
        assert_eq!(stamp(at("2026-11-22T10:15:30.999Z")), "20261122T101530Z");
        assert_eq!(rfc3339(at("2026-11-22T10:15:30Z")), "2026-11-22T10:15:30.000Z");
        assert_eq!(seconds(at("1970-01-02T00:00:00.9Z")), 86400);
        assert_eq!(of_seconds(86400), Some(at("1970-01-02T00:00:00Z")));
        assert_eq!(of_seconds(u64::MAX), None);
    }
}
