//! One gas company on a real server, its engineers at the REST API and its detectors on the wire.

use davy_city::Plan;
use davy_coap::{Code, Request};
use davy_tests::api::Api;
use davy_tests::device::Device;
use davy_tests::platform::{PASSWORD, Platform};
use serde_json::{Value, json};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// SenML-CBOR (RFC 8428).
const SENML_CBOR: u16 = 112;
/// How long something in the background may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// Where the server keeps what it has compiled, in the platform's folder.
const CACHE: &str = "data/rules-cache";

/// A company of a few homes, with the example rule in force.
pub(crate) struct Company {
    platform: Platform,
    companies: usize,
    told: Cell<usize>,
}

/// A person of the company who is signed in.
pub(crate) struct Engineer(Api);

/// The detector of one home.
pub(crate) struct Detector<'a> {
    company: &'a Company,
    number: usize,
    sequence: u64,
}

impl Company {
    /// Its homes.
    pub(crate) const HOMES: usize = 20;

    pub(crate) fn new() -> Self {
        Self::with("DAVY_RULES_WAKE_CONDITIONS", "true")
    }

    /// With a setting of the server, by its environment variable.
    pub(crate) fn with(variable: &str, value: &str) -> Self {
        Self::with_devices(variable, value, |_| {})
    }

    /// The same, after `change` had its way with the devices of the manifest.
    pub(crate) fn with_devices(variable: &str, value: &str, change: impl FnOnce(&mut Vec<Value>)) -> Self {
        let plan = Plan { households: Self::HOMES, wells: 0, gateways: 0, ..Plan::small(3) };
        let mut companies = 0;
        let mut platform = Platform::with_example_rule_and(&plan, |manifest| {
            companies = manifest["tenants"].as_array().unwrap().len();
            change(manifest["devices"].as_array_mut().unwrap());
            let users = manifest["users"].as_array_mut().unwrap();
            let of_the_company = users
                .iter()
                .find(|user| user["roles"] == json!(["rule-engineer"]) && user["tenant"] == "lz")
                .unwrap()
                .clone();
            for name in ["anna", "ben"] {
                let mut engineer = of_the_company.clone();
                engineer["roles"] = json!(["administrator", "safety-officer", "rule-engineer"]);
                engineer["email"] = json!(format!("{name}@example.com"));
                users.push(engineer);
            }
        })
        .unwrap()
        .set(variable, value);
        platform.start().unwrap();
        Self { platform, companies, told: Cell::new(0) }
    }

    pub(crate) fn engineer(&self, name: &str) -> Engineer {
        Engineer(Api::enter(self.platform.http, &format!("{name}@example.com"), PASSWORD).unwrap())
    }

    /// An engineer of the other company.
    pub(crate) fn stranger(&self) -> Engineer {
        let other =
            self.platform.people.iter().find(|person| person.role == "rule-engineer" && person.tenant != Some("lz"));
        Engineer(Api::sign_in(self.platform.http, other.unwrap()).unwrap())
    }

    /// How many dispatchers the company has.
    pub(crate) fn dispatchers(&self) -> usize {
        let its = self.platform.people.iter().filter(|person| person.tenant == Some("lz"));
        its.filter(|person| person.role == "dispatcher").count()
    }

