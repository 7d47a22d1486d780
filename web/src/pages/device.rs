//! One device: its state, readings, alarms, commands, and closing its valve.

use super::devices::ConditionBadge;
use crate::components::action::{Act, ActionButton};
use crate::components::alarms::{AlarmRecord, Hands};
use crate::components::badge::{OnlineBadge, ValveBadge};
use crate::components::chart::Chart;
use crate::components::commands::CommandList;
use crate::components::connection::ConnectionBadge;
use crate::components::contacts::ContactsCard;
use crate::components::key::KeyCard;
use crate::components::notice::{FlashBar, Loading, ProblemCard};
use crate::components::plot::{Mark, MarkKind};
use crate::components::readings::Readings;
use crate::components::when::When;
use crate::data::query::{quantity_from_name, quantity_name};
use crate::data::{self, Loaded};
use crate::flash::Flash;
use crate::format;
use crate::live::{Heard, clock, follow, throttle};
use crate::session::{PageContext, page_context};
use crate::tell::tell;
use crate::translations::{Locale, use_i18n};
use crate::words;
use davy_api::{DeviceDetail, LiveEvent, Problem, Series, SeriesQuery, ValvesOf};
use davy_domain::{DeviceId, DeviceKind, Quantity, ScopeKind, Span, Timestamp};
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_i18n::td_string;
use leptos_meta::Title;
use leptos_router::hooks::{use_params_map, use_query_map};
use leptos_router::params::ParamsMap;

/// The stretches of time that the chart offers.
const SPANS: [(&str, i64); 3] = [("24h", 24), ("7d", 168), ("30d", 720)];

/// Which part of which series the address asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct View {
    quantity: Option<Quantity>,
    span: &'static str,
    hours: i64,
    /// The moment in the middle; the present at the right edge unless told.
    at: Option<Timestamp>,
    /// When what is in force raised an alarm, and when another version would have.
    compared: [Option<Timestamp>; 2],
}

/// A moment in the address, milliseconds; what no chart could show is none.
fn moment(params: &ParamsMap, name: &str) -> Option<Timestamp> {
    let millis: i64 = params.get_str(name)?.parse().ok()?;
    (0..=253_402_300_799_000).contains(&millis).then(|| Timestamp::from_millis(millis))
}

async fn load(device: Option<DeviceId>) -> Loaded<DeviceDetail> {
    match device {
        Some(device) => data::device(device).await,
        None => Err(Problem::not_found("device")),
    }
}

/// The page.
#[component]
pub fn DevicePage() -> impl IntoView {
    let locale = use_i18n().get_locale_untracked();
    let page = StoredValue::new(page_context());
    let params = use_params_map();
    let id = Memo::new(move |_| params.with(|it| it.get_str("device").and_then(|text| text.parse().ok())));
    let first = Resource::new(move || id.get(), load);
    view! {
        <Suspense fallback=move || view! { <Loading locale /> }>
            {move || Suspend::new(async move {
                match first.await {
                    Ok(device) => view! { <Sheet locale page=page.get_value() device /> }.into_any(),
                    Err(problem) => view! { <ProblemCard locale problem /> }.into_any(),
                }
            })}
        </Suspense>
    }
    .into_any()
}

