//! A made-up city: districts, premises, devices, a few things gone wrong, and a valve that takes its time.

use crate::{rules, series};
use davy_api::{
    AlarmDecisions, AlarmItem, AlarmPage, AlarmQuery, BackTestItem, Backend, CloseReceipt, CommandItem, DeviceDetail,
    DevicePage, DeviceQuery, DeviceSummary, DivisionCount, FloorLevel, LatestReading, LiveEvent, Overview, Person,
    PremisesDetail, Problem, Reply, Role, RuleDetail, RuleVersions, RuleWords, Series, SeriesQuery, ValvesOf, Viewer,
};
use davy_domain::alarm::{AlarmState, Origin};
use davy_domain::command::{Action, CommandState};
use davy_domain::{
    AlarmId, BackTestId, CommandId, Condition, DeviceId, DeviceKind, PremisesId, Priority, Quantity, ReleaseId, Span,
    TenantId, Timestamp, UserId, ValveState,
};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use tokio::sync::broadcast;

pub(crate) struct District {
    pub(crate) code: &'static str,
    zh: &'static str,
    en: &'static str,
    lon: f64,
    lat: f64,
    premises: i64,
    streets: [&'static str; 3],
}

const fn district(
    code: &'static str,
    zh: &'static str,
    en: &'static str,
    at: (f64, f64),
    premises: i64,
    streets: [&'static str; 3],
) -> District {
    District { code, zh, en, lon: at.0, lat: at.1, premises, streets }
}

const DISTRICTS: [District; 6] = [
    district("120101", "和平区", "Heping", (117.2, 39.118), 52, ["南京路", "成都道", "西康路"]),
    district("120103", "河西区", "Hexi", (117.235, 39.09), 58, ["友谊路", "解放南路", "大沽南路"]),
    district("120104", "南开区", "Nankai", (117.155, 39.12), 61, ["鞍山西道", "白堤路", "长江道"]),
    district("120102", "河东区", "Hedong", (117.255, 39.122), 44, ["津塘路", "卫国道", "十一经路"]),
    district("120105", "河北区", "Hebei", (117.215, 39.162), 39, ["中山路", "金钟河大街", "狮子林大街"]),
    district("120106", "红桥区", "Hongqiao", (117.155, 39.172), 33, ["丁字沽零号路", "勤俭道", "西青道"]),
];
const TENANTS: [&str; 2] = ["津门燃气", "海河燃气"];
/// The premises whose resident signs in.
pub(crate) const HOME: PremisesId = PremisesId::from_raw(7_000_003);

struct State {
    devices: BTreeMap<DeviceId, DeviceDetail>,
    alarms: Vec<AlarmItem>,
    commands: Vec<CommandItem>,
    districts: BTreeMap<DeviceId, usize>,
    next: i64,
    tick: u64,
}

pub(crate) struct City {
    state: Mutex<State>,
    pub(crate) events: broadcast::Sender<LiveEvent>,
    now: fn() -> Timestamp,
}

/// A small generator: the same city every time.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }
    pub(crate) fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
    fn below(&mut self, n: u64) -> u64 {
        (self.unit() * n as f64) as u64
    }
}

impl City {
    pub(crate) fn new(now: fn() -> Timestamp) -> Self {
        let mut state = State {
            devices: BTreeMap::new(),
            alarms: Vec::new(),
            commands: Vec::new(),
            districts: BTreeMap::new(),
            next: 9_000_000,
            tick: 0,
        };
        populate(&mut state, now());
        trouble(&mut state, now());
        Self { state: Mutex::new(state), events: broadcast::channel(256).0, now }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn tell(&self, event: LiveEvent) {
        // Nobody listening is fine.
        let _ = self.events.send(event);
    }

    /// A second passes: valves move, and now and then something happens.
    pub(crate) fn tick(&self) {
        let now = (self.now)();
        let mut state = self.state();
        state.tick += 1;
        let mut moved = Vec::new();
        for command in &mut state.commands {
            let age = now.since(command.requested_at).as_millis();
            let next = match command.state {
                CommandState::Queued if age > 1_000 => CommandState::Sent,
                CommandState::Sent if age > 2_000 => CommandState::Acknowledged,
                CommandState::Acknowledged if age > 4_000 => CommandState::Actuated,
                CommandState::Actuated if age > 6_000 => CommandState::Verified,
                _ => continue,
            };
            command.state = next;
            command.changed_at = now;
            moved.push(command.clone());
        }
        for command in moved {
            if command.state == CommandState::Verified {
                state.set_valve(command.device, ValveState::Closed);
                self.tell(LiveEvent::Valve { device: command.device, valve: ValveState::Closed });
            }
            self.tell(LiveEvent::Command { command });
        }
    }

    /// Gas at the `n`th detector that has no alarm yet; its valves are ordered to close.
    pub(crate) fn leak(&self, n: usize) {
        let now = (self.now)();
        let mut state = self.state();
        let quiet: Vec<DeviceId> = state
            .devices
            .values()
            .filter(|it| it.summary.kind == DeviceKind::Detector && it.summary.worst.is_none())
            .map(|it| it.summary.id)
            .collect();
        let Some(&device) = quiet.get(n % quiet.len().max(1)) else { return };
        let alarm = state.raise(device, Condition::GasHigh, Priority::Urgent, Origin::Floor, now);
        self.tell(LiveEvent::Alarm { alarm: Box::new(alarm.clone()) });
        for command in state.close(device, "leak", Some(alarm.id), now) {
            self.tell(LiveEvent::Command { command });
        }
    }

    /// Every site as (id, name, level 0 to 3, longitude, latitude), for tiles.
    pub(crate) fn sites(&self) -> Vec<(String, String, u8, f64, f64)> {
        let state = self.state();
        let mut sites: BTreeMap<String, (String, u8, f64, f64)> = BTreeMap::new();
        for it in state.devices.values() {
            let id = it.premises.map_or_else(|| it.summary.id.to_string(), |premises| premises.to_string());
            let level = davy_web::words::Level::of_condition(it.summary.worst) as u8;
            let site = sites.entry(id).or_insert_with(|| (it.summary.address.clone(), 0, it.lon, it.lat));
            site.1 = site.1.max(level);
        }
        sites.into_iter().map(|(id, (name, level, lon, lat))| (id, name, level, lon, lat)).collect()
    }

    /// The viewer that a word stands for.
    pub(crate) fn viewer(role: Role) -> (Viewer, Person) {
        let (raw, name) = match role {
            Role::Regulator => (1, "刘建国"),
            Role::Operator => (2, "周敏"),
            Role::Resident => (3, "王秀兰"),
        };
        let viewer = Viewer {
            user: UserId::from_raw(raw),
            role,
            tenant: (role != Role::Regulator).then(|| TenantId::from_raw(1)),
            division: (role == Role::Regulator).then(|| "120000".to_owned()),
            premises: (role == Role::Resident).then_some(HOME),
            name: name.to_owned(),
        };
        let person = Person {
            id: viewer.user,
            name: name.to_owned(),
            role,
            tenant_name: viewer.tenant.map(|_| TENANTS[0].to_owned()),
            division_name: viewer.division.as_ref().map(|_| "天津市".to_owned()),
            premises: viewer.premises,
        };
        (viewer, person)
    }
}

impl State {
    fn id(&mut self) -> i64 {
        self.next += 37;
        self.next
    }

