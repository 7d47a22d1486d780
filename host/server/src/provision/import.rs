//! Devices of one company from a CSV file, as an installer's list or a factory's manifest: read, checked line by line, and turned into rows.
//!
//! Pure but for the dice of new keys. Must never show a key in a fault, and never accept half a file.

use super::manifest::{Manifest, ManifestDevice, ManifestKey, ManifestPremises};
use super::plan::{Credential, Secrets, plan};
use super::{Existing, ProvisionError};
use davy_domain::{DeviceKind, IdSource, PremisesId, Timestamp};
use davy_store::Provision;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::str::FromStr;

/// The columns that a file may have, in any order; only those of the device itself must be there.
pub const COLUMNS: [&str; 20] = [
    "serial",
    "kind",
    "model",
    "premises",
    "address",
    "community",
    "building",
    "division",
    "lon",
    "lat",
    "links",
    "parent",
    "interlock",
    "report_interval_s",
    "sleepy",
    "installed_at",
    "algorithm",
    "kid",
    "master_secret",
    "master_salt",
];
/// The columns that a file must have.
const REQUIRED: [&str; 3] = ["serial", "kind", "model"];
/// Devices in one file at most.
pub const MOST_LINES: usize = 50_000;
/// Faults that are told at most.
const MOST_FAULTS: usize = 5_000;
/// Bytes of one text at most.
const LONGEST: usize = 200;

/// Why a file was refused, at one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineFault {
    /// The line of the file, from 1, which is the heading; 0 when it is about the file.
    pub line: u64,
    /// The column; empty when it is about the line.
    pub column: String,
    /// What was expected, and what came.
    pub fault: String,
}

impl LineFault {
    fn new(line: u64, column: &str, fault: impl Into<String>) -> Self {
        Self { line, column: column.to_owned(), fault: fault.into() }
    }

    /// About the whole file.
    pub fn of_file(fault: impl Into<String>) -> Self {
        Self::new(0, "", fault)
    }
}

/// A file whose every line can be read.
#[derive(Debug)]
pub struct ReadFile {
    manifest: Manifest,
    /// The line of each device.
    lines: Vec<u64>,
    /// The line of each new premises.
    premises: Vec<u64>,
}

/// What is to be entered.
pub struct PlannedFile {
    /// The rows, with sealed keys.
    pub rows: Provision,
    /// The keys, for whoever flashes the devices.
    pub credentials: Vec<Credential>,
    /// For the ids of what comes after.
    pub ids: IdSource,
}

/// How many devices a file names: its lines but for the heading and empty ones.
pub fn count_lines(text: &[u8]) -> u64 {
    text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count().saturating_sub(1) as u64
}

/// Reads a file.
///
/// # Errors
/// Every fault of its shape.
pub fn read(text: &[u8]) -> Result<ReadFile, Vec<LineFault>> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    if std::str::from_utf8(text).is_err() {
        return Err(vec![LineFault::of_file("expected UTF-8: save the file as `CSV UTF-8`")]);
    }
    let mut rows = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text);
    let heading = rows.headers().map_err(|error| vec![LineFault::new(1, "", error.to_string())])?.clone();
    let mut faults = Vec::new();
    for (at, name) in heading.iter().enumerate() {
        if !COLUMNS.contains(&name) {
            faults.push(LineFault::new(1, &cut(name), format!("expected one of {}", COLUMNS.join(", "))));
        } else if heading.iter().take(at).any(|other| other == name) {
            faults.push(LineFault::new(1, name, "this column is there twice"));
        }
    }
    for name in REQUIRED.into_iter().filter(|name| !heading.iter().any(|other| other == *name)) {
        faults.push(LineFault::new(1, name, "this column is missing"));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let places = heading.iter().enumerate().map(|(at, name)| (name.to_owned(), at)).collect();
    let mut file = ReadFile { manifest: Manifest::default(), lines: Vec::new(), premises: Vec::new() };
    let mut homes = HashMap::new();
    let mut lines = Lines { text, counted: 0, line: 1 };
    for row in rows.records() {
        if faults.len() >= MOST_FAULTS {
            break;
        }
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                let line = error.position().map_or(0, |at| lines.at(at.byte()));
                faults.push(LineFault::new(line, "", error.to_string()));
                continue;
            }
        };
        let line = row.position().map_or(0, |at| lines.at(at.byte()));
        if row.len() != heading.len() {
            let fault = format!("expected {} values as the heading has, got {}", heading.len(), row.len());
            faults.push(LineFault::new(line, "", fault));
            continue;
        }
        if file.lines.len() == MOST_LINES {
            faults.push(LineFault::new(line, "", format!("expected at most {MOST_LINES} devices in one file")));
            break;
        }
        Line { line, row: &row, places: &places, faults: &mut faults }.enter(&mut file, &mut homes);
    }
    if faults.is_empty() && file.lines.is_empty() {
        faults.push(LineFault::of_file("expected at least one device below the heading"));
    }
    if faults.is_empty() { Ok(file) } else { Err(faults) }
}