#[component]
fn Sheet(locale: Locale, page: PageContext, device: DeviceDetail) -> impl IntoView {
    let offset = page.utc_offset_minutes;
    let can = |code: &str| page.session.as_ref().is_some_and(|it| it.person.can(code));
    let (explains, judges, keys) = (can("alarms:explain"), can("alarms:judge"), can("devices:add"));
    let contacts = can("contacts:see") && device.premises.is_some();
    let alarm = device.alarms.iter().find(|it| it.state.is_active()).map(|it| it.id);
    let hands = Hands::of(page.session.as_ref());
    let resident = page.session.as_ref().is_some_and(|it| it.person.scope == ScopeKind::Premises);
    let csrf = StoredValue::new(page.session.map(|it| it.csrf).unwrap_or_default());
    let query = use_query_map().get_untracked();
    let flash = RwSignal::new(Flash::from_query(query.get_str("done"), query.get_str("error")));
    let id = device.summary.id;
    let next = format!("/devices/{id}");
    let kind = device.summary.kind;
    let serial = device.summary.serial.clone();
    let address = device.summary.address.clone();
    let measured: Vec<Quantity> = device.latest.iter().map(|it| it.quantity).collect();
    let linked: Vec<DeviceId> = device.linked.iter().map(|it| it.id).collect();
    let device = RwSignal::new(device);
    let revision = RwSignal::new(0_u32);

    // The chart follows more slowly than the figures: a line does not change its shape by one sample.
    let redraw = throttle(5_000, move || {
        let _ = revision.try_update(|it| *it = it.wrapping_add(1));
    });
    let reload = throttle(500, move || {
        redraw();
        spawn_local(async move {
            if let Ok(new) = data::device(id).await {
                let _ = device.try_set(new);
            }
        });
    });
    let hear = reload.clone();
    let concerns = move |other: DeviceId| other == id || linked.contains(&other);
    let connection = follow(move |heard| {
        let mine = match heard {
            Heard::Event(LiveEvent::Alarm { alarm }) => concerns(alarm.device),
            Heard::Event(LiveEvent::Command { command }) => concerns(command.device),
            Heard::Event(LiveEvent::Valve { device, .. }) => concerns(device),
            Heard::Event(LiveEvent::Reading { device, .. }) => device == id,
            Heard::Event(LiveEvent::Lagged) | Heard::Gap => true,
        };
        if mine {
            hear();
        }
    });
    let done = Callback::new(move |outcome: Flash| {
        flash.set(Some(outcome));
        reload();
    });
    let record = next.clone();
    view! {
        <Title text=format!("{} {serial}", words::device_kind(locale, kind)) />
        <p class="crumb">
            <a href=if resident { "/home" } else { "/devices" }>
                {if resident { td_string!(locale, nav.home) } else { td_string!(locale, device.back) }}
            </a>
        </p>
        <div class="page-head">
            <div>
                <h1>{words::device_kind(locale, kind)} " " <span class="serial">{serial}</span></h1>
                <p class="muted">{address}</p>
            </div>
            <ConnectionBadge locale offset connection />
        </div>
        <FlashBar locale flash />
        <div class="sheet">
            <div class="sheet-main">
                <section class="card" aria-labelledby="readings-title">
                    <h2 id="readings-title">{td_string!(locale, device.readings)}</h2>
                    {move || view! { <Readings locale offset latest=device.with(|it| it.latest.clone()) /> }}
                </section>
                <History locale offset id measured kind device revision />
                <section class="card" aria-labelledby="commands-title">
                    <h2 id="commands-title">{td_string!(locale, command.title)}</h2>
                    {move || view! { <CommandList locale offset commands=device.with(|it| it.commands.clone()) /> }}
                </section>
            </div>
            <div class="sheet-side">
                {move || view! { <State locale offset device=device.get() csrf=csrf.get_value() next=next.clone() done /> }}
                <section class="card" aria-labelledby="alarms-title">
                    <h2 id="alarms-title">{td_string!(locale, alarms.past)}</h2>
                    {move || {
                        let handle = Some((csrf.get_value(), record.clone(), done));
                        view! {
                            <AlarmRecord
                                locale
                                offset
                                alarms=device.with(|it| it.alarms.clone())
                                empty=td_string!(locale, alarms.empty_device)
                                hands
                                handle
                                explain=explains && !resident
                                judge=judges.then(|| (csrf.get_value(), record.clone()))
                            />
                        }
                    }}
                </section>
                <section class="card" aria-labelledby="linked-title">
                    <h2 id="linked-title">{td_string!(locale, device.linked)}</h2>
                    {move || view! { <Linked locale device=device.get() /> }}
                </section>
                {move || view! { <About locale offset device=device.get() /> }}
                {contacts.then(|| view! { <ContactsCard locale id alarm csrf=csrf.get_value() /> })}
                {keys.then(|| view! { <KeyCard locale offset id csrf=csrf.get_value() /> })}
            </div>
        </div>
    }
    .into_any()
}

