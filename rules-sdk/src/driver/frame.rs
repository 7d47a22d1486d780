//! Reading a vendor's frame from the front. Every method says what was missing and where; none panics, whatever the bytes.

use crate::contract::Fault;

/// Bytes being read.
#[derive(Clone, Debug)]
pub struct Frame<'a> {
    whole: usize,
    rest: &'a [u8],
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident: $type:ident = $from:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// A fault when the bytes end before it does.
        pub fn $name(&mut self) -> Result<$type, Fault> {
            let (taken, rest) = self.rest.split_first_chunk().ok_or_else(|| self.cut(size_of::<$type>()))?;
            self.rest = rest;
            Ok($type::$from(*taken))
        }
    )*};
}

impl<'a> Frame<'a> {
    /// Over a message.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { whole: bytes.len(), rest: bytes }
    }

    /// How many bytes have been read.
    pub const fn position(&self) -> usize {
        self.whole - self.rest.len()
    }

    /// What has not been read.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn cut(&self, wanted: usize) -> Fault {
        let (at, left) = (self.position(), self.rest.len());
        Fault::event(format!("byte {at}: expected {wanted} bytes, got {left}: the message is cut"))
    }

    numbers! {
        /// A byte.
        u8: u8 = from_be_bytes;
        /// Two bytes, the high one first.
        u16_be: u16 = from_be_bytes;
        /// Two bytes, the low one first.
        u16_le: u16 = from_le_bytes;
        /// Two bytes with a sign, the high one first.
        i16_be: i16 = from_be_bytes;
        /// Two bytes with a sign, the low one first.
        i16_le: i16 = from_le_bytes;
        /// Four bytes, the high one first.
        u32_be: u32 = from_be_bytes;
        /// Four bytes, the low one first.
        u32_le: u32 = from_le_bytes;
        /// A single-precision float, the high byte first.
        f32_be: f32 = from_be_bytes;
        /// A single-precision float, the low byte first.
        f32_le: f32 = from_le_bytes;
    }

    /// The next bytes.
    ///
    /// # Errors
    /// A fault when there are fewer.
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(|| self.cut(count))?;
        self.rest = rest;
        Ok(taken)
    }

    /// A number in binary-coded decimal, two digits a byte, the high byte first; at most 9 bytes.
    ///
    /// # Errors
    /// A fault when the bytes end before it does, or a half-byte is no digit.
    pub fn bcd_be(&mut self, count: usize) -> Result<u64, Fault> {
        let at = self.position();
        digits(self.bytes(count)?.iter(), at)
    }

    /// A number in binary-coded decimal, two digits a byte, the low byte first; at most 9 bytes.
    ///
    /// # Errors
    /// As [`Frame::bcd_be`].
    pub fn bcd_le(&mut self, count: usize) -> Result<u64, Fault> {
        let at = self.position();
        digits(self.bytes(count)?.iter().rev(), at)
    }

    /// One byte that must be this.
    ///
    /// # Errors
    /// A fault that names what was expected and what came.
    pub fn expect(&mut self, what: &str, byte: u8) -> Result<(), Fault> {
        let at = self.position();
        match self.u8()? {
            got if got == byte => Ok(()),
            got => Err(Fault::event(format!("byte {at}: expected {what} {byte:#04x}, got {got:#04x}"))),
        }
    }

    /// Nothing may follow.
    ///
    /// # Errors
    /// A fault when something does.
    pub fn end(&self) -> Result<(), Fault> {
        if self.rest.is_empty() {
            return Ok(());
        }
        let (at, left) = (self.position(), self.rest.len());
        Err(Fault::event(format!("byte {at}: expected the end of the message, got {left} bytes more")))
    }
}

fn digits<'b>(bytes: impl ExactSizeIterator<Item = &'b u8>, at: usize) -> Result<u64, Fault> {
    if bytes.len() > 9 {
        return Err(Fault::other(format!("a decimal of at most 9 bytes, got {}", bytes.len())));
    }
    let mut value = 0;
    for byte in bytes {
        for digit in [byte >> 4, byte & 0xf] {
            if digit > 9 {
                return Err(Fault::event(format!("byte {at}: expected decimal digits, got the byte {byte:#04x}")));
            }
            value = value * 10 + u64::from(digit);
        }
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_both_byte_orders() {
        let mut frame = Frame::new(&[1, 2, 1, 2, 0xff, 0xfe, 0, 0, 0x80, 0x3f]);
        assert_eq!((frame.u16_be().unwrap(), frame.u16_le().unwrap()), (0x0102, 0x0201));
        assert_eq!(frame.i16_be().unwrap(), -2);
        assert_eq!(frame.f32_le().unwrap(), 1.0);
        frame.end().unwrap();
    }

    #[test]
    fn decimals_are_read_in_both_byte_orders_and_nothing_else_passes_for_one() {
        assert_eq!(Frame::new(&[0x12, 0x34]).bcd_be(2).unwrap(), 1_234);
        assert_eq!(Frame::new(&[0x12, 0x34]).bcd_le(2).unwrap(), 3_412);
        assert!(Frame::new(&[0x1a]).bcd_be(1).unwrap_err().message.contains("0x1a"));
        assert_eq!(Frame::new(&[0x99; 9]).bcd_be(9).unwrap(), 999_999_999_999_999_999);
        assert!(Frame::new(&[0x99; 10]).bcd_be(10).is_err());
    }

    #[test]
    fn a_cut_message_says_where_and_what_was_expected() {
        let mut frame = Frame::new(&[1, 2, 3]);
        frame.u16_be().unwrap();
        let fault = frame.u32_be().unwrap_err();
        assert_eq!(fault.message, "byte 2: expected 4 bytes, got 1: the message is cut");
        assert_eq!(fault.code, crate::codes::fault::EVENT);
        assert!(frame.end().is_err());
        assert!(frame.expect("the end mark", 0x16).unwrap_err().message.contains("the end mark 0x16, got 0x03"));
    }
}
