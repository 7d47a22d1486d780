//! What the pages ask of the made-up city.

use super::{City, DISTRICTS, HOME};
use crate::{ledger, rules, series};
use davy_api::{
    AlarmDecisions, AlarmItem, AlarmLedger, AlarmPage, AlarmQuery, BackTestItem, Backend, CloseReceipt, DeviceDetail,
    DeviceImportFault, DeviceImportItem, DeviceImports, DeviceKey, DevicePage, DeviceQuery, DeviceSummary,
    DivisionCount, FloorLevel, Household, LedgerCheckpoints, LedgerPage, LedgerQuery, LiveEvent, Overview, People,
    Person, PremisesDetail, Problem, Quarantine, Reply, Requests, RuleBounds, RuleDetail, RuleSigners, RuleVersions,
    Series, SeriesQuery, Tenants, Tokens, Usage, ValvesOf, Viewer,
};
use davy_domain::alarm::AlarmState;
use davy_domain::{
    AlarmId, BackTestId, Condition, DeviceId, DeviceKind, ImportId, PremisesId, Quantity, ReleaseId, Role, ScopeKind,
    ValveState,
};

type Answer<T> = Result<T, Problem>;

fn ready<'a, T: Send + 'a>(answer: Answer<T>) -> Reply<'a, T> {
    Box::pin(std::future::ready(answer))
}

fn not_for_residents(viewer: &Viewer) -> Answer<()> {
    if viewer.scope.kind() == ScopeKind::Premises { Err(Problem::forbidden("see the ledger")) } else { Ok(()) }
}

fn for_operators(viewer: &Viewer) -> Answer<()> {
    if viewer.scope.kind() == ScopeKind::Tenant { Ok(()) } else { Err(Problem::forbidden("see a company's rules")) }
}

impl Backend for City {
    fn me<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, Person> {
        ready(Ok(Self::viewer(viewer.roles.iter().next().unwrap_or(Role::Resident)).1))
    }

    fn account<'a>(&'a self, _viewer: &'a Viewer) -> Reply<'a, davy_api::Account> {
        ready(Ok(davy_api::Account {
            email: "preview@gas.example".to_owned(),
            phone: Some("138****5678".to_owned()),
            policy: davy_domain::proof::SecondFactorPolicy::Commands,
            proven: false,
            sessions: Vec::new(),
            generator_since: None,
            generator_offer: None,
            recovery_codes: 0,
        }))
    }

    fn own_data<'a>(&'a self, _viewer: &'a Viewer) -> Reply<'a, davy_api::OwnData> {
        use davy_domain::personal::Category;
        ready(Ok(davy_api::OwnData {
            name: "王小明".to_owned(),
            email: "preview@gas.example".to_owned(),
            phone: Some("138-0000-5678".to_owned()),
            address: None,
            categories: vec![Category::Name, Category::Contact],
            acts: Vec::new(),
        }))
    }

    fn data_acts<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, davy_api::DataActs> {
        ready(for_operators(viewer).map(|()| davy_api::DataActs { items: Vec::new() }))
    }

