//! A rule's settings schema as the host needs it: parsed, checked against settings that a person entered, encoded.
//!
//! The bytes are deterministic CBOR (RFC 8949 §4.2.1): the same settings always give the same bytes, whatever the order,
//! spacing or number format of the JSON they came from. Defaults are filled in, so the bytes say the whole.

use minicbor::Encoder;
use serde_json::{Map, Number, Value};
use std::fmt;

/// The longest schema text, in bytes.
pub const MAX_SCHEMA_BYTES: usize = 64 * 1024;
/// How deep groups and lists may be nested.
const MAX_DEPTH: usize = 8;
/// The most properties of one object.
const MAX_PROPERTIES: usize = 256;
/// The longest settings text, in bytes.
const MAX_SETTINGS_BYTES: usize = 64 * 1024;

/// Why a text is not a settings schema that the host understands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaError {
    /// JSON pointer (RFC 6901) into the schema; empty for the whole.
    pub place: String,
    /// What was expected there.
    pub expected: String,
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.place.is_empty() { "the schema" } else { &self.place };
        write!(f, "at {place}: expected {}", self.expected)
    }
}

impl std::error::Error for SchemaError {}

/// Why settings do not fit a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsRefused {
    /// The property, with the groups it lies in: `alarm.low-level`; empty for the whole.
    pub field: String,
    /// What was expected, with unit and range.
    pub expected: String,
    /// What came, cut to 60 characters.
    pub got: String,
}

impl fmt::Display for SettingsRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = if self.field.is_empty() { "the settings" } else { &self.field };
        write!(f, "`{field}`: expected {}, got {}", self.expected, self.got)
    }
}

impl std::error::Error for SettingsRefused {}

/// A parsed settings schema.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schema {
    /// The properties of the settings object by their `x-order`, those without one after them by their names.
    pub properties: Vec<Property>,
}

/// One property of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Property {
    /// Its name.
    pub name: String,
    /// What it takes.
    pub kind: Kind,
    /// What stands in when it is absent.
    pub default: Option<Value>,
    /// Whether it must be given when it has no default.
    pub required: bool,
    /// Unit of the number, for people.
    pub unit: Option<String>,
    /// Label in Chinese.
    pub label_zh: Option<String>,
    /// Label in English.
    pub label_en: Option<String>,
    /// What it means.
    pub description: Option<String>,
}

/// What a property takes.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A finite number within inclusive bounds.
    Number {
        /// Lowest value.
        minimum: Option<f64>,
        /// Highest value.
        maximum: Option<f64>,
    },
    /// A whole number within inclusive bounds.
    Integer {
        /// Lowest value.
        minimum: Option<i64>,
        /// Highest value.
        maximum: Option<i64>,
    },
    /// `true` or `false`.
    Boolean,
    /// A text.
    Text {
        /// The most characters.
        max_length: usize,
        /// If not empty, the only texts that it takes.
        choices: Vec<String>,
    },
    /// A list.
    List {
        /// What each item is.
        items: Box<Kind>,
        /// The most items.
        max_items: usize,
    },
    /// A group of properties.
    Group(Vec<Property>),
}

impl Schema {
    /// Parses the text that a rule describes itself with.
    ///
    /// # Errors
    /// [`SchemaError`] with the place and what was expected; a default that its own property would refuse is an error too.
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        let error = |expected: String| SchemaError { place: String::new(), expected };
        if text.len() > MAX_SCHEMA_BYTES {
            return Err(error(format!("at most {MAX_SCHEMA_BYTES} bytes, got {}", text.len())));
        }
        let value: Value = serde_json::from_str(text).map_err(|e| error(format!("JSON, but {e}")))?;
        match parse_kind(&value, "", 0)? {
            Kind::Group(properties) => Ok(Self { properties }),
            _ => Err(error("`\"type\": \"object\"`".into())),
        }
    }

    /// Checks settings as JSON text and encodes them.
    ///
    /// # Errors
    /// [`SettingsRefused`] names the first property that is unknown, missing or does not fit.
    pub fn encode(&self, json: &str) -> Result<Vec<u8>, SettingsRefused> {
        let whole = |expected: &str, got: String| SettingsRefused {
            field: String::new(),
            expected: expected.into(),
            got: got.chars().take(60).collect(),
        };
        if json.len() > MAX_SETTINGS_BYTES {
            return Err(whole("at most 64 KiB of JSON", format!("{} bytes", json.len())));
        }
        let value: Value = serde_json::from_str(json).map_err(|e| whole("a JSON object", e.to_string()))?;
        let mut out = Vec::with_capacity(256);
        encode_group(&self.properties, &value, "", &mut out)?;
        Ok(out)
    }

    /// Reads encoded settings back, for people to see.
    pub fn decode(&self, bytes: &[u8]) -> Option<Value> {
        let mut decoder = minicbor::Decoder::new(bytes);
        let value = decode_value(&mut decoder, 0)?;
        (decoder.position() == bytes.len()).then_some(value)
    }
}

