//! The kinds of values that settings have, each with its way to be written and read.

use davy_domain::release::bounds::{Bound, Bounds};
use std::net::SocketAddr;
use std::path::PathBuf;

/// A kind of value.
pub trait Setting: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// More than [`Setting::expected`] says, or nothing.
    fn parse(text: &str) -> Result<Self, String>;
    /// Writes it as [`Setting::parse`] reads it.
    fn show(&self) -> String;
    /// What is accepted, in a few words.
    fn expected() -> String;
}

macro_rules! plain {
    ($($type:ty, $expected:literal;)*) => {$(
        impl Setting for $type {
            fn parse(text: &str) -> Result<Self, String> { text.trim().parse().map_err(|_| String::new()) }
            fn show(&self) -> String { self.to_string() }
            fn expected() -> String { $expected.to_owned() }
        }
    )*};
}

plain! {
    bool, "true or false";
    u32, "a whole number";
    usize, "a whole number";
    SocketAddr, "an address with a port such as 127.0.0.1:8080 or [::]:8080";
}

impl Setting for String {
    fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() { Err(String::new()) } else { Ok(text.trim().to_owned()) }
    }
    fn show(&self) -> String {
        self.clone()
    }
    fn expected() -> String {
        "a text that is not empty".to_owned()
    }
}

impl Setting for PathBuf {
    fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() { Err(String::new()) } else { Ok(Self::from(text.trim())) }
    }
    fn show(&self) -> String {
        self.display().to_string()
    }
    fn expected() -> String {
        "a path".to_owned()
    }
}

/// A value that may be left empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Optional<T>(pub Option<T>);

impl<T: Setting> Setting for Optional<T> {
    fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() { Ok(Self(None)) } else { T::parse(text).map(|value| Self(Some(value))) }
    }
    fn show(&self) -> String {
        self.0.as_ref().map(Setting::show).unwrap_or_default()
    }
    fn expected() -> String {
        format!("{}, or nothing", T::expected())
    }
}

/// A text that nobody is to see: it is neither shown nor written anywhere, and wiped when it is dropped.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(zeroize::Zeroizing<String>);

impl Secret {
    /// The text; none when it is empty.
    pub fn text(&self) -> Option<&str> {
        (!self.0.is_empty()).then_some(self.0.as_str())
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Setting for Secret {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(zeroize::Zeroizing::new(text.trim().to_owned())))
    }
    // Nothing, also when there is something: what is written here is printed.
    fn show(&self) -> String {
        String::new()
    }
    fn expected() -> String {
        "a text, or nothing; from the environment only, and never printed".to_owned()
    }
}

/// A length of time, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length(u64);

impl Length {
    const UNITS: [(&'static str, u64); 5] =
        [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)];

    /// Milliseconds.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// For the standard library.
    pub const fn duration(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0)
    }

    /// For the domain.
    pub const fn span(self) -> davy_domain::Span {
        davy_domain::Span::from_millis(self.0 as i64)
    }
}

/// Splits `12 h` into its number and its unit.
fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, text[end..].trim()))
}

impl Setting for Length {
    fn parse(text: &str) -> Result<Self, String> {
        let (number, unit) = split(text).ok_or_else(String::new)?;
        let (_, factor) = Self::UNITS.iter().find(|(name, _)| *name == unit).ok_or("the unit is missing or unknown")?;
        // A hundred years bound every sum of times.
        let millis = number.checked_mul(*factor).filter(|millis| *millis <= 3_155_760_000_000);
        millis.map(Self).ok_or_else(|| "at most 100 years".to_owned())
    }
    fn show(&self) -> String {
        let (unit, factor) = Self::UNITS.iter().find(|(_, f)| self.0.is_multiple_of(*f)).copied().unwrap_or(("ms", 1));
        if self.0 == 0 { "0 ms".to_owned() } else { format!("{} {unit}", self.0 / factor) }
    }
    fn expected() -> String {
        "a length of time such as 250 ms, 30 s, 15 min, 12 h or 7 d".to_owned()
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub usize);

impl Bytes {
    const UNITS: [(&'static str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
}

impl Setting for Bytes {
    fn parse(text: &str) -> Result<Self, String> {
        let (number, unit) = split(text).ok_or_else(String::new)?;
        let (_, factor) = Self::UNITS.iter().find(|(name, _)| *name == unit).ok_or("the unit is missing or unknown")?;
        number
            .checked_mul(*factor)
            .and_then(|bytes| usize::try_from(bytes).ok())
            .map(Self)
            .ok_or_else(|| "too large".to_owned())
    }
    fn show(&self) -> String {
        let bytes = self.0 as u64;
        let (unit, factor) = Self::UNITS.iter().find(|(_, f)| bytes.is_multiple_of(*f)).copied().unwrap_or(("B", 1));
        if bytes == 0 { "0 B".to_owned() } else { format!("{} {unit}", bytes / factor) }
    }
    fn expected() -> String {
        "a size such as 512 B, 64 KiB or 2 MiB".to_owned()
    }
}

/// Where the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseUrl(pub String);

impl Setting for DatabaseUrl {
    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let schemes = ["sqlite:", "postgres://", "postgresql://"];
        if schemes.iter().any(|scheme| text.len() > scheme.len() && text.starts_with(scheme)) {
            Ok(Self(text.to_owned()))
        } else {
            Err(String::new())
        }
    }
    fn show(&self) -> String {
        self.0.clone()
    }
    fn expected() -> String {
        "sqlite:PATH or postgres://USER@HOST/NAME".to_owned()
    }
}

/// A value out of a few words.
pub trait Choice: Sized + Copy + PartialEq + 'static {
    /// The words and what they stand for.
    const WORDS: &'static [(&'static str, Self)];
}

impl Choice for LogFormat {
    const WORDS: &'static [(&'static str, Self)] = &[("pretty", Self::Pretty), ("json", Self::Json)];
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For a person at a terminal.
    Pretty,
    /// One JSON object a line, for machines.
    Json,
}

impl Setting for LogFormat {
    fn parse(text: &str) -> Result<Self, String> {
        Self::WORDS.iter().find(|(word, _)| *word == text.trim()).map(|(_, value)| *value).ok_or_else(String::new)
    }
    fn show(&self) -> String {
        Self::WORDS.iter().find(|(_, value)| value == self).map_or("", |(word, _)| word).to_owned()
    }
    fn expected() -> String {
        Self::WORDS.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(" or ")
    }
}

/// Bounds of versions that are being tried, as `name=value` with blanks between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrialBounds(pub Bounds);

impl Setting for TrialBounds {
    fn parse(text: &str) -> Result<Self, String> {
        let mut bounds = Bounds::default();
        for word in text.split_whitespace() {
            let (name, value) = word.split_once('=').ok_or_else(|| format!("`{word}` has no `=`"))?;
            let known = || Bound::ALL.map(Bound::name).join(", ");
            let bound = Bound::from_name(name).ok_or_else(|| format!("`{name}` is none of {}", known()))?;
            let value = value.parse().map_err(|_| format!("`{value}` of {name} is no whole number"))?;
            bounds.set(bound, value).map_err(|refused| refused.to_string())?;
        }
        Ok(Self(bounds))
    }
    fn show(&self) -> String {
        self.0.text()
    }
    fn expected() -> String {
        "bounds such as faults-percent=1 fuel-percent=70, or nothing".to_owned()
    }
}
