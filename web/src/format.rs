//! Numbers, units and times as people read them. Pure: the time zone and the present are parameters, so that the server
//! and the browser write the same text.

use crate::tell::tell;
use crate::translations::Locale;
use core::fmt::Write;
use davy_domain::{Quantity, Timestamp};
use leptos_i18n::td_string;

/// A point in time split by the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Civil {
    year: i64,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
}

const DAY_MS: i64 = 86_400_000;
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn civil(at: Timestamp, offset_minutes: i32) -> Civil {
    let local = at.as_millis().saturating_add(i64::from(offset_minutes) * 60_000);
    let (days, in_day) = (local.div_euclid(DAY_MS), local.rem_euclid(DAY_MS) / 1_000);
    // Proleptic Gregorian calendar, counted in years that start in March so that the leap day is the last one.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    Civil {
        year: year_of_era + era * 400 + i64::from(month <= 2),
        month: month as u8,
        day: (day_of_year - (153 * march_month + 2) / 5 + 1) as u8,
        hour: (in_day / 3_600) as u8,
        minute: (in_day / 60 % 60) as u8,
        second: (in_day % 60) as u8,
    }
}

/// `2026-11-23T05:16:07Z`, for `<time datetime>`.
pub fn iso(at: Timestamp) -> String {
    let c = civil(at, 0);
    format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", c.year, c.month, c.day, c.hour, c.minute, c.second)
}

/// The first moment of a day as a form sends it (`2026-11-23`), in the page's time zone.
pub fn day_start(text: &str, offset_minutes: i32) -> Option<Timestamp> {
    let mut parts = text.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // The same calendar the other way round: years that start in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let day_of_era = year.rem_euclid(400) * 365 + year.rem_euclid(400) / 4 - year.rem_euclid(400) / 100
        + (153 * month + 2) / 5
        + day
        - 1;
    let days = year.div_euclid(400) * 146_097 + day_of_era - 719_468;
    Some(Timestamp::from_millis(days * DAY_MS - i64::from(offset_minutes) * 60_000))
}

/// `11月23日 13:16:07`, or only the time when it is today's.
pub fn date_time(locale: Locale, at: Timestamp, now: Timestamp, offset_minutes: i32) -> String {
    let (c, today) = (civil(at, offset_minutes), civil(now, offset_minutes));
    let time = format!("{:02}:{:02}:{:02}", c.hour, c.minute, c.second);
    if (c.year, c.month, c.day) == (today.year, today.month, today.day) {
        time
    } else {
        format!("{} {}", date_of(locale, c, c.year != today.year), &time[..5])
    }
}

/// `2026年11月23日` or `23 Nov 2026`.
pub fn date(locale: Locale, at: Timestamp, offset_minutes: i32) -> String {
    date_of(locale, civil(at, offset_minutes), true)
}

/// `2026-11-23`, as a date field has it.
pub fn day(at: Timestamp, offset_minutes: i32) -> String {
    let c = civil(at, offset_minutes);
    format!("{:04}-{:02}-{:02}", c.year, c.month, c.day)
}

/// `13:16`, or with the day in front when the span is longer than a day.
pub fn axis_time(locale: Locale, at: Timestamp, offset_minutes: i32, with_day: bool) -> String {
    let c = civil(at, offset_minutes);
    if with_day { date_of(locale, c, false) } else { format!("{:02}:{:02}", c.hour, c.minute) }
}

fn date_of(locale: Locale, c: Civil, with_year: bool) -> String {
    match (locale, with_year) {
        (Locale::zh_CN, true) => format!("{}年{}月{}日", c.year, c.month, c.day),
        (Locale::zh_CN, false) => format!("{}月{}日", c.month, c.day),
        (Locale::en, true) => format!("{} {} {}", c.day, month(c), c.year),
        (Locale::en, false) => format!("{} {}", c.day, month(c)),
    }
}

fn month(c: Civil) -> &'static str {
    MONTHS[usize::from(c.month.clamp(1, 12)) - 1]
}

/// How long ago, in the coarsest unit that says enough; the future counts as just now.
pub fn ago(locale: Locale, at: Timestamp, now: Timestamp) -> String {
    let seconds = now.since(at).as_millis() / 1_000;
    match seconds {
        ..=59 => td_string!(locale, time.just_now).to_owned(),
        60..=3_599 => tell!(locale, time.minutes_ago, count = seconds / 60),
        3_600..=86_399 => tell!(locale, time.hours_ago, count = seconds / 3_600),
        86_400.. => tell!(locale, time.days_ago, count = seconds / 86_400),
    }
}

/// `12,345`.
pub fn count(number: u64) -> String {
    grouped(&number.to_string())
}

fn grouped(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The unit as people write it.
pub const fn unit(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::Gas => "%LEL",
        Quantity::Co => "ppm",
        Quantity::Volume => "m³",
        Quantity::Flow => "m³/h",
        Quantity::Battery => "%",
        Quantity::Temperature => "°C",
        Quantity::Pressure => "Pa",
        Quantity::Rssi => "dBm",
        Quantity::Valve | Quantity::Tamper | Quantity::EndOfLife => "",
    }
}

