//! The plan of a city and the manifest that comes of it.

use crate::chance::Chance;
use crate::districts::{District, Districts};
use anyhow::{Context, Result};
use serde_json::{Value, json};

/// The municipality of the demo (天津市).
const MUNICIPALITY: u64 = 120_000;
/// The districts of the first company and of the second.
const DISTRICTS: [&[u64]; 2] = [&[120_101, 120_103, 120_104, 120_111], &[120_102, 120_105, 120_106, 120_110]];
/// Districts with well monitors, which stand in the street.
const WELLS: &[u64] = &[120_101, 120_103, 120_104, 120_102, 120_105];

const COMPANIES: [(&str, &str, &str); 2] =
    [("lz", "示例绿洲燃气公司", "lvzhou"), ("mx", "示例明霞燃气公司", "mingxia")];
/// Who works for each company. Two engineers: what one proposes, only another can approve.
const STAFF: [(&str, &str, &str); 10] = [
    ("admin", "administrator", "企业管理员"),
    ("safety", "safety-officer", "安全员"),
    ("dispatcher", "dispatcher", "调度员"),
    ("dispatcher2", "dispatcher", "夜班调度员"),
    ("technician", "technician", "维修员"),
    ("inspector", "inspector", "安检员"),
    ("clerk", "billing-clerk", "收费员"),
    ("engineer", "rule-engineer", "规则工程师"),
    ("engineer2", "rule-engineer", "规则复核工程师"),
    ("auditor", "auditor", "审计员"),
];
const STREETS: &[&str] = &["示例一路", "示例二路", "样板街", "演示道", "虚构巷", "测试大街", "范例里", "假想胡同"];
const COMMUNITIES: &[&str] =
    &["示例花园", "样板苑", "演示家园", "虚构公寓", "测试新村", "范例小区", "假想里", "模拟庭院", "试验佳苑", "无名居"];
const FAMILY: &[&str] = &["甲", "乙", "丙", "丁", "戊", "己", "庚", "辛"];

/// How large the city is.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Decides everything that is drawn.
    pub seed: u64,
    /// Households of each of the two companies.
    pub households: usize,
    /// Well monitors in all.
    pub wells: usize,
    /// Gateways in all, each with its children.
    pub gateways: usize,
    /// Detectors and valves behind each gateway: so many pairs.
    pub children: usize,
    /// Residents of each company who can sign in.
    pub residents: usize,
    /// How often a device reports that is plugged in, seconds.
    pub report_interval_s: u64,
    /// Every how-manieth meter uses AES-CCM-16-64-128 rather than A128GCM; 0 is none.
    pub ccm_every: usize,
}

impl Plan {
    /// The demo's: two companies with 200 households each.
    pub const fn demo(seed: u64) -> Self {
        Self {
            seed,
            households: 200,
            wells: 5,
            gateways: 2,
            children: 4,
            residents: 3,
            report_interval_s: 60,
            ccm_every: 10,
        }
    }

    /// A small one, for a test.
    pub const fn small(seed: u64) -> Self {
        Self {
            seed,
            households: 4,
            wells: 1,
            gateways: 1,
            children: 2,
            residents: 1,
            report_interval_s: 60,
            ccm_every: 4,
        }
    }
}

/// A person with the password that was made up for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// What they are, such as `dispatcher`.
    pub role: &'static str,
    /// E-mail address.
    pub email: String,
    /// Password.
    pub password: String,
    /// The company's key, for its people, a property manager and a resident.
    pub tenant: Option<&'static str>,
    /// The premises' key, for a resident.
    pub premises: Option<String>,
}

/// A planned city.
#[derive(Clone, Debug)]
pub struct City {
    divisions: Vec<Value>,
    tenants: Vec<Value>,
    premises: Vec<Value>,
    devices: Vec<Value>,
    users: Vec<Value>,
    /// Who can sign in.
    pub sign_ins: Vec<SignIn>,
}

