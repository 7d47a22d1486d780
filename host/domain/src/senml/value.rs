//! Single values of a record: read them, or pass over whatever stands in their place.
//!
//! Only CBOR that is broken ends a pack, for nobody can tell where the next record starts. A value of the wrong kind is
//! the fault of its own record and never of the next one. Nothing here recurses: a device may nest as deep as it likes.

use super::SenmlError;
use minicbor::Decoder;
use minicbor::data::{Tag, Type};

/// What `read` reads; or nothing and, unless there is one already, the fault, with the decoder behind the value.
///
/// # Errors
/// The fault that `read` found when what stands there is not even well-formed.
pub(super) fn take<'b, T>(
    decoder: &mut Decoder<'b>,
    fault: &mut Option<SenmlError>,
    read: impl FnOnce(&mut Decoder<'b>) -> Result<T, SenmlError>,
) -> Result<Option<T>, SenmlError> {
    let start = decoder.position();
    match read(decoder) {
        Ok(value) => Ok(Some(value)),
        Err(error) => {
            decoder.set_position(start);
            if pass_over(decoder).is_none() {
                return Err(error);
            }
            fault.get_or_insert(error);
            Ok(None)
        }
    }
}

/// An integer, a float of any width, or a decimal fraction (tag 4, RFC 8949 §3.4.4).
pub(super) fn number(decoder: &mut Decoder<'_>, record: usize, field: &'static str) -> Result<f64, SenmlError> {
    let expected = "a number";
    let wrong =
        |error: minicbor::decode::Error| SenmlError::Field { record, field, expected, got: short(&error.to_string()) };
    let kind = decoder.datatype().map_err(wrong)?;
    match kind {
        Type::F16 => decoder.f16().map(f64::from).map_err(wrong),
        Type::F32 => decoder.f32().map(f64::from).map_err(wrong),
        Type::F64 => decoder.f64().map_err(wrong),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Int => {
            decoder.int().map(|int| i128::from(int) as f64).map_err(wrong)
        }
        Type::Tag => {
            let tag = decoder.tag().map_err(wrong)?;
            let pair = decoder.array().map_err(wrong)?;
            if tag != Tag::new(4) || pair != Some(2) {
                let got = format!("tag {}", tag.as_u64());
                return Err(SenmlError::Field { record, field, expected: "a number or a decimal fraction", got });
            }
            let exponent = decoder.i16().map_err(wrong)?;
            let mantissa = decoder.int().map(i128::from).map_err(wrong)?;
            // Through text, so that 215e-1 is exactly what 21.5 is.
            format!("{mantissa}e{exponent}").parse().map_err(|_| SenmlError::Field {
                record,
                field,
                expected,
                got: format!("{mantissa}e{exponent}"),
            })
        }
        Type::Bool
        | Type::Null
        | Type::Undefined
        | Type::Simple
        | Type::Bytes
        | Type::BytesIndef
        | Type::String
        | Type::StringIndef
        | Type::Array
        | Type::ArrayIndef
        | Type::Map
        | Type::MapIndef
        | Type::Break
        | Type::Unknown(_) => Err(SenmlError::Field { record, field, expected, got: kind.to_string() }),
    }
}

/// The first 64 characters of what came.
pub(super) fn short(text: &str) -> String {
    text.chars().take(64).collect()
}

/// What still has to come before an item that holds others is whole.
enum Within {
    /// So many items.
    Items(u64),
    /// Items until a break; of a map an even number of them.
    UntilBreak { map: bool, odd: bool },
    /// Pieces of a string of this major type until a break.
    Pieces(u8),
}

