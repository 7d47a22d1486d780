//! Whom to tell: what follows from a notice or a timer is stored with it, once, whatever comes between.

use crate::fixture::*;
use davy_domain::interlock::Effects;
use davy_domain::release::{Actor, Release, Stage, WHOLE};
use davy_domain::*;
use davy_store::*;

both_engines!(
    a_notice_is_handled_once_with_everything_that_follows_from_it,
    whoever_read_an_older_memory_writes_nothing,
    what_cannot_be_stored_leaves_the_notice_waiting,
    a_message_waits_until_a_channel_has_delivered_it_or_given_it_up,
    those_who_can_be_told_are_the_companys_the_premises_and_the_regulators_above,
    another_company_sees_no_message_and_no_decision,
);

const ANNA: UserId = UserId::from_raw(71);
const RESIDENT: UserId = UserId::from_raw(72);
const RELEASE: ReleaseId = ReleaseId::from_raw(900);
const DIGEST: [u8; 32] = [5; 32];

async fn company(store: &Store) -> TenantStore {
    let user = |id: UserId, scope, role| User {
        id,
        email: format!("u{}@example.com", id.raw()),
        name: format!("u{}", id.raw()),
        phone: (id == ANNA).then(|| "+86 571 0000".to_owned()),
        password_hash: "$argon2id$x".into(),
        locale: "zh-CN".into(),
        scope,
        roles: Roles::one(role),
        ended_at: None,
    };
    let users = vec![
        user(ANNA, PersonScope::Tenant { tenant: GREEN }, Role::Dispatcher),
        user(RESIDENT, PersonScope::Premises { tenant: GREEN, premises: HOME }, Role::Resident),
        user(UserId::from_raw(73), PersonScope::Tenant { tenant: BLUE }, Role::Dispatcher),
        user(
            UserId::from_raw(74),
            PersonScope::Premises { tenant: BLUE, premises: PremisesId::from_raw(21) },
            Role::Resident,
        ),
        user(UserId::from_raw(75), PersonScope::Jurisdiction { division: CITY.0 }, Role::Regulator),
        user(UserId::from_raw(76), PersonScope::Jurisdiction { division: EAST.0 }, Role::Regulator),
    ];
    store.provision(&Provision { users, ..Provision::default() }).await.unwrap();
    let green = store.tenant(GREEN);
    let rule = NewRule {
        digest: &DIGEST,
        name: "tell",
        component: b"\0asm",
        tier: "standard",
        signed: None,
        uploaded_at: at(1),
    };
    green.put_rule(&rule).await.unwrap();
    green.put_settings("{}", at(1)).await.unwrap();
    let release = Release { stage: Stage::Active, permille: WHOLE, ..Release::uploaded(RELEASE, at(1)) };
    let new = NewRelease {
        release: &release,
        digest: &DIGEST,
        settings_version: 1,
        world: "notification-policy",
        actor: Actor::Person { by: ANNA },
        checks: "",
    };
    green.create_release(&new).await.unwrap();
    green
}

/// A leak with its notice, as ingest commits them.
async fn leak(store: &Store) -> AlarmId {
    let leak = alarm(1, DETECTOR, Condition::GasHigh);
    let all = Effects { alarms: vec![raised(&leak)], notices: vec![notice(3, &leak)], ..Effects::default() };
    store.commit(&effects(all)).await.unwrap();
    leak.id
}

fn message() -> NewMessage {
    NewMessage {
        about: "raised",
        wanted_by: "policy",
        send_id: 7,
        role: 5,
        rank: 0,
        user: ANNA,
        channel: 3,
        text: Some(("走".into(), "Go".into())),
        break_quiet: true,
        attempt: 1,
    }
}

fn telling(alarm: AlarmId) -> Telling {
    Telling {
        by: ToldBy::Notice(NoticeId::from_raw(3)),
        at: at(10),
        device: DETECTOR,
        alarm: Some(alarm),
        fold: Some(FoldChange::Put { before: None, memory: "{\"a\":1}".into(), next_due: Some(at(300)) }),
        decision: Some(NewNotificationDecision {
            release: RELEASE,
            digest: DIGEST,
            settings_version: 1,
            input: "{}".into(),
            state_before: vec![1, 2],
            result: "{}".into(),
        }),
        messages: vec![message()],
    }
}

async fn a_notice_is_handled_once_with_everything_that_follows_from_it(fixture: Fixture) {
    let store = &fixture.store;
    let green = company(store).await;
    let alarm = leak(store).await;
    assert_eq!(store.companies_to_tell(at(5)).await.unwrap(), [GREEN]);
    assert_eq!(green.due_notices(at(5), 10).await.unwrap().len(), 1);
    assert!(green.tell(&telling(alarm)).await.unwrap());
    assert!(!green.tell(&telling(alarm)).await.unwrap(), "a second time nothing is stored");
    assert!(green.due_notices(at(999), 10).await.unwrap().is_empty());
    let messages = green.messages_of_alarm(alarm).await.unwrap();
    assert_eq!(messages.len(), 1);
    assert_eq!((messages[0].user, messages[0].channel, messages[0].about.as_str()), (ANNA, 3, "raised"));
    assert_eq!(messages[0].text, Some(("走".into(), "Go".into())));
    let decisions = green.notification_decisions(alarm).await.unwrap();
    assert_eq!(decisions.len(), 1);
    assert_eq!(decisions[0].decision, telling(alarm).decision.unwrap());
    let fold = green.alarm_fold(alarm).await.unwrap().unwrap();
    assert_eq!((fold.memory.as_str(), fold.changes), ("{\"a\":1}", 1));

    assert_eq!(store.companies_to_tell(at(299)).await.unwrap(), []);
    assert_eq!(store.companies_to_tell(at(300)).await.unwrap(), [GREEN], "a timer is due");
    assert_eq!(green.alarms_due(at(300), 10).await.unwrap(), [alarm]);
    let over = Telling { by: ToldBy::Timer, fold: Some(FoldChange::Over), decision: None, ..telling(alarm) };
    assert!(green.tell(&over).await.unwrap());
    assert_eq!(green.alarm_fold(alarm).await.unwrap(), None);
    assert_eq!(store.companies_to_tell(at(9_999)).await.unwrap(), []);
}

