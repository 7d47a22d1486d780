//! Provisioning: whole cities of divisions, companies, places, devices and people, all or nothing.

use crate::connection::{Store, Tx, execute};
use crate::devices::{Device, DeviceCredentials};
use crate::engine::{self, Column};
use crate::error::StoreError;
use crate::people::User;
use crate::places::{Division, Premises, Tenant};
use davy_domain::ledger::{Act, Actor, Chain};
use davy_domain::{Timestamp, UserId};
use std::collections::BTreeMap;

/// A device to be entered, with its keys when it speaks for itself.
#[derive(Clone, Debug, PartialEq)]
pub struct NewDevice {
    /// What it is and where.
    pub device: Device,
    /// Its OSCORE identity; none for a device behind a gateway.
    pub credentials: Option<DeviceCredentials>,
}

/// What is entered in one transaction. Rows may refer to each other and to rows that are there already.
#[derive(Clone, Debug, Default)]
pub struct Provision {
    /// Divisions, parents before their children; one that is there already keeps its names.
    pub divisions: Vec<Division>,
    /// Gas companies.
    pub tenants: Vec<Tenant>,
    /// Places.
    pub premises: Vec<Premises>,
    /// Devices; a gateway before its children.
    pub devices: Vec<NewDevice>,
    /// People.
    pub users: Vec<User>,
    /// When.
    pub at: Timestamp,
    /// By whom; none when somebody ran the server's own program.
    pub by: Option<UserId>,
}

/// Rows to a statement: bounded, so that one JSON text or one array stays at a few megabytes.
const ROWS: usize = 10_000;

impl Store {
    /// Enters everything, or nothing.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when an id, serial number, kid, context id or e-mail address is taken;
    /// [`StoreError::MissingReference`] when a row refers to one that is not there; [`StoreError::Invalid`] for an address,
    /// kid or context id that cannot be.
    pub async fn provision(&self, new: &Provision) -> Result<(), StoreError> {
        check(new)?;
        let mut tx = self.begin().await?;
        enter(&mut tx, new).await?;
        tx.commit().await
    }
}

/// Enters everything within a transaction; what the tables cannot refuse by themselves has been looked at with [`check`].
pub(crate) async fn enter(tx: &mut Tx, new: &Provision) -> Result<(), StoreError> {
    for division in &new.divisions {
        execute!(
            tx.on(),
            "INSERT INTO divisions (code, parent_code, level, name_zh, name_en) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (code) DO NOTHING",
            division.code.0,
            division.parent.map(|code| code.0),
            i64::from(division.level),
            &division.name_zh,
            &division.name_en,
        )?;
    }
    for tenant in &new.tenants {
        execute!(
            tx.on(),
            "INSERT INTO tenants (id, name, context_id, jurisdiction) VALUES ($1, $2, $3, $4)",
            tenant.id.raw(),
            &tenant.name,
            &tenant.context_id,
            tenant.jurisdiction.map(|code| code.0),
        )?;
    }
    for some in new.premises.chunks(ROWS) {
        let columns = [
            Column::Int(&column(some, |p| p.id.raw())),
            Column::Int(&column(some, |p| p.tenant.raw())),
            Column::MaybeInt(&column(some, |p| p.division.map(|code| code.0))),
            Column::Text(&column(some, |p| p.address.clone())),
            Column::Text(&column(some, |p| p.community.clone())),
            Column::Text(&column(some, |p| p.building.clone())),
            Column::Real(&column(some, |p| p.lon)),
            Column::Real(&column(some, |p| p.lat)),
        ];
        engine::INSERT_PREMISES.execute(tx.on(), &columns).await?;
    }
    if new.premises.iter().any(|premises| !premises.community.is_empty()) {
        gather_communities(tx).await?;
    }
    for some in new.devices.chunks(ROWS) {
        insert_devices(tx, some).await?;
    }
    let links: Vec<[i64; 3]> = new
        .devices
        .iter()
        .flat_map(|new| {
            let device = &new.device;
            device.links.iter().map(|valve| [device.id.raw(), valve.raw(), device.tenant.raw()])
        })
        .collect();
    for some in links.chunks(ROWS) {
        let columns = [
            Column::Int(&column(some, |link| link[0])),
            Column::Int(&column(some, |link| link[1])),
            Column::Int(&column(some, |link| link[2])),
        ];
        engine::INSERT_DEVICE_LINKS.execute(tx.on(), &columns).await?;
    }
    for some in new.users.chunks(ROWS) {
        insert_users(tx, some).await?;
    }
    for (chain, act) in entered(new) {
        let actor = new.by.map_or(Actor::CommandLine, |by| Actor::Person { by });
        crate::ledger::enter_in(tx, chain, new.at, actor, &act).await?;
    }
    Ok(())
}

/// How much of it concerns each company, and the platform.
fn entered(new: &Provision) -> Vec<(Chain, Act)> {
    let mut counts: BTreeMap<Chain, [u64; 4]> = BTreeMap::new();
    let mut count = |chain: Chain, what: usize| counts.entry(chain).or_default()[what] += 1;
    for tenant in &new.tenants {
        count(Chain::Platform, 0);
        count(Chain::Tenant(tenant.id), 0);
    }
    for premises in &new.premises {
        count(Chain::Tenant(premises.tenant), 1);
    }
    for new in &new.devices {
        count(Chain::Tenant(new.device.tenant), 2);
    }
    for user in &new.users {
        count(user.scope.tenant().map_or(Chain::Platform, Chain::Tenant), 3);
    }
    let mut acts = Vec::with_capacity(counts.len());
    for (chain, [tenants, premises, devices, users]) in counts {
        acts.push((chain, Act::Provisioned { tenants, premises, devices, users }));
    }
    acts
}

