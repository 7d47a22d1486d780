//! Settings: decoding of the deterministic CBOR that the host makes, and the JSON Schema that tells the host how.
//!
//! `#[derive(Settings)]` writes both from one struct. Every field takes `#[setting(...)]` with: `default = …`, `min = …`,
//! `max = …` (numbers, inclusive), `unit = "…"`, `zh = "…"`, `en = "…"` (labels of the form), `choices("a", "b")` and
//! `max_length = …` (strings), `max_items = …` (lists), `group` (a nested settings struct), `name = "…"` (another property
//! name than the field's in kebab-case). The doc comment becomes the property's description. A field without a default must
//! be given, unless it is an `Option`.
//! `#[settings(check = path)]` on the struct names a `fn(&Self) -> Result<(), SettingsError>` for what one field alone cannot
//! say ("low below high"); the host asks it before settings are saved.

use crate::cbor::Reader;
use crate::contract::Fault;

/// Which property is unusable, and what was expected of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError {
    /// The property, with the groups it lies in: `alarm.low-level`.
    pub field: String,
    /// What was expected.
    pub expected: &'static str,
}

impl SettingsError {
    /// A property and what was expected of it.
    pub fn new(field: impl Into<String>, expected: &'static str) -> Self {
        Self { field: field.into(), expected }
    }

    /// The same error seen from outside of the group.
    #[must_use]
    pub fn within(mut self, group: &str) -> Self {
        if !group.is_empty() {
            self.field.insert(0, '.');
            self.field.insert_str(0, group);
        }
        self
    }
}

impl From<SettingsError> for Fault {
    fn from(error: SettingsError) -> Self {
        let mut message = String::from("expected ");
        message.push_str(error.expected);
        Self::settings(error.field, message)
    }
}

/// A settings struct; derive it.
pub trait Settings: Sized {
    /// Appends the keywords of the object's JSON Schema, without braces.
    fn schema_body(out: &mut String);

    /// Appends the JSON Schema of the object.
    fn schema(out: &mut String) {
        out.push('{');
        Self::schema_body(out);
        out.push('}');
    }

    /// Reads the object at the reader's position.
    ///
    /// # Errors
    /// [`SettingsError`] names the first property that is missing, of the wrong type or out of its range.
    fn read(reader: &mut Reader<'_>) -> Result<Self, SettingsError>;

    /// Decodes settings as the host hands them over.
    ///
    /// # Errors
    /// As [`Settings::read`], and when bytes follow the object.
    fn decode(bytes: &[u8]) -> Result<Self, SettingsError> {
        let mut reader = Reader::new(bytes);
        let settings = Self::read(&mut reader)?;
        if reader.is_done() { Ok(settings) } else { Err(SettingsError::new("", "nothing after the settings object")) }
    }
}

/// A type that a settings field can have.
pub trait SettingsField: Sized {
    /// The value of a property that is absent, if the type allows that.
    const ABSENT: Option<Self> = None;

    /// Appends the schema's `"type": …` without braces.
    fn schema_type(out: &mut String);

    /// Reads a value; `None` when it is of another type.
    fn read(reader: &mut Reader<'_>) -> Option<Self>;
}

impl SettingsField for bool {
    fn schema_type(out: &mut String) {
        out.push_str(r#""type":"boolean""#);
    }
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        reader.boolean()
    }
}

impl SettingsField for f64 {
    fn schema_type(out: &mut String) {
        out.push_str(r#""type":"number""#);
    }
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        // The encoding is the shortest float of the same value (RFC 8949 §4.2.2); all three widths read back exactly.
        reader.float().filter(|value| value.is_finite())
    }
}

macro_rules! integers {
    ($($type:ident),*) => {$(
        impl SettingsField for $type {
            fn schema_type(out: &mut String) {
                out.push_str(r#""type":"integer""#);
            }
            fn read(reader: &mut Reader<'_>) -> Option<Self> {
                Self::try_from(reader.integer()?).ok()
            }
        }
    )*};
}
integers!(u8, u16, u32, u64, i8, i16, i32, i64);

impl SettingsField for String {
    fn schema_type(out: &mut String) {
        out.push_str(r#""type":"string""#);
    }
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        reader.text().map(Self::from)
    }
}

impl<T: SettingsField> SettingsField for Option<T> {
    const ABSENT: Option<Self> = Some(None);
    fn schema_type(out: &mut String) {
        T::schema_type(out);
    }
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        T::read(reader).map(Some)
    }
}

impl<T: SettingsField> SettingsField for Vec<T> {
    fn schema_type(out: &mut String) {
        out.push_str(r#""type":"array","items":{"#);
        T::schema_type(out);
        out.push('}');
    }
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let count = reader.array()?;
        // No capacity in advance: a false count must cost nothing.
        let mut items = Self::new();
        for _ in 0..count {
            items.push(T::read(reader)?);
        }
        Some(items)
    }
}
