//! Settings: one table of names, defaults and documentation, read from a TOML file and from the environment.
//!
//! Everything wrong is reported at once, with the name, what was expected, what came and where it came from; the server
//! does not start with a setting that it does not understand. No other module reads the environment.

mod value;

pub use value::{Bytes, Choice, DatabaseUrl, Length, LogFormat, Optional, Secret, Setting, TrialBounds};

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Where a setting's text came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "in {}", path.display()),
            Self::Environment(name) => write!(f, "in the environment variable {name}"),
        }
    }
}

/// Why settings were refused.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read the settings file {}: {source}. Check the path and its permissions", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("the settings file {} is not valid TOML: {reason}", path.display())]
    NotToml {
        /// The file.
        path: PathBuf,
        /// The parser's words, with line and column.
        reason: String,
    },
    /// Settings that are unknown or have bad values.
    #[error("{}", list(faults))]
    Refused {
        /// Every one of them, each a sentence.
        faults: Vec<String>,
    },
}

fn list(faults: &[String]) -> String {
    let mut text = format!("{} setting(s) refused; `davy config` lists all settings:", faults.len());
    for fault in faults {
        let _ = write!(text, "\n  - {fault}");
    }
    text
}

/// One setting for people: `davy config` prints these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Its dotted name in the file, such as `http.listen`.
    pub name: &'static str,
    /// Its environment variable.
    pub variable: String,
    /// What it is.
    pub doc: String,
    /// What is accepted.
    pub expected: String,
    /// Its default.
    pub default: String,
    /// Its value now.
    pub value: String,
}

/// The environment variable of a dotted name.
fn variable(name: &str) -> String {
    format!("DAVY_{}", name.replace(['.', '-'], "_").to_uppercase())
}

macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $name:literal $field:ident : $type:ty = $default:literal;)*) => {
        /// Every setting of the server.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Settings { $($(#[doc = $doc])+ pub $field: $type,)* }

        impl Settings {
            /// The dotted names, in the order of the documentation.
            pub const NAMES: &'static [&'static str] = &[$($name,)*];

            fn from_texts(mut texts: BTreeMap<String, (String, Source)>, faults: &mut Vec<String>) -> Option<Self> {
                $(
                    let $field = match texts.remove($name) {
                        Some((text, source)) => <$type as Setting>::parse(&text).map_err(|reason| faults.push(format!(
                            "`{}` {source}: expected {}, got `{}`{}",
                            $name, <$type as Setting>::expected(), shown($name, &text), because(&reason)
                        ))).ok(),
                        None => <$type as Setting>::parse($default).ok(),
                    };
                )*
                for (name, (_, source)) in texts {
                    faults.push(unknown(&name, &source));
                }
                Some(Self { $($field: $field?,)* })
            }

            /// All settings with their documentation, defaults and present values.
            pub fn describe(&self) -> Vec<Described> {
                vec![$(Described {
                    name: $name,
                    variable: variable($name),
                    doc: [$($doc.trim(),)+].join("\n"),
                    expected: <$type as Setting>::expected(),
                    default: $default.to_owned(),
                    value: shown($name, &self.$field.show()),
                },)*]
            }
        }
    };
}

