//! The time of a commit for later, as operators write it (junos.md §14.6): in the time zone of this machine.

use jiff::{Timestamp, Unit, Zoned, civil, tz::TimeZone};

/// Furthest time ahead, seconds: a year.
const AHEAD_MAX: i64 = 366 * 86_400;

/// `hh:mm[:ss]`, the next time that it is so late, or `yyyy-mm-dd hh:mm[:ss]`; `now` and the answer are seconds since
/// 1970.
///
/// # Errors
/// In words: it is no time, or has passed, or is more than a year ahead.
pub(crate) fn read(text: &str, now: u64) -> Result<u64, String> {
    read_in(text, now, &TimeZone::system())
}

fn read_in(text: &str, now: u64, zone: &TimeZone) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no time: write hh:mm[:ss] or \"yyyy-mm-dd hh:mm[:ss]\"");
    let now = i64::try_from(now).map_err(|_| wrong())?;
    let here = Timestamp::from_second(now).map_err(|_| wrong())?.to_zoned(zone.clone());
    let at: Zoned = match text.trim().split_once(' ') {
        Some((date, time)) => {
            let date: civil::Date = date.parse().map_err(|_| wrong())?;
            date.to_datetime(clock(time).ok_or_else(wrong)?).to_zoned(zone.clone()).map_err(|_| wrong())?
        }
        None => {
            let time = clock(text.trim()).ok_or_else(wrong)?;
            let today = here.date().to_datetime(time).to_zoned(zone.clone()).map_err(|_| wrong())?;
            if today > here {
                today
            } else {
                today
                    .date()
                    .tomorrow()
                    .map_err(|_| wrong())?
                    .to_datetime(time)
                    .to_zoned(zone.clone())
                    .map_err(|_| wrong())?
            }
        }
    };
    let at = at.timestamp().as_second();
    match at - now {
        ..=0 => Err(format!("`{text}` has passed")),
        ahead if ahead > AHEAD_MAX => Err(format!("`{text}` is more than a year ahead")),
        _ => u64::try_from(at).map_err(|_| wrong()),
    }
}

/// A time of the day, which has its minutes.
fn clock(text: &str) -> Option<civil::Time> {
    text.contains(':').then(|| text.parse().ok()).flatten()
}

/// Seconds since 1970 as a local time.
pub(crate) fn text(at: u64) -> String {
    let time = i64::try_from(at).ok().and_then(|at| Timestamp::from_second(at).ok());
    time.map_or_else(
        || at.to_string(),
        |time| {
            let time = time.to_zoned(TimeZone::system());
            time.round(Unit::Second).unwrap_or(time).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        // 2026-03-01 12:00:00 UTC.
        let now = 1_772_366_400;
        let read = |text| read_in(text, now, &TimeZone::UTC);
        assert_eq!(read("12:30"), Ok(now + 1_800));
        assert_eq!(read("12:00:01"), Ok(now + 1));
        assert_eq!(read("12:00"), Ok(now + 86_400), "tomorrow");
        assert_eq!(read("2026-03-02 00:00:05"), Ok(now + 12 * 3_600 + 5));
        for wrong in ["", "12", "25:00", "noon", "2026-02-30 10:00", "2026-03-01 11:59", "2028-01-01 00:00"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
