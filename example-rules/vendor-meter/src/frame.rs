//! The vendor's frame around a body, and its calendar.

use crate::settings::VendorMeter;
use davy_rules_sdk::driver::prelude::*;

const BEGIN: u8 = 0x68;
const END: u8 = 0x16;
const ADDRESS: usize = 6;
/// Begin, length, address, function.
const HEAD: usize = 2 + ADDRESS + 1;
/// Check sum and end.
const TAIL: usize = 3;

/// The function and the body of a frame that is whole.
pub(crate) fn open<'a>(settings: &VendorMeter, bytes: &'a [u8]) -> Result<(u8, Frame<'a>), Fault> {
    let mut frame = Frame::new(bytes);
    frame.expect("the begin", BEGIN)?;
    let length = usize::from(frame.u8()?);
    if bytes.len() != HEAD + length + TAIL {
        let wanted = HEAD + length + TAIL;
        return Err(Fault::event(format!("byte 1: expected a message of {wanted} bytes, got {}", bytes.len())));
    }
    let (checked, tail) = bytes.split_at(HEAD + length);
    let mut tail = Frame::new(tail);
    let (wanted, got) = (crc::modbus(checked), tail.u16_le()?);
    if wanted != got {
        return Err(Fault::event(format!(
            "expected the check sum {wanted:04x}, got {got:04x}: the message is damaged"
        )));
    }
    tail.expect("the end", END)?;
    let address = frame.bcd_le(ADDRESS)?;
    if !settings.address.is_empty() && settings.address != format!("{address:012}") {
        return Err(Fault::event(format!("expected the meter {}, got {address:012}", settings.address)));
    }
    let function = frame.u8()?;
    Ok((function, Frame::new(&checked[HEAD..])))
}

/// A whole frame to the meter with this address, twelve digits.
pub(crate) fn seal(address: &str, function: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![BEGIN, body.len() as u8];
    let digits: Vec<u8> = address.bytes().map(|digit| digit - b'0').collect();
    // Low byte first: the last two digits lead.
    out.extend(digits.chunks(2).rev().map(|pair| pair[0] << 4 | pair[pair.len() - 1]));
    out.push(function);
    out.extend_from_slice(body);
    let sum = crc::modbus(&out);
    out.extend_from_slice(&sum.to_le_bytes());
    out.push(END);
    out
}

/// The begin of an hour of the Gregorian calendar, as if the clock were UTC; `None` for a day that there is not.
pub(crate) fn time_ms(year: u64, month: u64, day: u64, hour: u64) -> Option<i64> {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let index = usize::try_from(month).ok()?.checked_sub(1)?;
    let length = *lengths.get(index)?;
    if !(1..=length).contains(&day) || hour > 23 || year < 1970 {
        return None;
    }
    let years: u64 = (1970..year).map(|year| 365 + u64::from(leap(year))).sum();
    let days = years + lengths[..index].iter().sum::<u64>() + day - 1;
    i64::try_from(days * 86_400_000 + hour * 3_600_000).ok()
}
