//! When a lease ends, as dhclient writes it (dhclient.conf(5), `renew date`).

use super::lexer::Token;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The end of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// `never`
    Never,
    /// Then.
    At(SystemTime),
}

/// Reads `never`, `epoch SECONDS`, or `WEEKDAY YEAR/MONTH/DAY HOUR:MINUTE:SECOND` in UTC; `None`
/// for anything else.
pub(super) fn ending(values: &[Token<'_>]) -> Option<Ending> {
    let seconds = match values {
        [word] if word.is("never") => return Some(Ending::Never),
        [word, seconds, ..] if word.is("epoch") => seconds.parse()?,
        [_weekday, date, time, ..] => seconds(date, time)?,
        _ => return None,
    };
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).map(Ending::At)
}

/// `starts` and a life in seconds, of which the highest is endless (RFC 8415, 7.7).
pub(super) fn after(starts: u64, life: u32) -> Option<Ending> {
    if life == u32::MAX {
        return Some(Ending::Never);
    }
    let seconds = starts.checked_add(u64::from(life))?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).map(Ending::At)
}

fn seconds(date: &Token<'_>, time: &Token<'_>) -> Option<u64> {
    let [year, month, day] = three(date, '/')?;
    let [hour, minute, second] = three(time, ':')?;
    let sane = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    sane.then(|| ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

fn three(word: &Token<'_>, separator: char) -> Option<[u64; 3]> {
    let Token::Word(word) = word else { return None };
    let mut parts = std::str::from_utf8(word).ok()?.split(separator).map(|part| part.parse().ok());
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(numbers)
}

/// Days since 1970-01-01 of a date from 1970 on. Years are counted from March, so that the leap
/// day is the last one of its year; an era is 400 years, 146,097 days.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month > 2 { year } else { year - 1 };
    let month_from_march = (month + 9) % 12;
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::super::lexer::Lexer;
    use super::*;

    fn read(text: &str) -> Option<Ending> {
        let mut lexer = Lexer::new(text.as_bytes());
        let tokens: Vec<_> = std::iter::from_fn(|| lexer.token().expect("whole")).collect();
        ending(&tokens)
    }

    #[test]
    fn forms_of_a_date() {
        let at = |seconds| Some(Ending::At(UNIX_EPOCH + Duration::from_secs(seconds)));
        // Seconds from `date -u -d DATE +%s`.
        for (text, expected) in [
            ("never", Some(Ending::Never)),
            ("NEVER", Some(Ending::Never)),
            ("epoch 1795428000 # Mon Nov 23 2026", at(1_795_428_000)),
            ("epoch 1795428000", at(1_795_428_000)),
            ("1 2026/11/23 10:00:00", at(1_795_428_000)),
            ("4 1970/01/01 00:00:00", at(0)),
            ("4 1970/1/1 0:0:1", at(1)),
            ("2 2000/02/29 23:59:59", at(951_868_799)),
            ("3 2000/03/01 00:00:00", at(951_868_800)),
            ("1 2100/03/01 00:00:00", at(4_107_542_400)),
            ("2 2038/01/19 03:14:08", at(2_147_483_648)),
            ("", None),
            ("epoch", None),
            ("epoch -5", None),
            ("epoch 99999999999999999999", None),
            ("2026/11/23 10:00:00", None),
            ("1 2026/11 10:00:00", None),
            ("1 2026/13/01 10:00:00", None),
            ("1 2026/00/01 10:00:00", None),
            ("1 1969/12/31 10:00:00", None),
            ("1 2026/11/23 25:00:00", None),
            ("1 2026/11/23/4 10:00:00", None),
            ("1 \"2026/11/23\" 10:00:00", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn lives() {
        let at = |seconds| Some(Ending::At(UNIX_EPOCH + Duration::from_secs(seconds)));
        assert_eq!(after(1_795_428_000, 120), at(1_795_428_120));
        assert_eq!(after(1_795_428_000, u32::MAX), Some(Ending::Never));
        assert_eq!(after(u64::MAX, 1), None);
    }
}