impl City {
    /// Plans a city in `districts`. `password` makes up a password for an e-mail address.
    pub fn plan(plan: &Plan, districts: &Districts, mut password: impl FnMut(&str) -> String) -> Result<Self> {
        let mut chance = Chance::new(plan.seed);
        let mut city = Self {
            divisions: vec![
                json!({"code": MUNICIPALITY, "parent": null, "level": 1, "name_zh": "天津市", "name_en": "Tianjin"}),
            ],
            tenants: Vec::new(),
            premises: Vec::new(),
            devices: Vec::new(),
            users: Vec::new(),
            sign_ins: Vec::new(),
        };
        for (at, (key, name, domain)) in COMPANIES.into_iter().enumerate() {
            let own = districts.of(DISTRICTS[at])?;
            for district in &own {
                city.divisions.push(division(district));
            }
            city.tenants.push(json!({"key": key, "name": name, "jurisdiction": MUNICIPALITY}));
            for number in 0..plan.households {
                city.household(plan, &mut chance, key, &own, number);
            }
            for (user, role, name) in STAFF {
                city.person(role, key, None, &format!("{user}@{domain}.example"), name, &mut password);
            }
            if plan.households > 0 {
                city.person(
                    "property-manager",
                    key,
                    None,
                    &format!("property@{domain}.example"),
                    "物业经理",
                    &mut password,
                );
            }
            for number in 0..plan.residents.min(plan.households) {
                let premises = format!("{key}-{number:04}");
                let name = format!("住户{}", FAMILY[number % FAMILY.len()]);
                let email = format!("resident{}@{domain}.example", number + 1);
                city.person("resident", key, Some(premises), &email, &name, &mut password);
            }
        }
        for number in 0..plan.wells {
            let district = districts.of(&[WELLS[number % WELLS.len()]])?[0];
            city.well(plan, &mut chance, company_of(district.code)?, district, number);
        }
        for number in 0..plan.gateways {
            let company = number % COMPANIES.len();
            let own = districts.of(DISTRICTS[company])?;
            city.gateway(plan, &mut chance, COMPANIES[company].0, &own, number);
        }
        city.person("regulator", "", None, "regulator@city.example", "监管员", &mut password);
        city.person("platform-administrator", "", None, "platform@city.example", "平台管理员", &mut password);
        Ok(city)
    }

    /// The manifest for `davy provision`.
    pub fn manifest(&self) -> Value {
        json!({
            "divisions": self.divisions,
            "tenants": self.tenants,
            "premises": self.premises,
            "devices": self.devices,
            "users": self.users,
        })
    }

    /// How many premises there are.
    pub fn premises(&self) -> usize {
        self.premises.len()
    }

    /// How many devices there are.
    pub fn devices(&self) -> usize {
        self.devices.len()
    }

    fn place(&mut self, chance: &mut Chance, tenant: &str, own: &[&District], key: &str) -> (f64, f64) {
        let district = *chance.one_of(own);
        let (lon, lat) = district.point(chance);
        let community = *chance.one_of(COMMUNITIES);
        let street = *chance.one_of(STREETS);
        let building = format!(
            "{}号楼{}单元{}{:02}",
            chance.below(24) + 1,
            chance.below(4) + 1,
            chance.below(18) + 1,
            chance.below(4) + 1
        );
        let address = format!("天津市{}{street}{}号{community}", district.name_zh, chance.below(300) + 1);
        self.premises.push(json!({
            "key": key, "tenant": tenant, "division": district.code, "address": address, "community": community,
            "building": building, "lon": lon, "lat": lat,
        }));
        (lon, lat)
    }

    fn household(&mut self, plan: &Plan, chance: &mut Chance, tenant: &str, own: &[&District], number: usize) {
        let key = format!("{tenant}-{number:04}");
        self.place(chance, tenant, own, &key);
        let serial = |kind: &str| format!("{}{kind}{number:06}", tenant.to_uppercase());
        let (detector, valve, meter) = (serial("D"), serial("V"), serial("M"));
        let ccm = plan.ccm_every > 0 && number % plan.ccm_every == plan.ccm_every - 1;
        let algorithm = if ccm { "AES-CCM-16-64-128" } else { "A128GCM" };
        let interval = plan.report_interval_s;
        self.devices.push(json!({
            "serial": valve, "tenant": tenant, "kind": "valve", "model": "示例 QF-15", "premises": key, "links": [],
            "report_interval_s": interval, "sleepy": false, "algorithm": algorithm,
        }));
        self.devices.push(json!({
            "serial": meter, "tenant": tenant, "kind": "meter", "model": "示例 NB-G2.5", "premises": key, "links": [],
            "report_interval_s": interval * 5, "sleepy": true, "algorithm": algorithm,
        }));
        self.devices.push(json!({
            "serial": detector, "tenant": tenant, "kind": "detector", "model": "示例 TC-20", "premises": key, "links": [valve],
            "report_interval_s": interval, "sleepy": false, "algorithm": algorithm,
        }));
    }

    fn well(&mut self, plan: &Plan, chance: &mut Chance, tenant: &str, district: &District, number: usize) {
        let (lon, lat) = district.point(chance);
        self.devices.push(json!({
            "serial": format!("{}W{number:06}", tenant.to_uppercase()), "tenant": tenant, "kind": "well-monitor",
            "model": "示例 JS-1", "division": district.code, "lon": lon, "lat": lat, "links": [],
            "report_interval_s": plan.report_interval_s * 5, "sleepy": true, "algorithm": "A128GCM",
        }));
    }