    fn contacts<'a>(&'a self, viewer: &'a Viewer, _device: DeviceId) -> Reply<'a, davy_api::Contacts> {
        let nobody = davy_api::Contacts { whole: false, may_show: false, people: Vec::new() };
        ready(not_for_residents(viewer).map(|()| nobody))
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

    fn device_key<'a>(&'a self, viewer: &'a Viewer, device: DeviceId) -> Reply<'a, DeviceKey> {
        let found = self.state().whole(device, viewer).ok_or_else(|| Problem::not_found("device"));
        let changed_at = None;
        ready(for_operators(viewer).and(found).map(|device| {
            let valves = device.linked.iter().filter(|other| other.kind.has_valve()).count() as u64;
            DeviceKey { has_key: true, kid: "00000007".to_owned(), changed_at, valves, spoke_at: None, spoke_times: 0 }
        }))
    }

    fn device_imports<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, DeviceImports> {
        let at = (self.now)();
        let import = |id, name: &str, state: &str, faults: Vec<DeviceImportFault>| DeviceImportItem {
            id: ImportId::from_raw(id),
            name: name.to_owned(),
            state: state.to_owned(),
            lines: 1_200,
            devices: if faults.is_empty() { 1_200 } else { 0 },
            fault_count: faults.len() as u64,
            has_credentials: faults.is_empty(),
            faults,
            created_at: at,
            changed_at: at,
        };
        let fault =
            DeviceImportFault { line: 17, column: "links".to_owned(), fault: "`D-0016` has no valve".to_owned() };
        ready(for_operators(viewer).map(|()| DeviceImports {
            items: vec![
                import(2, "heping-2.csv", "entered", Vec::new()),
                import(1, "heping-1.csv", "refused", vec![fault]),
            ],
        }))
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
        let cause = if viewer.is_resident() { "resident" } else { "operator" };
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

    fn alarm_ledger<'a>(&'a self, viewer: &'a Viewer, alarm: AlarmId) -> Reply<'a, AlarmLedger> {
        ready(not_for_residents(viewer).map(|()| ledger::of_alarm((self.now)(), alarm)))
    }

    fn ledger<'a>(&'a self, viewer: &'a Viewer, query: LedgerQuery) -> Reply<'a, LedgerPage> {
        let own = viewer.scope.kind() == ScopeKind::Tenant;
        ready(not_for_residents(viewer).map(|()| ledger::page((self.now)(), &query, own)))
    }

    fn ledger_checkpoints<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, LedgerCheckpoints> {
        ready(not_for_residents(viewer).map(|()| ledger::checkpoints((self.now)())))
    }

    fn rules<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, RuleVersions> {
        ready(for_operators(viewer).map(|()| rules::versions((self.now)())))
    }

    fn rule<'a>(&'a self, viewer: &'a Viewer, rule: ReleaseId) -> Reply<'a, RuleDetail> {
        let found = || rules::detail(rule, (self.now)()).ok_or_else(|| Problem::not_found("version of a rule"));
        ready(for_operators(viewer).and_then(|()| found()))
    }

    fn rule_bounds<'a>(&'a self, viewer: &'a Viewer) -> Reply<'a, RuleBounds> {
        ready(for_operators(viewer).map(|()| rules::bounds()))
    }

    fn quarantine<'a>(&'a self, _: &'a Viewer) -> Reply<'a, Quarantine> {
        Box::pin(async { Ok(Quarantine::default()) })
    }
    fn back_test<'a>(&'a self, viewer: &'a Viewer, test: BackTestId) -> Reply<'a, BackTestItem> {
        let found = || rules::back_test(test, (self.now)()).ok_or_else(|| Problem::not_found("back-test"));
        ready(for_operators(viewer).and_then(|()| found()))
    }

    fn tenants<'a>(&'a self, _: &'a Viewer) -> Reply<'a, Tenants> {
        ready(Err(Problem::forbidden("see the platform's companies")))
    }

    fn rule_signers<'a>(&'a self, _: &'a Viewer) -> Reply<'a, RuleSigners> {
        ready(Ok(rules::signers()))
    }

    fn usage<'a>(&'a self, _: &'a Viewer) -> Reply<'a, Usage> {
        ready(Err(Problem::forbidden("see the company's usage")))
    }

    fn people<'a>(&'a self, _: &'a Viewer) -> Reply<'a, People> {
        ready(Err(Problem::forbidden("see the company's people")))
    }

    fn tokens<'a>(&'a self, _: &'a Viewer) -> Reply<'a, Tokens> {
        ready(Err(Problem::forbidden("use tokens")))
    }

    fn household<'a>(&'a self, _: &'a Viewer) -> Reply<'a, Household> {
        ready(Ok(Household { premises: HOME, members: Vec::new(), invitations: Vec::new() }))
    }

    fn requests<'a>(&'a self, _: &'a Viewer) -> Reply<'a, Requests> {
        ready(Ok(Requests { items: Vec::new(), close_alone: 10, communities: Vec::new() }))
    }

    fn tile<'a>(&'a self, _viewer: &'a Viewer, z: u8, x: u32, y: u32) -> Reply<'a, Vec<u8>> {
        ready(crate::tiles::make(&self.sites(), z, x, y).map_err(|error| Problem::unavailable(error.to_string())))
    }
}
