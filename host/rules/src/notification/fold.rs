//! One alarm folded through a company's notification policy: what the policy is asked, what it remembers, who is told in the end.
//!
//! The platform's own duties are here, so that they hold wherever the fold runs (live, in shadow, in a back-test): when no policy decides,
//! everyone on the default list is told over everything that reaches them; and a latched high alarm reaches the control room whatever a
//! policy says. Must never lose a timer that the policy in force waits for, and never send by itself: messages come out, no more.

use super::{NotificationRule, SettingsBytes};
use crate::digest::RuleDigest;
use crate::explain::Hex;
use crate::rule::Evaluated;
use davy_domain::calendar::PlaceClock;
use davy_domain::{Condition, Priority, Span, Timestamp};
use davy_rules_sdk::codes::{channel, notification_trigger as trigger, role};
use davy_rules_sdk::contract::notification::{AlarmContext, Event, Outcome, Recipient, Send};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What wakes somebody, best first.
const LOUD: &[u16] = &[channel::VOICE, channel::PUSH, channel::SMS, channel::WECHAT, channel::EMAIL, channel::SOUNDER];
/// What waits until somebody looks, best first.
const SOFT: &[u16] = &[channel::PUSH, channel::WECHAT, channel::SMS, channel::EMAIL];

/// A timer waits at least this long: a policy that sets one for *now* must not keep the platform busy.
const LEAST_WAIT: Span = Span::from_secs(1);

/// What an alarm is asked with: a policy with its settings, or what stands in for one.
pub trait NotificationPolicy {
    /// Which component: another one begins with an empty memory.
    fn digest(&self) -> RuleDigest;
    /// Folds one event.
    fn decide(&self, state: &[u8], event: &Event) -> Evaluated<Outcome>;
}

/// A notification policy with its settings.
#[derive(Clone, Debug)]
pub struct BoundNotification {
    rule: NotificationRule,
    settings: SettingsBytes,
}

impl NotificationRule {
    /// This rule with settings bound.
    pub fn bind(&self, settings: SettingsBytes) -> BoundNotification {
        BoundNotification { rule: self.clone(), settings }
    }
}

impl BoundNotification {
    /// The rule.
    pub fn rule(&self) -> &NotificationRule {
        &self.rule
    }
}

impl NotificationPolicy for BoundNotification {
    fn digest(&self) -> RuleDigest {
        self.rule.digest()
    }
    fn decide(&self, state: &[u8], event: &Event) -> Evaluated<Outcome> {
        self.rule.decide(&self.settings, state, event)
    }
}

/// What the platform knows of an alarm beside what happened to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// When it was raised.
    pub raised_at: Timestamp,
    /// What it is about.
    pub condition: Condition,
    /// What the device is; a code of the contract.
    pub device_kind: u16,
    /// The linked valve; a code of the contract.
    pub valve_state: u16,
    /// Class of the premises; a code of the contract.
    pub premises_class: u16,
    /// The place's clock.
    pub clock: PlaceClock,
    /// Everybody who can be told; at most 64.
    pub recipients: Vec<Recipient>,
}

/// What happened to an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "happened")]
pub enum Happened {
    /// It is new, back again or more urgent.
    Annunciated {
        /// Its priority now.
        priority: Priority,
    },
    /// A person has taken it on.
    Acknowledged,
    /// Its condition has gone.
    Gone,
    /// It is over.
    Closed,
    /// A timer of the policy is due.
    Due {
        /// Which.
        timer: u32,
    },
}

