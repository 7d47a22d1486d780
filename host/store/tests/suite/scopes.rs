//! Nobody sees another's rows; lists page without gaps or repeats; provisioning is all or nothing.

use crate::fixture::*;
use davy_domain::alarm::Alarm;
use davy_domain::command::{Action, CommandState};
use davy_domain::interlock::Effects;
use davy_domain::*;
use davy_store::*;

both_engines!(
    a_tenant_sees_its_own_devices_and_no_others,
    a_regulator_sees_a_division_and_everything_below,
    a_resident_sees_their_own_premises_only,
    a_property_manager_sees_one_community_of_one_company,
    the_platform_has_no_rows_of_any_company,
    pages_have_no_gaps_and_no_repeats_while_rows_arrive,
    devices_are_found_by_kind_place_alarm_and_text,
    map_points_carry_the_most_urgent_alarm,
    provisioning_is_all_or_nothing,
    a_hundred_thousand_devices_are_entered_quickly,
    the_floor_and_the_rules_read_back,
);

fn ids(devices: &[DeviceSummary]) -> Vec<DeviceId> {
    devices.iter().map(|summary| summary.device.id).collect()
}

async fn all(scope: &ScopedStore) -> Vec<DeviceId> {
    ids(&scope.devices(&DeviceFilter::default(), None, 100).await.unwrap())
}

/// One of each kind of row about `OTHER`, which belongs to `BLUE`.
async fn blue_history(store: &Store) {
    let leak = alarm(1, OTHER, Condition::GasHigh);
    let blue = Effects {
        alarms: vec![raised(&leak)],
        commands: vec![given(&command(2, OTHER, Action::Close, CommandState::Queued, 1))],
        notices: vec![notice(3, &leak)],
        ..Effects::default()
    };
    let batch =
        Batch { uplinks: vec![gas(OTHER, 1, 1, 40.0)], effects: vec![(BLUE, InterlockId::from_raw(2001), blue)] };
    store.commit(&batch).await.unwrap();
}

async fn sees_nothing_of_other(scope: &ScopedStore) {
    assert!(scope.device(OTHER).await.unwrap().is_none());
    assert!(scope.active_alarms(10).await.unwrap().is_empty());
    assert!(scope.alarm_history(None, None, 10).await.unwrap().is_empty());
    assert!(scope.alarm_history(Some(OTHER), None, 10).await.unwrap().is_empty());
    assert!(scope.alarm(AlarmId::from_raw(1)).await.unwrap().is_none());
    assert!(scope.alarm_transitions(AlarmId::from_raw(1)).await.unwrap().is_empty());
    assert!(scope.commands(OTHER, None, 10).await.unwrap().is_empty());
    assert!(scope.command(CommandId::from_raw(2)).await.unwrap().is_none());
    assert!(scope.command_transitions(CommandId::from_raw(2)).await.unwrap().is_empty());
    assert!(scope.notices(None, 10).await.unwrap().is_empty());
    assert!(scope.decisions(OTHER, None, 10).await.unwrap().is_empty());
    assert!(scope.interlock_devices(InterlockId::from_raw(2001)).await.unwrap().is_empty());
    assert!(scope.premises_by_id(PremisesId::from_raw(21)).await.unwrap().is_none());
    let span = (at(-1_000), at(1_000));
    assert!(scope.series_with(OTHER, Quantity::Gas, span, Vec::new()).await.unwrap().is_empty());
    assert!(!scope.map_points(Bounds::WORLD).await.unwrap().iter().any(|point| point.device == OTHER));
}

