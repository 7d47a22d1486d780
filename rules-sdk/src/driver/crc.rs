//! Check sums that vendors' frames carry. Bit by bit and without tables: a frame is short, and a table would be a third of a driver.

/// CRC-16/MODBUS: polynomial 0x8005 reflected, begins with 0xFFFF; sent low byte first.
pub fn modbus(bytes: &[u8]) -> u16 {
    reflected(bytes, 0xFFFF, 0xA001)
}

/// CRC-16/X-25 (HDLC, DL/T 645's relatives, DLMS): polynomial 0x1021 reflected, begins with 0xFFFF, inverted; low byte first.
pub fn x25(bytes: &[u8]) -> u16 {
    !reflected(bytes, 0xFFFF, 0x8408)
}

/// CRC-16/XMODEM (CCITT with 0): polynomial 0x1021, begins with 0; sent high byte first.
pub fn xmodem(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 })
    })
}

/// The sum of all bytes, modulo 256 (DL/T 645, CJ/T 188).
pub fn sum8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte))
}

fn reflected(bytes: &[u8], begin: u16, polynomial: u16) -> u16 {
    bytes.iter().fold(begin, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 0 { crc >> 1 } else { crc >> 1 ^ polynomial })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check value of every catalogue: the sum over the digits 1 to 9.
    #[test]
    fn the_catalogues_check_values_come_out() {
        let digits = b"123456789";
        assert_eq!(modbus(digits), 0x4B37);
        assert_eq!(x25(digits), 0x906E);
        assert_eq!(xmodem(digits), 0x31C3);
        assert_eq!(sum8(digits), 0xDD);
    }
}