impl ReadFile {
    /// How many devices it names.
    pub fn devices(&self) -> usize {
        self.lines.len()
    }

    /// Checks the file against what is there, and makes keys and rows.
    ///
    /// # Errors
    /// Every fault with its line.
    pub fn plan(
        self,
        secrets: Secrets<'_>,
        ids: IdSource,
        now: Timestamp,
        existing: Existing,
    ) -> Result<PlannedFile, Vec<LineFault>> {
        match plan(&self.manifest, secrets, ids, now, existing) {
            Ok(planned) => Ok(PlannedFile { rows: planned.rows, credentials: planned.credentials, ids: planned.ids }),
            Err(ProvisionError::Faults { faults }) => {
                Err(faults.iter().take(MOST_FAULTS).map(|fault| self.located(fault)).collect())
            }
            Err(other) => Err(vec![LineFault::of_file(other.to_string())]),
        }
    }

    /// `devices.3.serial: why` as the line and the column that it came from.
    fn located(&self, fault: &str) -> LineFault {
        let (place, why) = fault.split_once(": ").unwrap_or(("", fault));
        let mut parts = place.split('.');
        let lines = match parts.next() {
            Some("devices") => &self.lines,
            Some("premises") => &self.premises,
            _ => return LineFault::of_file(fault),
        };
        let line = parts.next().and_then(|at| lines.get(at.parse::<usize>().ok()?)).copied().unwrap_or_default();
        let column = match parts.next().unwrap_or_default() {
            "key" => "master_secret",
            column => column,
        };
        LineFault::new(line, column, why)
    }
}

/// Counts lines as an editor does. The reader's own count is one behind where lines end in CR and LF.
struct Lines<'a> {
    text: &'a [u8],
    counted: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of the row that begins at this byte, or behind the ends of lines there. Bytes must not go back.
    fn at(&mut self, byte: u64) -> u64 {
        let mut to = usize::try_from(byte).unwrap_or(usize::MAX).min(self.text.len());
        to += self.text[to..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let passed = self.text.get(self.counted..to).unwrap_or_default();
        self.line += passed.split(|byte| *byte == b'\n').count() as u64 - 1;
        self.counted = self.counted.max(to);
        self.line
    }
}

fn cut(text: &str) -> String {
    text.chars().take(40).collect()
}

/// One line on its way into the manifest.
struct Line<'a> {
    line: u64,
    row: &'a csv::StringRecord,
    places: &'a HashMap<String, usize>,
    faults: &'a mut Vec<LineFault>,
}

