//! Example notification policy: who is told of an alarm, and again, until it is handled.
//!
//! - A high or urgent alarm: owner, safety officer and the technician on duty at once; after five minutes again, with the second
//!   technician; then with the control room and the duty manager, and so on for as long as nobody takes it on.
//! - Taken on is not handled: while the condition still holds, they are told again after half an hour.
//! - A minor alarm: one message, in the morning if it is night.
//! - What cannot be delivered goes over the recipient's next channel, and at last to the control room.
//!
//! It must never end by itself: only an acknowledged alarm whose condition has gone, or a closed one, is quiet.

mod settings;

use davy_rules_sdk::notification::prelude::*;
pub use settings::Escalation;

/// The timer of the next attempt.
const AGAIN: u32 = 1;
const MINUTE_MS: i64 = 60_000;
/// What wakes somebody, best first.
const LOUD: [u16; 4] = [channel::VOICE, channel::PUSH, channel::SMS, channel::WECHAT];
/// What waits until somebody looks, best first.
const SOFT: [u16; 4] = [channel::PUSH, channel::WECHAT, channel::SMS, channel::EMAIL];

/// What the rule remembers of one alarm.
#[derive(State, Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// How many times somebody was told.
    attempts: u16,
}

/// One decision.
#[notification_policy(
    name = "escalation",
    version = "1.0.0",
    zh = "逐级通知:户主、安全员、技术员;5 分钟未处理再次通知并加第二技术员,直至处理完毕。",
    en = "Owner, safety officer, technician; again after 5 minutes with the second one; until handled.",
    texts(
        1 = ("请立即关闭阀门、开窗、离开", "Close the valve, open the windows, leave"),
        2 = ("请立即前往处理", "Please go there at once"),
        3 = ("多次通知无人处理", "Told several times, and nobody has taken it on"),
        4 = ("已确认,但险情尚未消除", "Taken on, but the danger is still there"),
        5 = ("险情已解除", "The danger is over"),
        6 = ("该人员无法联系", "This person cannot be reached")
    )
)]
pub fn decide(settings: &Escalation, memory: &mut Memory, event: &Event) -> Decision {
    let mut decision = Decision::new();
    let alarm = &event.context;
    match event.trigger() {
        Trigger::Raised | Trigger::Escalated | Trigger::Timer(AGAIN) => {
            if alarm.acknowledged_at_ms.is_some() && !alarm.holds {
                return decision;
            }
            tell(settings, memory, event, &mut decision);
        }
        Trigger::Acknowledged if alarm.holds => {
            decision.set_timer(AGAIN, event.now_ms() + i64::from(settings.handled_minutes) * MINUTE_MS);
        }
        Trigger::Gone if alarm.acknowledged_at_ms.is_none() => {}
        Trigger::Acknowledged | Trigger::Gone => drop(decision.cancel_timer(AGAIN)),
        Trigger::Closed => {
            decision.cancel_timer(AGAIN);
            if memory.attempts > 0 && is_grave(alarm) {
                over(memory, alarm, &mut decision);
            }
        }
        Trigger::DeliveryFailed { send, .. } => another_way(send, alarm, &mut decision),
        _ => {}
    }
    decision
}

fn is_grave(alarm: &AlarmContext) -> bool {
    alarm.priority >= priority::HIGH
}

/// One attempt, and the time of the next.
fn tell(settings: &Escalation, memory: &mut Memory, event: &Event, decision: &mut Decision) {
    let alarm = &event.context;
    let minutes = if !is_grave(alarm) {
        if alarm.quiet_hours {
            // Nobody is woken for a battery.
            decision.set_timer(AGAIN, event.now_ms() + i64::from(settings.quiet_minutes) * MINUTE_MS);
            return;
        }
        settings.minor_hours * 60
    } else if alarm.acknowledged_at_ms.is_some() {
        settings.handled_minutes
    } else {
        settings.again_minutes
    };
    memory.attempts = memory.attempts.saturating_add(1);
    decision.set_timer(AGAIN, event.now_ms() + i64::from(minutes) * MINUTE_MS);
    for recipient in alarm.recipients.iter().filter(|recipient| recipient.on_duty) {
        if is_concerned(settings, memory.attempts, alarm, recipient) {
            message(alarm, recipient, memory.attempts, decision);
        }
    }
    if !decision.tells_somebody() {
        // Nobody of them is there: then everybody is meant.
        for recipient in &alarm.recipients {
            message(alarm, recipient, memory.attempts, decision);
        }
    }
}

fn is_concerned(settings: &Escalation, attempt: u16, alarm: &AlarmContext, recipient: &Recipient) -> bool {
    let first = recipient.rank == 0;
    match recipient.role {
        role::TECHNICIAN => first || recipient.rank == 1 && is_grave(alarm) && attempt >= settings.second_from,
        role::OWNER | role::SAFETY_OFFICER => is_grave(alarm),
        role::CONTROL_ROOM | role::DUTY_MANAGER | role::PROPERTY_MANAGER => {
            is_grave(alarm) && attempt >= settings.control_room_from
        }
        // The regulator is told by the platform, and a role of a later platform by who knows it.
        _ => false,
    }
}

fn message(alarm: &AlarmContext, recipient: &Recipient, attempt: u16, decision: &mut Decision) {
    let grave = is_grave(alarm);
    // Of whom nothing wakes, something that may be seen late is better than nothing.
    let preferred = if grave { recipient.first_of(&LOUD) } else { None };
    let Some(channel) = preferred.or_else(|| recipient.first_of(&SOFT)) else { return };
    let text = match (recipient.role, alarm.acknowledged_at_ms) {
        _ if !grave => 0,
        (role::OWNER | role::SAFETY_OFFICER, _) => 1,
        (_, Some(_)) => 4,
        (role::TECHNICIAN, None) => 2,
        (_, None) => 3,
    };
    send(recipient, channel, text, grave, attempt, decision);
}

fn send(to: &Recipient, channel: u16, text: u16, break_quiet: bool, attempt: u16, decision: &mut Decision) {
    let id = send_id(attempt, to, channel);
    decision.send_as(Send { id, role: to.role, rank: to.rank, channel, text, break_quiet, attempt });
}

/// Whoever was woken is told that it is over, softly.
fn over(memory: &Memory, alarm: &AlarmContext, decision: &mut Decision) {
    for recipient in alarm.recipients.iter().filter(|to| matches!(to.role, role::OWNER | role::SAFETY_OFFICER)) {
        if let Some(channel) = recipient.first_of(&SOFT) {
            send(recipient, channel, 5, false, memory.attempts, decision);
        }
    }
}

/// The next channel of whom a message did not reach; when there is none, the control room.
fn another_way(failed: u32, alarm: &AlarmContext, decision: &mut Decision) {
    let (attempt, role, rank, channel) = sent(failed);
    let order: &[u16] = if is_grave(alarm) { &LOUD } else { &SOFT };
    let rest = order.iter().position(|tried| *tried == channel).map_or(&[][..], |at| &order[at + 1..]);
    if let Some(recipient) = alarm.recipient(role, rank)
        && let Some(channel) = recipient.first_of(rest)
    {
        send(recipient, channel, 0, is_grave(alarm), attempt, decision);
        return;
    }
    decision.note(format!("role {role} rank {rank} cannot be reached"));
    if role == role::CONTROL_ROOM || !is_grave(alarm) {
        return;
    }
    for recipient in alarm.of_role(role::CONTROL_ROOM) {
        if let Some(channel) = recipient.first_of(&LOUD) {
            send(recipient, channel, 6, true, attempt, decision);
        }
    }
}
