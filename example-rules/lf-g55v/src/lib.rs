//! Example device driver: a household gas alarm like the LF-G55-V of the platform's source paper, alone or behind a safety terminal.
//!
//! The protocol of the real device is not public. This one is made like many of its kind: a line of text that a technician can read on
//! a serial cable, with the check sum of NMEA 0183 (all characters between `$` and `*`, exclusively or-ed).
//!
//! ```text
//! $G55,<serial>,<gas count>,<CO ppm>,<temperature °C>,<flags>*<sum>      a report; CO may be empty
//! $RSP,<serial>,<counter>,<OK|DONE|OLD|JAM|NO>*<sum>                      what became of an order
//! $CMD,<serial>,CLOSE,<counter>*<sum>                                     an order
//! ```
//!
//! Flags are letters, any of: `R` alarm sounds (red), `Y` fault (yellow), `E` sensor at its end, `C` valve closed, `O` valve open,
//! `H` housing opened, `T` self-test. A safety terminal sends the lines of up to 500 households in one message; the serial then names the
//! child.
//!
//! It must never take a line with a wrong sum, and one bad line refuses the whole message: half a gateway is a gas leak unseen.

mod settings;

use davy_rules_sdk::contract::Reading;
use davy_rules_sdk::driver::prelude::*;
pub use settings::LfG55V;

/// The driver.
#[derive(Clone, Copy, Debug)]
pub struct Alarm;

#[device_driver(
    name = "lf-g55v",
    version = "1.0.0",
    zh = "家用燃气报警器(LF-G55-V 类)文本协议,支持安全监控终端汇聚。",
    en = "A household gas alarm like the LF-G55-V: a text protocol, also behind a safety terminal.",
    vendor("示例报警器厂", "Example Alarms"),
    models("LF-G55-V"),
    kinds(DETECTOR, GATEWAY),
    actions(CLOSE),
    tags(
        GAS(period_s = 60, resolution = 0.1, zh = "燃气浓度", en = "Gas"),
        CO(period_s = 60, resolution = 1.0, zh = "一氧化碳", en = "Carbon monoxide"),
        TEMPERATURE(period_s = 600, resolution = 1.0, zh = "温度", en = "Temperature"),
        END_OF_LIFE(zh = "传感器寿命终止", en = "Sensor end of life"),
        TAMPER(zh = "外壳打开", en = "Housing opened"),
        VALVE(zh = "切断阀", en = "Shut-off valve")
    )
)]
impl Driver for Alarm {
    type Settings = LfG55V;

    fn decode(settings: &LfG55V, uplink: &Uplink) -> Result<Decoded, Fault> {
        let text = core::str::from_utf8(&uplink.payload)
            .map_err(|error| Fault::event(format!("byte {}: expected text", error.valid_up_to())))?;
        let mut message = Message::of(uplink);
        let mut lines = 0_u32;
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
            lines += 1;
            let fault = |what: String| Fault::event(format!("line {}: {what}", index + 1));
            let fields: Vec<&str> = checked(line).map_err(fault)?.split(',').collect();
            match fields[..] {
                ["G55", serial, gas, co, temperature, flags] => {
                    let child = child_of(uplink, serial, &mut message);
                    report(settings, uplink.received_at_ms, child, [gas, co, temperature, flags], &mut message)
                        .map_err(fault)?;
                }
                ["RSP", serial, counter, word] => {
                    let child = child_of(uplink, serial, &mut message);
                    let counter = number(counter, "a counter").map_err(fault)?;
                    let outcome = outcome(word)
                        .ok_or_else(|| fault(format!("expected OK, DONE, OLD, JAM or NO, got `{}`", shown(word))))?;
                    message.child_report(child, counter, outcome, uplink.received_at_ms);
                }
                _ => return Err(fault(format!("expected G55 with 6 fields or RSP with 4, got `{}`", shown(line)))),
            }
        }
        if lines == 0 {
            return Err(Fault::event("expected at least one line, got none"));
        }
        Ok(message.done())
    }

    fn encode(_: &LfG55V, order: &Order) -> Result<Encoded, Fault> {
        if order.action != action::CLOSE {
            return Err(unsupported(order));
        }
        let body = format!("CMD,{},CLOSE,{}", order.child, order.counter);
        Ok(encoded(format!("${body}*{:02X}\r\n", sum(&body)).into_bytes()))
    }
}

