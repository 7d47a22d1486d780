//! The resident's page, for a phone and for a bad moment: is it safe, what to do, and one button that stops the gas.
//!
//! Nothing here needs scripts. What cannot be known is said to be unknown: silence is never shown as safe.

use super::devices::ConditionBadge;
use crate::components::action::{Act, ActionButton};
use crate::components::alarms::AlarmRecord;
use crate::components::badge::{OnlineBadge, ValveBadge};
use crate::components::commands::CommandList;
use crate::components::connection::ConnectionBadge;
use crate::components::gas::Gas;
use crate::components::icon::{ValveIcon, VerdictIcon};
use crate::components::notice::{Empty, FlashBar, Loading, ProblemCard};
use crate::data::{self, Loaded};
use crate::flash::Flash;
use crate::live::{Heard, follow, throttle};
use crate::session::{PageContext, page_context};
use crate::translations::{Locale, use_i18n};
use crate::words::{self, Level};
use davy_api::{LatestReading, PremisesDetail, ValvesOf};
use davy_domain::{PremisesId, Quantity, ValveState};
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_i18n::td_string;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

async fn load(premises: Option<PremisesId>) -> Loaded<Option<PremisesDetail>> {
    match premises {
        Some(premises) => data::premises(premises).await.map(Some),
        None => Ok(None),
    }
}

/// The page.
#[component]
pub fn HomePage() -> impl IntoView {
    let locale = use_i18n().get_locale_untracked();
    let page = StoredValue::new(page_context());
    let own = page.with_value(|it| it.session.as_ref().and_then(|it| it.person.premises));
    let first = Resource::new(|| (), move |()| load(own));
    view! {
        <Title text=td_string!(locale, home.title) />
        <Suspense fallback=move || view! { <Loading locale /> }>
            {move || Suspend::new(async move {
                match first.await {
                    Ok(Some(premises)) => view! { <House locale page=page.get_value() premises /> }.into_any(),
                    Ok(None) => view! {
                        <section class="card">
                            <Empty
                                title=td_string!(locale, home.no_premises)
                                hint=td_string!(locale, home.no_premises_detail)
                            />
                        </section>
                    }
                    .into_any(),
                    Err(problem) => view! { <ProblemCard locale problem /> }.into_any(),
                }
            })}
        </Suspense>
    }
    .into_any()
}

#[component]
fn House(locale: Locale, page: PageContext, premises: PremisesDetail) -> impl IntoView {
    let offset = page.utc_offset_minutes;
    let csrf = page.session.map(|it| it.csrf).unwrap_or_default();
    let query = use_query_map().get_untracked();
    let flash = RwSignal::new(Flash::from_query(query.get_str("done"), query.get_str("error")));
    let id = premises.id;
    let address = premises.address.clone();
    let tenant = premises.tenant_name.clone();
    let premises = RwSignal::new(premises);

    let reload = throttle(500, move || {
        spawn_local(async move {
            if let Ok(new) = data::premises(id).await {
                let _ = premises.try_set(new);
            }
        });
    });
    let hear = reload.clone();
    // A resident hears of the own premises only: every event is worth a look.
    let connection = follow(move |heard| match heard {
        Heard::Event(_) | Heard::Gap => hear(),
    });
    let done = Callback::new(move |outcome: Flash| {
        flash.set(Some(outcome));
        reload();
    });
    view! {
        <div class="home">
            <div class="page-head">
                <div>
                    <h1>{address}</h1>
                    <p class="muted">{tenant}</p>
                </div>
                <ConnectionBadge locale offset connection />
            </div>
            <FlashBar locale flash />
            {move || view! { <Safety locale premises=premises.get() /> }}
            {move || view! { <ValveCard locale premises=premises.get() csrf=csrf.clone() done /> }}
            {move || view! { <Gas locale offset premises=premises.get() /> }}
            <Advice locale premises />
            <section class="card" aria-labelledby="own-devices">
                <h2 id="own-devices">{td_string!(locale, home.devices)}</h2>
                {move || view! { <OwnDevices locale premises=premises.get() /> }}
            </section>
            <section class="card" aria-labelledby="history">
                <h2 id="history">{td_string!(locale, home.history)}</h2>
                {move || view! { <Record locale offset premises=premises.get() /> }}
            </section>
        </div>
    }
    .into_any()
}

/// What the page says first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Leak,
    Attention,
    Stale,
    NoDetector,
    Safe,
}