fn column<T, V>(rows: &[T], value: impl Fn(&T) -> V) -> Vec<V> {
    rows.iter().map(value).collect()
}

/// Premises of one company, division and name of a community belong together. A community has the number of its first premises.
async fn gather_communities(tx: &mut Tx) -> Result<(), StoreError> {
    execute!(
        tx.on(),
        "INSERT INTO communities (id, tenant_id, division_code, name) \
         SELECT MIN(p.id), p.tenant_id, p.division_code, p.community FROM premises p \
         WHERE p.community_id IS NULL AND p.community <> '' GROUP BY p.tenant_id, p.division_code, p.community \
         ON CONFLICT DO NOTHING",
    )?;
    execute!(
        tx.on(),
        "UPDATE premises SET community_id = (SELECT c.id FROM communities c WHERE c.tenant_id = premises.tenant_id \
         AND COALESCE(c.division_code, 0) = COALESCE(premises.division_code, 0) AND c.name = premises.community) \
         WHERE community_id IS NULL AND community <> ''",
    )?;
    Ok(())
}

async fn insert_devices(tx: &mut Tx, some: &[NewDevice]) -> Result<(), StoreError> {
    let keys = |new: &NewDevice| new.credentials.clone();
    let columns = [
        Column::Int(&column(some, |n| n.device.id.raw())),
        Column::Int(&column(some, |n| n.device.tenant.raw())),
        Column::Int(&column(some, |n| n.device.interlock.raw())),
        Column::MaybeInt(&column(some, |n| n.device.premises.map(davy_domain::PremisesId::raw))),
        Column::MaybeInt(&column(some, |n| n.device.division.map(|code| code.0))),
        Column::MaybeInt(&column(some, |n| n.device.parent.map(davy_domain::DeviceId::raw))),
        Column::Text(&column(some, |n| n.device.serial.clone())),
        Column::Int(&column(some, |n| i64::from(n.device.kind.code()))),
        Column::Text(&column(some, |n| n.device.model.clone())),
        Column::MaybeInt(&column(some, |n| n.device.installed_at.map(Timestamp::as_millis))),
        Column::MaybeInt(&column(some, |n| n.device.report_interval.map(davy_domain::Span::as_millis))),
        Column::Int(&column(some, |n| i64::from(n.device.sleepy))),
        Column::Real(&column(some, |n| n.device.lon)),
        Column::Real(&column(some, |n| n.device.lat)),
        Column::MaybeBytes(&column(some, |n| keys(n).map(|c| c.kid))),
        Column::Int(&column(some, |n| keys(n).map_or(0, |c| c.algorithm))),
        Column::MaybeBytes(&column(some, |n| keys(n).map(|c| c.key_ciphertext))),
        Column::MaybeBytes(&column(some, |n| keys(n).map(|c| c.key_nonce))),
        Column::MaybeText(&column(some, |n| keys(n).map(|c| c.key_kek_id))),
    ];
    engine::INSERT_DEVICES.execute(tx.on(), &columns).await?;
    Ok(())
}

pub(crate) async fn insert_users(tx: &mut Tx, some: &[User]) -> Result<(), StoreError> {
    let columns = [
        Column::Int(&column(some, |u| u.id.raw())),
        Column::Text(&column(some, |u| u.email.trim().to_lowercase())),
        Column::Text(&column(some, |u| u.name.clone())),
        Column::MaybeText(&column(some, |u| u.phone.clone())),
        Column::Text(&column(some, |u| u.password_hash.clone())),
        Column::Text(&column(some, |u| u.locale.clone())),
        Column::Text(&column(some, |u| u.scope.kind().name().to_owned())),
        Column::Text(&column(some, |u| u.roles.to_string())),
        Column::MaybeInt(&column(some, |u| u.scope.tenant().map(davy_domain::TenantId::raw))),
        Column::MaybeInt(&column(some, |u| u.scope.division())),
        Column::MaybeInt(&column(some, |u| u.scope.community().map(davy_domain::CommunityId::raw))),
        Column::MaybeInt(&column(some, |u| u.scope.premises().map(davy_domain::PremisesId::raw))),
    ];
    engine::INSERT_USERS.execute(tx.on(), &columns).await?;
    Ok(())
}

/// What the tables cannot refuse by themselves.
pub(crate) fn check(new: &Provision) -> Result<(), StoreError> {
    for user in &new.users {
        if !user.roles.fit(user.scope.kind()) {
            return Err(StoreError::Invalid {
                what: "roles of a person",
                expected: "at least one, all of them of the person's scope",
                got: format!("`{}` in a {}", user.roles, user.scope.kind().name()),
            });
        }
    }
    for tenant in &new.tenants {
        if !(1..=8).contains(&tenant.context_id.len()) {
            return Err(StoreError::Invalid {
                what: "context id of a tenant",
                expected: "1 to 8 bytes",
                got: format!("{} bytes", tenant.context_id.len()),
            });
        }
    }
    for new in &new.devices {
        if let Some(credentials) = &new.credentials
            && !(1..=6).contains(&credentials.kid.len())
        {
            return Err(StoreError::Invalid {
                what: "kid of a device",
                expected: "1 to 6 bytes",
                got: format!("{} bytes", credentials.kid.len()),
            });
        }
    }
    let places =
        new.premises.iter().map(|p| (p.lon, p.lat)).chain(new.devices.iter().map(|n| (n.device.lon, n.device.lat)));
    for (lon, lat) in places {
        if !(-180.0..=180.0).contains(&lon) || !(-90.0..=90.0).contains(&lat) {
            return Err(StoreError::Invalid {
                what: "place on the map",
                expected: "a longitude of -180 to 180 and a latitude of -90 to 90 degrees",
                got: format!("{lon}, {lat}"),
            });
        }
    }
    Ok(())
}