    fn raise(
        &mut self,
        device: DeviceId,
        condition: Condition,
        priority: Priority,
        origin: Origin,
        at: Timestamp,
    ) -> AlarmItem {
        let id = AlarmId::from_raw(self.id());
        let it = self.devices.get_mut(&device).expect("a device of this city");
        it.summary.worst = Some(condition);
        if condition == Condition::GasHigh {
            for reading in it.latest.iter_mut().filter(|it| it.quantity == Quantity::Gas) {
                (reading.value, reading.at) = (31.4, at);
            }
        }
        let alarm = AlarmItem {
            id,
            device,
            serial: it.summary.serial.clone(),
            device_kind: it.summary.kind,
            tenant_name: it.tenant_name.clone(),
            address: it.summary.address.clone(),
            condition,
            priority,
            origin,
            state: AlarmState::Unacknowledged,
            raised_at: at,
            changed_at: at,
            valve: it.summary.valve,
            said: condition.is_leak().then(|| RuleWords {
                zh: Some("燃气浓度达到高报警值".to_owned()),
                en: Some("Gas has reached the high level".to_owned()),
                notes: vec!["gas 61.7 %LEL".to_owned()],
            }),
            lon: it.lon,
            lat: it.lat,
        };
        self.alarms.insert(0, alarm.clone());
        alarm
    }

