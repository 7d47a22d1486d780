//! The ledger: pages of it for people, and the lines of an export (`davy-ledger/1`) that anybody can verify without the platform.
//!
//! An export is JSON, a line each: a head, entries, checkpoints, and an end that says whether there is more. An entry's line says in
//! words what its `body` holds; whoever reads the file compares the two, so that the words cannot be changed by themselves.

use davy_domain::ledger::{Act, Actor, Chain, Checkpoint, Entry, Hash, PublicKey, Signed};
use davy_domain::{AlarmId, CommandId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt::Write as _;

/// The name of the form of an export.
pub const LEDGER_FORMAT: &str = "davy-ledger/1";

/// Kinds of acts that are looked for together, with the first and the last of their numbers.
pub const LEDGER_TOPICS: &[(&str, u16, u16)] = &[
    ("people", 2, 15),
    ("safety", 16, 31),
    ("alarms", 16, 23),
    ("commands", 24, 31),
    ("rules", 32, 47),
    ("provisioning", 48, 63),
    ("data", 64, 79),
    ("companies", 80, 95),
    ("access", 96, 111),
    ("personal-data", 112, 119),
];

/// The numbers of a topic or of one kind of act.
pub fn ledger_kinds(word: &str) -> Option<(u16, u16)> {
    let topic = LEDGER_TOPICS.iter().find(|(name, ..)| *name == word).map(|(_, first, last)| (*first, *last));
    topic.or_else(|| Act::KINDS.iter().find(|(_, name)| *name == word).map(|(code, _)| (*code, *code)))
}

/// Which entries are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerQuery {
    /// A topic or a kind of act.
    pub kind: Option<String>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
    /// What this person did.
    pub by: Option<UserId>,
    /// What was done to this: the id of an alarm, a command, a device, a version of a rule, a session, a person.
    pub about: Option<String>,
    /// The `next` of the page before.
    pub after: Option<String>,
    /// At most so many.
    pub limit: Option<u32>,
}

/// A page of entries, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LedgerPage {
    /// The entries.
    pub items: Vec<LedgerItem>,
    /// What `after` must be for the next page; absent on the last.
    pub next: Option<String>,
    /// Whether the viewer may take the whole chain along.
    pub may_export: bool,
}

/// An entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LedgerItem {
    /// Its chain: a gas company's id, or `platform`.
    pub chain: String,
    /// Whose chain that is.
    pub company: String,
    /// Its place in the chain.
    pub seq: u64,
    /// When it was done.
    #[cfg_attr(feature = "openapi", schema(value_type = i64))]
    pub at: Timestamp,
    /// Which kind of act; empty for one of a newer version.
    pub kind: String,
    /// Who did it.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub actor: Option<Actor>,
    /// The person's name, where the viewer may know it.
    pub name: Option<String>,
    /// What was done.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub act: Value,
    /// The hash of the entry before, hexadecimal.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub previous: Hash,
    /// Its own hash.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub hash: Hash,
    /// The first checkpoint at or after it; absent until there is one.
    pub covered_by: Option<CheckpointItem>,
}

/// A checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CheckpointItem {
    /// Its chain.
    pub chain: String,
    /// The last entry then.
    pub seq: u64,
    /// That entry's hash.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub hash: Hash,
    /// When it was signed.
    #[cfg_attr(feature = "openapi", schema(value_type = i64))]
    pub at: Timestamp,
    /// The Ed25519 key that signed it, hexadecimal.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub key: PublicKey,
    /// The signature, hexadecimal.
    pub signature: String,
}

/// Checkpoints to keep, and the keys that sign them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LedgerCheckpoints {
    /// The Ed25519 keys that sign, the newest first, hexadecimal.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub keys: Vec<PublicKey>,
    /// The newest checkpoints of each chain, the newest first.
    pub items: Vec<CheckpointItem>,
}

