//! What a device's uplinks amount to: the fold that snapshots hold and that recovery continues over the journal's tail.

use crate::batch::RowKind;
use crate::bytes::{Cursor, put_signed, put_sized, put_unsigned};
use crate::segment::RowRef;
use davy_domain::interlock::DeviceMemory;
use davy_domain::senml::Uplink;
use davy_domain::{DeviceId, Quantity, Reading, TenantId, Timestamp};

/// Which OSCORE sequence numbers of a device were stored (RFC 8613 §7.4): the highest one and the 63 below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceWindow {
    /// The highest stored number.
    pub highest: u64,
    /// Bit `n` says whether `highest - n` was stored; bit 0 is always set.
    pub seen: u64,
}

impl SequenceWindow {
    /// A window that holds one number.
    pub const fn first(sequence: u64) -> Self {
        Self { highest: sequence, seen: 1 }
    }

    /// The window with one more number. A number below the window leaves it as it is: it counts as seen anyway.
    pub const fn with(self, sequence: u64) -> Self {
        if sequence > self.highest {
            let by = sequence - self.highest;
            let seen = if by < 64 { self.seen << by } else { 0 };
            Self { highest: sequence, seen: seen | 1 }
        } else {
            let back = self.highest - sequence;
            if back < 64 { Self { highest: self.highest, seen: self.seen | 1 << back } } else { self }
        }
    }
}

/// What a device's stored uplinks amount to.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceSnapshot {
    /// Whose device it is.
    pub tenant: TenantId,
    /// The device.
    pub device: DeviceId,
    /// When it was last heard of, directly or through its gateway.
    pub last_received_at: Option<Timestamp>,
    /// The stored sequence numbers; none when no stored message had one.
    pub window: Option<SequenceWindow>,
    /// The latest reading of each quantity, by quantity.
    pub latest: Vec<Reading>,
    /// When each of those arrived, in the same order.
    pub latest_received_at: Vec<Timestamp>,
    /// The memory of the tenant's rule, as it was last stored.
    pub rule_state: Option<Vec<u8>>,
}

const VERSION: u8 = 1;

impl DeviceSnapshot {
    /// A device that was never heard of.
    pub const fn new(tenant: TenantId, device: DeviceId) -> Self {
        Self {
            tenant,
            device,
            last_received_at: None,
            window: None,
            latest: Vec::new(),
            latest_received_at: Vec::new(),
            rule_state: None,
        }
    }

    /// Takes in a reading: the later one of a quantity stays, of two at the same time the one that came later. A clock that
    /// is ahead makes no reading later than its arrival, as in the domain's own fold.
    pub fn take_reading(&mut self, reading: Reading, received_at: Timestamp) {
        match self.latest.binary_search_by_key(&reading.quantity, |known| known.quantity) {
            Ok(place) => {
                if reading.at.min(received_at) >= self.latest[place].at.min(self.latest_received_at[place]) {
                    self.latest[place] = reading;
                    self.latest_received_at[place] = received_at;
                }
            }
            Err(place) => {
                self.latest.insert(place, reading);
                self.latest_received_at.insert(place, received_at);
            }
        }
    }

    /// As the interlock's fold wants it back. The counters of commands come from the command rows.
    pub fn into_memory(self) -> DeviceMemory {
        DeviceMemory {
            last_seen: self.last_received_at,
            latest: self.latest.into_iter().zip(self.latest_received_at).collect(),
            rule_state: self.rule_state.unwrap_or_default(),
            counters: [0; 3],
        }
    }

    /// Notes that it was heard of.
    pub fn heard_at(&mut self, at: Timestamp) {
        self.last_received_at = Some(self.last_received_at.map_or(at, |last| last.max(at)));
    }

    /// Takes in a sequence number.
    pub fn take_sequence(&mut self, sequence: u64) {
        self.window = Some(self.window.map_or(SequenceWindow::first(sequence), |window| window.with(sequence)));
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        match self.last_received_at {
            Some(at) => {
                out.push(1);
                put_signed(&mut out, at.as_millis());
            }
            None => out.push(0),
        }
        match self.window {
            Some(window) => {
                out.push(1);
                put_unsigned(&mut out, window.highest);
                out.extend_from_slice(&window.seen.to_le_bytes());
            }
            None => out.push(0),
        }
        put_unsigned(&mut out, self.latest.len() as u64);
        for (reading, received_at) in self.latest.iter().zip(&self.latest_received_at) {
            put_unsigned(&mut out, u64::from(reading.quantity.code()));
            put_signed(&mut out, reading.at.as_millis());
            put_signed(&mut out, received_at.as_millis());
            out.extend_from_slice(&reading.value.to_bits().to_le_bytes());
        }
        match &self.rule_state {
            Some(state) => {
                out.push(1);
                put_sized(&mut out, state);
            }
            None => out.push(0),
        }
        out
    }