    /// The devices of the same premises.
    fn interlocked(&self, device: DeviceId) -> Vec<DeviceId> {
        let premises = self.devices.get(&device).and_then(|it| it.premises);
        self.devices
            .values()
            .filter(|it| premises.is_some() && it.premises == premises)
            .map(|it| it.summary.id)
            .collect()
    }

    fn set_valve(&mut self, device: DeviceId, valve: ValveState) {
        for id in self.interlocked(device) {
            if let Some(it) = self.devices.get_mut(&id) {
                it.summary.valve = Some(valve);
            }
            for alarm in self.alarms.iter_mut().filter(|it| it.device == id) {
                alarm.valve = Some(valve);
            }
        }
    }

    fn close(&mut self, device: DeviceId, cause: &str, alarm: Option<AlarmId>, now: Timestamp) -> Vec<CommandItem> {
        let valves: Vec<DeviceId> = self
            .interlocked(device)
            .into_iter()
            .filter(|id| self.devices.get(id).is_some_and(|it| it.summary.kind == DeviceKind::Valve))
            .collect();
        let mut commands = Vec::new();
        for valve in valves {
            self.set_valve(valve, ValveState::Closing);
            let command = CommandItem {
                id: CommandId::from_raw(self.id()),
                device: valve,
                action: Action::Close,
                state: CommandState::Queued,
                cause: cause.to_owned(),
                alarm,
                requested_at: now,
                changed_at: now,
                deadline: now + Span::from_secs(30),
            };
            self.commands.insert(0, command.clone());
            commands.push(command);
        }
        commands
    }