settings! {
    /// Address that HTTP listens on.
    "http.listen" http_listen: SocketAddr = "127.0.0.1:8080";
    /// Certificate chain in PEM, to serve HTTPS on `http.listen`; empty serves HTTP, for loopback and behind a proxy that does TLS. Read
    /// again when it changes.
    "http.tls-certificate" http_tls_certificate: Optional<PathBuf> = "";
    /// The certificate's private key in PEM; not to be read by everybody.
    "http.tls-key" http_tls_key: Optional<PathBuf> = "";
    /// Whether the session cookie is sent over HTTPS only. May be off only while `http.listen` is a loopback address.
    "http.secure-cookies" http_secure_cookies: bool = "true";
    /// Whether a reverse proxy in front sets `x-forwarded-for`; its last entry is then the client's address.
    "http.behind-proxy" http_behind_proxy: bool = "false";
    /// The platform's own address as people reach it, such as `https://gas.example`: for links in letters and on labels. Empty writes no links.
    "http.public-url" http_public_url: Optional<String> = "";
    /// Largest request body.
    "http.body-limit" http_body_limit: Bytes = "64 KiB";
    /// How long a request may take; event streams are exempt.
    "http.timeout" http_timeout: Length = "10 s";
    /// How long a client may take to send a request's head, and how long a connection may then be idle before the next one.
    "http.head-timeout" http_head_timeout: Length = "30 s";
    /// Requests per second that one client address may send on average to the API; 0 is no limit.
    "http.rate" http_rate: u32 = "50";
    /// Requests that one client address may send to the API in a burst.
    "http.burst" http_burst: u32 = "200";
    /// Requests per second that all people and machines of one company may send on average to the API; 0 is no limit. Closing valves and
    /// dealing with alarms is never turned away.
    "http.company-rate" http_company_rate: u32 = "500";
    /// Requests that one company may send to the API in a burst.
    "http.company-burst" http_company_burst: u32 = "2000";
    /// Open event streams at most, in all.
    "http.event-streams" http_event_streams: usize = "2000";
    /// Open event streams of one person at most, on all their devices and pages together.
    "http.event-streams-per-user" http_event_streams_per_user: usize = "20";
    /// Address of a listener for `/metrics` alone; empty serves `/metrics` on `http.listen`.
    "metrics.listen" metrics_listen: Optional<SocketAddr> = "";
    /// UDP address that CoAP listens on.
    "coap.listen" coap_listen: SocketAddr = "0.0.0.0:5683";
    /// The database: `sqlite:PATH` (created when absent) or `postgres://USER@HOST/NAME`.
    "database.url" database_url: DatabaseUrl = "sqlite:./data/davy.db";
    /// Database connections at most.
    "database.connections" database_connections: u32 = "8";
    /// File with the key-encryption keys (32 bytes in hex a line, the one that seals first); must be readable by its owner only (mode 0600).
    "keys.file" keys_file: PathBuf = "./data/davy.key";
    /// The keys themselves, with commas between them, instead of a file.
    "keys.text" keys_text: Secret = "";
    /// A program, with arguments separated by blanks, that prints the keys as they would stand in the file, instead of a file: a key service's
    /// client. It is started without a shell at each start of the server and when keys have been rotated.
    "keys.command" keys_command: Optional<String> = "";
    /// How long that program may take.
    "keys.command-timeout" keys_command_timeout: Length = "10 s";
    /// Folder with the built web app.
    "site.folder" site_folder: PathBuf = "./target/site";
    /// Shards (threads) that devices are spread over; 0 is one per core.
    "ingest.shards" ingest_shards: usize = "0";
    /// Datagrams a second that each device may send on average, ten seconds' worth of them at once; what goes beyond is dropped unread.
    /// Requests that name no known device are limited too, to 1,000 a second from everybody together. 0 is no limit for anybody.
    "ingest.device-rate" ingest_device_rate: u32 = "200";
    /// How often the journal is compacted into chunks.
    "ingest.compact-every" ingest_compact_every: Length = "1 min";
    /// How long an uplink stays in the journal, as it came, before it may be compacted.
    "ingest.compact-after" ingest_compact_after: Length = "10 min";
    /// Folder for compiled rules, so that a start need not compile them again; empty keeps none. What this installation has not made
    /// itself is never loaded from there.
    "rules.cache-folder" rules_cache_folder: Optional<PathBuf> = "./data/rules-cache";
    /// Components that a company may store; what is stored stays.
    "rules.most-components" rules_most_components: usize = "500";
    /// Bytes that they may have together.
    "rules.most-component-bytes" rules_most_component_bytes: usize = "536870912";
    /// Bounds of versions that are being tried, for companies that have set none of their own: `name=value` with blanks between them, by the
    /// names of the API (`GET /api/v1/rule-bounds`). What is not named has its usual bound (docs/rules.md).
    "rules.bounds" rules_bounds: TrialBounds = "";
    /// Whether a rule that says what it waits for is left alone until then. Off puts every reading to it: that decides nothing else and
    /// costs a call an uplink; for measuring, and for a rule whose promise is in doubt.
    "rules.wake-conditions" rules_wake_conditions: bool = "true";
    /// Events that a page's event stream may fall behind before it is told to load anew.
    "live.queue" live_queue: usize = "4096";
    /// How often the ends of the ledger's chains are signed; 0 ms signs none.
    "ledger.checkpoint-every" ledger_checkpoint_every: Length = "1 h";
    /// How long an approved deletion of a company waits before it is carried out; until then it can be taken back.
    "tenants.deletion-wait" tenants_deletion_wait: Length = "30 d";
    /// How long a sign-in lasts.
    "session.lifetime" session_lifetime: Length = "12 h";
    /// After how long a session that nobody uses has ended.
    "session.idle" session_idle: Length = "2 h";
    /// Sign-in attempts for one person within `sign-in.window`: from one address, or in one browser that they have signed in with before.
    "sign-in.attempts" sign_in_attempts: u32 = "8";
    /// Sign-in attempts for one person within `sign-in.person-window` from everywhere together, in browsers that they have never signed in
    /// with. Browsers that they have are not counted, so nobody can use this up for them.
    "sign-in.person-attempts" sign_in_person_attempts: u32 = "100";
    /// The window of the setting above.
    "sign-in.person-window" sign_in_person_window: Length = "1 d";
    /// How long the proof of a second factor is good for what a company demands one for.
    "sign-in.second-factor-fresh" sign_in_second_factor_fresh: Length = "1 h";
    /// Sign-in attempts from one address, whatever the e-mail, within `sign-in.window`.
    "sign-in.address-attempts" sign_in_address_attempts: u32 = "100";
    /// The window of the two settings above.
    "sign-in.window" sign_in_window: Length = "15 min";
    /// How long a way back in for who has forgotten the password is good.
    "password.reset-lifetime" password_reset_lifetime: Length = "30 min";
    /// Memory of one password hash (argon2id), KiB.
    "password.memory-kib" password_memory_kib: u32 = "19456";
    /// Passes of one password hash (argon2id).
    "password.passes" password_passes: u32 = "2";
    /// Password hashes computed at the same time; more sign-ins wait.
    "password.at-once" password_at_once: usize = "2";
    /// File that letters to people (ways back in) are appended to, one JSON object a line, for a mailer of your own: it holds secrets, so only
    /// its owner can read it. Empty sends none: they wait until they are of no use.
    "letters.file" letters_file: Optional<PathBuf> = "";
    /// URL of a MapLibre style for the base map; empty draws the built-in district shapes.
    "map.style-url" map_style_url: Optional<String> = "";
    /// How long a map tile is kept before it is made anew.
    "map.tile-age" map_tile_age: Length = "1 s";
    /// How logs are written.
    "log.format" log_format: LogFormat = "pretty";
    /// Which logs are written: `tracing` directives.
    "log.filter" log_filter: String = "info";
}

