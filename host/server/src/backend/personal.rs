//! Personal data: contacts in part and whole, who met them, and what is held of the viewer.
//!
//! Everything that names a resident to somebody else goes through [`shown`]. A look at a whole contact is entered before it is given.

use super::people::in_person;
use super::{Service, stored};
use crate::http::problem::invalid;
use crate::roles::Deed;
use davy_api::{Contact, ContactLook, Contacts, DataAct, DataActs, OwnData, Problem, Viewer};
use davy_domain::personal::{Category, Met, masked_email, masked_name, masked_phone};
use davy_domain::{DeviceId, PremisesId};
use davy_store::{PersonalDataAct, StoredPersonalDataAct, User};
use serde_json::{Value, json};

/// What the log shows at most.
const MOST: u32 = 500;

/// Somebody as others see them: whole only for whoever needs it.
pub(super) fn shown(user: &User, whole: bool) -> Contact {
    if whole {
        let (name, phone, email) = (user.name.clone(), user.phone.clone(), user.email.clone());
        return Contact { id: user.id, name, phone, email };
    }
    Contact {
        id: user.id,
        name: masked_name(&user.name),
        phone: user.phone.as_deref().map(masked_phone),
        email: masked_email(&user.email),
    }
}

fn told(stored: StoredPersonalDataAct) -> DataAct {
    let StoredPersonalDataAct { act, person_name, by_name, by_roles } = stored;
    DataAct {
        at: act.at,
        what: act.what,
        categories: act.categories,
        person: act.person,
        person_name: masked_name(&person_name),
        by: act.by,
        by_name,
        by_roles,
        device: act.device,
        alarm: act.alarm,
    }
}

impl Service {
    /// The premises of a device in the viewer's scope; none for a device without.
    async fn premises_of(&self, viewer: &Viewer, deed: Deed, device: DeviceId) -> Result<Option<PremisesId>, Problem> {
        let scope = self.enter_for(viewer, deed, device).await?;
        let row = scope.device(device).await.map_err(stored)?.ok_or_else(|| Problem::not_found("device"))?;
        Ok(row.device.premises)
    }

    pub(super) async fn contacts_at(&self, viewer: &Viewer, device: DeviceId) -> Result<Contacts, Problem> {
        let people = match self.premises_of(viewer, Deed::SeeContacts, device).await? {
            Some(premises) => self.store.household(premises).await.map_err(stored)?,
            None => Vec::new(),
        };
        let may_show = viewer.only.is_none() && Deed::ShowContacts.allowed_to(viewer) && !people.is_empty();
        Ok(Contacts { whole: false, may_show, people: people.iter().map(|user| shown(user, false)).collect() })
    }

    /// Tells how the people at a device's premises are reached, whole. It is entered in the log of personal data, for each of them.
    ///
    /// # Errors
    /// A [`Problem`]; also for a token, and for an alarm that is not the device's.
    pub async fn show_contacts(
        &self,
        viewer: &Viewer,
        device: DeviceId,
        look: ContactLook,
    ) -> Result<Contacts, Problem> {
        let rows = self.rows_for(viewer, Deed::ShowContacts, device).await?;
        in_person(viewer)?;
        if let Some(alarm) = look.alarm {
            let found = rows.alarm(alarm).await.map_err(stored)?;
            if found.is_none_or(|found| found.alarm.device != device) {
                return Err(invalid("alarm", format!("expected an alarm of this device, got `{alarm}`")));
            }
        }
        let Some(premises) = self.premises_of(viewer, Deed::ShowContacts, device).await? else {
            return Ok(Contacts { whole: true, may_show: true, people: Vec::new() });
        };
        let people = self.store.household(premises).await.map_err(stored)?;
        let now = self.now();
        let acts: Vec<PersonalDataAct> = people
            .iter()
            .map(|person| PersonalDataAct {
                id: self.rules.next_id(now),
                person: person.id,
                by: viewer.user,
                at: now,
                what: Met::Seen,
                categories: vec![Category::Name, Category::Contact],
                device: Some(device),
                alarm: look.alarm,
            })
            .collect();
        rows.contacts_shown(premises, &acts).await.map_err(stored)?;
        tracing::info!(user.id = %viewer.user, device.id = %device, people = acts.len(), "contacts were shown whole");
        Ok(Contacts { whole: true, may_show: true, people: people.iter().map(|user| shown(user, true)).collect() })
    }

    pub(super) async fn data_acts_of(&self, viewer: &Viewer) -> Result<DataActs, Problem> {
        let rows = self.rows(viewer, Deed::SeeDataActs)?;
        let acts = rows.acts_on_data(MOST).await.map_err(stored)?;
        Ok(DataActs { items: acts.into_iter().map(told).collect() })
    }

    pub(super) async fn own_data_of(&self, viewer: &Viewer) -> Result<OwnData, Problem> {
        let user = self.store.user(viewer.user).await.map_err(stored)?.ok_or_else(Problem::signed_out)?;
        let held = self.store.held_of(user.id).await.map_err(stored)?;
        let address = held.iter().find(|it| (it.held.table, it.held.column) == ("premises", "address"));
        let mut categories: Vec<Category> =
            held.iter().filter(|it| !it.values.is_empty()).map(|it| it.held.category).collect();
        if viewer.is_resident() {
            categories.push(Category::Readings);
        }
        categories.sort_unstable();
        categories.dedup();
        let acts = self.store.acts_on_data_of(user.id, MOST).await.map_err(stored)?;
        Ok(OwnData {
            address: address.and_then(|it| it.values.first().cloned()),
            name: user.name,
            email: user.email,
            phone: user.phone,
            categories,
            acts: acts.into_iter().map(told).collect(),
        })
    }

    /// Everything of the inventory that is held of the viewer, as a file of their own. It is entered in the log of personal data.
    ///
    /// # Errors
    /// A [`Problem`]; also for a token.
    pub async fn export_own_data(&self, viewer: &Viewer) -> Result<Value, Problem> {
        in_person(viewer)?;
        let held = self.store.held_of(viewer.user).await.map_err(stored)?;
        let own = self.own_data_of(viewer).await?;
        let now = self.now();
        // Whoever belongs to no company has no company to answer to.
        if let Some(tenant) = viewer.tenant() {
            let act = PersonalDataAct {
                id: self.rules.next_id(now),
                person: viewer.user,
                by: viewer.user,
                at: now,
                what: Met::Exported,
                categories: own.categories.clone(),
                device: None,
                alarm: None,
            };
            self.store.data_exported(tenant, &act).await.map_err(stored)?;
        }
        let rows: Vec<Value> = held
            .iter()
            .map(|it| {
                json!({
                    "table": it.held.table, "column": it.held.column, "category": it.held.category, "purpose": it.held.purpose,
                    "basis": it.held.basis, "kept": it.held.kept, "values": it.values,
                })
            })
            .collect();
        let readings = viewer.is_resident().then_some("GET /api/v1/devices/{device}/series");
        Ok(json!({
            "format": "davy-person/1", "person": viewer.user, "at": now, "held": rows, "readings": readings, "acts": own.acts,
        }))
    }
}