/// The child that a serial names, when a gateway speaks for many; 0 for the device itself.
fn child_of(uplink: &Uplink, serial: &str, message: &mut Message) -> u16 {
    if uplink.device_kind == device_kind::GATEWAY { message.child(serial) } else { 0 }
}

fn report(
    settings: &LfG55V,
    at_ms: i64,
    child: u16,
    [gas, co, temperature, flags]: [&str; 4],
    message: &mut Message,
) -> Result<(), String> {
    let mut read = |quantity: u16, value: f64| {
        message.child_reading(child, Reading { at_ms, value, quantity, channel: 0 });
    };
    let counts: u32 = number(gas, "a gas count")?;
    read(quantity::GAS, f64::from(counts) * settings.gas_scale + settings.gas_zero);
    if !co.is_empty() {
        let ppm: u32 = number(co, "carbon monoxide in ppm")?;
        read(quantity::CO, f64::from(ppm));
    }
    let degrees: i16 = number(temperature, "a temperature in °C")?;
    read(quantity::TEMPERATURE, f64::from(degrees));
    if let Some(unknown) = flags.chars().find(|flag| !"RYECOHT".contains(*flag)) {
        return Err(format!("expected flags of RYECOHT, got `{}`", unknown.escape_default()));
    }
    let set = |flag: char| f64::from(u8::from(flags.contains(flag)));
    read(quantity::END_OF_LIFE, set('E'));
    read(quantity::TAMPER, set('H'));
    match (settings.valve, flags.contains('C'), flags.contains('O')) {
        (true, true, false) => read(quantity::VALVE, 1.0),
        (true, false, true) => read(quantity::VALVE, 0.0),
        // Neither or both: the device does not know, and nothing is said about the position.
        _ => {}
    }
    if child == 0 {
        message.status(
            "lamp",
            if flags.contains('R') {
                "red"
            } else if flags.contains('Y') {
                "yellow"
            } else {
                "green"
            },
        );
        if flags.contains('T') {
            message.note("self-test");
        }
    }
    Ok(())
}

fn outcome(word: &str) -> Option<u16> {
    Some(match word {
        "OK" => order_outcome::ACCEPTED,
        "DONE" => order_outcome::ACTUATED,
        "OLD" => order_outcome::REFUSED_STALE,
        "JAM" => order_outcome::FAILED_JAMMED,
        "NO" => order_outcome::REFUSED_UNSUPPORTED,
        _ => return None,
    })
}

/// What stands between `$` and `*`, when the sum behind it is right.
fn checked(line: &str) -> Result<&str, String> {
    let wrong = || format!("expected `$…*` and two digits, got `{}`", shown(line));
    let (body, digits) = line.strip_prefix('$').and_then(|rest| rest.rsplit_once('*')).ok_or_else(wrong)?;
    if digits.len() != 2 {
        return Err(wrong());
    }
    let got = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
    let wanted = sum(body);
    if got == wanted { Ok(body) } else { Err(format!("expected the check sum {wanted:02X}, got {got:02X}")) }
}

fn sum(body: &str) -> u8 {
    body.bytes().fold(0, |sum, byte| sum ^ byte)
}

fn number<T: core::str::FromStr>(text: &str, what: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("expected {what}, got `{}`", shown(text)))
}

/// A text from outside, cut and without control characters.
fn shown(text: &str) -> String {
    text.chars().take(40).map(|c| if c.is_control() { '?' } else { c }).collect()
}