/// A value for people, without a password in it.
fn shown(name: &str, text: &str) -> String {
    match (name, text.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?)))) {
        ("database.url", Some((scheme, (who, place)))) => {
            let user = who.split(':').next().unwrap_or_default();
            let secret = if who.contains(':') { ":…" } else { "" };
            format!("{scheme}://{user}{secret}@{place}")
        }
        _ => text.to_owned(),
    }
}

fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(" ({reason})") }
}

fn unknown(name: &str, source: &Source) -> String {
    let near = Settings::NAMES.iter().map(|known| (distance(known, name), known)).min();
    match near {
        Some((steps, known)) if steps <= 4 => format!("`{name}` {source} is not a setting; did you mean `{known}`?"),
        _ => format!("`{name}` {source} is not a setting; remove it"),
    }
}

/// Levenshtein distance in characters.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}

fn flatten(prefix: &str, table: &toml::Table, source: &Source, texts: &mut BTreeMap<String, (String, Source)>) {
    for (key, value) in table {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            toml::Value::Table(inner) => flatten(&name, inner, source, texts),
            toml::Value::String(text) => drop(texts.insert(name, (text.clone(), source.clone()))),
            other => drop(texts.insert(name, (other.to_string(), source.clone()))),
        }
    }
}

impl Settings {
    /// The defaults.
    ///
    /// # Errors
    /// Never in practice: a test parses every default.
    pub fn defaults() -> Result<Self, SettingsError> {
        Self::load(None, std::iter::empty())
    }