/// What is remembered of an alarm from one event to the next.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Memory {
    /// The component whose state it is; none when no policy has decided about the alarm yet.
    pub rule: Option<RuleDigest>,
    /// The policy's own bytes.
    pub state: Option<Hex>,
    /// Its timers: when each is due, milliseconds.
    pub timers: BTreeMap<u32, i64>,
    /// Which of them a component before set: when it is due, the present one begins with the alarm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inherited: Option<u32>,
    /// The alarm's priority code; 0 before its first event.
    pub priority: u16,
    /// Whether its condition holds.
    pub holds: bool,
    /// When somebody took it on.
    pub acknowledged_at_ms: Option<i64>,
    /// The time of the last event: time never goes back for a policy.
    pub last_ms: i64,
    /// How many times the platform itself has told everyone.
    pub attempts: u16,
    /// Whether it is over: nothing more comes.
    pub closed: bool,
}

impl Memory {
    /// The timer that is due first, and when.
    pub fn next_due(&self) -> Option<(u32, Timestamp)> {
        let (id, at) = self.timers.iter().min_by_key(|(id, at)| (**at, **id))?;
        Some((*id, Timestamp::from_millis(*at)))
    }
}

/// Who wants somebody to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// The company's policy.
    Policy,
    /// No policy decided: everyone on the default list is told.
    DefaultList,
    /// The platform's duty towards the control room.
    Duty,
}

impl By {
    /// The stable name, as stored and in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::DefaultList => "default-list",
            Self::Duty => "duty",
        }
    }
}

/// One message to one recipient over one channel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Message {
    /// Whom and how; its id is 0 when it is not the policy's.
    pub send: Send,
    /// Who wants it.
    pub by: By,
}

/// What a policy was asked and what it answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// Which component.
    pub rule: RuleDigest,
    /// The event.
    pub event: Event,
    /// Its memory before.
    pub state_before: Vec<u8>,
    /// Its answer, and what it cost.
    pub evaluated: Evaluated<Outcome>,
}

/// What came of an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// The trigger code of the contract that it was.
    pub trigger: u16,
    /// Whom to tell.
    pub messages: Vec<Message>,
    /// The policy's decision; none when there is no policy.
    pub asked: Option<Asked>,
}

/// One event happens to one alarm.
pub fn step(
    policy: Option<&dyn NotificationPolicy>,
    memory: &mut Memory,
    facts: &Facts,
    happened: Happened,
    now: Timestamp,
) -> Told {
    let now = now.max(Timestamp::from_millis(memory.last_ms));
    memory.last_ms = now.as_millis();
    let rule = policy.map(NotificationPolicy::digest);
    let another = memory.rule != rule;
    if another {
        memory.state = None;
        memory.rule = rule;
    }
    let (trigger, timer_id) = entered(memory, happened, another, now);
    if another {
        // They were the other component's and mean nothing to this one. But somebody waited: what meets the alarm in its middle
        // begins with it when the first of them is due.
        let waited = memory.next_due().filter(|_| trigger != trigger::RAISED);
        memory.timers = waited.iter().map(|(id, at)| (*id, at.as_millis())).collect();
        memory.inherited = waited.map(|(id, _)| id);
    }
    let event = Event {
        context: context(memory, facts, now),
        trigger,
        timer_id,
        send_id: 0,
        failure: 0,
        extensions: Vec::new(),
    };
    let asked = policy.map(|policy| {
        let state_before = memory.state.as_ref().map_or_else(Vec::new, |state| state.0.clone());
        let evaluated = policy.decide(&state_before, &event);
        Asked { rule: policy.digest(), event, state_before, evaluated }
    });
    let mut messages = match asked.as_ref().map(|asked| &asked.evaluated.result) {
        Some(Ok(outcome)) => {
            memory.state = Some(Hex(outcome.state.clone()));
            if !(outcome.timers.is_empty() && outcome.cancels.is_empty())
                && let Some(inherited) = memory.inherited.take()
            {
                // It has said by itself how long it waits for this alarm.
                memory.timers.remove(&inherited);
            }
            for cancelled in &outcome.cancels {
                memory.timers.remove(cancelled);
            }
            let least = (now + LEAST_WAIT).as_millis();
            memory.timers.extend(outcome.timers.iter().map(|timer| (timer.id, timer.at_ms.max(least))));
            outcome.sends.iter().map(|send| Message { send: *send, by: By::Policy }).collect()
        }
        // Nobody knows whom it would have told, so everyone is.
        Some(Err(_)) => everyone(memory, facts),
        None if matches!(trigger, trigger::RAISED | trigger::ESCALATED | trigger::CLOSED) => everyone(memory, facts),
        None => Vec::new(),
    };
    if matches!(trigger, trigger::RAISED | trigger::ESCALATED) {
        duty(facts, &mut messages);
    }
    if memory.closed {
        memory.timers.clear();
        memory.inherited = None;
    }
    Told { trigger, messages, asked }
}