async fn whoever_read_an_older_memory_writes_nothing(fixture: Fixture) {
    let store = &fixture.store;
    let green = company(store).await;
    let alarm = leak(store).await;
    assert!(green.tell(&telling(alarm)).await.unwrap());
    let next = |before, due| Telling {
        by: ToldBy::Timer,
        fold: Some(FoldChange::Put { before: Some(before), memory: "{\"a\":2}".into(), next_due: due }),
        ..telling(alarm)
    };
    assert!(green.tell(&next(1, Some(at(600)))).await.unwrap());
    assert!(!green.tell(&next(1, None)).await.unwrap(), "the timer has fired already");
    let again = Telling { by: ToldBy::Timer, ..telling(alarm) };
    assert!(!green.tell(&again).await.unwrap(), "there is a memory already");
    assert_eq!(green.messages_of_alarm(alarm).await.unwrap().len(), 2);
    assert_eq!(green.alarms_due(at(600), 10).await.unwrap(), [alarm]);
}

async fn what_cannot_be_stored_leaves_the_notice_waiting(fixture: Fixture) {
    let store = &fixture.store;
    let green = company(store).await;
    let alarm = leak(store).await;
    let nobody = NewMessage { user: UserId::from_raw(99_999), ..message() };
    let broken = Telling { messages: vec![message(), nobody], ..telling(alarm) };
    green.tell(&broken).await.unwrap_err();
    assert_eq!(green.due_notices(at(5), 10).await.unwrap().len(), 1);
    assert_eq!(green.alarm_fold(alarm).await.unwrap(), None);
    assert!(green.messages_of_alarm(alarm).await.unwrap().is_empty());
    assert!(green.tell(&telling(alarm)).await.unwrap());
}

async fn a_message_waits_until_a_channel_has_delivered_it_or_given_it_up(fixture: Fixture) {
    let store = &fixture.store;
    let green = company(store).await;
    let alarm = leak(store).await;
    let two = Telling { messages: vec![message(), NewMessage { channel: 2, ..message() }], ..telling(alarm) };
    assert!(green.tell(&two).await.unwrap());
    assert!(store.due_messages(at(9), 10).await.unwrap().is_empty());
    let due = store.due_messages(at(10), 10).await.unwrap();
    assert_eq!(due.iter().map(|message| message.channel).collect::<Vec<_>>(), [3, 2]);
    store.message_failed(due[0].id, at(11), Some(at(50))).await.unwrap();
    store.message_sent(due[1].id, at(12)).await.unwrap();
    store.message_failed(due[1].id, at(13), None).await.unwrap();
    assert!(store.due_messages(at(49), 10).await.unwrap().is_empty());
    assert_eq!(store.due_messages(at(50), 10).await.unwrap()[0].failures, 1);
    store.message_failed(due[0].id, at(51), None).await.unwrap();
    assert!(store.due_messages(at(9_999), 10).await.unwrap().is_empty());
    let states: Vec<_> = green.messages_of_alarm(alarm).await.unwrap().into_iter().map(|it| it.state).collect();
    assert_eq!(states, ["failed", "sent"]);
}

async fn those_who_can_be_told_are_the_companys_the_premises_and_the_regulators_above(fixture: Fixture) {
    let green = company(&fixture.store).await;
    let who = |reachable: Vec<Reachable>| reachable.into_iter().map(|it| (it.user.raw(), it.roles)).collect::<Vec<_>>();
    let at_home = green.reachable(Some(HOME), Some(WEST)).await.unwrap();
    assert_eq!(at_home.iter().filter(|it| it.has_phone).count(), 1);
    let role = |id: i64, role| (id, Roles::one(role));
    assert_eq!(who(at_home), [role(71, Role::Dispatcher), role(72, Role::Resident), role(75, Role::Regulator)]);
    let well = green.reachable(None, Some(EAST)).await.unwrap();
    assert_eq!(who(well), [role(71, Role::Dispatcher), role(75, Role::Regulator), role(76, Role::Regulator)]);
    assert_eq!(who(green.reachable(None, None).await.unwrap()), [role(71, Role::Dispatcher)]);
}

async fn another_company_sees_no_message_and_no_decision(fixture: Fixture) {
    let store = &fixture.store;
    let green = company(store).await;
    let alarm = leak(store).await;
    let blue = store.tenant(BLUE);
    assert!(!blue.tell(&telling(alarm)).await.unwrap(), "it is not its notice");
    assert!(green.tell(&telling(alarm)).await.unwrap());
    assert!(blue.messages_of_alarm(alarm).await.unwrap().is_empty());
    assert!(blue.notification_decisions(alarm).await.unwrap().is_empty());
    assert_eq!(blue.alarm_fold(alarm).await.unwrap(), None);
    assert!(blue.alarms_due(at(9_999), 10).await.unwrap().is_empty());
    assert_eq!(store.resident(HOME).messages_of_alarm(alarm).await.unwrap().len(), 1);
    assert!(store.resident(PremisesId::from_raw(21)).notification_decisions(alarm).await.unwrap().is_empty());
}
