//! Example device driver: a vendor's binary protocol of an NB-IoT gas meter with a built-in valve.
//!
//! A frame is
//!
//! ```text
//! 68 LL AA AA AA AA AA AA CC …body… KK KK 16
//! ```
//!
//! with the body's length `LL`, the meter's address in decimal digits (`AA`, low byte first), the function `CC`, and a CRC-16/MODBUS
//! over everything before it (`KK`, low byte first). Numbers are low byte first too.
//!
//! | function | body |
//! | --- | --- |
//! | 81 report | index (4 bytes of decimal digits), flow (u32, L/h), battery (u16, mV), temperature (i16, 0.1 °C), status (u16), signal (i8 dBm − 100) |
//! | 82 stored | begin (yy mm dd hh, decimal), count, so many indexes (4 bytes of decimal digits) an hour apart |
//! | 83 outcome | counter (u64), result: 0 taken, 1 moved, 2 old, 3 battery, 4 jammed, 5 lapsed, 6 temperature |
//! | 01 close, 02 arm (to the meter) | counter (u64), deadline (u32, seconds since 1970) |
//!
//! It must never take a damaged frame for a reading: a message is read whole or refused with the byte that is wrong.

mod frame;
mod settings;

use davy_rules_sdk::driver::prelude::*;
pub use settings::VendorMeter;

const REPORT: u8 = 0x81;
const STORED: u8 = 0x82;
const OUTCOME: u8 = 0x83;
const CLOSE: u8 = 0x01;
const ARM: u8 = 0x02;
const HOUR_MS: i64 = 3_600_000;

/// The driver.
#[derive(Clone, Copy, Debug)]
pub struct Meter;

#[device_driver(
    name = "vendor-meter",
    version = "1.0.0",
    zh = "某厂 NB-IoT 物联网燃气表二进制协议(带 CRC-16 校验)。",
    en = "A vendor's binary protocol of an NB-IoT gas meter, framed with CRC-16.",
    vendor("示例表厂", "Example Meters"),
    models("NB-G1.6", "NB-G2.5", "NB-G4"),
    kinds(METER),
    actions(CLOSE, ARM),
    tags(
        VOLUME(period_s = 3_600, resolution = 0.001, zh = "表底数", en = "Index"),
        FLOW(period_s = 3_600, resolution = 0.001, zh = "瞬时流量", en = "Flow"),
        BATTERY(period_s = 86_400, resolution = 1.0, zh = "电池电量", en = "Battery"),
        TEMPERATURE(period_s = 86_400, resolution = 0.1, zh = "温度", en = "Temperature"),
        VALVE(zh = "阀门", en = "Valve"),
        TAMPER(zh = "外壳或磁干扰", en = "Housing or magnet"),
        RSSI(period_s = 86_400, resolution = 1.0, zh = "信号强度", en = "Signal")
    )
)]
impl Driver for Meter {
    type Settings = VendorMeter;

    fn decode(settings: &VendorMeter, uplink: &Uplink) -> Result<Decoded, Fault> {
        let (function, mut body) = frame::open(settings, &uplink.payload)?;
        let mut message = Message::of(uplink);
        match function {
            REPORT => report(settings, &mut body, &mut message)?,
            STORED => stored(settings, &mut body, &mut message)?,
            OUTCOME => outcome(&mut body, uplink.received_at_ms, &mut message)?,
            other => return Err(Fault::event(format!("expected the function 81, 82 or 83, got {other:02x}"))),
        }
        body.end()?;
        Ok(message.done())
    }

    fn encode(settings: &VendorMeter, order: &Order) -> Result<Encoded, Fault> {
        let function = match order.action {
            action::CLOSE => CLOSE,
            action::ARM => ARM,
            _ => return Err(unsupported(order)),
        };
        let Some(address) = address(settings, order) else {
            return Err(Fault::settings("address", "expected the meter's address: an order must name its meter"));
        };
        let mut body = order.counter.to_le_bytes().to_vec();
        let deadline = u32::try_from(order.deadline_ms / 1_000).unwrap_or(u32::MAX);
        body.extend_from_slice(&deadline.to_le_bytes());
        Ok(encoded(frame::seal(address, function, &body)))
    }
}

