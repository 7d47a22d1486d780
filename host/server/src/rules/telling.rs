//! Each notice about an alarm to the company's notification policy: who is told follows from it, stored with the notice in one transaction.
//!
//! Off the hot path: it reads what was committed and holds up nobody. Whatever fails here is tried again, and what was stored is never done
//! twice. Must never send anything: a message waits for its channel in the database.

use super::beside::Besides;
use super::recipients::Recipients;
use super::running::Registry;
use super::tellers::{Teller, TenantTellers};
use crate::clock::SharedClock;
use crate::operate::SharedOperate;
use davy_domain::calendar::PlaceClock;
use davy_domain::interlock::{Notice, NoticeKind};
use davy_domain::{AlarmId, DeviceId, DeviceKind, Priority, Span, TenantId, Timestamp, ValveState};
use davy_rules::notification::codes::{account_class, notification_trigger as trigger};
use davy_rules::notification::fold::{self, Facts, Happened, Memory, Message, NotificationPolicy, Told};
use davy_rules::notification::record::{EventRecord, StoredAnswer};
use davy_store::{
    Device, FoldChange, NewMessage, NewNotificationDecision, StoreError, StoredAlarm, Telling as Row, TenantStore,
    ToldBy,
};
use metrics::{counter, histogram};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often it is looked whether somebody is to be told.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Notices, and timers, of one company before the next has its turn.
const AT_ONCE: u32 = 16;
/// After how long a notice that cannot be handled is tried again.
const AGAIN_AFTER: Span = Span::from_minutes(10);

/// The job.
pub struct Telling {
    registry: Arc<Registry>,
    operate: SharedOperate,
    clock: SharedClock,
    besides: Besides,
}

/// What is known of an alarm's surroundings.
struct Known {
    device: DeviceId,
    facts: Facts,
    recipients: Recipients,
}

impl Telling {
    /// Starts the job. It ends with `stopping`.
    pub fn start(registry: Arc<Registry>, operate: SharedOperate, clock: SharedClock, stopping: CancellationToken) {
        let job = Self { registry, operate, clock, besides: Besides::default() };
        tokio::spawn(stopping.run_until_cancelled_owned(job.run()));
    }

    async fn run(mut self) {
        let mut every = tokio::time::interval(LOOK_EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            if let Err(error) = self.round().await {
                tracing::warn!(%error, "it could not be looked whom to tell; trying again");
            }
        }
    }

    /// Everything that waits; the companies take turns.
    async fn round(&mut self) -> Result<(), StoreError> {
        loop {
            let mut handled = false;
            for tenant in self.registry.store().companies_to_tell(self.clock.now()).await? {
                // What one company's rows cannot take must not leave the others untold.
                match self.company(tenant).await {
                    Ok(some) => handled |= some,
                    Err(error) => {
                        tracing::warn!(tenant.id = %tenant, %error, "a company's notices could not be handled; trying again");
                    }
                }
            }
            let now = self.clock.now();
            let registry = Arc::clone(&self.registry);
            self.besides.due(now, &|tenant| registry.tellers(tenant)).await;
            if !handled {
                return Ok(());
            }
        }
    }

    async fn company(&mut self, tenant: TenantId) -> Result<bool, StoreError> {
        let rows = self.registry.store().tenant(tenant);
        let tellers = self.registry.tellers(tenant);
        let mut handled = false;
        for stored in rows.due_notices(self.clock.now(), AT_ONCE).await? {
            let id = stored.id;
            let told = match stored.notice {
                Ok(notice) => self.notice(&rows, &tellers, &notice).await,
                Err(error) => Err(error),
            };
            match told {
                Ok(()) => handled = true,
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => {
                    tracing::error!(tenant.id = %tenant, notice.id = %id, %error, "a notice cannot be handled; it stays and is tried again");
                    counter!("davy_notices_failed_total").increment(1);
                    rows.notice_failed(id, self.clock.now() + AGAIN_AFTER).await?;
                }
            }
        }
        for alarm in rows.alarms_due(self.clock.now(), AT_ONCE).await? {
            handled |= self.timer(&rows, &tellers, alarm).await?;
        }
        Ok(handled)
    }

    async fn notice(&mut self, rows: &TenantStore, tellers: &TenantTellers, notice: &Notice) -> Result<(), StoreError> {
        let now = self.clock.now();
        let stored = match notice.alarm {
            Some(alarm) => rows.alarm(alarm).await?,
            None => None,
        };
        let (happened, alarm) = match (happened(notice), stored) {
            (Ok(happened), Some(alarm)) => (happened, alarm),
            (Ok(_), None) => return self.nothing(rows, notice, now).await,
            (Err(about), _) => return self.valve(rows, notice, about, now).await,
        };
        let known = self.known(rows, &alarm).await?;
        let by = ToldBy::Notice(notice.id);
        self.fold(rows, tellers, &alarm, known, (happened, notice.priority), by, now).await?;
        histogram!("davy_notice_seconds").record(now.since(notice.at).as_millis().max(0) as f64 / 1_000.0);
        Ok(())
    }

