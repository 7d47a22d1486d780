//! What one group commit holds.

use davy_domain::interlock::Effects;
use davy_domain::{DeviceId, InterlockId, TenantId, Timestamp};

/// What a journal row records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RowKind {
    /// Readings of a device: the payload of `POST /u`.
    Uplink = 1,
    /// What became of a command: the payload of `POST /c/{id}`.
    Outcome = 2,
    /// The memory of the tenant's rule for the device, as it was after the rows before.
    RuleState = 3,
    /// What a driver read at last in a message that arrived before: nobody has spoken.
    Late = 4,
}

impl RowKind {
    pub(crate) const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Uplink),
            2 => Some(Self::Outcome),
            3 => Some(Self::RuleState),
            4 => Some(Self::Late),
            _ => None,
        }
    }
}

/// One row of the journal: what a device sent, as it came, decrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalRow {
    /// Whose device it is.
    pub tenant: TenantId,
    /// The device that spoke (the gateway, for its children).
    pub device: DeviceId,
    /// The sequence number of the OSCORE message (RFC 8613 §5.2), below 2^40; the replay window is rebuilt from it.
    pub sequence: Option<u64>,
    /// When it arrived, by the platform's clock.
    pub received_at: Timestamp,
    /// The decrypted payload, byte for byte.
    pub payload: Vec<u8>,
    /// Its CoAP content-format, such as 112 for SenML-CBOR; [`davy_domain::driven::DRIVEN`] when a driver was asked about it, and
    /// `payload` is a [`davy_domain::driven::Driven`] then.
    pub format: u16,
    /// The rule's memory after this row, when it changed and is not already among the batch's effects.
    pub rule_state: Option<Vec<u8>>,
    /// What it is.
    pub kind: RowKind,
}

impl JournalRow {
    /// The readings in it, as they were understood when it arrived; none when it has none, or nobody could read it.
    pub fn readings(&self) -> Option<davy_domain::senml::Uplink> {
        crate::decode::decode(self.kind, self.format, &self.payload, self.received_at)
    }

    /// The memory of a rule for a device, without an uplink that could carry it.
    pub const fn memory(tenant: TenantId, device: DeviceId, at: Timestamp, memory: Vec<u8>) -> Self {
        Self {
            tenant,
            device,
            sequence: None,
            received_at: at,
            payload: memory,
            format: 0,
            rule_state: None,
            kind: RowKind::RuleState,
        }
    }
}

/// What changes together or not at all: the uplinks, in order of arrival, and everything that follows from them.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Rows for the journal. Those of one device are in order of arrival.
    pub uplinks: Vec<JournalRow>,
    /// What the interlocks decided, in order.
    pub effects: Vec<(TenantId, InterlockId, Effects)>,
}

impl Batch {
    /// Whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.uplinks.is_empty() && self.effects.is_empty()
    }

    /// Empties it and keeps its buffers.
    pub fn clear(&mut self) {
        self.uplinks.clear();
        self.effects.clear();
    }
}

/// Proof that a batch is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitReceipt {
    /// The journal's number of the last row that the batch wrote; 0 when it wrote none.
    pub last_seq: i64,
}
