//! A rule's memory between two calls: a compact encoding that is the same for the same value on every machine.
//!
//! The bytes are a 4-byte layout number, computed at compile time from the names and types of all fields, and then the fields
//! in order: integers as (zigzag) LEB128, `f64` as eight bytes, a flag byte for `bool` and `Option`, a count before lists.
//! A rule that finds another layout than its own (it was upgraded) starts from its default state and says so in a note,
//! unless `#[state(migrate = path)]` names a `fn(layout: u32, fields: &[u8]) -> Option<Self>`.

/// The largest state that the host keeps, in bytes.
pub const MAX_STATE_BYTES: usize = 4096;

/// Bytes that are not what this state's encoder writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

/// What decoding found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The first event of the device: there was no state.
    Nothing,
    /// State of this layout.
    Own,
    /// State of another layout that the rule knew how to take over.
    Migrated(u32),
    /// State of another layout: the default took its place.
    Foreign(u32),
}

/// A state struct; derive it together with [`Default`].
pub trait State: StateField + Default {
    /// Takes over the fields of another layout; `None` when it is not known.
    fn migrate(layout: u32, fields: &[u8]) -> Option<Self> {
        let _ = (layout, fields);
        None
    }

    /// The bytes to store.
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        out.extend_from_slice(&Self::LAYOUT.to_le_bytes());
        self.write(&mut out);
        out
    }

    /// The state of stored bytes.
    ///
    /// # Errors
    /// [`Corrupt`] when the bytes are of this layout but cut, too long or not canonical.
    fn decode(bytes: &[u8]) -> Result<(Self, Found), Corrupt> {
        if bytes.is_empty() {
            return Ok((Self::default(), Found::Nothing));
        }
        let (layout, fields) = bytes.split_first_chunk::<4>().ok_or(Corrupt)?;
        let layout = u32::from_le_bytes(*layout);
        if layout != Self::LAYOUT {
            return Ok(match Self::migrate(layout, fields) {
                Some(state) => (state, Found::Migrated(layout)),
                None => (Self::default(), Found::Foreign(layout)),
            });
        }
        let mut reader = Reader { rest: fields };
        let state = Self::read(&mut reader).ok_or(Corrupt)?;
        if reader.rest.is_empty() { Ok((state, Found::Own)) } else { Err(Corrupt) }
    }
}

/// A type that a state field can have.
pub trait StateField: Sized {
    /// A number that changes with the encoding.
    const LAYOUT: u32;
    /// Appends the value.
    fn write(&self, out: &mut Vec<u8>);
    /// Reads a value; `None` when the bytes are not what [`StateField::write`] makes.
    fn read(reader: &mut Reader<'_>) -> Option<Self>;
}

/// Bytes being read from the front.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Over bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next byte.
    pub fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// The next bytes.
    pub fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    /// The next LEB128 number; `None` when it does not fit or is longer than it need be.
    pub fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                return None;
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                return (byte != 0 || shift == 0).then_some(value);
            }
        }
        None
    }
}

/// Appends a LEB128 number.
pub fn write_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Mixes a text into a layout number (FNV-1a); for the derive macro and for hand-written [`StateField`]s.
pub const fn layout_text(mut layout: u32, text: &str) -> u32 {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        layout = (layout ^ bytes[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    // A mark between two texts, so that "ab","c" differs from "a","bc".
    (layout ^ 0xff).wrapping_mul(0x0100_0193)
}

/// Mixes the layout of a part into a layout number.
pub const fn layout_part(layout: u32, part: u32) -> u32 {
    (layout.rotate_left(5) ^ part).wrapping_mul(0x9E37_79B1)
}

/// Where every layout number begins.
pub const LAYOUT_SEED: u32 = 0x811C_9DC5;

macro_rules! unsigned {
    ($($type:ident),*) => {$(
        impl StateField for $type {
            const LAYOUT: u32 = layout_text(LAYOUT_SEED, stringify!($type));
            fn write(&self, out: &mut Vec<u8>) {
                write_varint(u64::from(*self), out);
            }
            fn read(reader: &mut Reader<'_>) -> Option<Self> {
                Self::try_from(reader.varint()?).ok()
            }
        }
    )*};
}
unsigned!(u8, u16, u32, u64);

macro_rules! signed {
    ($($type:ident),*) => {$(
        impl StateField for $type {
            const LAYOUT: u32 = layout_text(LAYOUT_SEED, stringify!($type));
            fn write(&self, out: &mut Vec<u8>) {
                let value = i64::from(*self);
                write_varint(((value << 1) ^ (value >> 63)) as u64, out);
            }
            fn read(reader: &mut Reader<'_>) -> Option<Self> {
                let raw = reader.varint()?;
                Self::try_from((raw >> 1) as i64 ^ -((raw & 1) as i64)).ok()
            }
        }
    )*};
}
signed!(i8, i16, i32, i64);

impl StateField for bool {
    const LAYOUT: u32 = layout_text(LAYOUT_SEED, "bool");
    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        match reader.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl StateField for f64 {
    const LAYOUT: u32 = layout_text(LAYOUT_SEED, "f64");
    fn write(&self, out: &mut Vec<u8>) {
        // One bit pattern for NaN: which one arithmetic makes depends on the machine.
        let value = if self.is_nan() { Self::NAN } else { *self };
        out.extend_from_slice(&value.to_bits().to_le_bytes());
    }
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let bytes = reader.bytes(8)?.try_into().ok()?;
        Some(Self::from_bits(u64::from_le_bytes(bytes)))
    }
}

impl StateField for String {
    const LAYOUT: u32 = layout_text(LAYOUT_SEED, "String");
    fn write(&self, out: &mut Vec<u8>) {
        write_varint(self.len() as u64, out);
        out.extend_from_slice(self.as_bytes());
    }
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let count = usize::try_from(reader.varint()?).ok()?;
        core::str::from_utf8(reader.bytes(count)?).ok().map(Self::from)
    }
}

impl<T: StateField> StateField for Option<T> {
    const LAYOUT: u32 = layout_part(layout_text(LAYOUT_SEED, "Option"), T::LAYOUT);
    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_some()));
        if let Some(value) = self {
            value.write(out);
        }
    }
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        if bool::read(reader)? { T::read(reader).map(Some) } else { Some(None) }
    }
}