async fn a_tenant_sees_its_own_devices_and_no_others(fixture: Fixture) {
    let store = &fixture.store;
    blue_history(store).await;
    let (green, blue) = (store.tenant(GREEN), store.tenant(BLUE));
    assert_eq!(all(&green).await, vec![DETECTOR, VALVE, METER, WELL]);
    assert_eq!(all(&blue).await, vec![OTHER, GATEWAY, CHILD]);
    sees_nothing_of_other(&green).await;
    assert!(green.series(OTHER, Quantity::Gas, at(-1_000), at(1_000)).await.unwrap().is_empty());
    assert!(green.uplinks(OTHER, at(-1_000), at(1_000)).await.unwrap().is_empty());
    assert_eq!(blue.active_alarms(10).await.unwrap().len(), 1);
    assert_eq!(blue.notices(None, 10).await.unwrap().len(), 1);
    assert_eq!(blue.series(OTHER, Quantity::Gas, at(-1_000), at(1_000)).await.unwrap().len(), 1);
    let totals = green.totals().await.unwrap();
    assert_eq!(totals, Totals { devices: 4, premises: 1, active_alarms: 0 });
}

async fn a_regulator_sees_a_division_and_everything_below(fixture: Fixture) {
    let store = &fixture.store;
    blue_history(store).await;
    assert_eq!(all(&store.regulator(CITY)).await, vec![DETECTOR, VALVE, METER, WELL, OTHER, GATEWAY, CHILD]);
    assert_eq!(all(&store.regulator(WEST)).await, vec![DETECTOR, VALVE, METER, OTHER, GATEWAY, CHILD]);
    assert_eq!(all(&store.regulator(EAST)).await, vec![WELL]);
    assert!(all(&store.regulator(DivisionCode(99))).await.is_empty());
    sees_nothing_of_other(&store.regulator(EAST)).await;
    assert_eq!(store.regulator(WEST).active_alarms(10).await.unwrap()[0].tenant, BLUE);
    assert_eq!(store.regulator(CITY).totals().await.unwrap(), Totals { devices: 7, premises: 2, active_alarms: 1 });
}

async fn a_resident_sees_their_own_premises_only(fixture: Fixture) {
    let store = &fixture.store;
    blue_history(store).await;
    let home = store.resident(HOME);
    assert_eq!(all(&home).await, vec![DETECTOR, VALVE, METER]);
    sees_nothing_of_other(&home).await;
    assert_eq!(home.premises(None, 10).await.unwrap().iter().map(|p| p.id).collect::<Vec<_>>(), vec![HOME]);
}

async fn a_property_manager_sees_one_community_of_one_company(fixture: Fixture) {
    let store = &fixture.store;
    blue_history(store).await;
    // Both companies have premises in a "Willow Court"; each is a community of its own.
    let (green, blue) = (store.tenant(GREEN), store.tenant(BLUE));
    let own = green.communities().await.unwrap();
    assert_eq!(own.len(), 1);
    assert_eq!(green.premises_of_communities().await.unwrap(), vec![(own[0].id, HOME)]);
    let community = store.community(own[0].id);
    assert_eq!(all(&community).await, vec![DETECTOR, VALVE, METER]);
    sees_nothing_of_other(&community).await;
    assert!(community.has_device(VALVE).await.unwrap() && community.has_premises(HOME).await.unwrap());
    assert!(!community.has_device(WELL).await.unwrap() && !community.has_device(OTHER).await.unwrap());
    let other = blue.communities().await.unwrap()[0].id;
    assert_eq!(all(&store.community(other)).await, vec![OTHER, CHILD]);
    assert_eq!(store.community(other).active_alarms(10).await.unwrap().len(), 1);
    assert_eq!(store.community(other).totals().await.unwrap(), Totals { devices: 2, premises: 1, active_alarms: 1 });
    // A home that is entered later joins the community that is there.
    let home = Premises { id: PremisesId::from_raw(12), ..green.premises(None, 1).await.unwrap().remove(0) };
    store.provision(&Provision { premises: vec![home], ..Provision::default() }).await.unwrap();
    assert_eq!(community.totals().await.unwrap().premises, 2);
}

async fn the_platform_has_no_rows_of_any_company(fixture: Fixture) {
    assert!(fixture.store.scoped(PersonScope::Platform).is_none());
    let green = fixture.store.scoped(PersonScope::Tenant { tenant: GREEN }).unwrap();
    assert_eq!(all(&green).await, vec![DETECTOR, VALVE, METER, WELL]);
}

