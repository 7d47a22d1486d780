//! Reading the CBOR of settings (RFC 8949), and only that: definite lengths, integers of 64 bits, floats of all three widths.
//!
//! It is this short because it is part of every rule: a general decoder would be a fifth of a small rule's size.

/// How deep a value that is skipped may be nested.
const MAX_DEPTH: u32 = 16;

/// Bytes being read from the front. Every method gives `None` when the next item is another one or the bytes end.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Over bytes.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether everything was read.
    pub const fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    /// The next item's major type, additional information and argument (RFC 8949 §3).
    fn head(&mut self) -> Option<(u8, u8, u64)> {
        let first = self.take(1)?[0];
        let (major, info) = (first >> 5, first & 0x1f);
        let width = match info {
            0..=23 => return Some((major, info, u64::from(info))),
            24..=27 => 1 << (info - 24),
            // 28 to 30 are not assigned, 31 is an indefinite length, which the deterministic encoding has not.
            _ => return None,
        };
        let argument = self.take(width)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
        Some((major, info, argument))
    }

    fn of_major(&mut self, wanted: u8) -> Option<u64> {
        let (major, _, argument) = self.head()?;
        (major == wanted).then_some(argument)
    }

    /// A map's number of entries.
    pub fn map(&mut self) -> Option<u64> {
        self.of_major(5)
    }

    /// A list's number of items.
    pub fn array(&mut self) -> Option<u64> {
        self.of_major(4)
    }

    /// A text's bytes. They are UTF-8 when the host made them; a property's name is compared as bytes.
    pub fn text_bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.of_major(3)?;
        self.take(usize::try_from(length).ok()?)
    }

    /// A text.
    pub fn text(&mut self) -> Option<&'a str> {
        core::str::from_utf8(self.text_bytes()?).ok()
    }

    /// An integer.
    pub fn integer(&mut self) -> Option<i64> {
        let (major, _, argument) = self.head()?;
        let value = i64::try_from(argument).ok()?;
        match major {
            0 => Some(value),
            1 => Some(-1 - value),
            _ => None,
        }
    }

    /// `true` or `false`.
    pub fn boolean(&mut self) -> Option<bool> {
        match self.take(1)? {
            [0xf4] => Some(false),
            [0xf5] => Some(true),
            _ => None,
        }
    }

    /// A float of any width, exactly.
    pub fn float(&mut self) -> Option<f64> {
        let (major, info, bits) = self.head()?;
        match (major, info) {
            (7, 25) => Some(half(bits as u16)),
            (7, 26) => Some(f64::from(f32::from_bits(bits as u32))),
            (7, 27) => Some(f64::from_bits(bits)),
            _ => None,
        }
    }

    /// Passes over a value of any kind.
    pub fn skip(&mut self) -> Option<()> {
        self.skip_within(MAX_DEPTH)
    }

    fn skip_within(&mut self, depth: u32) -> Option<()> {
        let (major, _, argument) = self.head()?;
        let inner = match major {
            0 | 1 | 7 => 0,
            2 | 3 => return self.take(usize::try_from(argument).ok()?).map(drop),
            4 => argument,
            5 => argument.checked_mul(2)?,
            _ => 1,
        };
        let depth = depth.checked_sub(1)?;
        for _ in 0..inner {
            self.skip_within(depth)?;
        }
        Some(())
    }
}

/// A half-precision float (RFC 8949 appendix D), in arithmetic that is exact.
fn half(bits: u16) -> f64 {
    let fraction = f64::from(bits & 0x3ff);
    let exponent = i32::from(bits >> 10 & 0x1f);
    let magnitude = match exponent {
        0 => fraction * two_to(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (fraction + 1024.0) * two_to(exponent - 25),
    };
    if bits & 0x8000 == 0 { magnitude } else { -magnitude }
}

/// A power of two within the normal range of `f64`.
fn two_to(exponent: i32) -> f64 {
    f64::from_bits(((1023 + i64::from(exponent)) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    /// RFC 8949 appendix A.
    #[test]
    fn the_standards_examples_read_back() {
        for (hex, value) in [
            ("00", 0),
            ("17", 23),
            ("1818", 24),
            ("1903e8", 1000),
            ("1a000f4240", 1_000_000),
            ("20", -1),
            ("3903e7", -1000),
        ] {
            assert_eq!(Reader::new(&bytes(hex)).integer(), Some(value), "{hex}");
        }
        let floats = [
            ("f90000", 0.0),
            ("f93c00", 1.0),
            ("f93e00", 1.5),
            ("f97bff", 65_504.0),
            ("fa47c35000", 100_000.0),
            ("fb3ff199999999999a", 1.1),
            ("f90001", 5.960_464_477_539_063e-8),
            ("f90400", 0.000_061_035_156_25),
            ("f9c400", -4.0),
            ("f97c00", f64::INFINITY),
        ];
        for (hex, value) in floats {
            assert_eq!(Reader::new(&bytes(hex)).float(), Some(value), "{hex}");
        }
        assert!(Reader::new(&bytes("f97e00")).float().unwrap().is_nan());
        assert_eq!(Reader::new(&bytes("6449455446")).text(), Some("IETF"));
        assert_eq!(Reader::new(&bytes("1bffffffffffffffff")).integer(), None, "does not fit");
        assert_eq!(Reader::new(&bytes("9f01ff")).array(), None, "indefinite lengths are not deterministic");
    }

    #[test]
    fn a_value_of_any_kind_is_passed_over_whole() {
        for hex in
            ["00", "f5", "fb3ff199999999999a", "826161a161626163", "a26161018202039fff", "c11a514b67b0", "43010203"]
        {
            let data = bytes(hex);
            let mut reader = Reader::new(&data);
            let passed = reader.skip();
            assert_eq!(passed.is_some() && reader.is_done(), !hex.contains("9fff"), "{hex}");
        }
        let deep = [0x81; 40];
        assert_eq!(Reader::new(&deep).skip(), None);
        let long = bytes("bb7fffffffffffffff");
        assert_eq!(Reader::new(&long).skip(), None);
    }

    proptest! {
        #[test]
        fn every_half_is_read_as_the_library_reads_it(bits: u16) {
            let data = [&[0xf9][..], &bits.to_be_bytes()].concat();
            let ours = Reader::new(&data).float().unwrap();
            let library = f64::from(minicbor::Decoder::new(&data).f16().unwrap());
            prop_assert!(ours.to_bits() == library.to_bits() || ours.is_nan() && library.is_nan());
        }

        #[test]
        fn whatever_the_bytes_it_ends(data: Vec<u8>) {
            let mut reader = Reader::new(&data);
            while !reader.is_done() && reader.skip().is_some() {}
        }
    }
}