fn parse_kind(value: &Value, place: &str, depth: usize) -> Result<Kind, SchemaError> {
    let error = |place: &str, expected: &str| SchemaError { place: place.into(), expected: expected.into() };
    let object = value.as_object().ok_or_else(|| error(place, "an object"))?;
    if depth > MAX_DEPTH {
        return Err(error(place, "at most 8 levels of groups and lists"));
    }
    let number = |key: &str| match object.get(key) {
        None => Ok(None),
        Some(value) => value.as_f64().map(Some).ok_or_else(|| error(&format!("{place}/{key}"), "a number")),
    };
    let whole = |key: &str| match object.get(key) {
        None => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or_else(|| error(&format!("{place}/{key}"), "a whole number")),
    };
    let count = |key: &str, otherwise: usize| match object.get(key) {
        None => Ok(otherwise),
        Some(value) => value
            .as_u64()
            .map(|count| usize::try_from(count).unwrap_or(usize::MAX))
            .ok_or_else(|| error(&format!("{place}/{key}"), "a whole number of at least 0")),
    };
    match object.get("type").and_then(Value::as_str) {
        Some("number") => Ok(Kind::Number { minimum: number("minimum")?, maximum: number("maximum")? }),
        Some("integer") => Ok(Kind::Integer { minimum: whole("minimum")?, maximum: whole("maximum")? }),
        Some("boolean") => Ok(Kind::Boolean),
        Some("string") => {
            let choices = match object.get("enum") {
                None => Vec::new(),
                Some(Value::Array(words)) if !words.is_empty() => words
                    .iter()
                    .map(|word| word.as_str().map(str::to_owned))
                    .collect::<Option<_>>()
                    .ok_or_else(|| error(&format!("{place}/enum"), "texts"))?,
                Some(_) => return Err(error(&format!("{place}/enum"), "a list of at least one text")),
            };
            Ok(Kind::Text { max_length: count("maxLength", 1_000)?, choices })
        }
        Some("array") => {
            let items = object.get("items").ok_or_else(|| error(place, "`items` beside `\"type\": \"array\"`"))?;
            let items = parse_kind(items, &format!("{place}/items"), depth + 1)?;
            Ok(Kind::List { items: Box::new(items), max_items: count("maxItems", 100)? })
        }
        Some("object") => parse_group(object, place, depth).map(Kind::Group),
        _ => Err(error(
            &format!("{place}/type"),
            "one of \"number\", \"integer\", \"boolean\", \"string\", \"array\", \"object\"",
        )),
    }
}

fn parse_group(object: &Map<String, Value>, place: &str, depth: usize) -> Result<Vec<Property>, SchemaError> {
    let error = |place: String, expected: &str| SchemaError { place, expected: expected.into() };
    let empty = Map::new();
    let properties = match object.get("properties") {
        None => &empty,
        Some(Value::Object(properties)) if properties.len() <= MAX_PROPERTIES => properties,
        Some(_) => return Err(error(format!("{place}/properties"), "an object of at most 256 properties")),
    };
    let required: Vec<&str> = match object.get("required") {
        None => Vec::new(),
        Some(list) => list
            .as_array()
            .and_then(|names| names.iter().map(Value::as_str).collect())
            .ok_or_else(|| error(format!("{place}/required"), "a list of names"))?,
    };
    if let Some(stray) = required.iter().find(|name| !properties.contains_key(**name)) {
        return Err(error(format!("{place}/required"), &format!("names of properties only, not `{stray}`")));
    }
    let mut parsed = Vec::with_capacity(properties.len());
    for (name, value) in properties {
        let place = format!("{place}/properties/{}", name.replace('~', "~0").replace('/', "~1"));
        if name.is_empty() || name.len() > 64 {
            return Err(error(place, "a name of 1 to 64 bytes"));
        }
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let property = Property {
            name: name.clone(),
            kind: parse_kind(value, &place, depth + 1)?,
            default: value.get("default").cloned(),
            required: required.contains(&name.as_str()),
            unit: text("x-unit"),
            label_zh: text("x-label-zh"),
            label_en: text("x-label-en"),
            description: text("description"),
        };
        if let Some(default) = &property.default {
            encode_value(&property, default, name, &mut Vec::new())
                .map_err(|refused| error(format!("{place}/default"), &refused.expected))?;
        }
        let order = value.get("x-order").and_then(Value::as_u64).unwrap_or(u64::MAX);
        parsed.push((order, property));
    }
    // Stable: the names are sorted already.
    parsed.sort_by_key(|(order, _)| *order);
    Ok(parsed.into_iter().map(|(_, property)| property).collect())
}

