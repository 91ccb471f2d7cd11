//! A time as RFC 3339 in UTC with milliseconds: `2026-03-01T09:30:00.250Z`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// 10000-01-01T00:00:00Z: a year has four digits.
const YEAR_10000: u64 = 253_402_300_800;

/// Times before 1970, which no clock of ours gives, show as 1970.
pub fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let millis = since.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Days since 1970-01-01 to a date of the Gregorian calendar. Years are counted from March, so
/// that the leap day is the last one of its year; an era is 400 years, 146,097 days.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // from 0000-03-01
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// Reads RFC 3339 in any zone, from 1970 to 9999 in UTC, so that it can be written again. A fraction is taken to the nanosecond.
pub fn parse_rfc3339(text: &str) -> Option<SystemTime> {
    let number = |range: std::ops::Range<usize>| {
        let digits = text.get(range)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u64>().ok())?
    };
    let sign = |at: usize, signs: &[u8]| text.as_bytes().get(at).is_some_and(|byte| signs.contains(byte));
    let has_signs = [(4, &b"-"[..]), (7, b"-"), (10, b"Tt "), (13, b":"), (16, b":")];
    if !has_signs.into_iter().all(|(at, signs)| sign(at, signs)) {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    // A leap second is the last one of its minute.
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let days = days_to(year, month, day)?;
    let mut rest = text.get(19..)?;
    let mut nanos = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let length = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if length == 0 {
            return None;
        }
        nanos = format!("{:0<9.9}", &fraction[..length]).parse().ok()?;
        rest = &fraction[length..];
    }
    let local = days * 86_400 + hour * 3_600 + minute * 60 + second.min(59);
    let seconds = match rest.as_bytes() {
        [b'Z' | b'z'] => local,
        [sign @ (b'+' | b'-'), hours @ ..] if hours.len() == 5 && hours[2] == b':' => {
            let part = |at: usize| {
                rest.get(at..at + 2)
                    .filter(|part| part.bytes().all(|b| b.is_ascii_digit()))?
                    .parse::<u64>()
                    .ok()
            };
            let offset = part(1)? * 3_600 + part(4)? * 60;
            if *sign == b'+' { local.checked_sub(offset)? } else { local + offset }
        }
        _ => return None,
    };
    (seconds < YEAR_10000).then(|| UNIX_EPOCH + Duration::new(seconds, nanos))
}

/// Days from 1970-01-01 to a date that exists; `None` for others.
fn days_to(year: u64, month: u64, day: u64) -> Option<u64> {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = match month {
        2 => 28 + u64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if year < 1970 || day == 0 || day > length {
        return None;
    }
    // Of the calendar of `civil`: years from March, 306 days of the first before January.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    Some(year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_date_1() {
        // From `date -u -d @N +%FT%T`.
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.007Z"),
            (951_782_399, "2000-02-28T23:59:59.007Z"),
            (951_782_400, "2000-02-29T00:00:00.007Z"),
            (951_868_800, "2000-03-01T00:00:00.007Z"),
            (1_772_357_400, "2026-03-01T09:30:00.007Z"),
            (4_107_542_400, "2100-03-01T00:00:00.007Z"),
        ] {
            let time = UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_millis(7);
            assert_eq!(rfc3339(time), text);
        }
    }

    #[test]
    fn what_is_written_can_be_read() {
        for seconds in (0..4_200_000_000_u64).step_by(86_399 * 7) {
            let time = UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_millis(seconds % 1_000);
            assert_eq!(parse_rfc3339(&rfc3339(time)), Some(time), "{seconds}");
        }
        let at = |seconds: u64| Some(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(parse_rfc3339("2026-03-01T10:30:00+01:00"), at(1_772_357_400));
        assert_eq!(parse_rfc3339("2026-03-01t04:00:00-05:30"), at(1_772_357_400));
        assert_eq!(parse_rfc3339("2000-02-29T00:00:00Z"), at(951_782_400));
        assert_eq!(parse_rfc3339("9999-12-31T23:59:59Z"), at(253_402_300_799));
        for bad in [
            "",
            "2026",
            "2026-03-01",
            "2026-03-01T09:30:00",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "2026-03-01T24:00:00Z",
            "2026-03-01T09:30:00.Z",
            "2026-03-01T09:30:00+1:00",
            "2026-03-01T09:30:00+01-00",
            "2026-03-01T09:30:00Zx",
            "9999-12-31T23:59:59-00:01",
            "+026-03-01T09:30:00Z",
            "2026-03-01T09:30:61Z",
            "2026-03-01T09:30:00é",
        ] {
            assert_eq!(parse_rfc3339(bad), None, "{bad}");
        }
    }
}
