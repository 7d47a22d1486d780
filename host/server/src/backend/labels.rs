//! Labels of devices: which devices a sheet is for, and the link that their QR codes carry.
//!
//! The link names the device and has a code that cannot be guessed, so that only who has seen the label can follow it. It opens nothing by
//! itself: whoever follows it sees what they may see anyway. Must never put anything of a device's key on a label.

use super::{Service, stored};
use crate::http::problem::invalid;
use crate::keys::{Purpose, to_hex};
use crate::labels::{Label, LabelError, LabelSize};
use crate::roles::Deed;
use davy_api::{Problem, Viewer};
use davy_domain::{DeviceId, ImportId};
use davy_store::LabelledDevice;
use sha2::Sha256;
use zeroize::Zeroizing;

/// Labels that are printed at once.
const MOST: usize = 5_000;
/// The platform's one secret for codes has this owner.
const OWNER: i64 = 0;
const SECRET_BYTES: usize = 32;
/// Bytes of a code: 2⁶⁴ guesses at a rate that HTTP limits anyway.
const CODE_BYTES: usize = 8;

/// Which labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelOrder {
    /// Of the devices that this import has added.
    pub import: Option<ImportId>,
    /// Of the devices with these serial numbers.
    pub serials: Vec<String>,
}

fn refused(reason: &str, detail: &str) -> Problem {
    Problem::new("refused", 409, "Refused", detail).with_reason(reason)
}

fn failed(error: &dyn std::fmt::Display) -> Problem {
    tracing::error!(%error, "the secret of labels cannot be used");
    Problem::new("internal", 500, "The server failed", "The server failed; the log has the reason.")
}

impl Service {
    /// The labels of devices of the viewer's company, in the order of the file or of the list.
    ///
    /// # Errors
    /// A [`Problem`] for whoever may not, when nothing was named, when a serial number is not there, or without an address to lead to.
    pub async fn labels(
        &self,
        viewer: &Viewer,
        order: &LabelOrder,
        public_url: Option<&str>,
    ) -> Result<Vec<Label>, Problem> {
        let company = self.rows(viewer, Deed::AddDevices)?;
        let url = public_url.ok_or_else(|| {
            let detail = "A label leads to the platform's own address: set `http.public-url`, then print.";
            refused("no-public-url", detail)
        })?;
        let mut devices = Vec::new();
        if let Some(import) = order.import {
            devices = company.labels_of_import(import, MOST as u32 + 1).await.map_err(stored)?;
            if devices.is_empty() {
                return Err(Problem::not_found("import"));
            }
        }
        if order.serials.len() > MOST {
            return Err(too_many());
        }
        devices.extend(self.named(&company, &order.serials).await?);
        if devices.is_empty() {
            return Err(invalid("serials", "expected serial numbers or an import, got neither"));
        }
        if devices.len() > MOST {
            return Err(too_many());
        }
        let tenants = self.store.tenants().await.map_err(stored)?;
        let company = tenants.into_iter().find(|each| each.id == company.id()).map(|each| each.name);
        let company = company.unwrap_or_default();
        let secret = self.label_secret().await?;
        Ok(devices.into_iter().map(|device| label(device, &company, &secret, url)).collect())
    }

    async fn named(
        &self,
        company: &davy_store::TenantStore,
        serials: &[String],
    ) -> Result<Vec<LabelledDevice>, Problem> {
        let found = company.labels_of_serials(serials).await.map_err(stored)?;
        let mut by_serial: std::collections::HashMap<_, _> =
            found.into_iter().map(|device| (device.serial.clone(), device)).collect();
        let mut named = Vec::with_capacity(by_serial.len());
        let mut seen = std::collections::HashSet::new();
        for serial in serials {
            match by_serial.remove(serial) {
                Some(device) => named.push(device),
                None if seen.contains(serial) => {}
                None => {
                    let shown: String = serial.chars().take(40).collect();
                    return Err(invalid("serials", format!("the company has no device {shown:?}")));
                }
            }
            seen.insert(serial);
        }
        Ok(named)
    }

