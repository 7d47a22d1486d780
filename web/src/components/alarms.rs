//! Lists of alarms: the active ones to be handled, and the record of past ones.

use crate::components::action::{Act, ActionButton};
use crate::components::badge::ValveBadge;
use crate::components::icon::LevelIcon;
use crate::components::notice::Empty;
use crate::components::when::When;
use crate::flash::Flash;
use crate::session::Session;
use crate::tell::tell;
use crate::translations::Locale;
use crate::words::{self, Level, wants_acknowledgement, wants_reset};
use davy_api::{AlarmFound, AlarmItem, RuleWords};
use davy_domain::AlarmId;
use leptos::prelude::*;
use leptos_i18n::td_string;

/// Active alarms, the most urgent first and among equals the newest; rows stay in place while others change.
#[component]
pub fn AlarmList(
    /// The language.
    locale: Locale,
    /// The page's time zone, minutes east of UTC.
    offset: i32,
    /// The alarms.
    #[prop(into)]
    alarms: Signal<Vec<AlarmItem>>,
    /// The session's CSRF token.
    csrf: String,
    /// The page to come back to without scripts.
    #[prop(into)]
    next: String,
    /// Whether the gas company is worth naming: a regulator sees several.
    show_tenant: bool,
    /// What the viewer may do about an alarm.
    hands: Hands,
    /// What an empty list says below its title.
    #[prop(optional, into)]
    empty_hint: String,
    /// Told how a change went.
    #[prop(into)]
    done: Callback<Flash>,
) -> impl IntoView {
    let sorted = Memo::new(move |_| {
        let mut alarms = alarms.get();
        alarms.sort_by_key(|it| core::cmp::Reverse((wants_acknowledgement(it.state), it.priority, it.raised_at)));
        alarms
    });
    let row = move |alarm: AlarmItem| {
        view! { <AlarmRow locale offset alarm csrf=csrf.clone() next=next.clone() show_tenant hands done /> }
    };
    view! {
        <Show when=move || sorted.with(Vec::is_empty)>
            <Empty title=td_string!(locale, alarms.empty) hint=empty_hint.clone() />
        </Show>
        <ol class="alarms" data-testid="alarm-list">
            <For each=move || sorted.get() key=|it| (it.id, it.state as u16, it.changed_at, it.valve) children=row.clone() />
        </ol>
    }
    .into_any()
}

/// What a viewer may do about alarms.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hands {
    acknowledge: bool,
    reset: bool,
}

impl Hands {
    /// Of whoever is signed in.
    pub fn of(session: Option<&Session>) -> Self {
        let can = |code: &str| session.is_some_and(|it| it.person.can(code));
        Self { acknowledge: can("alarms:acknowledge"), reset: can("alarms:reset") }
    }

    /// What the alarm waits for, if this viewer may do it.
    fn act_on(self, locale: Locale, alarm: &AlarmItem) -> Option<(Act, &'static str)> {
        if wants_acknowledgement(alarm.state) {
            self.acknowledge.then(|| (Act::Acknowledge(alarm.id), td_string!(locale, alarms.acknowledge)))
        } else if wants_reset(alarm.state) {
            self.reset.then(|| (Act::Reset(alarm.id), td_string!(locale, alarms.reset)))
        } else {
            None
        }
    }
}

/// One alarm with what a person can do about it.
#[component]
pub fn AlarmRow(
    /// The language.
    locale: Locale,
    /// The page's time zone, minutes east of UTC.
    offset: i32,
    /// The alarm.
    alarm: AlarmItem,
    /// The session's CSRF token.
    csrf: String,
    /// The page to come back to without scripts.
    next: String,
    /// Whether to name the gas company.
    show_tenant: bool,
    /// What the viewer may do about it.
    hands: Hands,
    /// Told how a change went.
    done: Callback<Flash>,
) -> impl IntoView {
    let level = Level::of(alarm.condition, alarm.priority);
    let fresh = wants_acknowledgement(alarm.state);
    let name = words::condition(locale, alarm.condition);
    let action = hands.act_on(locale, &alarm).map(|(act, label)| {
        let title = format!("{label}: {name}, {}", alarm.address);
        view! { <ActionButton act csrf next label title class="button small" done /> }
    });
    view! {
        <li
            class=format!("alarm alarm-{}", level.class())
            class:fresh=fresh
            data-testid="alarm-row"
            data-alarm=alarm.id.to_string()
            data-condition=alarm.condition.name()
            data-level=level.class()
        >
            <LevelIcon level />
            <div class="alarm-body">
                <p class="alarm-title">
                    <a href=format!("/devices/{}", alarm.device)>{name}</a>
                </p>
                <p class="alarm-place">{alarm.address.clone()}</p>
                <p class="alarm-facts">
                    <span class="alarm-state">{words::alarm_state(locale, alarm.state)}</span>
                    <When locale at=alarm.raised_at offset short=true />
                    {alarm.valve.map(|valve| view! { <ValveBadge locale valve /> })}
                    <span class="muted">{words::device_kind(locale, alarm.device_kind)}</span>
                    {show_tenant.then(|| view! { <span class="muted">{alarm.tenant_name.clone()}</span> })}
                </p>
            </div>
            {action}
        </li>
    }
    .into_any()
}

