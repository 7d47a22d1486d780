//! Messages that no driver could read: how many wait, and reading them again with the drivers that are in force.
//!
//! A message that is read at last is stored with its readings before it counts as read; what still cannot be read stays.

use super::super::Service;
use crate::backend::stored;
use crate::operate::{Again, SetAside, SharedOperate};
use crate::roles::Deed;
use davy_api::{Problem, Quarantine, QuarantineRequest, QuarantinedMessage, QuarantinedModel, Viewer};
use davy_domain::InterlockId;
use davy_rules::RuleDigest;
use davy_store::TenantStore;

/// Messages that a page shows.
const SHOWN: u32 = 100;
/// Messages that are read in one go.
const PAGE: u32 = 64;

impl Service {
    pub(in crate::backend) async fn quarantine_of(&self, viewer: &Viewer) -> Result<Quarantine, Problem> {
        let rows = self.rows(viewer, Deed::SeeRules)?;
        let models = rows.quarantine().await.map_err(stored)?;
        let oldest = rows.quarantined(None, None, SHOWN).await.map_err(stored)?;
        Ok(Quarantine {
            models: models
                .into_iter()
                .map(|waiting| QuarantinedModel {
                    model: waiting.model,
                    waiting: waiting.count,
                    oldest: waiting.oldest,
                })
                .collect(),
            oldest: oldest
                .into_iter()
                .map(|message| QuarantinedMessage {
                    id: message.id,
                    device: message.device,
                    serial: message.serial,
                    model: message.model,
                    received_at: message.received_at,
                    format: message.format,
                    payload: crate::keys::to_hex(&message.payload),
                    driver: RuleDigest::from_bytes(message.driver).to_string(),
                    reason: message.reason,
                    tries: message.tries,
                })
                .collect(),
            reading: self.rules.reading.lock().contains(&rows.id()),
        })
    }

    /// Begins to read what was set aside, of one model or all, with the drivers that are in force. One such run at a time and company.
    ///
    /// # Errors
    /// A [`Problem`] when one is under way.
    pub async fn read_quarantine(&self, viewer: &Viewer, request: &QuarantineRequest) -> Result<Quarantine, Problem> {
        let rows = self.rows(viewer, Deed::ChangeRules)?;
        if !self.rules.reading.lock().insert(rows.id()) {
            let words = "Your company's messages are being read already; wait until that has ended.";
            return Err(Problem::new("refused", 409, "Refused", words).with_reason("too-many"));
        }
        tracing::info!(tenant.id = %rows.id(), user.id = %viewer.user, model = request.model, "messages that were set aside are read again");
        let run = Run {
            interlocks: {
                let landscape = self.landscape();
                Box::new(move |device| Some(landscape.card(device)?.interlock))
            },
            operate: SharedOperate::clone(&self.operate),
            model: request.model.clone(),
            rows,
        };
        let reading = std::sync::Arc::clone(&self.rules.reading);
        tokio::spawn(async move {
            let tenant = run.rows.id();
            // However it ends, the next one may begin.
            let end = at_the_end(move || {
                reading.lock().remove(&tenant);
            });
            run.all().await;
            drop(end);
        });
        self.quarantine_of(viewer).await
    }
}

/// Runs `end` when it is dropped.
fn at_the_end(end: impl FnMut()) -> impl Drop {
    struct Guard<F: FnMut()>(F);
    impl<F: FnMut()> Drop for Guard<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }
    Guard(end)
}

struct Run {
    rows: TenantStore,
    operate: SharedOperate,
    interlocks: Box<dyn Fn(davy_domain::DeviceId) -> Option<InterlockId> + Send + Sync>,
    model: Option<String>,
}

impl Run {
    /// Each message once, in order of arrival.
    async fn all(&self) {
        let (mut after, mut read, mut unread) = (None, 0_u64, 0_u64);
        loop {
            let page = match self.rows.quarantined(self.model.as_deref(), after, PAGE).await {
                Ok(page) if page.is_empty() => break,
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(%error, "reading again what was set aside has stopped; the rest waits");
                    break;
                }
            };
            for message in page {
                after = Some(message.id);
                let Some(interlock) = (self.interlocks)(message.device) else { continue };
                let id = message.id;
                let set_aside = SetAside {
                    id,
                    device: message.device,
                    received_at: message.received_at,
                    format: message.format,
                    raw: message.payload,
                };
                match self.operate.read_again(interlock, set_aside).await {
                    Ok(Again::Read { .. }) => read += 1,
                    Ok(Again::NoDriver) => unread += 1,
                    Ok(Again::Unread { driver, settings_version, reason }) => {
                        unread += 1;
                        if let Err(error) = self.rows.still_quarantined(id, &driver, settings_version, &reason).await {
                            tracing::warn!(%error, message.id = %id, "that a message still cannot be read could not be noted");
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, message.id = %id, "reading again what was set aside has stopped; the rest waits");
                        return;
                    }
                }
            }
        }
        tracing::info!(tenant.id = %self.rows.id(), read, unread, "what was set aside has been read again");
    }
}