    /// Whether a code stands on the label of this device.
    ///
    /// # Errors
    /// A [`Problem`] when the database does not answer.
    pub async fn is_code_of(&self, device: DeviceId, code: &str) -> Result<bool, Problem> {
        let right = code_of(&self.label_secret().await?, device);
        // Takes as long however much of it is right.
        let differ = right.bytes().zip(code.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b));
        Ok(right.len() == code.len() && differ == 0)
    }

    /// The secret that codes are made from; made with the first label.
    async fn label_secret(&self) -> Result<Zeroizing<Vec<u8>>, Problem> {
        let desk = self.desk()?;
        let purpose = Purpose::LABELS;
        if let Some(sealed) = self.store.secret(purpose.name(), OWNER).await.map_err(stored)? {
            return desk.keys.unseal_for(purpose, &sealed).map_err(|error| failed(&error));
        }
        let mut fresh = Zeroizing::new([0_u8; SECRET_BYTES]);
        desk.random.fill(&mut *fresh).map_err(|error| failed(&error))?;
        let sealed = desk.keys.seal_for(purpose, (None, OWNER), &*fresh, &*desk.random);
        // Of two servers that make one at the same time, one is first: both read what is there then.
        self.store.keep_secret(&sealed.map_err(|error| failed(&error))?).await.map_err(stored)?;
        let kept = self.store.secret(purpose.name(), OWNER).await.map_err(stored)?;
        let kept = kept.ok_or_else(|| Problem::unavailable("The secret of labels is not there."))?;
        desk.keys.unseal_for(purpose, &kept).map_err(|error| failed(&error))
    }
}

fn too_many() -> Problem {
    invalid("serials", format!("expected at most {MOST} devices at once, got more"))
}

fn code_of(secret: &[u8], device: DeviceId) -> String {
    use hkdf::Hkdf;
    let mut code = [0_u8; CODE_BYTES];
    // Eight bytes are below HKDF's limit: this cannot fail.
    let _ = Hkdf::<Sha256>::new(None, secret).expand(&device.raw().to_be_bytes(), &mut code);
    to_hex(&code)
}

fn label(device: LabelledDevice, company: &str, secret: &[u8], url: &str) -> Label {
    let LabelledDevice { id, serial, model } = device;
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("device", &id.to_string())
        .append_pair("serial", &serial)
        .append_pair("code", &code_of(secret, id))
        .finish();
    Label { company: company.to_owned(), model, serial, link: format!("{}/bind?{query}", url.trim_end_matches('/')) }
}

/// A sheet that was asked for and cannot be drawn.
pub fn undrawn(error: &LabelError) -> Problem {
    match error {
        LabelError::TooFine { .. } => invalid("size", error.to_string()).with_reason("label-too-small"),
        LabelError::NoSuchPage { .. } => invalid("page", error.to_string()),
        LabelError::Lettering => failed(error),
    }
}

/// The size of a name.
///
/// # Errors
/// A [`Problem`] that lists the names.
pub fn size_of(name: Option<&str>) -> Result<LabelSize, Problem> {
    let Some(name) = name else { return Ok(LabelSize::default()) };
    let names = LabelSize::ALL.map(LabelSize::name).join(", ");
    LabelSize::of(name).ok_or_else(|| invalid("size", format!("expected one of {names}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_belongs_to_one_device_and_one_platform() {
        let [one, two] = [DeviceId::from_raw(1), DeviceId::from_raw(2)];
        let codes = [code_of(&[1; 32], one), code_of(&[1; 32], two), code_of(&[2; 32], one)];
        assert!(codes[0] != codes[1] && codes[0] != codes[2], "{codes:?}");
        assert_eq!(codes[0], code_of(&[1; 32], one));
        assert_eq!(codes[0].len(), 2 * CODE_BYTES);
    }

    #[test]
    fn a_link_survives_a_serial_number_of_any_characters() {
        let device =
            LabelledDevice { id: DeviceId::from_raw(7), serial: "A&b=c 锅#1".to_owned(), model: String::new() };
        let link = label(device, "", &[1; 32], "https://gas.example/").link;
        let query = link.strip_prefix("https://gas.example/bind?").unwrap();
        let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
        assert_eq!(pairs[1], ("serial".into(), "A&b=c 锅#1".into()));
    }
}