    fn whole(&self, id: DeviceId, viewer: &Viewer) -> Option<DeviceDetail> {
        let mut it = self.devices.get(&id)?.clone();
        let linked = self.interlocked(id);
        it.alarms = self.alarms.iter().filter(|alarm| alarm.device == id).cloned().collect();
        it.commands =
            self.commands.iter().filter(|it| it.device == id || linked.contains(&it.device)).cloned().collect();
        it.linked = linked.iter().filter(|it| **it != id).map(|it| self.devices[it].summary.clone()).collect();
        it.may_close = viewer.role != Role::Regulator && it.summary.valve.is_some();
        Some(it)
    }
}

fn populate(state: &mut State, now: Timestamp) {
    let mut dice = Dice::new(42);
    let mut premises = 7_000_000;
    for (index, district) in DISTRICTS.iter().enumerate() {
        for _ in 0..district.premises {
            premises += 1;
            let (lon, lat) = spread(&mut dice, district.lon, district.lat, 0.018);
            let street = district.streets[dice.below(3) as usize];
            let address = format!(
                "{}{street}{}号{}门{}0{}",
                district.zh,
                1 + dice.below(180),
                1 + dice.below(6),
                1 + dice.below(6),
                1 + dice.below(3)
            );
            let tenant = usize::from(dice.below(3) == 0);
            for (n, kind) in [DeviceKind::Detector, DeviceKind::Valve, DeviceKind::Meter].into_iter().enumerate() {
                let place = Place {
                    premises: Some(PremisesId::from_raw(premises)),
                    address: address.clone(),
                    tenant,
                    lon,
                    lat,
                };
                let id = DeviceId::from_raw(premises * 8 + n as i64);
                state.districts.insert(id, index);
                state.devices.insert(id, device(&mut dice, id, kind, place, now));
            }
        }
    }
    for n in 0..7_usize {
        let district = &DISTRICTS[n % DISTRICTS.len()];
        let (lon, lat) = spread(&mut dice, district.lon, district.lat, 0.01);
        let kind = if n < 5 { DeviceKind::WellMonitor } else { DeviceKind::Gateway };
        let what = if n < 5 { "燃气阀门井" } else { "小区配电间" };
        let address = format!("{}{}{what}", district.zh, district.streets[n % 3]);
        let id = DeviceId::from_raw(6_000_000 + n as i64);
        state.districts.insert(id, n % DISTRICTS.len());
        let place = Place { premises: None, address, tenant: n % 2, lon, lat };
        state.devices.insert(id, device(&mut dice, id, kind, place, now));
    }
}

fn spread(dice: &mut Dice, lon: f64, lat: f64, by: f64) -> (f64, f64) {
    let mut one = |at: f64, by: f64| at + (dice.unit() + dice.unit() + dice.unit() - 1.5) * by;
    (one(lon, by), one(lat, by * 0.8))
}

struct Place {
    premises: Option<PremisesId>,
    address: String,
    tenant: usize,
    lon: f64,
    lat: f64,
}

fn device(dice: &mut Dice, id: DeviceId, kind: DeviceKind, place: Place, now: Timestamp) -> DeviceDetail {
    let (prefix, model, measures): (&str, &str, &[(Quantity, f64)]) = match kind {
        DeviceKind::Detector => (
            "GD",
            "JT-HM10",
            &[
                (Quantity::Gas, 0.3),
                (Quantity::Temperature, 21.4),
                (Quantity::Battery, 92.0),
                (Quantity::EndOfLife, 0.0),
            ],
        ),
        DeviceKind::Valve => ("SV", "ZKF-15", &[(Quantity::Valve, 0.0), (Quantity::Battery, 88.0)]),
        DeviceKind::Meter => (
            "NB",
            "ZG2.5-NB",
            &[(Quantity::Volume, 1_284.36), (Quantity::Flow, 0.24), (Quantity::Valve, 0.0), (Quantity::Battery, 76.0)],
        ),
        DeviceKind::WellMonitor => {
            ("WM", "JK-W3", &[(Quantity::Gas, 0.6), (Quantity::Temperature, 14.2), (Quantity::Battery, 81.0)])
        }
        DeviceKind::Gateway | DeviceKind::Controller => {
            ("GW", "AQZD-500", &[(Quantity::Rssi, -71.0), (Quantity::Battery, 100.0)])
        }
    };
    let at = now - Span::from_secs(20 + dice.below(200) as i64);
    let latest = measures
        .iter()
        .map(|&(quantity, value)| LatestReading { quantity, value, unit: quantity.unit().to_owned(), at })
        .collect();
    let online = dice.below(60) != 0;
    DeviceDetail {
        summary: DeviceSummary {
            id,
            serial: format!("{prefix}{:08}", id.raw() * 977 % 100_000_000),
            kind,
            model: model.to_owned(),
            address: place.address,
            last_seen: Some(if online { at } else { now - Span::from_hours(3) }),
            online,
            worst: None,
            valve: place.premises.map(|_| ValveState::Open),
        },
        tenant_name: TENANTS[place.tenant].to_owned(),
        premises: place.premises,
        installed_at: Some(now - Span::from_days(200 + dice.below(900) as i64)),
        report_interval_ms: Some(if kind == DeviceKind::Meter { 3_600_000 } else { 300_000 }),
        latest,
        alarms: Vec::new(),
        commands: Vec::new(),
        linked: Vec::new(),
        may_close: false,
        lon: place.lon,
        lat: place.lat,
    }
}

/// What has gone wrong when the preview starts.
fn trouble(state: &mut State, now: Timestamp) {
    let detectors: Vec<DeviceId> =
        state.devices.values().filter(|it| it.summary.kind == DeviceKind::Detector).map(|it| it.summary.id).collect();
    let minutes = |m: i64| now - Span::from_minutes(m);
    let leak = state.raise(detectors[70], Condition::GasHigh, Priority::Urgent, Origin::Floor, minutes(2));
    state.close(detectors[70], "leak", Some(leak.id), minutes(2));
    for command in &mut state.commands {
        command.state = CommandState::Verified;
    }
    state.set_valve(detectors[70], ValveState::Closed);
    state.raise(detectors[130], Condition::CloseUnverified, Priority::High, Origin::Platform, minutes(11));
    state.set_valve(detectors[130], ValveState::Unverified);
    state.raise(detectors[20], Condition::GasRising, Priority::Medium, Origin::Rule, minutes(17));
    state.raise(detectors[200], Condition::BatteryLow, Priority::Low, Origin::Rule, minutes(190));
    state.raise(detectors[95], Condition::SensorEndOfLife, Priority::Low, Origin::Rule, minutes(1_500));
    state.raise(DeviceId::from_raw(6_000_002), Condition::Silent, Priority::Low, Origin::Platform, minutes(64));
    for alarm in &mut state.alarms {
        if matches!(alarm.condition, Condition::BatteryLow | Condition::SensorEndOfLife) {
            alarm.state = AlarmState::Acknowledged;
        }
    }
}

type Answer<T> = Result<T, Problem>;

fn ready<'a, T: Send + 'a>(answer: Answer<T>) -> Reply<'a, T> {
    Box::pin(std::future::ready(answer))
}

fn for_operators(viewer: &Viewer) -> Answer<()> {
    if viewer.role == Role::Operator { Ok(()) } else { Err(Problem::forbidden("see a company's rules")) }
}

impl Backend for City {
    fn me<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, Person> {
        ready(Ok(Self::viewer(viewer.role).1))
    }