/// What an event means for the alarm, and the trigger that it is.
fn entered(memory: &mut Memory, happened: Happened, another: bool, now: Timestamp) -> (u16, u32) {
    match happened {
        Happened::Annunciated { priority } => {
            let lifted = memory.priority != 0 && priority.code() > memory.priority;
            memory.priority = memory.priority.max(priority.code());
            memory.holds = true;
            memory.acknowledged_at_ms = None;
            (if lifted && !another { trigger::ESCALATED } else { trigger::RAISED }, 0)
        }
        Happened::Acknowledged => {
            memory.acknowledged_at_ms = Some(now.as_millis());
            (trigger::ACKNOWLEDGED, 0)
        }
        Happened::Gone => {
            memory.holds = false;
            (trigger::GONE, 0)
        }
        Happened::Closed => {
            memory.holds = false;
            memory.closed = true;
            (trigger::CLOSED, 0)
        }
        // A component that does not know the timer begins with the alarm instead: nobody waits for nothing.
        Happened::Due { timer } => {
            memory.timers.remove(&timer);
            let foreign = another || memory.inherited.take_if(|inherited| *inherited == timer).is_some();
            if foreign { (trigger::RAISED, 0) } else { (trigger::TIMER, timer) }
        }
    }
}

fn context(memory: &Memory, facts: &Facts, now: Timestamp) -> AlarmContext {
    AlarmContext {
        now_ms: now.as_millis(),
        raised_at_ms: facts.raised_at.as_millis(),
        acknowledged_at_ms: memory.acknowledged_at_ms,
        condition: facts.condition.code(),
        priority: memory.priority,
        holds: memory.holds,
        device_kind: facts.device_kind,
        valve_state: facts.valve_state,
        premises_class: facts.premises_class,
        local_minute: facts.clock.minute(now),
        quiet_hours: facts.clock.is_quiet(now),
        recipients: facts.recipients.clone(),
    }
}

const fn send(to: &Recipient, channel: u16, break_quiet: bool, attempt: u16) -> Send {
    Send { id: 0, role: to.role, rank: to.rank, channel, text: 0, break_quiet, attempt }
}

/// The default list: every recipient over every channel that they have.
fn everyone(memory: &mut Memory, facts: &Facts) -> Vec<Message> {
    memory.attempts = memory.attempts.saturating_add(1);
    let grave = memory.priority >= Priority::High.code();
    let over = |to: &'_ Recipient| {
        let to = *to;
        channel::ALL
            .iter()
            .map(|(channel, _)| *channel)
            .filter(move |channel| to.has(*channel))
            .map(move |channel| (to, channel))
    };
    let all = facts.recipients.iter().flat_map(over);
    all.map(|(to, channel)| Message { send: send(&to, channel, grave, memory.attempts), by: By::DefaultList }).collect()
}

/// A latched high alarm reaches the control room: of whom no message is for it, each one there gets one, over what wakes them.
fn duty(facts: &Facts, messages: &mut Vec<Message>) {
    let reached = messages.iter().any(|message| message.send.role == role::CONTROL_ROOM);
    if reached || !facts.condition.latches() {
        return;
    }
    let control_room = facts.recipients.iter().filter(|to| to.role == role::CONTROL_ROOM);
    messages.extend(control_room.filter_map(|to| {
        let channel = to.first_of(LOUD)?;
        Some(Message { send: send(to, channel, true, 1), by: By::Duty })
    }));
}