/// What the gas company's rule said to an alarm: why, in the reader's language, and its remarks as it wrote them.
#[component]
fn Said(locale: Locale, said: RuleWords) -> impl IntoView {
    let why = if locale == Locale::en { said.en } else { said.zh };
    let notes = said.notes.into_iter().map(|note| view! { <li>{note}</li> }).collect_view();
    view! {
        <div class="alarm-said" data-testid="alarm-said">
            {why.map(|why| view! { <p>{td_string!(locale, alarms.rule_says)} " " {why}</p> })}
            <ul class="muted small">{notes}</ul>
        </div>
    }
    .into_any()
}

/// Alarms of one device or premises, also past ones.
#[component]
pub fn AlarmRecord(
    /// The language.
    locale: Locale,
    /// The page's time zone, minutes east of UTC.
    offset: i32,
    /// The alarms, newest first.
    alarms: Vec<AlarmItem>,
    /// What an empty record says.
    #[prop(into)]
    empty: String,
    /// What the viewer may do about an alarm.
    #[prop(optional)]
    hands: Hands,
    /// Given where an alarm can be handled: CSRF token, page to come back to, and who is told.
    #[prop(optional_no_strip)]
    handle: Option<(String, String, Callback<Flash>)>,
    /// Whether to lead to the decisions behind each alarm.
    #[prop(optional)]
    explain: bool,
    /// Given where the viewer may say what an alarm really was: CSRF token and page to come back to.
    #[prop(optional_no_strip)]
    judge: Option<(String, String)>,
) -> impl IntoView {
    if alarms.is_empty() {
        return view! { <p class="muted">{empty}</p> }.into_any();
    }
    let rows = alarms
        .into_iter()
        .map(|alarm| {
            let active = alarm.state != davy_domain::alarm::AlarmState::Normal;
            let level = if active { Level::of(alarm.condition, alarm.priority) } else { Level::Normal };
            let action = handle.clone().zip(hands.act_on(locale, &alarm)).map(|((csrf, next, done), (act, label))| {
                view! { <ActionButton act csrf next label class="button small" done /> }
            });
            view! {
                <li class="entry" data-testid="alarm-entry" data-condition=alarm.condition.name()>
                    <LevelIcon level />
                    <div class="entry-body">
                        <p class="entry-title">{words::condition(locale, alarm.condition)}</p>
                        <p class="entry-facts">
                            <span>{words::alarm_state(locale, alarm.state)}</span>
                            <span class="muted">{words::origin(locale, alarm.origin)}</span>
                            <When locale at=alarm.raised_at offset />
                            {explain
                                .then(|| {
                                    view! {
                                        <a href=format!("/alarms/{}/why", alarm.id) data-testid="why">
                                            {td_string!(locale, why.link)}
                                        </a>
                                    }
                                })}
                        </p>
                        {alarm.said.map(|said| view! { <Said locale said /> })}
                        {alarm.found.map(|found| view! { <Found locale offset found /> })}
                        {judge.clone().map(|(csrf, next)| view! { <Finding locale alarm=alarm.id csrf next /> })}
                    </div>
                    {action}
                </li>
            }
        })
        .collect_view();
    view! { <ol class="entries">{rows}</ol> }.into_any()
}

/// What an alarm really was, in somebody's word.
#[component]
pub fn Found(
    /// The language.
    locale: Locale,
    /// The page's time zone, minutes east of UTC.
    offset: i32,
    /// What was said.
    found: AlarmFound,
) -> impl IntoView {
    let what = match found.finding.as_str() {
        "leak" => td_string!(locale, finding.leak).to_owned(),
        "false-alarm" => td_string!(locale, finding.false_alarm).to_owned(),
        "test" => td_string!(locale, finding.test).to_owned(),
        other => other.to_owned(),
    };
    let said = match found.by {
        Some(name) => tell!(locale, finding.said_by, what = what, name = name),
        None => tell!(locale, finding.said, what = what),
    };
    view! {
        <p class="entry-facts" data-testid="found" data-finding=found.finding>
            <span>{said}</span>
            <When locale at=found.at offset />
        </p>
    }
    .into_any()
}

/// Asks what an alarm really was; a plain form whose buttons are the answers.
#[component]
fn Finding(locale: Locale, alarm: AlarmId, csrf: String, next: String) -> impl IntoView {
    let answers = [
        ("leak", td_string!(locale, finding.leak)),
        ("false-alarm", td_string!(locale, finding.false_alarm)),
        ("test", td_string!(locale, finding.test)),
    ]
    .map(|(word, label)| {
        view! {
            <button type="submit" name="finding" value=word class="button small" data-testid=format!("finding-{word}")>
                {label}
            </button>
        }
    })
    .collect_view();
    view! {
        <details class="fold finding">
            <summary>{td_string!(locale, finding.ask)}</summary>
            <form method="post" action="/actions/finding">
                <input type="hidden" name="csrf" value=csrf />
                <input type="hidden" name="alarm" value=alarm.to_string() />
                <input type="hidden" name="next" value=next />
                <div class="finding-answers">{answers}</div>
                <p class="muted small">{td_string!(locale, finding.explain)}</p>
            </form>
        </details>
    }
    .into_any()
}