    /// Reads the file, if any, then the environment, which wins; refuses everything unknown or bad.
    ///
    /// Variables that start with `DAVY_` and are no setting are refused too, except `DAVY_CONFIG` and `DAVY_TEST_…`.
    ///
    /// # Errors
    /// [`SettingsError`] with every fault and what to mend.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let mut texts = BTreeMap::new();
        let mut faults = Vec::new();
        if let Some(path) = file {
            let text = std::fs::read_to_string(path)
                .map_err(|source| SettingsError::Unreadable { path: path.to_owned(), source })?;
            let table = text
                .parse::<toml::Table>()
                .map_err(|error| SettingsError::NotToml { path: path.to_owned(), reason: error.to_string() })?;
            flatten("", &table, &Source::File(path.to_owned()), &mut texts);
        }
        for (name, text) in environment {
            if !name.starts_with("DAVY_") || name == "DAVY_CONFIG" || name.starts_with("DAVY_TEST_") {
                continue;
            }
            if let Some(known) = Self::NAMES.iter().find(|known| variable(known) == name) {
                texts.insert((*known).to_owned(), (text, Source::Environment(name)));
                continue;
            }
            let near = Self::NAMES.iter().map(|known| variable(known));
            let near = near.map(|known| (distance(&known, &name), known)).min();
            faults.push(match near {
                Some((steps, known)) if steps <= 4 => {
                    format!("the environment variable {name} is not a setting; did you mean {known}?")
                }
                _ => format!("the environment variable {name} is not a setting; unset it"),
            });
        }
        if let Some((_, source @ Source::File(_))) = texts.get("keys.text") {
            faults.push(format!(
                "`keys.text` {source}: a key has no place in a settings file; set the environment variable {} or use `keys.file`",
                variable("keys.text")
            ));
            texts.remove("keys.text");
        }
        let settings = Self::from_texts(texts, &mut faults);
        if let Some(settings) = &settings {
            settings.check(&mut faults);
        }
        match settings {
            Some(settings) if faults.is_empty() => Ok(settings),
            _ => Err(SettingsError::Refused { faults }),
        }
    }

    /// What no single setting can tell.
    fn check(&self, faults: &mut Vec<String>) {
        let mut refuse = |broken: bool, fault: &str| {
            if broken {
                faults.push(fault.to_owned());
            }
        };
        refuse(
            !self.http_secure_cookies && !self.http_listen.ip().is_loopback(),
            "`http.secure-cookies` may be false only while `http.listen` is a loopback address such as 127.0.0.1: \
             set it to true and put TLS in front, or listen on loopback",
        );
        refuse(self.http_burst == 0, "`http.burst` must be at least 1");
        refuse(self.http_timeout.millis() < 100, "`http.timeout` must be at least 100 ms");
        refuse(self.http_head_timeout.millis() < 100, "`http.head-timeout` must be at least 100 ms");
        refuse(self.http_event_streams_per_user == 0, "`http.event-streams-per-user` must be at least 1");
        refuse(self.http_body_limit.0 < 1024, "`http.body-limit` must be at least 1 KiB");
        refuse(
            self.keys_text.text().is_some() && self.keys_command.0.is_some(),
            "`keys.text` and `keys.command` are both set: leave one of them empty",
        );
        refuse(self.ingest_shards > 62, "`ingest.shards` must be at most 62: ids tell no more apart");
        refuse(self.live_queue < 16, "`live.queue` must be at least 16");
        refuse(self.database_connections == 0, "`database.connections` must be at least 1");
        refuse(self.tenants_deletion_wait.millis() < 86_400_000, "`tenants.deletion-wait` must be at least 1 d");
        refuse(self.session_lifetime.millis() < 60_000, "`session.lifetime` must be at least 1 min");
        refuse(self.session_idle.millis() < 60_000, "`session.idle` must be at least 1 min");
        refuse(self.sign_in_person_attempts == 0, "`sign-in.person-attempts` must be at least 1");
        refuse(self.sign_in_person_window.millis() < 1_000, "`sign-in.person-window` must be at least 1 s");
        refuse(
            self.sign_in_second_factor_fresh.millis() < 60_000,
            "`sign-in.second-factor-fresh` must be at least 1 min",
        );
        refuse(self.password_reset_lifetime.millis() < 60_000, "`password.reset-lifetime` must be at least 1 min");
        if let Some(url) = &self.http_public_url.0 {
            let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
            refuse(
                host.is_none_or(|host| host.is_empty() || host.contains(['/', '?', '#', '@'])),
                "`http.public-url` must be http:// or https://, a name and perhaps a port, and nothing after it",
            );
        }
        refuse(self.sign_in_attempts == 0, "`sign-in.attempts` must be at least 1");
        refuse(self.sign_in_address_attempts == 0, "`sign-in.address-attempts` must be at least 1");
        refuse(self.sign_in_window.millis() < 1_000, "`sign-in.window` must be at least 1 s");
        refuse(
            !(8_192..=1_048_576).contains(&self.password_memory_kib),
            "`password.memory-kib` must be between 8192 and 1048576",
        );
        refuse(!(1..=20).contains(&self.password_passes), "`password.passes` must be between 1 and 20");
        refuse(self.password_at_once == 0, "`password.at-once` must be at least 1");
        if let Some(url) = &self.map_style_url.0 {
            refuse(
                !(url.starts_with("https://") || url.starts_with("http://") || url.starts_with('/')),
                "`map.style-url` must start with https://, http:// or /",
            );
        }
    }

    /// The environment variables of all settings.
    pub fn variables() -> Vec<String> {
        Self::NAMES.iter().map(|name| variable(name)).collect()
    }

    /// The settings as a TOML file with documentation; what differs from its default is not commented out.
    pub fn document(&self) -> String {
        let mut text =
            String::from("# Settings of the davy server. The environment variable in brackets wins over the file.\n");
        let mut section = "";
        for setting in self.describe() {
            let (group, key) = setting.name.split_once('.').unwrap_or(("", setting.name));
            if group != section {
                let _ = write!(text, "\n[{group}]\n");
                section = group;
            }
            for line in setting.doc.lines() {
                let _ = writeln!(text, "# {line}");
            }
            let _ = writeln!(text, "# {}. [{}]", setting.expected, setting.variable);
            let off = if setting.value == setting.default { "# " } else { "" };
            let _ = writeln!(text, "{off}{key} = {}", toml::Value::String(setting.value));
        }
        text
    }
}

#[cfg(test)]
mod tests;