    pub(crate) fn detector(&self, number: usize) -> Detector<'_> {
        Detector { company: self, number, sequence: 0 }
    }

    pub(crate) fn server(&self) -> String {
        format!("http://{}", self.platform.http)
    }

    pub(crate) fn device_id(&self, number: usize) -> String {
        self.platform.device(&format!("LZD{number:06}")).unwrap().device.clone()
    }

    pub(crate) fn uplinks_told(&self) -> usize {
        self.told.get()
    }

    /// A device on the wire, from this sequence number on.
    pub(crate) fn device(&self, serial: &str, sequence: u64) -> Device {
        Device::new(self.platform.coap, self.platform.device(serial).unwrap(), sequence).unwrap()
    }

    /// The id of a device.
    pub(crate) fn id_of(&self, serial: &str) -> String {
        self.platform.device(serial).unwrap().device.clone()
    }

    /// The process ends in order and another one takes its place.
    pub(crate) fn restart(&mut self) {
        self.platform.stop().unwrap();
        self.platform.start().unwrap();
    }

    /// A counter of the server.
    pub(crate) fn counter(&self, name: &str) -> f64 {
        self.platform.counter(name).unwrap()
    }

    /// The companies on the platform; each has a version in force.
    pub(crate) fn companies(&self) -> usize {
        self.companies
    }

    /// What an operator's tools read.
    pub(crate) fn metrics(&self) -> String {
        self.platform.get("/metrics").unwrap()
    }

    /// Loses every compiled component on disk.
    pub(crate) fn lose_compiled_rules(&self) {
        let folder = self.platform.path(CACHE);
        let files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(!files.is_empty(), "{} holds nothing", folder.display());
        for file in files {
            std::fs::remove_file(file).unwrap();
        }
    }

    pub(crate) fn stop(mut self) {
        self.platform.stop().unwrap();
    }
}

impl Detector<'_> {
    /// The same device at a later time of its life.
    pub(crate) fn at(mut self, life: u64) -> Self {
        self.sequence = life << 16;
        self
    }

    /// Reports gas in %LEL, each so many seconds ago, and waits until it is told that it is stored.
    pub(crate) fn says(&self, gas: &[(f64, i64)]) {
        self.reports(&format!("LZD{:06}", self.number), "gas", gas);
    }

    /// The detector of the home with the same number at the other company does the same.
    pub(crate) fn of_the_stranger_says(&self, gas: &[(f64, i64)]) {
        self.reports(&format!("MXD{:06}", self.number), "gas", gas);
    }

    /// The meter of the same home reports its index in m³, each so many seconds ago.
    pub(crate) fn counts(&self, index: &[(f64, i64)]) {
        self.reports(&format!("LZM{:06}", self.number), "vol", index);
    }

    fn reports(&self, serial: &str, name: &str, values: &[(f64, i64)]) {
        let platform = &self.company.platform;
        let mut device = Device::new(platform.coap, platform.device(serial).unwrap(), self.sequence).unwrap();
        let mut bytes = Vec::new();
        let mut cbor = minicbor::Encoder::new(&mut bytes);
        cbor.array(values.len() as u64).unwrap();
        for (value, ago) in values {
            cbor.map(3).unwrap().u8(0).unwrap().str(name).unwrap().u8(2).unwrap().f64(*value).unwrap();
            cbor.u8(6).unwrap().i64(-*ago).unwrap();
        }
        device.ask(Request::post("u", SENML_CBOR, bytes)).unwrap();
        assert_eq!(device.responses(1).unwrap()[0].code, Code::CHANGED);
        self.company.told.set(self.company.told.get() + 1);
    }
}

impl Engineer {
    /// The version in force.
    pub(crate) fn in_force(&self) -> Option<String> {
        let rules = self.rules();
        let in_force = |rule: &&Value| rule["stage"] == "active" && rule["world"] == "alarm-policy";
        let active = rules.iter().find(in_force)?;
        Some(active["id"].as_str().unwrap().to_owned())
    }

