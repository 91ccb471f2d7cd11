//! Times and amounts as people say them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long before `now` the daemon's time stamp was, such as `3 s`; `None` for what is none.
pub(crate) fn ago(timestamp: &str, now: SystemTime) -> Option<String> {
    let then = parse(timestamp)?;
    Some(lasting(now.duration_since(then).unwrap_or_default()))
}

/// A duration by its two largest units.
pub(crate) fn lasting(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// How long a script ran.
pub(crate) fn took(seconds: f64) -> String {
    match seconds {
        s if s < 0.001 => format!("{:.1} ms", s * 1e3),
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s => format!("{s:.1} s"),
    }
}

/// An amount of data.
pub(crate) fn bytes(amount: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if amount < 1_024 {
        return format!("{amount} B");
    }
    let power = usize::try_from(amount.ilog2() / 10).unwrap_or(1);
    #[expect(clippy::cast_precision_loss, reason = "one digit behind the point is shown")]
    let value = amount as f64 / 1_024f64.powi(i32::try_from(power).unwrap_or(1));
    format!("{value:.1} {}", UNITS.get(power - 1).unwrap_or(&"EiB"))
}

/// RFC 3339 in UTC with milliseconds, as `netevd_worker::timestamp` writes it.
fn parse(text: &str) -> Option<SystemTime> {
    let bytes = text.as_bytes();
    if bytes.len() != 24 || text.get(19..20)? != "." || !text.ends_with('Z') {
        return None;
    }
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second, millis) = (number(11, 13)?, number(14, 16)?, number(17, 19)?, number(20, 23)?);
    // Days before the year, and within it, counted from March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let before = year * 365 + year / 4 - year / 100 + year / 400;
    let days = (before + (153 * month + 2) / 5 + day).checked_sub(719_469)?;
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;
    use netevd_worker::timestamp::rfc3339;

    #[test]
    fn what_the_daemon_writes_is_read() {
        for seconds in [0, 951_782_399, 951_782_400, 951_868_800, 1_772_357_400, 4_107_542_400] {
            let time = UNIX_EPOCH + Duration::from_millis(seconds * 1_000 + 7);
            assert_eq!(parse(&rfc3339(time)), Some(time), "{}", rfc3339(time));
        }
        for text in ["", "2026-03-01T09:30:00Z", "2026-03-01T09:30:00.2500", "a026-03-01T09:30:00.250Z"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn people_s_units() {
        let second = Duration::from_secs(1);
        assert_eq!(lasting(second * 59), "59 s");
        assert_eq!(lasting(second * 3_599), "59 min 59 s");
        assert_eq!(lasting(second * 86_399), "23 h 59 min");
        assert_eq!(lasting(second * 100_000), "1 d 3 h");
        assert_eq!(
            (took(0.000_42), took(0.0123), took(61.25)),
            ("0.4 ms".into(), "12 ms".into(), "61.2 s".into())
        );
        assert_eq!(
            (bytes(1_023), bytes(1_024), bytes(1_536 << 20)),
            ("1023 B".into(), "1.0 KiB".into(), "1.5 GiB".into())
        );
        assert_eq!(bytes(u64::MAX), "16.0 EiB");
        assert_eq!(ago("1970-01-01T00:00:01.000Z", UNIX_EPOCH + second * 4), Some("3 s".to_owned()));
    }
}
