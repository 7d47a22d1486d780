//! Files that are no component, or are one no longer.

use super::module::{honest, wat};
use super::{Hostile, refused};
use davy_rules::Stage::{Size, Structure, Validation};

pub(super) fn all() -> Vec<Hostile> {
    let good = honest();
    let cut = |part: usize| good[..good.len() * part / 8].to_vec();
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] ^= byte;
        bytes
    };
    vec![
        refused("empty", Vec::new(), Structure, "empty"),
        refused("core-module", wat("(module)"), Structure, "core module"),
        refused("machine-code", b"\x7fELF\x02\x01\x01\0\0\0\0\0".to_vec(), Structure, "machine code"),
        refused("text", b"(component)".to_vec(), Structure, "text"),
        refused("other-bytes", b"MZ\x90\0\x03".to_vec(), Structure, "something else"),
        refused("too-long", [&good[..], &custom("padding", &vec![0; 2 << 20])].concat(), Size, "at most 2097152 bytes"),
        refused("cut-at-an-eighth", cut(1), Structure, "malformed"),
        refused("cut-at-half", cut(4), Structure, "malformed"),
        refused("flipped-version", with(4, 0x40), Structure, "malformed"),
        refused("flipped-section", with(8, 0x40), Validation, "malformed section id"),
        refused("flipped-length", with(9, 0x7f), Structure, "malformed"),
        refused("unknown-section", [&good[..], &[0x7e, 1, 0]].concat(), Validation, "malformed section id"),
        refused("endless-length", [&good[..], &[0, 0xff, 0xff, 0xff, 0xff, 0x0f]].concat(), Structure, "malformed"),
        refused("name-that-is-no-utf-8", [&good[..], &[0, 3, 2, 0xc3, 0x28]].concat(), Structure, "UTF-8"),
        refused(
            "many-custom-sections",
            [&good[..], &custom("x", b"").repeat(2_000)].concat(),
            Structure,
            "custom sections",
        ),
        refused(
            "large-custom-section",
            [&good[..], &custom("x", &vec![7; 1_500_000])].concat(),
            Structure,
            "bytes in custom sections",
        ),
        refused("twice", [&good[..], &good[8..]].concat(), Structure, "memories"),
    ]
}

/// A custom section.
fn custom(name: &str, data: &[u8]) -> Vec<u8> {
    let mut body = vec![name.len() as u8];
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(data);
    let (mut section, mut length) = (vec![0], body.len());
    while length > 0x7f {
        section.push(length as u8 & 0x7f | 0x80);
        length >>= 7;
    }
    section.push(length as u8);
    section.extend(body);
    section
}
