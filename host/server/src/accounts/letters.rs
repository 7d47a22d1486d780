//! Letters that carry a secret: opened just before a channel takes them, and emptied once it has.
//!
//! Which channels there are is the operator's to set. Without one, letters wait until they are of no use and are then removed:
//! nothing pretends to have been sent.

use super::Accounts;
use crate::keys::Purpose;
use davy_domain::{Span, Timestamp};
use davy_store::Letter;
use serde::{Deserialize, Serialize};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often the mail is looked through.
const ROUND: Duration = Duration::from_secs(1);
/// Letters taken at once.
const AT_ONCE: u32 = 50;
/// How long a browser is known that nobody has used.
const DEVICE_LASTS: Span = Span::from_hours(24 * 180);
/// Rounds between two sweeps of what has expired.
const SWEEP_EVERY: u32 = 300;

/// What a letter says. The words are the channel's: it knows the language and the kind.
#[derive(Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct LetterText {
    /// `email` or `sms`.
    pub channel: String,
    /// The address or number.
    pub to: String,
    /// What it is about: `password-reset`.
    pub kind: String,
    /// The person's language, a BCP 47 tag.
    pub locale: String,
    /// The secret itself.
    pub secret: String,
    /// Where it is to be used, if the platform knows its own address.
    pub link: Option<String>,
    /// Until when it is good; milliseconds.
    pub expires_at: i64,
}

impl std::fmt::Debug for LetterText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LetterText({}, …)", self.kind)
    }
}

/// Why a channel did not take a letter. It says nothing of what is in it.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The file cannot be written.
    #[error("cannot write letters to {}: {source}. Check `letters.file` and its permissions", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// What brings letters to people.
pub trait Channel: Send + Sync + 'static {
    /// Takes a letter; when it returns, the letter is on its way.
    ///
    /// # Errors
    /// [`ChannelError`]; the letter is then tried again later.
    fn send(&self, letter: &LetterText) -> Result<(), ChannelError>;
}

/// Writes letters into a file that only its owner can read, one JSON object a line, for a mailer of the operator's own.
#[derive(Debug)]
pub struct FileChannel {
    path: PathBuf,
}

impl FileChannel {
    /// Into this file, which is made when it is missing.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }
}

impl Channel for FileChannel {
    fn send(&self, letter: &LetterText) -> Result<(), ChannelError> {
        let failed = |source| ChannelError::File { path: self.path.clone(), source };
        let mut line = serde_json::to_vec(letter).map_err(|error| failed(error.into()))?;
        line.push(b'\n');
        let mut file =
            std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path).map_err(failed)?;
        // A file that was there before may be open to others.
        file.set_permissions(std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
        file.write_all(&line).and_then(|()| file.sync_data()).map_err(failed)
    }
}

/// Sends letters and removes what has expired, until `stopping`.
pub async fn send_letters(accounts: Arc<Accounts>, channel: Option<Arc<dyn Channel>>, stopping: CancellationToken) {
    let mut rounds = 0_u32;
    loop {
        tokio::select! {
            () = tokio::time::sleep(ROUND) => {}
            () = stopping.cancelled() => return,
        }
        if let Some(channel) = &channel {
            accounts.send_due(channel).await;
        }
        if rounds.is_multiple_of(SWEEP_EVERY) {
            let now = accounts.clock.now();
            if let Err(error) =
                accounts.store.remove_expired_credentials(Purpose::LETTER.name(), now, now - DEVICE_LASTS).await
            {
                tracing::warn!(%error, "expired credentials could not be removed; trying again later");
            }
        }
        rounds = rounds.wrapping_add(1);
    }
}

impl Accounts {
    /// Sends what is due.
    pub async fn send_due(&self, channel: &Arc<dyn Channel>) {
        let now = self.clock.now();
        let due = match self.store.due_letters(Purpose::LETTER.name(), now, AT_ONCE).await {
            Ok(due) => due,
            Err(error) => return tracing::warn!(%error, "the letters cannot be read; trying again"),
        };
        for letter in due {
            let outcome = self.send_one(channel, &letter, now).await;
            metrics::counter!("davy_letters_total", "outcome" => outcome).increment(1);
        }
    }

    async fn send_one(&self, channel: &Arc<dyn Channel>, letter: &Letter, now: Timestamp) -> &'static str {
        let text = self.keys.unseal_for(Purpose::LETTER, &letter.text).ok();
        let text = text.and_then(|plain| serde_json::from_slice::<LetterText>(&plain).ok());
        let sent = match text {
            Some(text) => {
                let channel = Arc::clone(channel);
                let sent = tokio::task::spawn_blocking(move || channel.send(&text)).await;
                sent.map_err(|error| error.to_string()).and_then(|sent| sent.map_err(|error| error.to_string()))
            }
            None => Err("it does not open".to_owned()),
        };
        let (noted, outcome) = match sent {
            Ok(()) => (self.store.letter_sent(letter, now).await, "sent"),
            Err(error) => {
                tracing::warn!(error, letter.id = letter.id, "a letter could not be sent; trying again");
                let wait = Span::from_secs(10 << letter.attempts.min(6));
                (self.store.letter_failed(letter.id, now + wait).await, "failed")
            }
        };
        if let Err(error) = noted {
            tracing::warn!(%error, letter.id = letter.id, "what became of a letter could not be noted: it may go out twice");
        }
        outcome
    }
}