    fn overview<'a>(&'a self, _viewer: &'a Viewer) -> Reply<'a, Overview> {
        let state = self.state();
        let active = |it: &&AlarmItem| it.state != AlarmState::Normal;
        let count =
            |test: &dyn Fn(&AlarmItem) -> bool| state.alarms.iter().filter(active).filter(|it| test(it)).count() as u64;
        let valves = |valve| {
            state
                .devices
                .values()
                .filter(|it| it.summary.kind == DeviceKind::Valve && it.summary.valve == Some(valve))
                .count() as u64
        };
        let divisions = DISTRICTS.iter().enumerate().map(|(index, it)| {
            let here = |alarm: &AlarmItem| state.districts.get(&alarm.device) == Some(&index);
            DivisionCount {
                code: it.code.to_owned(),
                name_zh: it.zh.to_owned(),
                name_en: it.en.to_owned(),
                premises: it.premises as u64,
                leaks: count(&|alarm| here(alarm) && alarm.condition.is_leak()),
                alarms: count(&here),
            }
        });
        ready(Ok(Overview {
            premises: DISTRICTS.iter().map(|it| it.premises as u64).sum(),
            devices: state.devices.len() as u64,
            online: state.devices.values().filter(|it| it.summary.online).count() as u64,
            leaks: count(&|it| it.condition.is_leak()),
            alarms: count(&|_| true),
            unacknowledged: count(&|it| davy_web::words::wants_acknowledgement(it.state)),
            closing: valves(ValveState::Closing),
            unverified: valves(ValveState::Unverified),
            divisions: divisions.collect(),
            bounds: vec![117.11, 39.06, 117.3, 39.2],
        }))
    }

    fn alarms<'a>(&'a self, _viewer: &'a Viewer, query: AlarmQuery) -> Reply<'a, AlarmPage> {
        let history = query.history.unwrap_or(false);
        let items = self
            .state()
            .alarms
            .iter()
            .filter(|it| (history || it.state != AlarmState::Normal) && query.device.is_none_or(|id| id == it.device))
            .take(query.limit.unwrap_or(50) as usize)
            .cloned()
            .collect();
        ready(Ok(AlarmPage { items, next: None }))
    }

    fn devices<'a>(&'a self, _viewer: &'a Viewer, query: DeviceQuery) -> Reply<'a, DevicePage> {
        let state = self.state();
        let q = query.q.unwrap_or_default();
        let found: Vec<&DeviceSummary> = state
            .devices
            .values()
            .map(|it| &it.summary)
            .filter(|it| query.kind.is_none_or(|kind| kind == it.kind))
            .filter(|it| it.serial.contains(&q) || it.address.contains(&q))
            .collect();
        let after = query.after.and_then(|it| it.parse::<usize>().ok()).unwrap_or(0);
        let limit = query.limit.unwrap_or(50) as usize;
        let items = found.iter().skip(after).take(limit).map(|&it| it.clone()).collect();
        let next = (after + limit < found.len()).then(|| (after + limit).to_string());
        ready(Ok(DevicePage { items, next, total: found.len() as u64 }))
    }

    fn device<'a>(&'a self, viewer: &'a Viewer, device: DeviceId) -> Reply<'a, DeviceDetail> {
        ready(self.state().whole(device, viewer).ok_or_else(|| Problem::not_found("device")))
    }

    fn series<'a>(&'a self, _viewer: &'a Viewer, device: DeviceId, query: SeriesQuery) -> Reply<'a, Series> {
        let leaking = self.state().devices.get(&device).and_then(|it| it.summary.worst).is_some_and(Condition::is_leak);
        ready(Ok(series::make(device, &query, (self.now)(), leaking)))
    }