impl Line<'_> {
    fn text(&mut self, column: &str) -> Option<String> {
        let value = self.places.get(column).and_then(|at| self.row.get(*at)).filter(|value| !value.is_empty())?;
        if value.len() > LONGEST || value.chars().any(char::is_control) {
            self.fault(column, format!("expected at most {LONGEST} bytes without control characters"));
            return None;
        }
        Some(value.to_owned())
    }

    fn required(&mut self, column: &str) -> String {
        let found = self.text(column);
        if found.is_none() && !self.faults.iter().any(|fault| fault.line == self.line && fault.column == column) {
            self.fault(column, "expected a value");
        }
        found.unwrap_or_default()
    }

    fn number<T: FromStr>(&mut self, column: &str, expected: &str) -> Option<T> {
        let text = self.text(column)?;
        let number = text.parse().ok();
        if number.is_none() {
            self.fault(column, format!("expected {expected}, got `{}`", cut(&text)));
        }
        number
    }

    fn degrees(&mut self, column: &str, most: f64) -> Option<f64> {
        let degrees = self.number(column, "degrees such as 117.2")?;
        if (-most..=most).contains(&degrees) {
            return Some(degrees);
        }
        self.fault(column, format!("expected -{most} to {most} degrees"));
        None
    }

    fn fault(&mut self, column: &str, fault: impl Into<String>) {
        self.faults.push(LineFault::new(self.line, column, fault));
    }

    fn enter(mut self, file: &mut ReadFile, homes: &mut HashMap<String, usize>) {
        let kind = self.required("kind");
        let found = DeviceKind::ALL.iter().copied().find(|known| known.name() == kind);
        if found.is_none() && !kind.is_empty() {
            let names: Vec<_> = DeviceKind::ALL.iter().map(|kind| kind.name()).collect();
            self.fault("kind", format!("expected one of {}, got `{}`", names.join(", "), cut(&kind)));
        }
        // Whatever stands here, a file with a fault is not entered.
        let kind = found.unwrap_or(DeviceKind::Detector);
        let premises = self.text("premises");
        let (lon, lat) = (self.degrees("lon", 180.0), self.degrees("lat", 90.0));
        let division = self.number("division", "a division's number such as 330106");
        if let Some(key) = premises.as_ref().filter(|key| key.parse::<PremisesId>().is_err()) {
            self.home(file, homes, key, (division, lon, lat));
        }
        let links = self.text("links").unwrap_or_default();
        let sleepy = match self.text("sleepy").as_deref() {
            None | Some("false" | "no" | "0") => false,
            Some("true" | "yes" | "1") => true,
            Some(other) => {
                let fault = format!("expected `true` or `false`, got `{}`", cut(other));
                self.fault("sleepy", fault);
                false
            }
        };
        let key = match (self.text("master_secret"), self.text("master_salt")) {
            (Some(master_secret), Some(master_salt)) => Some(ManifestKey { master_secret, master_salt }),
            (None, None) => None,
            _ => {
                self.fault("master_secret", "expected `master_secret` and `master_salt` together, or neither");
                None
            }
        };
        let device = ManifestDevice {
            serial: self.required("serial"),
            tenant: String::new(),
            kind,
            model: self.required("model"),
            premises,
            parent: self.text("parent"),
            links: links.split([';', ' ']).filter(|serial| !serial.is_empty()).map(str::to_owned).collect(),
            interlock: self.text("interlock"),
            division,
            lon,
            lat,
            report_interval_s: self.number("report_interval_s", "whole seconds"),
            sleepy,
            installed_at: self.number("installed_at", "milliseconds since 1970"),
            algorithm: self.text("algorithm"),
            kid: self.text("kid"),
            key,
        };
        file.manifest.devices.push(device);
        file.lines.push(self.line);
    }

    /// New premises are described in the first line that names them; later lines may repeat it.
    fn home(
        &mut self,
        file: &mut ReadFile,
        homes: &mut HashMap<String, usize>,
        key: &str,
        (division, lon, lat): (Option<i64>, Option<f64>, Option<f64>),
    ) {
        let address = self.text("address");
        let (community, building) = (self.text("community"), self.text("building"));
        if let Some(&at) = homes.get(key) {
            let home = &file.manifest.premises[at];
            if address.is_some_and(|address| address != home.address) {
                let line = file.premises[at];
                self.fault("address", format!("premises `{key}` has another address in line {line}"));
            }
            return;
        }
        let (Some(address), Some(lon), Some(lat)) = (address, lon, lat) else {
            self.fault(
                "premises",
                format!("expected the id of premises that are there, or for the new ones `{}` an `address`, `lon` and `lat`", cut(key)),
            );
            return;
        };
        homes.insert(key.to_owned(), file.manifest.premises.len());
        file.premises.push(self.line);
        file.manifest.premises.push(ManifestPremises {
            key: key.to_owned(),
            tenant: String::new(),
            division,
            address,
            community: community.unwrap_or_default(),
            building: building.unwrap_or_default(),
            lon,
            lat,
        });
    }
}

/// Faults as a CSV file that a spreadsheet shows as texts: what would be a formula there is quoted.
pub fn report(faults: &[LineFault]) -> String {
    let mut out = csv::Writer::from_writer(Vec::new());
    // Writing to memory does not fail.
    let _ = out.write_record(["line", "column", "fault"]);
    for fault in faults {
        let _ = out.write_record([fault.line.to_string(), harmless(&fault.column), harmless(&fault.fault)]);
    }
    out.into_inner().ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

/// A cell that no spreadsheet takes for a formula.
pub fn harmless(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests;