/// What the platform itself says of a valve that is proven closed, or may be opened by hand: to the residents and the control room, softly.
/// No policy is asked about it.
pub fn about_a_valve(recipients: &[Recipient]) -> Vec<Message> {
    let concerned = recipients.iter().filter(|to| matches!(to.role, role::OWNER | role::CONTROL_ROOM));
    let over = concerned.filter_map(|to| Some((to, to.first_of(SOFT)?)));
    over.map(|(to, channel)| Message { send: send(to, channel, false, 1), by: By::Duty }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use davy_domain::policy::PolicyFault;
    use davy_rules_sdk::contract::Timer;
    use std::cell::RefCell;

    /// Answers what it is told to, and notes what it was asked.
    struct Scripted {
        digest: RuleDigest,
        answer: Result<Outcome, PolicyFault>,
        asked: RefCell<Vec<(u16, u32, Vec<u8>)>>,
    }

    impl Scripted {
        fn new(name: &[u8], answer: Result<Outcome, PolicyFault>) -> Self {
            Self { digest: RuleDigest::of(name), answer, asked: RefCell::default() }
        }
    }

    impl NotificationPolicy for Scripted {
        fn digest(&self) -> RuleDigest {
            self.digest
        }
        fn decide(&self, state: &[u8], event: &Event) -> Evaluated<Outcome> {
            self.asked.borrow_mut().push((event.trigger, event.timer_id, state.to_vec()));
            Evaluated { result: self.answer.clone(), fault: None, fuel: 1 }
        }
    }

    fn outcome(sends: Vec<Send>, timers: &[(u32, i64)]) -> Outcome {
        let timers = timers.iter().map(|(id, at_ms)| Timer { id: *id, at_ms: *at_ms }).collect();
        Outcome { state: vec![7], sends, timers, cancels: Vec::new(), notes: Vec::new() }
    }

    fn recipient(role: u16, channels: &[u16]) -> Recipient {
        let channels = channels.iter().fold(0, |mask, channel| mask | 1 << channel);
        Recipient { role, rank: 0, channels, on_duty: true }
    }

    fn facts(condition: Condition) -> Facts {
        Facts {
            raised_at: at(0),
            condition,
            device_kind: 1,
            valve_state: 1,
            premises_class: 1,
            clock: PlaceClock::CHINA,
            recipients: vec![
                recipient(role::OWNER, &[channel::SMS, channel::EMAIL]),
                recipient(role::CONTROL_ROOM, &[channel::VOICE, channel::EMAIL]),
            ],
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000) + Span::from_secs(seconds)
    }

    const RAISED: Happened = Happened::Annunciated { priority: Priority::Urgent };

    fn by(told: &Told) -> Vec<(u16, u16, By)> {
        told.messages.iter().map(|message| (message.send.role, message.send.channel, message.by)).collect()
    }

    #[test]
    fn without_a_policy_or_with_one_that_fails_everyone_is_told_over_everything() {
        let failing = Scripted::new(b"failing", Err(PolicyFault::Deadline));
        let policies: [Option<&dyn NotificationPolicy>; 2] = [None, Some(&failing)];
        for policy in policies {
            let told = step(policy, &mut Memory::default(), &facts(Condition::GasLow), RAISED, at(0));
            let all = [
                (role::OWNER, channel::SMS, By::DefaultList),
                (role::OWNER, channel::EMAIL, By::DefaultList),
                (role::CONTROL_ROOM, channel::VOICE, By::DefaultList),
                (role::CONTROL_ROOM, channel::EMAIL, By::DefaultList),
            ];
            assert_eq!(by(&told), all);
            assert!(told.messages.iter().all(|message| message.send.break_quiet));
        }
    }

    #[test]
    fn a_latched_high_alarm_reaches_the_control_room_whatever_the_policy_says() {
        let silent = Scripted::new(b"silent", Ok(outcome(Vec::new(), &[])));
        let told = |condition| by(&step(Some(&silent), &mut Memory::default(), &facts(condition), RAISED, at(0)));
        assert_eq!(told(Condition::GasHigh), [(role::CONTROL_ROOM, channel::VOICE, By::Duty)]);
        assert_eq!(told(Condition::CloseUnverified), [(role::CONTROL_ROOM, channel::VOICE, By::Duty)]);
        assert_eq!(told(Condition::GasLow), [], "that one is the policy's to decide");
        let to_room = Send { id: 1, ..send(&recipient(role::CONTROL_ROOM, &[]), channel::EMAIL, false, 1) };
        let telling = Scripted::new(b"telling", Ok(outcome(vec![to_room], &[])));
        let told = step(Some(&telling), &mut Memory::default(), &facts(Condition::GasHigh), RAISED, at(0));
        assert_eq!(by(&told), [(role::CONTROL_ROOM, channel::EMAIL, By::Policy)], "once is enough");
    }

    #[test]
    fn a_lifted_priority_is_an_escalation_and_a_return_is_a_raise() {
        let policy = Scripted::new(b"p", Ok(outcome(Vec::new(), &[])));
        let mut memory = Memory::default();
        let all = [
            Happened::Annunciated { priority: Priority::Medium },
            Happened::Annunciated { priority: Priority::Urgent },
            Happened::Acknowledged,
            Happened::Gone,
            Happened::Annunciated { priority: Priority::Urgent },
            Happened::Closed,
        ];
        let triggers =
            all.map(|happened| step(Some(&policy), &mut memory, &facts(Condition::GasLow), happened, at(0)).trigger);
        use trigger as t;
        assert_eq!(triggers, [t::RAISED, t::ESCALATED, t::ACKNOWLEDGED, t::GONE, t::RAISED, t::CLOSED]);
        assert_eq!(memory.acknowledged_at_ms, None, "back again: nobody has taken that on");
        let states: Vec<_> = policy.asked.borrow().iter().map(|(_, _, state)| state.clone()).collect();
        assert_eq!(states[..2], [vec![], vec![7]], "what it returned is what it gets");
    }

    #[test]
    fn timers_are_kept_until_they_are_due_and_taken_back_with_the_alarm() {
        let policy = Scripted::new(b"p", Ok(outcome(Vec::new(), &[(3, at(300).as_millis())])));
        let mut memory = Memory::default();
        step(Some(&policy), &mut memory, &facts(Condition::GasLow), RAISED, at(0));
        assert_eq!(memory.next_due(), Some((3, at(300))));
        let told = step(Some(&policy), &mut memory, &facts(Condition::GasLow), Happened::Due { timer: 3 }, at(300));
        assert_eq!((told.trigger, memory.next_due().map(|(id, _)| id)), (trigger::TIMER, Some(3)), "it set it again");
        step(Some(&policy), &mut memory, &facts(Condition::GasLow), Happened::Closed, at(301));
        assert_eq!((memory.next_due(), memory.closed), (None, true));
    }

    #[test]
    fn another_component_begins_anew_and_a_timer_of_the_one_before_is_its_beginning() {
        let first = Scripted::new(b"first", Ok(outcome(Vec::new(), &[(3, at(300).as_millis())])));
        let second = Scripted::new(b"second", Ok(outcome(Vec::new(), &[])));
        let mut memory = Memory::default();
        step(Some(&first), &mut memory, &facts(Condition::GasLow), RAISED, at(0));
        let told = step(Some(&second), &mut memory, &facts(Condition::GasLow), Happened::Due { timer: 3 }, at(300));
        assert_eq!(told.trigger, trigger::RAISED);
        assert_eq!(*second.asked.borrow(), [(trigger::RAISED, 0, vec![])]);
        // And with none in force any more, nobody waits in vain either.
        memory.timers.insert(3, at(400).as_millis());
        let told = step(None, &mut memory, &facts(Condition::GasLow), Happened::Due { timer: 3 }, at(400));
        assert_eq!((told.trigger, told.messages.len()), (trigger::RAISED, 4));
    }

    #[test]
    fn what_one_component_waits_for_another_one_that_comes_in_the_middle_waits_for_too() {
        let facts = facts(Condition::GasLow);
        let met = |happened: &[Happened], answer: Outcome| {
            let first =
                Scripted::new(b"first", Ok(outcome(Vec::new(), &[(8, at(900).as_millis()), (3, at(300).as_millis())])));
            let second = Scripted::new(b"second", Ok(answer));
            let mut memory = Memory::default();
            step(Some(&first), &mut memory, &facts, RAISED, at(0));
            for happened in happened {
                step(Some(&second), &mut memory, &facts, *happened, at(10));
            }
            (second, memory)
        };
        for happened in [&[Happened::Acknowledged][..], &[Happened::Gone], &[Happened::Acknowledged, Happened::Gone]] {
            let (second, mut memory) = met(happened, outcome(Vec::new(), &[]));
            assert_eq!(memory.next_due(), Some((3, at(300))), "the first of its timers: {happened:?}");
            // A restart between changes nothing.
            memory = serde_json::from_str(&serde_json::to_string(&memory).unwrap()).unwrap();
            let told = step(Some(&second), &mut memory, &facts, Happened::Due { timer: 3 }, at(300));
            assert_eq!((told.trigger, memory.next_due()), (trigger::RAISED, None));
            assert_eq!(
                second.asked.borrow().last().map(|(trigger, timer, _)| (*trigger, *timer)),
                Some((trigger::RAISED, 0))
            );
        }
        // A third one, or none at all, waits as well.
        let (_, mut memory) = met(&[Happened::Acknowledged], outcome(Vec::new(), &[]));
        step(None, &mut memory, &facts, Happened::Gone, at(20));
        assert_eq!(memory.next_due(), Some((3, at(300))));
        let told = step(None, &mut memory, &facts, Happened::Due { timer: 3 }, at(300));
        assert_eq!((told.trigger, told.messages.len()), (trigger::RAISED, 4));
        // One that says by itself how long it waits is not asked for the other's sake, and its own timer is its own.
        let (second, mut memory) = met(&[Happened::Acknowledged], outcome(Vec::new(), &[(3, at(500).as_millis())]));
        assert_eq!(memory.timers.len(), 1);
        assert_eq!(
            step(Some(&second), &mut memory, &facts, Happened::Due { timer: 3 }, at(500)).trigger,
            trigger::TIMER
        );
        let takes_back = Outcome { cancels: vec![1], ..outcome(Vec::new(), &[]) };
        assert_eq!(met(&[Happened::Acknowledged], takes_back).1.next_due(), None);
        assert_eq!(
            met(&[Happened::Acknowledged, RAISED, Happened::Closed], outcome(Vec::new(), &[])).1.next_due(),
            None
        );
    }

    #[test]
    fn time_never_goes_back_for_a_policy() {
        let mut memory = Memory::default();
        let policy = Scripted::new(b"p", Ok(outcome(Vec::new(), &[])));
        step(Some(&policy), &mut memory, &facts(Condition::GasLow), RAISED, at(10));
        let told = step(Some(&policy), &mut memory, &facts(Condition::GasLow), Happened::Acknowledged, at(5));
        assert_eq!(told.asked.unwrap().event.context.now_ms, at(10).as_millis());
    }

    #[test]
    fn a_memory_is_stored_and_read_back() {
        let policy = Scripted::new(b"p", Ok(outcome(Vec::new(), &[(3, 9)])));
        let mut memory = Memory::default();
        step(Some(&policy), &mut memory, &facts(Condition::GasLow), RAISED, at(0));
        let stored = serde_json::to_string(&memory).unwrap();
        assert_eq!(serde_json::from_str::<Memory>(&stored).unwrap(), memory);
    }
}