fn encode_group(properties: &[Property], value: &Value, path: &str, out: &mut Vec<u8>) -> Result<(), SettingsRefused> {
    let refused = |field: String, expected: &str, got: &str| {
        Err(SettingsRefused { field, expected: expected.into(), got: got.into() })
    };
    let Value::Object(object) = value else {
        return refused(path.into(), "an object", &shown(value));
    };
    let inside = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    if let Some(stray) = object.keys().find(|name| !properties.iter().any(|property| property.name == **name)) {
        let names: Vec<_> = properties.iter().map(|property| property.name.as_str()).collect();
        return refused(inside(stray), &format!("only the properties {}", names.join(", ")), "an unknown one");
    }
    let mut entries = Vec::with_capacity(properties.len());
    for property in properties {
        let path = inside(&property.name);
        let nothing = Value::Object(Map::new());
        let given = object.get(&property.name).filter(|value| !value.is_null()).or(property.default.as_ref());
        let given = match (given, &property.kind) {
            (Some(given), _) => given,
            // An absent group stands for its own defaults.
            (None, Kind::Group(_)) => &nothing,
            (None, _) if property.required => return refused(path, &wanted(property), "nothing"),
            (None, _) => continue,
        };
        let mut entry = Vec::new();
        infallible(Encoder::new(&mut entry).str(&property.name).map(drop));
        let key_length = entry.len();
        encode_value(property, given, &path, &mut entry)?;
        entries.push((key_length, entry));
    }
    // RFC 8949 §4.2.1: keys in bytewise order of their encoding.
    entries.sort_by(|(a_key, a), (b_key, b)| a[..*a_key].cmp(&b[..*b_key]));
    infallible(Encoder::new(&mut *out).map(entries.len() as u64).map(drop));
    for (_, entry) in entries {
        out.extend_from_slice(&entry);
    }
    Ok(())
}

fn encode_value(property: &Property, value: &Value, path: &str, out: &mut Vec<u8>) -> Result<(), SettingsRefused> {
    encode_kind(&property.kind, value, path, out).map_err(|mut refused| {
        if let Some(unit) = &property.unit
            && refused.field == path
        {
            refused.expected.push(' ');
            refused.expected.push_str(unit);
        }
        refused
    })
}

fn encode_kind(kind: &Kind, value: &Value, path: &str, out: &mut Vec<u8>) -> Result<(), SettingsRefused> {
    let refuse = || SettingsRefused { field: path.into(), expected: describe(kind), got: shown(value) };
    match kind {
        Kind::Number { minimum, maximum } => {
            let number = value.as_f64().filter(|number| number.is_finite()).ok_or_else(refuse)?;
            if minimum.is_some_and(|low| number < low) || maximum.is_some_and(|high| number > high) {
                return Err(refuse());
            }
            encode_float(number, out);
        }
        Kind::Integer { minimum, maximum } => {
            let number = value.as_number().and_then(integral).ok_or_else(refuse)?;
            if minimum.is_some_and(|low| number < low) || maximum.is_some_and(|high| number > high) {
                return Err(refuse());
            }
            infallible(Encoder::new(out).i64(number).map(drop));
        }
        Kind::Boolean => infallible(Encoder::new(out).bool(value.as_bool().ok_or_else(refuse)?).map(drop)),
        Kind::Text { max_length, choices } => {
            let text = value.as_str().ok_or_else(refuse)?;
            if text.chars().count() > *max_length || !(choices.is_empty() || choices.iter().any(|c| c == text)) {
                return Err(refuse());
            }
            infallible(Encoder::new(out).str(text).map(drop));
        }
        Kind::List { items, max_items } => {
            let list = value.as_array().filter(|list| list.len() <= *max_items).ok_or_else(refuse)?;
            infallible(Encoder::new(&mut *out).array(list.len() as u64).map(drop));
            for (index, item) in list.iter().enumerate() {
                encode_kind(items, item, &format!("{path}[{index}]"), out)?;
            }
        }
        Kind::Group(properties) => encode_group(properties, value, path, out)?,
    }
    Ok(())
}

