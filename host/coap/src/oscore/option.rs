//! The value of the OSCORE option: the compressed COSE object's header (RFC 8613 §6.1).

use super::MAX_SEQUENCE;

/// The longest option value that is ever written.
pub const MAX_OPTION_LEN: usize = 270;

/// What the OSCORE option says, borrowed from the datagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OscoreOption<'a> {
    /// The sender's sequence number; always there in a request.
    pub partial_iv: Option<u64>,
    /// The ID Context, 0–255 bytes.
    pub kid_context: Option<&'a [u8]>,
    /// The Sender ID, always there in a request. May be empty.
    pub kid: Option<&'a [u8]>,
}

/// Why an OSCORE option could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// A reserved flag bit is set, or the Partial IV has a reserved length.
    #[error("flag bits {0:#010b} are reserved; expected 000hknnn with nnn at most 5")]
    Reserved(u8),
    /// The value ends before what its flags announce.
    #[error("the value ends before its {0}")]
    Truncated(&'static str),
    /// The value goes on after what its flags announce, or has a zero flag byte that should be left out.
    #[error("the value has bytes that its flags do not announce")]
    Trailing,
    /// The Partial IV has leading zero bytes.
    #[error("the Partial IV has leading zero bytes; expected the shortest form")]
    PartialIvNotMinimal,
}

const FLAG_KID_CONTEXT: u8 = 0b1_0000;
const FLAG_KID: u8 = 0b1000;
const PIV_LEN: u8 = 0b111;

impl<'a> OscoreOption<'a> {
    /// Decodes an option value.
    pub fn parse(value: &'a [u8]) -> Result<Self, OptionError> {
        let Some((&flags, mut rest)) = value.split_first() else { return Ok(Self::default()) };
        let piv_len = usize::from(flags & PIV_LEN);
        if flags & 0b1110_0000 != 0 || piv_len > 5 {
            return Err(OptionError::Reserved(flags));
        }
        if flags == 0 {
            return Err(OptionError::Trailing);
        }
        let mut option = Self::default();
        if piv_len > 0 {
            let (piv, tail) = rest.split_at_checked(piv_len).ok_or(OptionError::Truncated("Partial IV"))?;
            if piv_len > 1 && piv[0] == 0 {
                return Err(OptionError::PartialIvNotMinimal);
            }
            option.partial_iv = Some(piv.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)));
            rest = tail;
        }
        if flags & FLAG_KID_CONTEXT != 0 {
            let (&len, tail) = rest.split_first().ok_or(OptionError::Truncated("kid context length"))?;
            let (context, tail) = tail.split_at_checked(len.into()).ok_or(OptionError::Truncated("kid context"))?;
            option.kid_context = Some(context);
            rest = tail;
        }
        if flags & FLAG_KID != 0 {
            option.kid = Some(rest);
        } else if !rest.is_empty() {
            return Err(OptionError::Trailing);
        }
        Ok(option)
    }

    /// Writes the option value to the front of `out` and says how long it is. The Partial IV is cut to 40 bits, the kid context to 255
    /// bytes and the kid to 8.
    pub fn encode_into(&self, out: &mut [u8; MAX_OPTION_LEN]) -> usize {
        let (mut flags, mut len) = (0, 1);
        let mut write = |bytes: &[u8]| {
            out[len..len + bytes.len()].copy_from_slice(bytes);
            len += bytes.len();
        };
        if let Some(sequence) = self.partial_iv {
            let (bytes, piv_len) = partial_iv(sequence);
            write(&bytes[5 - piv_len..]);
            flags |= piv_len as u8;
        }
        if let Some(context) = self.kid_context {
            let context = &context[..context.len().min(255)];
            write(&[context.len() as u8]);
            write(context);
            flags |= FLAG_KID_CONTEXT;
        }
        if let Some(kid) = self.kid {
            write(&kid[..kid.len().min(8)]);
            flags |= FLAG_KID;
        }
        out[0] = flags;
        // "If the OSCORE flag bits are all zero, the option value SHALL be empty."
        if flags == 0 { 0 } else { len }
    }
}

/// A sequence number in five bytes, and how many of the last of these the shortest form needs (at least one).
pub(super) fn partial_iv(sequence: u64) -> ([u8; 5], usize) {
    let sequence = sequence & MAX_SEQUENCE;
    let [_, _, _, bytes @ ..] = sequence.to_be_bytes();
    let len = (8 - (sequence.leading_zeros() / 8) as usize).max(1);
    (bytes, len)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(value: &[u8]) -> Result<OscoreOption<'_>, OptionError> {
        OscoreOption::parse(value)
    }

    #[test]
    fn the_examples_of_rfc_8613_section_6_3_decode() {
        let request = OscoreOption { partial_iv: Some(5), kid_context: None, kid: Some(&[0x25]) };
        assert_eq!(parse(&[0x09, 0x05, 0x25]), Ok(request));
        let empty_kid = OscoreOption { partial_iv: Some(0), kid_context: None, kid: Some(&[]) };
        assert_eq!(parse(&[0x09, 0x00]), Ok(empty_kid));
        let context =
            OscoreOption { partial_iv: Some(5), kid_context: Some(&[0x44, 0x61, 0x6c, 0x65, 0x6b]), kid: Some(&[]) };
        assert_eq!(parse(&[0x19, 0x05, 0x05, 0x44, 0x61, 0x6c, 0x65, 0x6b]), Ok(context));
        assert_eq!(parse(&[]), Ok(OscoreOption::default()));
        assert_eq!(parse(&[0x01, 0x07]), Ok(OscoreOption { partial_iv: Some(7), ..OscoreOption::default() }));
    }

    #[test]
    fn reserved_bits_lengths_and_forms_are_refused() {
        for flags in [0x4b, 0x8b, 0x2b, 0x06, 0x07] {
            assert_eq!(parse(&[flags, 1, 2, 3, 4, 5, 6, 7]), Err(OptionError::Reserved(flags)));
        }
        assert_eq!(parse(&[0x00]), Err(OptionError::Trailing));
        assert_eq!(parse(&[0x01, 0x07, 0x00]), Err(OptionError::Trailing));
        assert_eq!(parse(&[0x0a, 0x07]), Err(OptionError::Truncated("Partial IV")));
        assert_eq!(parse(&[0x19, 0x07]), Err(OptionError::Truncated("kid context length")));
        assert_eq!(parse(&[0x19, 0x07, 3, 1, 2]), Err(OptionError::Truncated("kid context")));
        assert_eq!(parse(&[0x0a, 0x00, 0x07]), Err(OptionError::PartialIvNotMinimal));
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_round_trip(value in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(option) = OscoreOption::parse(&value) {
                let mut again = [0; MAX_OPTION_LEN];
                let len = option.encode_into(&mut again);
                if option.kid.is_none_or(|kid| kid.len() <= 8) {
                    prop_assert_eq!(&again[..len], &value[..]);
                }
            }
        }

        #[test]
        fn the_shortest_partial_iv_is_used(sequence in 0..=MAX_SEQUENCE) {
            let (bytes, len) = partial_iv(sequence);
            prop_assert!(bytes[..5 - len].iter().all(|&b| b == 0));
            prop_assert!(len == 1 || bytes[5 - len] != 0);
        }
    }
}