fn verdict(premises: &PremisesDetail) -> Verdict {
    let measures_gas =
        |latest: &[LatestReading]| latest.iter().any(|it| matches!(it.quantity, Quantity::Gas | Quantity::Co));
    if premises.alarms.iter().any(|it| it.condition.is_leak()) {
        Verdict::Leak
    } else if !premises.devices.iter().any(|it| measures_gas(&it.latest)) {
        Verdict::NoDetector
    } else if !premises.devices.iter().any(|it| it.summary.online && measures_gas(&it.latest)) {
        Verdict::Stale
    } else if !premises.alarms.is_empty() || premises.valve == Some(ValveState::Unverified) {
        Verdict::Attention
    } else {
        Verdict::Safe
    }
}

#[component]
fn Safety(locale: Locale, premises: PremisesDetail) -> impl IntoView {
    let (level, title, detail) = match verdict(&premises) {
        Verdict::Leak => (Level::Leak, td_string!(locale, home.leak), td_string!(locale, home.leak_detail)),
        Verdict::Attention => {
            (Level::Alarm, td_string!(locale, home.attention), td_string!(locale, home.attention_detail))
        }
        Verdict::Stale => (Level::Alarm, td_string!(locale, home.stale), td_string!(locale, home.stale_detail)),
        Verdict::NoDetector => {
            (Level::Event, td_string!(locale, home.no_detector), td_string!(locale, home.no_detector_detail))
        }
        Verdict::Safe => (Level::Normal, td_string!(locale, home.safe), td_string!(locale, home.safe_detail)),
    };
    let alarms = premises
        .alarms
        .iter()
        .map(|it| {
            view! {
                <li data-testid="alarm-row" data-condition=it.condition.name()>
                    {words::condition(locale, it.condition)} " · " {words::alarm_state(locale, it.state)}
                </li>
            }
        })
        .collect_view();
    view! {
        <section
            class=format!("safety safety-{}", level.class())
            role=if level == Level::Leak { "alert" } else { "status" }
            data-testid="safety"
            data-level=level.class()
        >
            <VerdictIcon level />
            <div>
                <h2>{title}</h2>
                <p>{detail}</p>
                <ul class="safety-alarms">{alarms}</ul>
            </div>
        </section>
    }
    .into_any()
}

#[component]
fn ValveCard(locale: Locale, premises: PremisesDetail, csrf: String, done: Callback<Flash>) -> impl IntoView {
    let Some(valve) = premises.valve else {
        return view! { <section class="card"><p>{td_string!(locale, home.no_valve)}</p></section> }.into_any();
    };
    let label = match valve {
        ValveState::Open | ValveState::Unknown | ValveState::Closed => td_string!(locale, home.close),
        ValveState::Closing | ValveState::Unverified => td_string!(locale, home.close_again),
    };
    // That gas can be used is said only where nothing speaks against it.
    let detail = match (valve, verdict(&premises)) {
        (ValveState::Open, Verdict::Safe) => td_string!(locale, valve.open_safe_detail),
        (ValveState::Open, Verdict::Leak) => td_string!(locale, valve.open_leak_detail),
        _ => words::valve_detail(locale, valve),
    };
    // Red is for what is wrong: on a calm day the button is as plain as it is large.
    let class = if verdict(&premises) == Verdict::Leak { "button danger solid huge" } else { "button strong huge" };
    let button = if valve == ValveState::Closed {
        view! { <p class="muted">{td_string!(locale, home.close_closed)}</p> }.into_any()
    } else {
        view! {
            <ActionButton act=Act::Close(ValvesOf::Premises(premises.id)) csrf next="/home" label class=class done />
            <p class="muted small">{td_string!(locale, home.close_explain)}</p>
        }
        .into_any()
    };
    view! {
        <section class="card valve-card" aria-labelledby="valve-title">
            <div
                class=format!("valve-big valve-{}", valve.name())
                data-testid="valve-state"
                data-state=valve.name()
                role="status"
            >
                <ValveIcon valve />
                <div>
                    <h2 id="valve-title" class="label">{td_string!(locale, valve.label)}</h2>
                    <p class="valve-word">{words::valve(locale, valve)}</p>
                </div>
            </div>
            <p class="muted">{detail}</p>
            {button}
        </section>
    }
    .into_any()
}