/// The shortest float of the same value (RFC 8949 §4.2.2), half precision included.
fn encode_float(number: f64, out: &mut Vec<u8>) {
    // There is one zero: -0.0 would be another text for the same setting.
    let number = if number == 0.0 { 0.0 } else { number };
    let single = number as f32;
    let mut encoded = Vec::with_capacity(9);
    if f64::from(single) == number {
        infallible(Encoder::new(&mut encoded).f16(single).map(drop));
        let exact = minicbor::Decoder::new(&encoded).f16().is_ok_and(|half| half == single);
        if !exact {
            encoded.clear();
            infallible(Encoder::new(&mut encoded).f32(single).map(drop));
        }
    } else {
        infallible(Encoder::new(&mut encoded).f64(number).map(drop));
    }
    out.extend_from_slice(&encoded);
}

/// Writing to a `Vec` cannot fail; the type says so.
fn infallible(result: Result<(), minicbor::encode::Error<core::convert::Infallible>>) {
    debug_assert!(result.is_ok(), "only values that have an encoding are encoded");
}

fn integral(number: &Number) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    number.as_i64().or_else(|| {
        let float = number.as_f64()?;
        (float.fract() == 0.0 && float.abs() <= EXACT).then_some(float as i64)
    })
}

fn wanted(property: &Property) -> String {
    let unit = property.unit.as_ref().map(|unit| format!(" {unit}")).unwrap_or_default();
    format!("{}{unit}", describe(&property.kind))
}

fn describe(kind: &Kind) -> String {
    fn bounds<T: fmt::Display>(what: &str, minimum: Option<&T>, maximum: Option<&T>) -> String {
        match (minimum, maximum) {
            (Some(low), Some(high)) => format!("{what} from {low} to {high}"),
            (Some(low), None) => format!("{what} of at least {low}"),
            (None, Some(high)) => format!("{what} of at most {high}"),
            (None, None) => what.to_owned(),
        }
    }
    match kind {
        Kind::Number { minimum, maximum } => bounds("a number", minimum.as_ref(), maximum.as_ref()),
        Kind::Integer { minimum, maximum } => bounds("a whole number", minimum.as_ref(), maximum.as_ref()),
        Kind::Boolean => "`true` or `false`".into(),
        Kind::Text { choices, .. } if !choices.is_empty() => format!("one of {}", choices.join(", ")),
        Kind::Text { max_length, .. } => format!("a text of at most {max_length} characters"),
        Kind::List { max_items, .. } => format!("a list of at most {max_items} items"),
        Kind::Group(_) => "an object".into(),
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 60 { text } else { text.chars().take(59).chain(['…']).collect() }
}

fn decode_value(decoder: &mut minicbor::Decoder<'_>, depth: usize) -> Option<Value> {
    use minicbor::data::Type;
    if depth > MAX_DEPTH {
        return None;
    }
    Some(match decoder.datatype().ok()? {
        Type::Bool => Value::Bool(decoder.bool().ok()?),
        Type::F16 => Value::from(decoder.f16().ok()?),
        Type::F32 => Value::from(decoder.f32().ok()?),
        Type::F64 => Value::from(decoder.f64().ok()?),
        Type::String => Value::from(decoder.str().ok()?),
        Type::Array => {
            let count = decoder.array().ok()??;
            Value::Array((0..count).map(|_| decode_value(decoder, depth + 1)).collect::<Option<_>>()?)
        }
        Type::Map => {
            let count = decoder.map().ok()??;
            let mut object = Map::new();
            for _ in 0..count {
                object.insert(decoder.str().ok()?.to_owned(), decode_value(decoder, depth + 1)?);
            }
            Value::Object(object)
        }
        _ => Value::from(decoder.i64().ok()?),
    })
}
