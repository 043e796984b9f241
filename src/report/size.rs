//! Sizes and short times as people read them. In: bytes, rows, a duration. Out: text, as the server itself writes sizes.

use std::time::Duration;

use crate::postgres::duration_text;

/// Bytes in the units of `pg_size_pretty`, with three digits at least.
pub(super) fn bytes_text(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    let mut whole = bytes / 1024;
    let mut rest = bytes % 1024;
    let mut unit = 0;
    while whole >= 1024 && unit + 1 < UNITS.len() {
        rest = whole % 1024;
        whole /= 1024;
        unit += 1;
    }
    match whole {
        0..10 => format!("{whole}.{} {}", rest * 10 / 1024, UNITS[unit]),
        _ => format!("{whole} {}", UNITS[unit]),
    }
}

/// Bytes, or that they are not known.
pub(super) fn size_text(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "size not known".to_owned(), bytes_text)
}

/// A time of which parts of a millisecond count.
pub(super) fn precise(duration: Duration) -> String {
    if duration < Duration::from_millis(10) {
        format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
    } else {
        duration_text(duration)
    }
}

/// The same in milliseconds, for machines.
pub(super) fn precise_ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_the_servers_own() {
        let shown = [0, 1023, 1024, 8192, 1_500_000, 40 << 30, 3 << 40, u64::MAX].map(bytes_text);
        assert_eq!(shown, ["0 bytes", "1023 bytes", "1.0 kB", "8.0 kB", "1.4 MB", "40 GB", "3.0 TB", "16383 PB"]);
        assert_eq!(size_text(None), "size not known");
    }

    #[test]
    fn a_short_time_keeps_its_parts() {
        assert_eq!(precise(Duration::from_micros(420)), "0.4 ms");
        assert_eq!(precise(Duration::from_millis(12)), "12 ms");
        assert!((precise_ms(Duration::from_micros(1234)) - 1.234).abs() < 1e-9);
    }
}