    /// A timer of the policy, if it is still due. Says whether it was.
    async fn timer(&mut self, rows: &TenantStore, tellers: &TenantTellers, id: AlarmId) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let (Some(alarm), Some(stored)) = (rows.alarm(id).await?, rows.alarm_fold(id).await?) else { return Ok(false) };
        let due = memory(&stored.memory, id).next_due().filter(|(_, at)| *at <= now);
        let Some((timer, _)) = due else { return Ok(false) };
        let known = self.known(rows, &alarm).await?;
        let priority = alarm.alarm.priority;
        self.fold(rows, tellers, &alarm, known, (Happened::Due { timer }, priority), ToldBy::Timer, now).await?;
        Ok(true)
    }

    /// One event of one alarm: asked, and stored with everything that follows from it.
    #[allow(clippy::too_many_arguments, reason = "one event with everything that is known about it")]
    async fn fold(
        &mut self,
        rows: &TenantStore,
        tellers: &TenantTellers,
        alarm: &StoredAlarm,
        known: Known,
        (happened, priority): (Happened, Priority),
        by: ToldBy,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let id = alarm.alarm.id;
        let before = rows.alarm_fold(id).await?;
        let mut memory = before.as_ref().map_or_else(Memory::default, |stored| memory(&stored.memory, id));
        let begins = before.is_none();
        if begins && !matches!(happened, Happened::Annunciated { .. }) {
            // It was raised before anybody was told of alarms here.
            memory.priority = priority.code();
        }
        let teller = tellers.for_alarm(id).cloned();
        let asked = teller.clone();
        let facts = known.facts.clone();
        // A call may take as long as its fuel lasts and belongs on no async thread.
        let stepped = tokio::task::spawn_blocking(move || {
            let policy = asked.as_ref().map(|teller| teller.as_ref() as &dyn NotificationPolicy);
            let told = fold::step(policy, &mut memory, &facts, happened, now);
            (told, memory)
        });
        let (told, memory) = stepped.await.map_err(|panic| broken("call of a notification policy", &panic))?;
        let next = memory.next_due().map(|(_, at)| at);
        let change = if memory.closed {
            FoldChange::Over
        } else {
            let body = serde_json::to_string(&memory).map_err(|error| broken("memory of an alarm", &error))?;
            FoldChange::Put { before: before.map(|stored| stored.changes), memory: body, next_due: next }
        };
        let messages = messages(&told, &known.recipients, teller.as_deref(), about(told.trigger));
        let row = Row {
            by,
            at: now,
            device: known.device,
            alarm: Some(id),
            fold: Some(change),
            decision: decision(&told, teller.as_deref())?,
            messages,
        };
        if !rows.tell(&row).await? {
            tracing::debug!(alarm.id = %id, "another process was faster");
            return Ok(());
        }
        count(&told);
        if told.trigger == trigger::RAISED && told.messages.is_empty() && priority >= Priority::High {
            tracing::warn!(tenant.id = %rows.id(), alarm.id = %id, "nobody was told of a grave alarm: nobody is there, or the company's policy named nobody");
            counter!("davy_alarms_told_to_nobody_total").increment(1);
        }
        self.besides.fold(rows.id(), tellers, alarm, known.facts, begins, happened, &told, now).await;
        Ok(())
    }

    /// The platform's own word about a valve: no policy is asked.
    async fn valve(
        &self,
        rows: &TenantStore,
        notice: &Notice,
        about: &'static str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(summary) = rows.device(notice.device).await? else { return self.nothing(rows, notice, now).await };
        let recipients = self.recipients(rows, &summary.device).await?;
        let told = fold::about_a_valve(&recipients.all);
        let messages = told.iter().filter_map(|message| new_message(message, &recipients, None, about)).collect();
        let row = Row {
            by: ToldBy::Notice(notice.id),
            at: now,
            device: notice.device,
            alarm: notice.alarm,
            fold: None,
            decision: None,
            messages,
        };
        rows.tell(&row).await?;
        Ok(())
    }

    /// A notice about nothing that is there any more.
    async fn nothing(&self, rows: &TenantStore, notice: &Notice, now: Timestamp) -> Result<(), StoreError> {
        tracing::warn!(notice.id = %notice.id, device.id = %notice.device, "a notice is about nothing that is there: nobody is told");
        let row = Row {
            by: ToldBy::Notice(notice.id),
            at: now,
            device: notice.device,
            alarm: None,
            fold: None,
            decision: None,
            messages: Vec::new(),
        };
        rows.tell(&row).await?;
        Ok(())
    }

    async fn recipients(&self, rows: &TenantStore, device: &Device) -> Result<Recipients, StoreError> {
        Ok(Recipients::of(&rows.reachable(device.premises, device.division).await?))
    }

    async fn known(&self, rows: &TenantStore, alarm: &StoredAlarm) -> Result<Known, StoreError> {
        let id = alarm.alarm.device;
        let device = rows.device(id).await?.map(|summary| summary.device);
        let recipients = match &device {
            Some(device) => self.recipients(rows, device).await?,
            None => Recipients::default(),
        };
        let valve_state = device.as_ref().map_or(ValveState::Unknown, |device| self.valve_of(device));
        let facts = facts(alarm, device.as_ref(), valve_state, &recipients);
        Ok(Known { device: id, facts, recipients })
    }

    /// Of the valves around a device the one that is least safely closed.
    fn valve_of(&self, device: &Device) -> ValveState {
        let own = matches!(device.kind, DeviceKind::Valve | DeviceKind::Meter).then_some(device.id);
        let valves = device.links.iter().copied().chain(own);
        let states = valves.map(|valve| self.operate.device_view(valve).map_or(ValveState::Unknown, |view| view.valve));
        let safety = |state: &ValveState| match state {
            ValveState::Open => 0,
            ValveState::Unverified => 1,
            ValveState::Unknown => 2,
            ValveState::Closing => 3,
            ValveState::Closed => 4,
        };
        states.min_by_key(safety).unwrap_or(ValveState::Unknown)
    }
}