/// The state in words, the valve, and the way to close it in two steps.
#[component]
fn State(
    locale: Locale,
    offset: i32,
    device: DeviceDetail,
    csrf: String,
    next: String,
    done: Callback<Flash>,
) -> impl IntoView {
    let summary = device.summary;
    let own_valve = summary.kind.has_valve();
    let valve = summary.valve.map(|valve| {
        view! {
            <div class="valve" data-testid="valve">
                <p class="valve-now">
                    <span class="label">{td_string!(locale, valve.label)}</span>
                    <ValveBadge locale valve />
                </p>
                <p class="muted">{words::valve_detail(locale, valve)}</p>
            </div>
        }
    });
    let close = if summary.valve.is_none() {
        None
    } else if device.may_close {
        Some(
            view! {
                // A disclosure is a confirm step that works without scripts too.
                <details class="confirm">
                    <summary class="button" data-testid="close-valve-ask">
                        {td_string!(locale, device.close_title)}
                    </summary>
                    <div class="confirm-body">
                        <p>
                            <strong>{td_string!(locale, device.close_sure)}</strong>
                        </p>
                        {(!own_valve).then(|| view! { <p>{td_string!(locale, device.close_linked)}</p> })}
                        <p class="muted">{td_string!(locale, device.close_explain)}</p>
                        <ActionButton
                            act=Act::Close(ValvesOf::Device(summary.id))
                            csrf
                            next
                            label=td_string!(locale, device.close_confirm)
                            class="button danger solid"
                            done
                        />
                    </div>
                </details>
            }
            .into_any(),
        )
    } else {
        Some(view! { <p class="muted">{td_string!(locale, device.not_allowed)}</p> }.into_any())
    };
    view! {
        <section class="card state" data-testid="device-state">
            <p class="state-line">
                <ConditionBadge locale worst=summary.worst />
                <OnlineBadge locale online=summary.online />
            </p>
            <p class="muted">
                {td_string!(locale, devices.last_seen)} " "
                {match summary.last_seen {
                    Some(at) => view! { <When locale at offset /> }.into_any(),
                    None => td_string!(locale, state.never).into_any(),
                }}
            </p>
            {valve}
            {close}
        </section>
    }
    .into_any()
}

/// The chart with its choice of quantity and time, all of it in the address.
#[component]
fn History(
    locale: Locale,
    offset: i32,
    id: DeviceId,
    measured: Vec<Quantity>,
    kind: DeviceKind,
    device: RwSignal<DeviceDetail>,
    revision: RwSignal<u32>,
) -> impl IntoView {
    let params = use_query_map();
    let view = Memo::new(move |_| {
        params.with(|params| {
            let (span, hours) =
                SPANS.into_iter().find(|(name, _)| params.get_str("span") == Some(*name)).unwrap_or(SPANS[0]);
            View {
                quantity: params.get_str("q").and_then(quantity_from_name),
                span,
                hours,
                at: moment(params, "at"),
                compared: [moment(params, "active"), moment(params, "version")],
            }
        })
    });
    let main = main_quantity(kind, &measured);
    let clock = clock();
    let now = StoredValue::new(page_context().now);
    let series = Resource::new(
        move || (view.get(), revision.get()),
        move |(view, revision)| async move {
            // The first picture ends at the page's time, so that server and browser draw the same.
            let present = if revision == 0 { now.get_value() } else { clock.now_untracked() };
            let to = view.at.map_or(present, |at| (at + Span::from_minutes(view.hours * 30)).min(present));
            let from = to - Span::from_hours(view.hours);
            let Some(quantity) = view.quantity.or(main) else { return Ok(None) };
            let query = SeriesQuery { quantity, from: Some(from), to: Some(to), limit: Some(2_000) };
            data::series(id, query).await.map(|series| Some((series, from, to)))
        },
    );
    let quantities = measured.clone();
    let choices = move || {
        let view = view.get();
        let shown = view.quantity.or(main);
        let link = |quantity: Option<Quantity>, span: &str| {
            let quantity = quantity.map(|it| format!("&q={}", quantity_name(it))).unwrap_or_default();
            let moment = |name: &str, at: Option<Timestamp>| {
                at.map(|at| format!("&{name}={}", at.as_millis())).unwrap_or_default()
            };
            let [active, version] = view.compared;
            let (at, active, version) = (moment("at", view.at), moment("active", active), moment("version", version));
            format!("/devices/{id}?span={span}{quantity}{at}{active}{version}")
        };
        let spans = SPANS
            .map(|(name, _)| {
                let label = match name {
                    "24h" => td_string!(locale, chart.hours_24),
                    "7d" => td_string!(locale, chart.days_7),
                    _ => td_string!(locale, chart.days_30),
                };
                view! {
                    <a href=link(view.quantity, name) aria-current=(view.span == name).then_some("true")>{label}</a>
                }
            })
            .collect_view();
        let quantities = quantities
            .iter()
            .map(|&quantity| {
                view! {
                    <a href=link(Some(quantity), view.span) aria-current=(shown == Some(quantity)).then_some("true")>
                        {words::quantity(locale, quantity)}
                    </a>
                }
            })
            .collect_view();
        view! {
            <div class="choices">
                <p class="choice">{quantities}</p>
                <p class="choice">{spans}</p>
            </div>
        }
    };
    let title = move || {
        view.get().quantity.or(main).map(|it| tell!(locale, chart.title, quantity = words::quantity(locale, it)))
    };
    view! {
        <section class="card" aria-labelledby="chart-title">
            <h2 id="chart-title">{title}</h2>
            {choices}
            <Transition fallback=move || view! { <Loading locale /> }>
                {move || Suspend::new(async move {
                    match series.await {
                        Ok(Some((series, from, to))) => {
                            let compared = view.get_untracked().compared;
                            let marks = device.with_untracked(|it| marks(locale, it, compared));
                            view! { <Drawn locale offset series marks from to /> }.into_any()
                        }
                        Ok(None) => view! { <p class="muted">{td_string!(locale, chart.empty)}</p> }.into_any(),
                        Err(problem) => view! { <p class="muted" data-testid="problem">{problem.title}</p> }.into_any(),
                    }
                })}
            </Transition>
        </section>
    }
    .into_any()
}