impl<T: StateField> StateField for Vec<T> {
    const LAYOUT: u32 = layout_part(layout_text(LAYOUT_SEED, "Vec"), T::LAYOUT);
    fn write(&self, out: &mut Vec<u8>) {
        write_varint(self.len() as u64, out);
        for item in self {
            item.write(out);
        }
    }
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let count = usize::try_from(reader.varint()?).ok().filter(|count| *count <= MAX_STATE_BYTES)?;
        let mut items = Self::with_capacity(count.min(reader.rest.len()));
        for _ in 0..count {
            items.push(T::read(reader)?);
        }
        Some(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use davy_rules_sdk_macros::State;
    use proptest::prelude::*;

    #[derive(State, Default, Debug, Clone, PartialEq)]
    struct Sample {
        flag: bool,
        count: u32,
        at: Option<i64>,
        level: f64,
        points: Vec<(i64, f64)>,
        name: String,
    }

    impl<A: StateField, B: StateField> StateField for (A, B) {
        const LAYOUT: u32 = layout_part(A::LAYOUT, B::LAYOUT);
        fn write(&self, out: &mut Vec<u8>) {
            self.0.write(out);
            self.1.write(out);
        }
        fn read(reader: &mut Reader<'_>) -> Option<Self> {
            Some((A::read(reader)?, B::read(reader)?))
        }
    }

    #[derive(State, Default, Debug, PartialEq)]
    struct Renamed {
        flag: bool,
        counter: u32,
    }

    #[derive(State, Default, Debug, PartialEq)]
    struct Original {
        flag: bool,
        count: u32,
    }

    #[derive(State, Default, Debug, PartialEq)]
    #[state(migrate = from_original)]
    struct Heir {
        count: u64,
    }

    fn from_original(layout: u32, fields: &[u8]) -> Option<Heir> {
        let original = (layout == Original::LAYOUT).then(|| Original::read(&mut Reader::new(fields)))??;
        Some(Heir { count: u64::from(original.count) })
    }

    proptest! {
        #[test]
        fn what_was_written_reads_back(flag: bool, count: u32, at: Option<i64>, level in -1e300..1e300, points: Vec<(i64, u32)>, name: String) {
            let points = points.into_iter().map(|(at, value)| (at, f64::from(value))).collect();
            let state = Sample { flag, count, at, level, points, name };
            prop_assert_eq!(Sample::decode(&state.encode()), Ok((state, Found::Own)));
        }

        #[test]
        fn whatever_decodes_encodes_to_the_same_bytes(fields: Vec<u8>) {
            let bytes = [&Sample::LAYOUT.to_le_bytes()[..], &fields].concat();
            if let Ok((state, Found::Own)) = Sample::decode(&bytes) && !state.level.is_nan() && state.points.iter().all(|(_, v)| !v.is_nan()) {
                prop_assert_eq!(state.encode(), bytes);
            }
        }
    }

    #[test]
    fn no_bytes_are_the_first_event() {
        assert_eq!(Original::decode(&[]), Ok((Original::default(), Found::Nothing)));
    }

    #[test]
    fn a_renamed_field_is_another_layout_and_starts_anew() {
        let bytes = Original { flag: true, count: 7 }.encode();
        assert_eq!(Renamed::decode(&bytes), Ok((Renamed::default(), Found::Foreign(Original::LAYOUT))));
    }

    #[test]
    fn a_migration_takes_over_what_it_knows() {
        let bytes = Original { flag: true, count: 7 }.encode();
        assert_eq!(Heir::decode(&bytes), Ok((Heir { count: 7 }, Found::Migrated(Original::LAYOUT))));
        let unknown = Renamed::default().encode();
        assert_eq!(Heir::decode(&unknown), Ok((Heir::default(), Found::Foreign(Renamed::LAYOUT))));
    }

    #[test]
    fn cut_and_lengthened_bytes_are_corrupt() {
        let bytes = Original { flag: true, count: 700 }.encode();
        for cut in 1..bytes.len() {
            assert_eq!(Original::decode(&bytes[..cut]), Err(Corrupt), "cut to {cut}");
        }
        assert_eq!(Original::decode(&[&bytes[..], &[0]].concat()), Err(Corrupt));
    }

    #[test]
    fn a_number_longer_than_it_need_be_is_corrupt() {
        assert_eq!(Reader::new(&[0x80, 0x00]).varint(), None);
        assert_eq!(Reader::new(&[0x00]).varint(), Some(0));
        let mut longest = Vec::new();
        write_varint(u64::MAX, &mut longest);
        assert_eq!(Reader::new(&longest).varint(), Some(u64::MAX));
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]).varint(), None);
    }
}