/// What the platform knows of an alarm beside its course.
pub(super) fn facts(alarm: &StoredAlarm, device: Option<&Device>, valve: ValveState, recipients: &Recipients) -> Facts {
    Facts {
        raised_at: alarm.alarm.raised_at,
        condition: alarm.alarm.condition,
        device_kind: device.map_or(0, |device| device.kind.code()),
        valve_state: valve.code(),
        // What kind of customer lives somewhere is not on file; a well has no customer.
        premises_class: match device.and_then(|device| device.premises) {
            Some(_) => account_class::HOUSEHOLD,
            None => NO_PREMISES,
        },
        clock: PlaceClock::CHINA,
        recipients: recipients.all.clone(),
    }
}

/// The contract's class for what is not at a customer's.
const NO_PREMISES: u16 = 6;

/// What a notice means for its alarm; what it is about, when it is about a valve instead.
const fn happened(notice: &Notice) -> Result<Happened, &'static str> {
    Ok(match notice.kind {
        NoticeKind::AlarmRaised | NoticeKind::CloseUnverified => Happened::Annunciated { priority: notice.priority },
        NoticeKind::AlarmAcknowledged => Happened::Acknowledged,
        NoticeKind::AlarmReturned => Happened::Gone,
        NoticeKind::AlarmEnded => Happened::Closed,
        NoticeKind::ValveClosed => return Err("valve-closed"),
        NoticeKind::ValveArmed => return Err("valve-armed"),
    })
}

/// What a message of a trigger is about.
const fn about(trigger: u16) -> &'static str {
    match trigger {
        trigger::RAISED => "raised",
        trigger::ESCALATED => "escalated",
        trigger::ACKNOWLEDGED => "acknowledged",
        trigger::GONE => "gone",
        trigger::CLOSED => "closed",
        _ => "again",
    }
}

fn memory(body: &str, alarm: AlarmId) -> Memory {
    serde_json::from_str(body).unwrap_or_else(|error| {
        tracing::error!(alarm.id = %alarm, %error, "what was remembered of an alarm cannot be read: its policy begins anew");
        Memory::default()
    })
}

fn messages(told: &Told, recipients: &Recipients, teller: Option<&Teller>, about: &'static str) -> Vec<NewMessage> {
    told.messages.iter().filter_map(|message| new_message(message, recipients, teller, about)).collect()
}

fn new_message(
    message: &Message,
    recipients: &Recipients,
    teller: Option<&Teller>,
    about: &'static str,
) -> Option<NewMessage> {
    let send = message.send;
    let text = teller.filter(|_| send.text != 0).and_then(|teller| teller.text(send.text));
    Some(NewMessage {
        about,
        wanted_by: message.by.name(),
        send_id: send.id,
        role: send.role,
        rank: send.rank,
        user: recipients.user(send.role, send.rank)?,
        channel: send.channel,
        text: text.map(|text| (text.zh, text.en)),
        break_quiet: send.break_quiet,
        attempt: send.attempt,
    })
}

fn decision(told: &Told, teller: Option<&Teller>) -> Result<Option<NewNotificationDecision>, StoreError> {
    let (Some(asked), Some(teller)) = (&told.asked, teller) else { return Ok(None) };
    let json =
        |value: serde_json::Result<String>| value.map_err(|error| broken("decision of a notification policy", &error));
    Ok(Some(NewNotificationDecision {
        release: teller.release,
        digest: *asked.rule.as_bytes(),
        settings_version: teller.settings_version,
        input: json(serde_json::to_string(&EventRecord::from(&asked.event)))?,
        state_before: asked.state_before.clone(),
        result: json(serde_json::to_string(&StoredAnswer::of(asked)))?,
    }))
}

fn broken(what: &str, why: &dyn std::error::Error) -> StoreError {
    StoreError::Corrupt { what: what.to_owned(), why: why.to_string() }
}

fn count(told: &Told) {
    for message in &told.messages {
        counter!("davy_messages_total", "by" => message.by.name()).increment(1);
    }
}