/// Passes over one item, whatever it holds, if it is well-formed (RFC 8949 appendix C): texts need not be UTF-8.
pub(super) fn pass_over(decoder: &mut Decoder<'_>) -> Option<()> {
    let bytes = decoder.input();
    let mut at = decoder.position();
    let mut within = vec![Within::Items(1)];
    while let Some(holder) = within.last_mut() {
        if let Within::Items(left) = holder {
            if *left == 0 {
                within.pop();
                continue;
            }
            *left -= 1;
        }
        let (major, info) = bytes.get(at).map(|first| (first >> 5, first & 0x1F))?;
        at += 1;
        if (major, info) == (7, 31) {
            match holder {
                Within::UntilBreak { odd: false, .. } | Within::Pieces(_) => drop(within.pop()),
                Within::Items(_) | Within::UntilBreak { .. } => return None,
            }
            continue;
        }
        match holder {
            Within::Pieces(of) if *of != major || info == 31 => return None,
            Within::UntilBreak { map: true, odd } => *odd = !*odd,
            Within::Items(_) | Within::UntilBreak { .. } | Within::Pieces(_) => {}
        }
        let width = match info {
            0..=23 | 31 => 0,
            24..=27 => 1 << (info - 24),
            _ => return None,
        };
        let following = bytes.get(at..at + width)?;
        let argument = following.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
        let argument = if width == 0 { u64::from(info) } else { argument };
        at += width;
        match (major, info) {
            (2 | 3, 31) => within.push(Within::Pieces(major)),
            (4, 31) => within.push(Within::UntilBreak { map: false, odd: false }),
            (5, 31) => within.push(Within::UntilBreak { map: true, odd: false }),
            (_, 31) => return None,
            (2 | 3, _) => {
                let end = usize::try_from(argument).ok().and_then(|length| at.checked_add(length))?;
                at = (end <= bytes.len()).then_some(end)?;
            }
            (4, _) => within.push(Within::Items(argument)),
            (5, _) => within.push(Within::Items(argument.checked_mul(2)?)),
            (6, _) => within.push(Within::Items(1)),
            // Numbers and simple values; one of two bytes stands for no value that has a short form.
            (_, 24) if major == 7 && argument < 32 => return None,
            _ => {}
        }
    }
    decoder.set_position(at);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(bytes: &[u8]) -> Option<usize> {
        let mut decoder = Decoder::new(bytes);
        pass_over(&mut decoder).map(|()| decoder.position())
    }

    #[test]
    fn one_item_is_passed_over_whatever_it_holds() {
        let whole: &[&[u8]] = &[
            &[0x00],
            &[0x39, 0x01, 0x00],
            &[0xF9, 0x7E, 0x00],
            &[0xF8, 0x20],
            &[0x62, 0xFF, 0xFE],
            &[0x7F, 0x61, 0x61, 0x61, 0x62, 0xFF],
            &[0x9F, 0x9F, 0xFF, 0x82, 0x01, 0xA0, 0xFF],
            &[0xBF, 0x01, 0x9F, 0xFF, 0xFF],
            &[0xC4, 0x82, 0x20, 0x18, 0xD7],
            &[0x82, 0xBF, 0xFF, 0x5F, 0xFF],
        ];
        for bytes in whole {
            assert_eq!(passed(bytes), Some(bytes.len()), "{bytes:02x?}");
            assert_eq!(passed(&[bytes, [0xFF].as_slice()].concat()), Some(bytes.len()), "{bytes:02x?} and more");
            assert_eq!(passed(&bytes[..bytes.len() - 1]), None, "{bytes:02x?} cut short");
        }
    }

    #[test]
    fn what_is_not_well_formed_is_not_passed_over() {
        let broken: &[&[u8]] = &[
            &[],
            &[0xFF],
            &[0x1C],
            &[0xF8, 0x10],
            &[0x82, 0x01, 0xFF],
            &[0xBF, 0x01, 0xFF],
            &[0x7F, 0x41, 0x61, 0xFF],
            &[0x7F, 0x7F, 0xFF, 0xFF],
            &[0xC1, 0xFF],
            &[0x1F],
            &[0x5B, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
            &[0xBB, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
        ];
        for bytes in broken {
            assert_eq!(passed(bytes), None, "{bytes:02x?}");
        }
        assert_eq!(passed(&vec![0x81; 60_000]), None);
    }
}