/// The value alone, with as many digits as the sensor is worth.
pub fn number(quantity: Quantity, value: f64) -> String {
    let digits = match quantity {
        Quantity::Volume | Quantity::Flow => 2,
        Quantity::Gas | Quantity::Temperature => 1,
        Quantity::Co
        | Quantity::Battery
        | Quantity::Pressure
        | Quantity::Rssi
        | Quantity::Valve
        | Quantity::Tamper
        | Quantity::EndOfLife => 0,
    };
    number_with(value, digits)
}

/// With so many digits after the point, grouped by thousands, and a true minus sign.
pub fn number_with(value: f64, digits: usize) -> String {
    let text = format!("{:.digits$}", value.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let zero = text.bytes().all(|byte| byte == b'0' || byte == b'.');
    let mut out = String::new();
    if value < 0.0 && !zero {
        out.push('\u{2212}');
    }
    out.push_str(&grouped(whole));
    if !fraction.is_empty() {
        let _ = write!(out, ".{fraction}");
    }
    out
}

/// A flag in words; nothing for a measured quantity.
pub fn flag(locale: Locale, quantity: Quantity, value: f64) -> Option<&'static str> {
    let set = value >= 0.5;
    match (quantity, set) {
        (Quantity::Valve, true) => Some(td_string!(locale, quantity.closed)),
        (Quantity::Valve, false) => Some(td_string!(locale, quantity.open)),
        (Quantity::Tamper, true) => Some(td_string!(locale, quantity.tampered)),
        (Quantity::Tamper, false) => Some(td_string!(locale, quantity.intact)),
        (Quantity::EndOfLife, true) => Some(td_string!(locale, quantity.expired)),
        (Quantity::EndOfLife, false) => Some(td_string!(locale, quantity.in_life)),
        (
            Quantity::Gas
            | Quantity::Co
            | Quantity::Volume
            | Quantity::Flow
            | Quantity::Battery
            | Quantity::Temperature
            | Quantity::Pressure
            | Quantity::Rssi,
            _,
        ) => None,
    }
}

/// Value and unit, or the flag's word.
pub fn reading(locale: Locale, quantity: Quantity, value: f64) -> String {
    flag(locale, quantity, value)
        .map_or_else(|| format!("{} {}", number(quantity, value), unit(quantity)), str::to_owned)
}

/// `every 15 min`, from milliseconds.
pub fn interval(locale: Locale, ms: i64) -> String {
    let seconds = ms / 1_000;
    if seconds >= 3_600 && seconds % 3_600 == 0 {
        tell!(locale, device.every_hours, count = seconds / 3_600)
    } else if seconds >= 60 && seconds % 60 == 0 {
        tell!(locale, device.every_minutes, count = seconds / 60)
    } else {
        tell!(locale, device.every_seconds, count = seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::from_millis(1_795_406_400_000); // 2026-11-23T04:00:00Z

    #[test]
    fn times_are_written_in_the_page_s_time_zone() {
        assert_eq!(iso(NOON), "2026-11-23T04:00:00Z");
        assert_eq!(date_time(Locale::zh_CN, NOON, NOON, 480), "12:00:00");
        let day_before = Timestamp::from_millis(NOON.as_millis() - DAY_MS);
        assert_eq!(date_time(Locale::zh_CN, day_before, NOON, 480), "11月22日 12:00");
        assert_eq!(date_time(Locale::en, day_before, NOON, 480), "22 Nov 12:00");
        assert_eq!(date(Locale::en, Timestamp::from_millis(1_709_208_000_000), 480), "29 Feb 2024");
        assert_eq!(day(Timestamp::from_millis(1_709_146_800_000), 480), "2024-02-29");
        assert_eq!(iso(Timestamp::from_millis(-1)), "1969-12-31T23:59:59Z");
    }

    #[test]
    fn numbers_keep_the_digits_that_the_sensor_is_worth() {
        assert_eq!(number(Quantity::Volume, 1_234.567), "1,234.57");
        assert_eq!(number(Quantity::Gas, -0.04), "0.0");
        assert_eq!(number(Quantity::Temperature, -3.26), "\u{2212}3.3");
        assert_eq!(reading(Locale::en, Quantity::Valve, 1.0), "Closed");
        assert_eq!(count(1_234_567), "1,234,567");
    }

    #[test]
    fn ages_use_the_coarsest_unit_that_says_enough() {
        let before = |seconds: i64| Timestamp::from_millis(NOON.as_millis() - seconds * 1_000);
        assert_eq!(ago(Locale::en, before(5), NOON), "just now");
        assert_eq!(ago(Locale::en, before(61), NOON), "1 min ago");
        assert_eq!(ago(Locale::zh_CN, before(7_200), NOON), "2 小时前");
        assert_eq!(ago(Locale::en, before(-50), NOON), "just now");
    }
}