    fn gateway(&mut self, plan: &Plan, chance: &mut Chance, tenant: &str, own: &[&District], number: usize) {
        let key = format!("{tenant}-g{number:03}");
        self.place(chance, tenant, own, &key);
        let gateway = format!("{}G{number:06}", tenant.to_uppercase());
        self.devices.push(json!({
            "serial": gateway, "tenant": tenant, "kind": "gateway", "model": "示例 WG-500", "premises": key, "links": [],
            "interlock": key, "report_interval_s": plan.report_interval_s, "sleepy": false, "algorithm": "A128GCM",
        }));
        for child in 0..plan.children {
            let serial = |kind: &str| format!("{}{kind}{number:03}{child:03}", tenant.to_uppercase());
            let (detector, valve) = (serial("GD"), serial("GV"));
            self.devices.push(json!({
                "serial": valve, "tenant": tenant, "kind": "valve", "model": "示例 QF-15W", "premises": key, "parent": gateway,
                "interlock": key, "links": [], "report_interval_s": plan.report_interval_s, "sleepy": false,
            }));
            self.devices.push(json!({
                "serial": detector, "tenant": tenant, "kind": "detector", "model": "示例 TC-20W", "premises": key, "parent": gateway,
                "interlock": key, "links": [valve], "report_interval_s": plan.report_interval_s, "sleepy": false,
            }));
        }
    }

    fn person(
        &mut self,
        role: &'static str,
        tenant: &'static str,
        premises: Option<String>,
        email: &str,
        name: &str,
        password: &mut impl FnMut(&str) -> String,
    ) {
        let sign_in = SignIn {
            role,
            email: email.to_owned(),
            password: password(email),
            tenant: (!tenant.is_empty()).then_some(tenant),
            premises,
        };
        let mut division = (role == "regulator").then(|| json!(MUNICIPALITY));
        // The community of the company's first home.
        let home = self.premises.iter().find(|premises| premises["tenant"] == tenant);
        let home = home.filter(|_| role == "property-manager");
        let community = home.map(|premises| premises["community"].clone());
        division = division.or_else(|| home.map(|premises| premises["division"].clone()));
        self.users.push(json!({
            "email": email, "name": name, "password": sign_in.password, "locale": "zh-CN", "roles": [role],
            "tenant": sign_in.tenant, "division": division, "community": community, "premises": sign_in.premises,
        }));
        self.sign_ins.push(sign_in);
    }
}

fn division(district: &District) -> Value {
    json!({
        "code": district.code, "parent": MUNICIPALITY, "level": 3, "name_zh": district.name_zh, "name_en": district.name_en,
    })
}

fn company_of(district: u64) -> Result<&'static str> {
    let at = DISTRICTS.iter().position(|codes| codes.contains(&district));
    at.map(|at| COMPANIES[at].0).with_context(|| format!("no company supplies the district {district}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    const MAP: &str = include_str!("../../../web/assets/map/tianjin.geojson");

    fn city(plan: &Plan) -> City {
        City::plan(plan, &Districts::read(MAP).unwrap(), |email| format!("password of {email}")).unwrap()
    }

    #[test]
    fn the_demo_city_has_what_the_demo_promises() {
        let city = city(&Plan::demo(7));
        let manifest = city.manifest();
        let kinds = |kind: &str| manifest["devices"].as_array().unwrap().iter().filter(|d| d["kind"] == kind).count();
        assert_eq!(manifest["tenants"].as_array().unwrap().len(), 2);
        assert!(city.premises() >= 400);
        assert_eq!((kinds("meter"), kinds("well-monitor"), kinds("gateway")), (400, 5, 2));
        assert!(kinds("detector") >= 400 && kinds("valve") >= 400);
        let roles: HashSet<_> = city.sign_ins.iter().map(|s| s.role).collect();
        assert_eq!(roles.len(), 12, "{roles:?}");
        for tenant in ["lz", "mx"] {
            for role in ["rule-engineer", "dispatcher"] {
                let pair = city.sign_ins.iter().filter(|s| s.role == role && s.tenant == Some(tenant));
                assert_eq!(pair.count(), 2, "one {role} proposes, the other approves");
            }
        }
    }

    #[test]
    fn every_link_and_parent_names_a_device_that_stands_before_it() {
        let manifest = city(&Plan::demo(7)).manifest();
        let mut seen = HashSet::new();
        for device in manifest["devices"].as_array().unwrap() {
            for named in
                device["links"].as_array().unwrap().iter().chain(device["parent"].as_str().map(|_| &device["parent"]))
            {
                assert!(seen.contains(named.as_str().unwrap()), "{device}");
            }
            assert!(seen.insert(device["serial"].as_str().unwrap()), "twice: {device}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_city_and_another_seed_another() {
        assert_eq!(city(&Plan::small(1)).manifest(), city(&Plan::small(1)).manifest());
        assert_ne!(city(&Plan::small(1)).manifest(), city(&Plan::small(2)).manifest());
    }
}