/// The meter's address: as entered, or its serial number where that has the form of one.
fn address<'a>(settings: &'a VendorMeter, order: &'a Order) -> Option<&'a str> {
    let serial = order.extensions.iter().find(|(name, _)| name == "device-serial").map(|(_, serial)| serial.as_str());
    let known = [Some(settings.address.as_str()), serial];
    known.into_iter().flatten().find(|address| settings::is_address(address))
}

fn report(settings: &VendorMeter, body: &mut Frame<'_>, message: &mut Message) -> Result<(), Fault> {
    let index = body.bcd_le(4)? as f64 * resolution(settings);
    let flow = f64::from(body.u32_le()?) / 1_000.0;
    let (empty, full) = (f64::from(settings.battery_empty_mv), f64::from(settings.battery_full_mv));
    let millivolts = body.u16_le()?;
    let battery = (100.0 * (f64::from(millivolts) - empty) / (full - empty)).clamp(0.0, 100.0);
    let temperature = f64::from(body.i16_le()?) / 10.0;
    let status = body.u16_le()?;
    let signal = f64::from(body.u8()?.cast_signed()) - 100.0;
    message
        .reading(quantity::VOLUME, index)
        .reading(quantity::FLOW, flow)
        .reading(quantity::BATTERY, battery)
        .reading(quantity::TEMPERATURE, temperature)
        .reading(quantity::TAMPER, f64::from(u8::from(status & 0x000c != 0)))
        .reading(quantity::RSSI, signal)
        .status("status", format!("{status:04x}"))
        .status("battery-mv", millivolts);
    // Bits 0 and 1: 0 open, 1 closed; while it moves, or when it does not know, it says nothing about its position.
    match status & 0x0003 {
        0 => drop(message.reading(quantity::VALVE, 0.0)),
        1 => drop(message.reading(quantity::VALVE, 1.0)),
        2 => drop(message.note("the valve is moving")),
        _ => drop(message.note("the meter does not know where its valve is")),
    }
    Ok(())
}

fn stored(settings: &VendorMeter, body: &mut Frame<'_>, message: &mut Message) -> Result<(), Fault> {
    let at = body.position();
    let (year, month, day, hour) = (body.bcd_be(1)?, body.bcd_be(1)?, body.bcd_be(1)?, body.bcd_be(1)?);
    let begin = frame::time_ms(2_000 + year, month, day, hour).ok_or_else(|| {
        Fault::event(format!("byte {at}: expected a date, got {year:02}-{month:02}-{day:02} {hour}:00"))
    })?;
    let begin = begin - i64::from(settings.utc_offset_minutes) * 60_000;
    for hour in 0..i64::from(body.u8()?) {
        let index = body.bcd_le(4)? as f64 * resolution(settings);
        message.reading_at(quantity::VOLUME, 0, begin + hour * HOUR_MS, index);
    }
    Ok(())
}

fn outcome(body: &mut Frame<'_>, at_ms: i64, message: &mut Message) -> Result<(), Fault> {
    let counter = u64::from(body.u32_le()?) | u64::from(body.u32_le()?) << 32;
    let at = body.position();
    let outcome = match body.u8()? {
        0 => order_outcome::ACCEPTED,
        1 => order_outcome::ACTUATED,
        2 => order_outcome::REFUSED_STALE,
        3 => order_outcome::REFUSED_BATTERY,
        4 => order_outcome::FAILED_JAMMED,
        5 => order_outcome::REFUSED_EXPIRED,
        6 => order_outcome::REFUSED_TEMPERATURE,
        other => return Err(Fault::event(format!("byte {at}: expected a result from 0 to 6, got {other}"))),
    };
    message.report(counter, outcome, at_ms);
    Ok(())
}

fn resolution(settings: &VendorMeter) -> f64 {
    match settings.resolution.as_str() {
        "0.1" => 0.1,
        "0.01" => 0.01,
        _ => 0.001,
    }
}