/// What the ledger has of an alarm and of its commands, first to last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AlarmLedger {
    /// The alarm.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub alarm: AlarmId,
    /// The commands that its decisions changed.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub commands: Vec<CommandId>,
    /// The entries.
    pub items: Vec<LedgerItem>,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pair = |pair: &[u8]| Some((digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?) as u8);
    text.as_bytes().chunks(2).map(pair).collect()
}

impl From<&Signed> for CheckpointItem {
    fn from(signed: &Signed) -> Self {
        let Checkpoint { chain, seq, hash, at } = signed.checkpoint;
        Self { chain: chain.to_string(), seq, hash, at, key: signed.key, signature: hex(&signed.signature) }
    }
}

impl CheckpointItem {
    /// What was signed, as it is verified.
    ///
    /// # Errors
    /// A sentence that says what is no chain or no signature.
    pub fn signed(&self) -> Result<Signed, String> {
        let chain = self.chain.parse().map_err(|error| format!("{error}"))?;
        let signature = from_hex(&self.signature).and_then(|bytes| bytes.try_into().ok());
        let signature = signature.ok_or("expected a signature of 128 hexadecimal digits")?;
        let checkpoint = Checkpoint { chain, seq: self.seq, hash: self.hash, at: self.at };
        Ok(Signed { checkpoint, key: self.key, signature })
    }
}

/// A line of an export.
#[derive(Clone, Debug, PartialEq)]
pub enum LedgerLine {
    /// The first line.
    Head {
        /// The chain.
        chain: Chain,
        /// Whose it is.
        company: String,
        /// The entry after which the export begins.
        after: u64,
    },
    /// An entry.
    Entry(Box<Entry>),
    /// A checkpoint.
    Checkpoint(Box<Signed>),
    /// The last line.
    End {
        /// The last entry.
        seq: u64,
        /// Whether the chain goes on.
        more: bool,
    },
}

#[derive(Serialize, Deserialize)]
struct HeadLine {
    format: String,
    chain: String,
    company: String,
    after: u64,
}

#[derive(Serialize, Deserialize)]
struct EntryLine {
    chain: String,
    seq: u64,
    at: Timestamp,
    actor: Option<Actor>,
    act: Option<Act>,
    body: String,
    previous: Hash,
    hash: Hash,
}

#[derive(Serialize, Deserialize)]
struct CheckpointLine {
    checkpoint: CheckpointItem,
}

#[derive(Serialize, Deserialize)]
struct EndLine {
    end: u64,
    more: bool,
}

/// What a line may be, told by its fields.
#[derive(Deserialize)]
#[serde(untagged)]
enum AnyLine {
    // What comes most is tried first.
    Entry(Bare),
    Checkpoint(CheckpointLine),
    Head(HeadLine),
    End(EndLine),
}

/// An entry's line without its words.
#[derive(Deserialize)]
struct Bare {
    chain: String,
    seq: u64,
    at: Timestamp,
    body: String,
    previous: Hash,
    hash: Hash,
}

fn text(value: &impl Serialize) -> String {
    // Texts and numbers always have a JSON form.
    serde_json::to_string(value).unwrap_or_default()
}

impl LedgerLine {
    /// The line, without its end.
    pub fn write(&self) -> String {
        match self {
            Self::Head { chain, company, after } => text(&HeadLine {
                format: LEDGER_FORMAT.to_owned(),
                chain: chain.to_string(),
                company: company.clone(),
                after: *after,
            }),
            Self::Entry(entry) => {
                let (actor, act) = entry.read().ok().unzip();
                text(&EntryLine {
                    chain: entry.chain.to_string(),
                    seq: entry.seq,
                    at: entry.at,
                    actor,
                    act,
                    body: hex(&entry.body),
                    previous: entry.previous,
                    hash: entry.hash,
                })
            }
            Self::Checkpoint(signed) => text(&CheckpointLine { checkpoint: CheckpointItem::from(&**signed) }),
            Self::End { seq, more } => text(&EndLine { end: *seq, more: *more }),
        }
    }