/// What to do: open and first in a leak, at hand otherwise.
#[component]
fn Advice(locale: Locale, premises: RwSignal<PremisesDetail>) -> impl IntoView {
    let leak = Memo::new(move |_| premises.with(|it| verdict(it) == Verdict::Leak));
    let steps = move || {
        [
            td_string!(locale, advice.no_spark),
            td_string!(locale, advice.windows),
            td_string!(locale, advice.valve),
            td_string!(locale, advice.leave),
            td_string!(locale, advice.call),
            td_string!(locale, advice.wait),
        ]
        .map(|step| view! { <li>{step}</li> })
        .collect_view()
    };
    view! {
        <section class=move || if leak.get() { "card advice urgent" } else { "card advice" } aria-labelledby="advice">
            <h2 id="advice">
                {move || {
                    if leak.get() { td_string!(locale, advice.title) } else { td_string!(locale, advice.calm_title) }
                }}
            </h2>
            <ol>{steps()}</ol>
        </section>
    }
    .into_any()
}

#[component]
fn OwnDevices(locale: Locale, premises: PremisesDetail) -> impl IntoView {
    let rows = premises
        .devices
        .into_iter()
        .map(|it| {
            let it = it.summary;
            view! {
                <li class="entry">
                    <div class="entry-body">
                        <p class="entry-title">
                            <a href=format!("/devices/{}", it.id)>{words::device_kind(locale, it.kind)}</a>
                            " " <span class="serial muted">{it.serial}</span>
                        </p>
                        <p class="entry-facts">
                            <ConditionBadge locale worst=it.worst />
                            <OnlineBadge locale online=it.online />
                            {it.valve.filter(|_| it.kind.has_valve()).map(|valve| view! { <ValveBadge locale valve /> })}
                        </p>
                    </div>
                </li>
            }
        })
        .collect_view();
    view! { <ul class="entries">{rows}</ul> }.into_any()
}

/// Past and present alarms of every device, then what was ordered.
#[component]
fn Record(locale: Locale, offset: i32, premises: PremisesDetail) -> impl IntoView {
    let mut alarms: Vec<_> = premises.devices.into_iter().flat_map(|it| it.alarms).collect();
    alarms.extend(premises.alarms);
    alarms.sort_by_key(|it| core::cmp::Reverse((it.raised_at, it.id)));
    alarms.dedup_by_key(|it| it.id);
    alarms.truncate(20);
    if alarms.is_empty() && premises.commands.is_empty() {
        return view! { <p class="muted">{td_string!(locale, home.history_empty)}</p> }.into_any();
    }
    view! {
        {(!alarms.is_empty())
            .then(|| view! { <AlarmRecord locale offset alarms empty=td_string!(locale, home.history_empty) /> })}
        {(!premises.commands.is_empty()).then(|| view! { <CommandList locale offset commands=premises.commands /> })}
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use davy_api::{DeviceDetail, DeviceSummary};
    use davy_domain::{DeviceId, DeviceKind, Timestamp};

    fn premises(online: bool, quantities: &[Quantity]) -> PremisesDetail {
        let at = Timestamp::from_millis(0);
        let latest = |&quantity: &Quantity| LatestReading { quantity, value: 0.0, unit: String::new(), at };
        let device = DeviceDetail {
            summary: DeviceSummary {
                id: DeviceId::from_raw(1),
                serial: String::new(),
                kind: DeviceKind::Detector,
                model: String::new(),
                address: String::new(),
                last_seen: Some(at),
                online,
                worst: None,
                valve: Some(ValveState::Open),
            },
            tenant_name: String::new(),
            premises: None,
            installed_at: None,
            report_interval_ms: None,
            latest: quantities.iter().map(latest).collect(),
            alarms: Vec::new(),
            commands: Vec::new(),
            linked: Vec::new(),
            may_close: true,
            lon: 0.0,
            lat: 0.0,
        };
        PremisesDetail {
            id: PremisesId::from_raw(1),
            address: String::new(),
            tenant_name: String::new(),
            valve: Some(ValveState::Open),
            devices: vec![device],
            alarms: Vec::new(),
            commands: Vec::new(),
            floor: Vec::new(),
        }
    }

    #[test]
    fn silence_and_absence_are_never_shown_as_safe() {
        assert_eq!(verdict(&premises(true, &[Quantity::Gas])), Verdict::Safe);
        assert_eq!(verdict(&premises(false, &[Quantity::Gas])), Verdict::Stale);
        assert_eq!(verdict(&premises(true, &[Quantity::Flow])), Verdict::NoDetector);
    }

    #[test]
    fn a_close_that_is_not_proven_needs_attention() {
        let mut premises = premises(true, &[Quantity::Gas]);
        premises.valve = Some(ValveState::Unverified);
        assert_eq!(verdict(&premises), Verdict::Attention);
    }
}