    /// The active alarms, by id.
    pub(crate) fn alarms(&self) -> Vec<String> {
        let page = self.0.get("/api/v1/alarms?limit=200").unwrap();
        let mut ids: Vec<_> =
            page["items"].as_array().unwrap().iter().map(|alarm| alarm["id"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    }

    pub(crate) fn rules(&self) -> Vec<Value> {
        self.0.get("/api/v1/rules").unwrap()["items"].as_array().unwrap().clone()
    }

    pub(crate) fn rule(&self, id: &str) -> Value {
        self.0.get(&format!("/api/v1/rules/{id}")).unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        self.0.get(path).unwrap()
    }

    pub(crate) fn status(&self, path: &str) -> u16 {
        self.0.send("GET", path, "application/json", b"").unwrap().0
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value, Value> {
        let (status, answer) = self.0.send("POST", path, "application/json", body.to_string().as_bytes()).unwrap();
        if status < 300 { Ok(answer) } else { Err(answer) }
    }

    pub(crate) fn put(&self, path: &str, body: &Value) {
        let (status, answer) = self.0.send("PUT", path, "application/json", body.to_string().as_bytes()).unwrap();
        assert_eq!(status, 204, "{answer}");
    }

    pub(crate) fn try_put(&self, path: &str, body: &Value) -> (u16, Value) {
        self.0.send("PUT", path, "application/json", body.to_string().as_bytes()).unwrap()
    }

    pub(crate) fn try_delete(&self, path: &str) -> (u16, Value) {
        self.0.send("DELETE", path, "application/json", b"").unwrap()
    }

    #[track_caller]
    pub(crate) fn refused(&self, path: &str, body: &Value, field: &str) {
        let problem = self.post(path, body).unwrap_err();
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }

    pub(crate) fn try_upload(&self, path: &str, component: &[u8]) -> (u16, Value) {
        self.0.send("POST", path, "application/wasm", component).unwrap()
    }

    pub(crate) fn upload(&self, path: &str, component: &[u8]) -> Result<Value, Value> {
        let (status, answer) = self.try_upload(path, component);
        if status == 201 { Ok(answer) } else { Err(answer) }
    }

    fn request(act: &str) -> Value {
        if act == "start-cohort" { json!({"act": act, "permille": 100}) } else { json!({"act": act}) }
    }

    #[track_caller]
    pub(crate) fn act(&self, id: &str, act: &str) {
        self.post(&format!("/api/v1/rules/{id}/acts"), &Self::request(act)).unwrap();
    }

    /// A version of what is in force with other settings, brought as far as shadow.
    #[track_caller]
    pub(crate) fn in_shadow(&self, settings: &Value) -> String {
        let in_force = self.in_force().unwrap();
        let new = self.post(&format!("/api/v1/rules/{in_force}/settings"), settings).unwrap();
        let id = new["id"].as_str().unwrap().to_owned();
        self.until(&id, "checked");
        self.back_tested(&id);
        self.act(&id, "start-shadow");
        id
    }

    /// The reason in one word.
    #[track_caller]
    pub(crate) fn act_refused(&self, id: &str, act: &str) -> String {
        let problem = self.post(&format!("/api/v1/rules/{id}/acts"), &Self::request(act)).unwrap_err();
        problem["reason"].as_str().unwrap_or_else(|| panic!("{problem}")).to_owned()
    }

    /// The version once it has come so far.
    #[track_caller]
    pub(crate) fn until(&self, id: &str, stage: &str) -> Value {
        self.once(id, |rule| rule["version"]["stage"] == stage)
    }

    /// The version once something holds of it.
    #[track_caller]
    pub(crate) fn once(&self, id: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let rule = self.rule(id);
            if holds(&rule) {
                return rule;
            }
            assert!(begun.elapsed() < PATIENCE, "it did not come about in time: {rule}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Brings a version into force with a second person.
    #[track_caller]
    pub(crate) fn brings_into_force(&self, second: &Self, id: &str) {
        self.until(id, "checked");
        self.back_tested(id);
        for act in ["start-shadow", "start-cohort", "propose"] {
            self.act(id, act);
        }
        second.act(id, "approve");
    }

    /// Has a version back-tested over everything there is, and gives the report.
    #[track_caller]
    pub(crate) fn back_tested(&self, id: &str) -> Value {
        self.back_tested_over(id, &json!({})).1
    }

    /// The same over what `request` asks for; the back-test and its report.
    #[track_caller]
    pub(crate) fn back_tested_over(&self, id: &str, request: &Value) -> (Value, Value) {
        let test = self.post(&format!("/api/v1/rules/{id}/back-tests"), request).unwrap();
        let path = format!("/api/v1/back-tests/{}", test["id"].as_str().unwrap());
        let begun = Instant::now();
        loop {
            let test = self.0.get(&path).unwrap();
            match test["state"].as_str().unwrap() {
                "done" => return (test.clone(), test["report"].clone()),
                "waiting" | "running" => {}
                _ => panic!("{test}"),
            }
            assert!(begun.elapsed() < PATIENCE, "not done in time: {test}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