async fn pages_have_no_gaps_and_no_repeats_while_rows_arrive(fixture: Fixture) {
    let store = &fixture.store;
    let green = store.tenant(GREEN);
    let conditions =
        [Condition::GasLow, Condition::Tamper, Condition::BatteryLow, Condition::MicroFlow, Condition::GasRising];
    let mut all = Vec::new();
    for (n, condition) in conditions.into_iter().enumerate() {
        all.push(alarm(10 + n as i64, DETECTOR, condition));
    }
    store.commit(&effects(Effects { alarms: all.iter().map(raised).collect(), ..Effects::default() })).await.unwrap();
    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let page = green.alarm_history(None, before, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.alarm.id);
        seen.extend(page.iter().map(|stored| stored.alarm.id.raw()));
        // A new alarm between two pages, and one that changes its state.
        let new = alarm(100 + seen.len() as i64, VALVE, Condition::ALL[seen.len()]);
        let batch = effects(Effects { alarms: vec![raised(&new), ended(&all[0])], ..Effects::default() });
        store.commit(&batch).await.unwrap();
    }
    assert_eq!(seen, vec![14, 13, 12, 11, 10]);

    let mut devices = Vec::new();
    let mut after = None;
    loop {
        let page = green.devices(&DeviceFilter::default(), after, 1).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.device.id);
        devices.extend(ids(&page));
    }
    assert_eq!(devices, vec![DETECTOR, VALVE, METER, WELL]);
}

async fn devices_are_found_by_kind_place_alarm_and_text(fixture: Fixture) {
    let store = &fixture.store;
    let green = store.tenant(GREEN);
    let low = Alarm { priority: Priority::Low, ..alarm(2, VALVE, Condition::Tamper) };
    let both =
        Effects { alarms: vec![raised(&alarm(1, VALVE, Condition::BatteryLow)), raised(&low)], ..Effects::default() };
    store.commit(&effects(both)).await.unwrap();
    let find = async |filter: DeviceFilter| ids(&green.devices(&filter, None, 100).await.unwrap());
    let none = DeviceFilter::default();
    assert_eq!(find(DeviceFilter { kind: Some(DeviceKind::Meter), ..none.clone() }).await, vec![METER]);
    assert_eq!(find(DeviceFilter { premises: Some(HOME), ..none.clone() }).await, vec![DETECTOR, VALVE, METER]);
    assert_eq!(find(DeviceFilter { alarmed: true, ..none.clone() }).await, vec![VALVE]);
    let text = async |text: &str| find(DeviceFilter { text: Some(text.to_owned()), ..none.clone() }).await;
    assert_eq!(text("sn-104").await, vec![WELL]);
    assert_eq!(text("LAKE road").await, vec![DETECTOR, VALVE, METER]);
    assert_eq!(text("湖").await, vec![DETECTOR, VALVE, METER]);
    // Signs that a pattern would take for wildcards are taken as they are.
    assert!(text("%").await.is_empty() && text("_").await.is_empty() && text("'").await.is_empty());
    assert_eq!(text("East\\West").await, vec![DETECTOR, VALVE, METER]);
    let valve = green.device(VALVE).await.unwrap().unwrap();
    assert_eq!((valve.active_alarms, valve.worst), (2, Some(Priority::Urgent)));
    assert_eq!(valve.address.as_deref(), Some("Lake Road 11 \"East\\West\" 湖"));
}

async fn map_points_carry_the_most_urgent_alarm(fixture: Fixture) {
    let store = &fixture.store;
    blue_history(store).await;
    let city = store.regulator(CITY);
    let points = city.map_points(Bounds::WORLD).await.unwrap();
    assert_eq!(points.len(), 7);
    let worst: Vec<_> = points.iter().filter_map(|point| Some((point.device, point.worst?))).collect();
    assert_eq!(worst, vec![(OTHER, Priority::Urgent)]);
    let one = points.iter().find(|point| point.device == VALVE).unwrap();
    let tight = Bounds { west: one.lon, east: one.lon, south: one.lat, north: one.lat };
    assert_eq!(city.map_points(tight).await.unwrap(), vec![*one]);
}