    pub(crate) fn decode(tenant: TenantId, device: DeviceId, bytes: &[u8]) -> Result<Self, String> {
        let mut cursor = Cursor::new(bytes);
        match cursor.byte()? {
            VERSION => {}
            other => return Err(format!("expected snapshot version {VERSION}, got {other}")),
        }
        let mut snapshot = Self::new(tenant, device);
        if cursor.byte()? != 0 {
            snapshot.last_received_at = Some(Timestamp::from_millis(cursor.signed()?));
        }
        if cursor.byte()? != 0 {
            let highest = cursor.unsigned()?;
            snapshot.window = Some(SequenceWindow { highest, seen: u64::from_le_bytes(cursor.array()?) });
        }
        for _ in 0..cursor.unsigned()? {
            let code = cursor.unsigned()?;
            let quantity = u16::try_from(code).ok().and_then(Quantity::from_code);
            let quantity = quantity.ok_or_else(|| format!("expected a known quantity, got {code}"))?;
            let at = Timestamp::from_millis(cursor.signed()?);
            snapshot.latest_received_at.push(Timestamp::from_millis(cursor.signed()?));
            let value = f64::from_bits(u64::from_le_bytes(cursor.array()?));
            snapshot.latest.push(Reading { quantity, value, at });
        }
        if cursor.byte()? != 0 {
            snapshot.rule_state = Some(cursor.sized()?.to_vec());
        }
        Ok(snapshot)
    }
}

/// Finds a gateway's child by its serial number.
pub(crate) type Children = std::collections::HashMap<DeviceId, std::collections::HashMap<String, DeviceId>>;

/// Folds a journal row whose uplink, if it is one, is decoded already. `snapshot_of` finds the snapshot of a device.
pub(crate) fn fold_row<M>(
    memory: &mut M,
    row: &RowRef<'_>,
    uplink: Option<&Uplink>,
    children: &Children,
    snapshot_of: impl Fn(&mut M, DeviceId) -> &mut DeviceSnapshot,
) {
    let own = snapshot_of(memory, row.device);
    if row.kind == RowKind::RuleState {
        own.rule_state = Some(row.payload.to_vec());
        return;
    }
    let heard = row.kind != RowKind::Late;
    if heard {
        own.heard_at(row.received_at);
    }
    if let Some(sequence) = row.sequence {
        own.take_sequence(sequence);
    }
    if let Some(state) = row.rule_state {
        own.rule_state = Some(state.to_vec());
    }
    for part in uplink.into_iter().flat_map(|uplink| &uplink.parts) {
        let Some(device) = device_of(row.device, part.child.as_deref(), children) else { continue };
        let snapshot = snapshot_of(memory, device);
        if heard {
            snapshot.heard_at(row.received_at);
        }
        for reading in &part.readings {
            snapshot.take_reading(*reading, row.received_at);
        }
    }
}

/// Whose readings a part holds: the sender's own or a child's that is known.
pub(crate) fn device_of(sender: DeviceId, child: Option<&str>, children: &Children) -> Option<DeviceId> {
    match child {
        None => Some(sender),
        Some(serial) => children.get(&sender)?.get(serial).copied(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_window_knows_exactly_the_numbers_it_was_given(numbers in prop::collection::vec(0_u64..300, 1..80)) {
            let mut window = SequenceWindow::first(numbers[0]);
            for &number in &numbers[1..] {
                window = window.with(number);
            }
            let highest = *numbers.iter().max().unwrap();
            prop_assert_eq!(window.highest, highest);
            for back in 0..64.min(highest + 1) {
                // A number that fell below the window when it came is not in it, and would be refused as too old.
                if window.seen & (1 << back) != 0 {
                    prop_assert!(numbers.contains(&(highest - back)));
                }
            }
            let last_64 = numbers.iter().rev().take_while(|&&n| n + 64 > highest).copied().collect::<Vec<_>>();
            for number in last_64 {
                if highest - number < 64 {
                    prop_assert!(window.seen & (1 << (highest - number)) != 0);
                }
            }
        }

        #[test]
        fn a_snapshot_reads_back_what_was_written(
            heard in prop::option::of(any::<i64>()),
            numbers in prop::collection::vec(any::<u64>(), 0..3),
            readings in prop::collection::vec((0_usize..Quantity::ALL.len(), any::<u64>(), any::<i64>()), 0..8),
            rule_state in prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
        ) {
            let (tenant, device) = (TenantId::from_raw(3), DeviceId::from_raw(4));
            let mut snapshot = DeviceSnapshot::new(tenant, device);
            snapshot.last_received_at = heard.map(Timestamp::from_millis);
            for number in numbers {
                snapshot.take_sequence(number);
            }
            for (quantity, bits, at) in readings {
                let value = f64::from_bits(bits);
                if !value.is_nan() {
                    snapshot.take_reading(Reading { quantity: Quantity::ALL[quantity], value, at: Timestamp::from_millis(at) }, Timestamp::from_millis(at / 2));
                }
            }
            snapshot.rule_state = rule_state;
            prop_assert_eq!(DeviceSnapshot::decode(tenant, device, &snapshot.encode()).unwrap(), snapshot);
        }
    }
}