#[component]
fn Drawn(
    locale: Locale,
    offset: i32,
    series: Series,
    marks: Vec<Mark>,
    from: Timestamp,
    to: Timestamp,
) -> impl IntoView {
    view! { <Chart locale offset series marks from to /> }.into_any()
}

/// What a reader of this kind of device looks for first.
fn main_quantity(kind: DeviceKind, measured: &[Quantity]) -> Option<Quantity> {
    let wanted: &[Quantity] = match kind {
        DeviceKind::Detector | DeviceKind::Controller | DeviceKind::WellMonitor => &[Quantity::Gas, Quantity::Co],
        DeviceKind::Meter => &[Quantity::Flow, Quantity::Volume],
        DeviceKind::Valve => &[Quantity::Valve],
        DeviceKind::Gateway => &[Quantity::Rssi, Quantity::Battery],
    };
    wanted.iter().find(|it| measured.contains(it)).or_else(|| measured.first()).copied()
}

fn marks(locale: Locale, device: &DeviceDetail, [active, version]: [Option<Timestamp>; 2]) -> Vec<Mark> {
    let alarms = device.alarms.iter().map(|it| Mark {
        at: it.raised_at,
        kind: MarkKind::Alarm,
        label: words::condition(locale, it.condition).to_owned(),
    });
    let commands = device.commands.iter().map(|it| Mark {
        at: it.requested_at,
        kind: MarkKind::Command,
        label: words::action(locale, it.action).to_owned(),
    });
    let compared = [
        (active, MarkKind::Active, td_string!(locale, chart.active_mark)),
        (version, MarkKind::Version, td_string!(locale, chart.version_mark)),
    ];
    let compared =
        compared.into_iter().filter_map(|(at, kind, label)| Some(Mark { at: at?, kind, label: label.to_owned() }));
    alarms.chain(commands).chain(compared).collect()
}

#[component]
fn Linked(locale: Locale, device: DeviceDetail) -> impl IntoView {
    if device.linked.is_empty() {
        return view! { <p class="muted">{td_string!(locale, device.no_linked)}</p> }.into_any();
    }
    let rows = device
        .linked
        .into_iter()
        .map(|it| {
            view! {
                <li class="entry">
                    <div class="entry-body">
                        <p class="entry-title">
                            <a href=format!("/devices/{}", it.id)>{words::device_kind(locale, it.kind)} " " {it.serial}</a>
                        </p>
                        <p class="entry-facts">
                            <ConditionBadge locale worst=it.worst />
                            {it.valve.filter(|_| it.kind.has_valve()).map(|valve| view! { <ValveBadge locale valve /> })}
                        </p>
                    </div>
                </li>
            }
        })
        .collect_view();
    view! { <ul class="entries">{rows}</ul> }.into_any()
}

#[component]
fn About(locale: Locale, offset: i32, device: DeviceDetail) -> impl IntoView {
    let unknown = || td_string!(locale, device.unknown).to_owned();
    let facts = [
        (td_string!(locale, device.model), device.summary.model),
        (td_string!(locale, device.company), device.tenant_name),
        (
            td_string!(locale, device.installed),
            device.installed_at.map_or_else(unknown, |at| format::date(locale, at, offset)),
        ),
        (
            td_string!(locale, device.interval),
            device.report_interval_ms.map_or_else(unknown, |ms| format::interval(locale, ms)),
        ),
    ]
    .map(|(name, value)| view! { <div><dt>{name}</dt><dd>{value}</dd></div> })
    .collect_view();
    view! {
        <section class="card" aria-labelledby="about-title">
            <h2 id="about-title">{td_string!(locale, device.about)}</h2>
            <dl class="facts">{facts}</dl>
        </section>
    }
    .into_any()
}
