//! What a client was told, and what is stored.

use davy_store::{RowKind, Store, StoreOptions};
use davy_tests::database::numbers;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

/// A device and the hash of what it said.
pub(crate) type Said = (String, String);

/// What the load's log says was acknowledged. A line that was cut off by the end of the process does not count.
pub(crate) fn told(log: &Path) -> HashMap<Said, u32> {
    let text = std::fs::read_to_string(log).unwrap();
    let mut told = HashMap::new();
    for line in text.lines() {
        if let [_, _, serial, _, digest, _] = line.split(' ').collect::<Vec<_>>()[..]
            && digest.len() == 64
        {
            *told.entry((serial.to_owned(), digest.to_owned())).or_default() += 1;
        }
    }
    told
}

/// What is stored.
pub(crate) struct Stored {
    /// Uplinks in the journal, word for word.
    pub(crate) said: HashMap<Said, u32>,
    /// Uplinks of each device, in the journal and in chunks.
    pub(crate) by_device: HashMap<String, u64>,
    /// Sequence numbers in the journal more than once.
    pub(crate) twice: Vec<(String, u64)>,
    /// All uplinks.
    pub(crate) uplinks: u64,
    /// Of these, in chunks.
    pub(crate) in_chunks: u64,
}

/// Reads everything. No server may run: compaction moves uplinks from one place to the other.
pub(crate) fn stored(url: &str) -> Stored {
    let mut found =
        Stored { said: HashMap::new(), by_device: HashMap::new(), twice: Vec::new(), uplinks: 0, in_chunks: 0 };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let serials = runtime.block_on(async {
        let store = Store::connect(url, &StoreOptions::default()).await.unwrap();
        let mut recovery = store.recover().await.unwrap();
        let mut serials = HashMap::new();
        let mut after = None;
        loop {
            let page = recovery.devices(after).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.device.id);
            serials.extend(page.into_iter().map(|keyed| (keyed.device.id, keyed.device.serial)));
        }
        let mut sequences: HashMap<(String, u64), u32> = HashMap::new();
        let mut after = None;
        loop {
            let page = recovery.journal(after).await.unwrap();
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            for (_, row) in page {
                let serial = serials[&row.device].clone();
                if let Some(sequence) = row.sequence {
                    *sequences.entry((serial.clone(), sequence)).or_default() += 1;
                }
                if row.kind == RowKind::Uplink {
                    *found.by_device.entry(serial.clone()).or_default() += 1;
                    *found.said.entry((serial, digest(&row.payload))).or_default() += 1;
                    found.uplinks += 1;
                }
            }
        }
        found.twice = sequences.into_iter().filter(|(_, times)| *times > 1).map(|(key, _)| key).collect();
        drop(recovery);
        store.close().await;
        serials.into_iter().map(|(id, serial)| (id.raw(), serial)).collect::<HashMap<_, _>>()
    });
    let chunks = "SELECT device_id, CAST(SUM(uplinks) AS BIGINT) FROM chunks GROUP BY device_id";
    for row in numbers(url, chunks).unwrap() {
        *found.by_device.entry(serials[&row[0]].clone()).or_default() += row[1] as u64;
        found.in_chunks += row[1] as u64;
    }
    found.uplinks += found.in_chunks;
    found
}

fn digest(payload: &[u8]) -> String {
    Sha256::digest(payload).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
