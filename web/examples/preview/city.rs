//! A made-up city: districts, premises, devices, a few things gone wrong, and a valve that takes its time.

#[path = "city/backend.rs"]
mod backend;
#[path = "city/made_up.rs"]
mod made_up;

use davy_api::{AlarmItem, CommandItem, DeviceDetail, LiveEvent, Person, RuleWords, Viewer};
use davy_domain::alarm::{AlarmState, Origin};
use davy_domain::command::{Action, CommandState};
use davy_domain::{
    AlarmId, CommandId, Condition, DeviceId, DeviceKind, PersonScope, PremisesId, Priority, Quantity, Role, Roles,
    ScopeKind, Span, TenantId, Timestamp, UserId, ValveState,
};
use made_up::{populate, trouble};
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
            Role::Resident => (3, "王秀兰"),
            _ => (2, "周敏"),
        };
        let tenant = TenantId::from_raw(1);
        // Of the company's people one who does everything.
        let company = [Role::SafetyOfficer, Role::Dispatcher, Role::RuleEngineer];
        let common = ["alarms:see", "alarms:explain", "devices:see"];
        let (scope, roles, may) = match role {
            Role::Regulator => {
                (PersonScope::Jurisdiction { division: 120_000 }, Roles::one(role), &["alarms:judge"][..])
            }
            Role::Resident => {
                (PersonScope::Premises { tenant, premises: HOME }, Roles::one(role), &["valves:close"][..])
            }
            _ => (PersonScope::Tenant { tenant }, company.into_iter().collect(), OF_THE_COMPANY),
        };
        let viewer = Viewer {
            user: UserId::from_raw(raw),
            scope,
            roles,
            only: None,
            name: name.to_owned(),
            session: None,
            proof: davy_domain::proof::Proof::default(),
        };
        let person = Person {
            id: viewer.user,
            name: name.to_owned(),
            scope: scope.kind(),
            roles,
            may: common.iter().chain(may).map(|code| (*code).to_owned()).collect(),
            tenant_name: scope.tenant().map(|_| TENANTS[0].to_owned()),
            division_name: scope.division().map(|_| "天津市".to_owned()),
            community_name: None,
            premises: scope.premises(),
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
            found: None,
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
        it.may_close = viewer.scope.kind() != ScopeKind::Jurisdiction && it.summary.valve.is_some();
        Some(it)
    }
}

/// What the person of the company may do besides looking.
const OF_THE_COMPANY: &[&str] = &[
    "alarms:acknowledge",
    "alarms:reset",
    "alarms:judge",
    "valves:close",
    "rule-signers:change",
    "rules:see",
    "rules:change",
    "rules:approve",
    "rules:roll-back",
];
