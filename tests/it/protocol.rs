//! The worked examples of `docs/protocol.md` are what the platform does.

use davy_domain::{Timestamp, senml, wire};
use std::fmt::Write as _;

const PAGE: &str = include_str!("../../docs/protocol.md");

/// The fenced blocks of the page: name and text, in order.
fn blocks() -> Vec<(&'static str, &'static str)> {
    let mut blocks = Vec::new();
    let mut parts = PAGE.split("```");
    while let (Some(_), Some(block)) = (parts.next(), parts.next()) {
        let (name, text) = block.split_once('\n').expect("a fenced block has a line");
        blocks.push((name, text.trim()));
    }
    blocks
}

/// Bytes of a commented hexadecimal dump.
fn bytes(dump: &str) -> Vec<u8> {
    let digits: String = dump.lines().map(|line| line.split('#').next().unwrap_or("")).collect();
    let digits: Vec<u8> = digits.chars().filter_map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// Each block of the first name with the one after it, which must have the second name.
fn examples(given: &str, expected: &str) -> Vec<(Vec<u8>, &'static str)> {
    let blocks = blocks();
    let pairs: Vec<_> = blocks
        .windows(2)
        .filter(|pair| pair[0].0 == given)
        .map(|pair| {
            assert_eq!(pair[1].0, expected, "after `{}`", pair[0].1);
            (bytes(pair[0].1), pair[1].1)
        })
        .collect();
    assert!(!pairs.is_empty(), "the page has no example `{given}`");
    pairs
}

#[test]
fn the_uplinks_of_the_page_mean_what_it_says() {
    let now = Timestamp::from_millis(1_790_000_000_000);
    for (uplink, expected) in examples("uplink", "readings") {
        let uplink = senml::decode(&uplink, now).expect(expected);
        let mut text = String::new();
        for part in &uplink.parts {
            for reading in &part.readings {
                let child = part.child.as_ref().map_or_else(String::new, |child| format!("{child}/"));
                let ago = (reading.at.as_millis() - now.as_millis()) / 1000;
                writeln!(text, "{child}{} {} at {ago}", reading.quantity.senml_name(), reading.value).unwrap();
            }
        }
        assert_eq!(text.trim(), expected);
    }
}

#[test]
fn the_commands_of_the_page_mean_what_it_says_and_are_written_so() {
    for (pending, expected) in examples("pending", "command") {
        let commands = wire::decode_pending(&pending).expect(expected);
        let text: Vec<String> = commands
            .iter()
            .map(|c| {
                format!(
                    "id {}, {}, counter {}, deadline {}",
                    c.id.raw(),
                    c.action.name(),
                    c.counter,
                    c.deadline.as_millis()
                )
            })
            .collect();
        assert_eq!(text.join("\n"), expected);
        assert_eq!(wire::encode_pending(&commands), pending);
    }
}

#[test]
fn the_outcomes_of_the_page_mean_what_it_says_and_are_written_so() {
    for (outcome, expected) in examples("outcome", "report") {
        let report = wire::decode_outcome(&outcome).expect(expected);
        let text = format!("counter {}, {}, at {}", report.counter, report.outcome.name(), report.at.as_millis());
        assert_eq!(text, expected);
        assert_eq!(wire::encode_outcome(&report), outcome);
    }
}

#[test]
fn every_quantity_of_the_platform_is_on_the_page_with_its_unit() {
    for quantity in davy_domain::Quantity::ALL {
        let unit = if quantity.unit().is_empty() { String::new() } else { format!(" `{}`", quantity.unit()) };
        let row = format!("| `{}` |{unit} |", quantity.senml_name());
        assert!(PAGE.contains(&row), "the page has no row `{row}`");
    }
}

#[test]
fn every_outcome_of_the_platform_is_on_the_page() {
    for outcome in davy_domain::command::DeviceOutcome::ALL {
        assert!(PAGE.contains(&format!("\n| {} | ", outcome.code())), "the page has no row for {outcome:?}");
    }
}