async fn provisioning_is_all_or_nothing(fixture: Fixture) {
    let store = &fixture.store;
    let mut twin = device(DeviceId::from_raw(301), GREEN, DeviceKind::Valve);
    "SN-102".clone_into(&mut twin.device.serial);
    let new = Provision {
        tenants: vec![Tenant {
            id: TenantId::from_raw(3),
            name: "Red".to_owned(),
            context_id: vec![3],
            jurisdiction: None,
        }],
        devices: vec![device(DeviceId::from_raw(300), GREEN, DeviceKind::Valve), twin],
        ..Provision::default()
    };
    let error = store.provision(&new).await.unwrap_err();
    assert!(matches!(error, StoreError::Duplicate { .. }), "{error}");
    assert_eq!(store.tenants().await.unwrap().len(), 2);
    assert!(store.tenant(GREEN).device(DeviceId::from_raw(300)).await.unwrap().is_none());

    let mut lost = device(DeviceId::from_raw(301), GREEN, DeviceKind::Valve);
    lost.device.premises = Some(PremisesId::from_raw(404));
    let error = store.provision(&Provision { devices: vec![lost], ..Provision::default() }).await.unwrap_err();
    assert!(matches!(error, StoreError::MissingReference { .. }), "{error}");

    let mut off = device(DeviceId::from_raw(301), GREEN, DeviceKind::Valve);
    off.device.lat = f64::NAN;
    let error = store.provision(&Provision { devices: vec![off], ..Provision::default() }).await.unwrap_err();
    assert!(error.to_string().contains("latitude"), "{error}");
}

async fn a_hundred_thousand_devices_are_entered_quickly(fixture: Fixture) {
    let devices = (0..100_000_i64)
        .map(|n| {
            let mut new = device(DeviceId::from_raw(1_000_000 + n), GREEN, DeviceKind::Detector);
            new.credentials.as_mut().unwrap().kid = n.to_be_bytes()[4..].to_vec();
            new
        })
        .collect();
    let begun = std::time::Instant::now();
    fixture.store.provision(&Provision { devices, ..Provision::default() }).await.unwrap();
    eprintln!("100,000 devices on {} in {:.1?}", fixture.store.kind().name(), begun.elapsed());
    assert_eq!(fixture.store.tenant(GREEN).totals().await.unwrap().devices, 100_004);
}

async fn the_floor_and_the_rules_read_back(fixture: Fixture) {
    let store = &fixture.store;
    assert!(store.statutory_floor().await.unwrap().rules.is_empty());
    let floor = floor::Floor::china_default();
    store.put_statutory_floor(&floor).await.unwrap();
    store.put_statutory_floor(&floor).await.unwrap();
    assert_eq!(store.statutory_floor().await.unwrap(), floor);

    let green = store.tenant(GREEN);
    let digest = [5; 32];
    let rule = NewRule {
        digest: &digest,
        name: "household-leak",
        component: b"\0asm\xff",
        tier: "standard",
        signed: None,
        uploaded_at: at(1),
    };
    green.put_rule(&rule).await.unwrap();
    green.put_rule(&NewRule { uploaded_at: at(2), ..rule }).await.unwrap();
    assert_eq!(green.put_settings("{}", at(2)).await.unwrap(), 1);
    assert_eq!(green.put_settings("{\"low\":10.5}", at(3)).await.unwrap(), 2);
    assert_eq!(green.rule_component(&digest).await.unwrap().unwrap(), b"\0asm\xff");
    assert_eq!(green.rules().await.unwrap().len(), 1);
    // Another tenant's rule cannot be read.
    assert!(store.tenant(BLUE).rule_component(&digest).await.unwrap().is_none());
}