    fn premises<'a>(&'a self, viewer: &'a Viewer, premises: PremisesId) -> Reply<'a, PremisesDetail> {
        let state = self.state();
        let ids: Vec<DeviceId> =
            state.devices.values().filter(|it| it.premises == Some(premises)).map(|it| it.summary.id).collect();
        let devices: Vec<DeviceDetail> = ids.iter().filter_map(|id| state.whole(*id, viewer)).collect();
        let Some(first) = devices.first() else { return ready(Err(Problem::not_found("premises"))) };
        ready(Ok(PremisesDetail {
            id: premises,
            address: first.summary.address.clone(),
            tenant_name: first.tenant_name.clone(),
            valve: first.summary.valve,
            alarms: devices
                .iter()
                .flat_map(|it| it.alarms.clone())
                .filter(|it| it.state != AlarmState::Normal)
                .collect(),
            commands: first.commands.clone(),
            floor: vec![FloorLevel {
                quantity: Quantity::Gas,
                rule: "cn-household-gas".to_owned(),
                at_or_above: 25.0,
                clear_below: 5.0,
                close: true,
            }],
            devices,
        }))
    }

    fn close<'a>(&'a self, viewer: &'a Viewer, of: ValvesOf) -> Reply<'a, CloseReceipt> {
        let device = match of {
            ValvesOf::Device(device) => device,
            ValvesOf::Premises(premises) => DeviceId::from_raw(premises.raw() * 8),
        };
        let cause = if viewer.role == Role::Resident { "resident" } else { "operator" };
        let mut state = self.state();
        if state.devices.get(&device).and_then(|it| it.summary.valve) == Some(ValveState::Closed) {
            return ready(Ok(CloseReceipt { commands: Vec::new(), already_closed: true }));
        }
        let commands = state.close(device, cause, None, (self.now)());
        for command in &commands {
            self.tell(LiveEvent::Command { command: command.clone() });
        }
        ready(Ok(CloseReceipt { commands, already_closed: false }))
    }

    fn acknowledge<'a>(&'a self, _viewer: &'a Viewer, alarm: AlarmId) -> Reply<'a, ()> {
        let now = (self.now)();
        let mut state = self.state();
        let Some(it) = state.alarms.iter_mut().find(|it| it.id == alarm) else {
            return ready(Err(Problem::not_found("alarm")));
        };
        (it.state, it.changed_at) = (AlarmState::Acknowledged, now);
        self.tell(LiveEvent::Alarm { alarm: Box::new(it.clone()) });
        ready(Ok(()))
    }

    fn reset<'a>(&'a self, _viewer: &'a Viewer, _alarm: AlarmId) -> Reply<'a, ()> {
        ready(Err(Problem::new("refused", 409, "Refused", "`gas` must be below 5 %LEL").with_reason("readings-high")))
    }

    fn decisions<'a>(&'a self, _viewer: &'a Viewer, alarm: AlarmId) -> Reply<'a, AlarmDecisions> {
        let known = self.state().alarms.iter().find(|it| it.id == alarm).cloned();
        ready(known.map(|it| rules::decisions(&it)).ok_or_else(|| Problem::not_found("alarm")))
    }

    fn rules<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, RuleVersions> {
        ready(for_operators(viewer).map(|()| rules::versions((self.now)())))
    }

    fn rule<'a>(&'a self, viewer: &'a Viewer, rule: ReleaseId) -> Reply<'a, RuleDetail> {
        let found = || rules::detail(rule, (self.now)()).ok_or_else(|| Problem::not_found("version of a rule"));
        ready(for_operators(viewer).and_then(|()| found()))
    }

    fn back_test<'a>(&'a self, viewer: &'a Viewer, test: BackTestId) -> Reply<'a, BackTestItem> {
        let found = || rules::back_test(test, (self.now)()).ok_or_else(|| Problem::not_found("back-test"));
        ready(for_operators(viewer).and_then(|()| found()))
    }

    fn tile<'a>(&'a self, _viewer: &'a Viewer, z: u8, x: u32, y: u32) -> Reply<'a, Vec<u8>> {
        ready(crate::tiles::make(&self.sites(), z, x, y).map_err(|error| Problem::unavailable(error.to_string())))
    }
}