    /// Reads a line.
    ///
    /// # Errors
    /// A sentence that says what was expected, also when the words beside an entry's body are not the body's.
    pub fn read(line: &str) -> Result<Self, String> {
        let read = serde_json::from_str::<AnyLine>(line);
        Ok(match read.map_err(|_| format!("expected a line of an export ({LEDGER_FORMAT})"))? {
            AnyLine::Head(head) if head.format == LEDGER_FORMAT => {
                let chain = head.chain.parse().map_err(|error| format!("{error}"))?;
                Self::Head { chain, company: head.company, after: head.after }
            }
            AnyLine::Head(head) => return Err(format!("expected {LEDGER_FORMAT}, got `{}`", head.format)),
            AnyLine::Entry(bare) => {
                let body = from_hex(&bare.body).ok_or("expected `body` in hexadecimal digits")?;
                let chain = bare.chain.parse().map_err(|error| format!("{error}"))?;
                let (seq, at, previous, hash) = (bare.seq, bare.at, bare.previous, bare.hash);
                let entry = Self::Entry(Box::new(Entry { chain, seq, at, body, previous, hash }));
                if entry.write() != line {
                    return Err(format!("edited: the words of entry {seq} are not those of its body"));
                }
                entry
            }
            AnyLine::Checkpoint(line) => Self::Checkpoint(Box::new(line.checkpoint.signed()?)),
            AnyLine::End(end) => Self::End { seq: end.end, more: end.more },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use davy_domain::ledger::Head;
    use davy_domain::{SessionId, TenantId};

    fn entry() -> Entry {
        let actor = Actor::Person { by: UserId::from_raw(7) };
        let act = Act::SignedIn { session: SessionId::from_raw(9) };
        Head::start(Chain::Tenant(TenantId::from_raw(1))).append(Timestamp::from_millis(5), actor, &act)
    }

    #[test]
    fn an_entry_is_written_in_words_beside_its_bytes_and_read_back() {
        let line = LedgerLine::Entry(Box::new(entry()));
        let text = line.write();
        let head = r#"{"chain":"ten_1","seq":1,"at":5,"actor":{"actor":"person","by":"usr_7"},"act":{"act":"signed-in","session":"ses_9"},"body":"8282018107820281"#;
        assert!(text.starts_with(head), "{text}");
        assert_eq!(LedgerLine::read(&text), Ok(line));
    }

    #[test]
    fn words_that_are_not_those_of_the_body_are_refused() {
        let text = LedgerLine::Entry(Box::new(entry())).write();
        let refused = LedgerLine::read(&text.replace("usr_7", "usr_8")).unwrap_err();
        assert_eq!(refused, "edited: the words of entry 1 are not those of its body");
        assert!(LedgerLine::read("{}").unwrap_err().starts_with("expected a line of an export"));
    }

    #[test]
    fn the_other_lines_are_read_back_too() {
        let signed = Signed {
            checkpoint: Checkpoint::of(entry().head(), Timestamp::from_millis(8)),
            key: PublicKey::from_bytes([3; 32]),
            signature: [4; 64],
        };
        let head = LedgerLine::Head { chain: Chain::Platform, company: "平台".to_owned(), after: 3 };
        for line in [head, LedgerLine::Checkpoint(Box::new(signed)), LedgerLine::End { seq: 4, more: true }] {
            assert_eq!(LedgerLine::read(&line.write()), Ok(line));
        }
    }

    #[test]
    fn a_topic_is_a_stretch_of_kinds_and_every_kind_is_one_too() {
        assert_eq!(ledger_kinds("safety"), Some((16, 31)));
        assert_eq!(ledger_kinds("alarm-moved"), Some((16, 16)));
        assert_eq!(ledger_kinds("nonsense"), None);
        let topics = || LEDGER_TOPICS.iter().filter(|(name, ..)| *name != "safety");
        for (code, name) in Act::KINDS.iter().filter(|(_, name)| *name != "began") {
            assert_eq!(topics().filter(|(_, first, last)| (first..=last).contains(&code)).count(), 1, "{name}");
        }
    }
}
