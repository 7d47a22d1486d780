//! What `davyctl rule` does with versions on a server: upload, every step of a life, what came of it.
//!
//! Each is one or two calls of the REST API, as the person who has signed in with `davyctl login`.

mod record;
mod sign;
mod tell;

pub(crate) use record::{Arguments as RecordArguments, record};
pub(crate) use sign::{Arguments as SignArguments, sign};
pub(crate) use tell::time as moment_of;

use crate::client::Client;
use crate::exit::Answer;
use crate::rule::read;
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use davy_api::{
    BackTestItem, BackTestRequest, Quarantine, QuarantineRequest, RuleActRequest, RuleDetail, RuleVersion, RuleVersions,
};
use davy_domain::release::Stage;
use davy_domain::{BackTestId, ReleaseId, Span, Timestamp};
use serde_json::Value;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

/// How often a server is asked how far it is.
const ASK_EVERY: Duration = Duration::from_millis(300);

/// Which version.
#[derive(Args)]
pub(crate) struct Which {
    /// The version (rel_…), as `davyctl rule status` lists it
    release: ReleaseId,
    /// Print JSON for programs instead of text for people
    #[arg(long)]
    json: bool,
}

/// Which part of the history.
#[derive(Args)]
pub(crate) struct Range {
    /// How many days back
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=3650), conflicts_with = "from")]
    days: u32,
    /// From when on: a date (2026-03-01, which begins in UTC) or a time (2026-03-01T08:00:00+08:00)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<Timestamp>,
    /// Until when, in the same forms [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    to: Option<Timestamp>,
}

fn moment(text: &str) -> Result<Timestamp, String> {
    let date =
        || Date::parse(text, format_description!("[year]-[month]-[day]")).map(|date| date.midnight().assume_utc());
    let at = OffsetDateTime::parse(text, &Rfc3339).or_else(|_| date());
    let at =
        at.map_err(|_| "expected a date such as 2026-03-01 or a time such as 2026-03-01T08:00:00+08:00".to_owned())?;
    Ok(Timestamp::from_millis(at.unix_timestamp() * 1_000))
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Upload a component as a new version, and wait for what the server's checks say
    Publish {
        /// The component
        file: PathBuf,
        /// Its settings, a JSON file [default: the rule's own]
        #[arg(long, value_name = "FILE")]
        settings: Option<PathBuf>,
        /// Which limits it is for
        #[arg(long, default_value = "standard", value_parser = ["standard", "large"], value_name = "TIER")]
        tier: String,
        /// The key to sign it with, as `davyctl rule sign --new-key` made it
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// Print JSON for programs instead of text for people
        #[arg(long)]
        json: bool,
    },
    /// Show the versions of the company's rules, or everything about one
    Status {
        /// The version (rel_…); all of them unless given
        release: Option<ReleaseId>,
        /// Print JSON for programs instead of text for people
        #[arg(long)]
        json: bool,
    },
    /// Make a new version of the same component with other settings
    Settings {
        #[command(flatten)]
        which: Which,
        /// The settings, a JSON file
        #[arg(long, value_name = "FILE")]
        settings: PathBuf,
    },
    /// Fold a version over the company's own history, beside what is in force
    ///
    /// The answer is no when it would have missed a leak that a person has confirmed.
    BackTest {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        range: Range,
        /// Of how many of a thousand devices
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=1000))]
        permille: u16,
    },
    /// Stop a back-test that is under way
    CancelBackTest {
        /// The back-test (bkt_…), as `davyctl rule status RELEASE --json` lists it
        test: BackTestId,
        /// Print JSON for programs instead of text for people
        #[arg(long)]
        json: bool,
    },
    /// Ask a version about live data; it acts on nothing
    Shadow(Which),
    /// Let a version decide for a share of the devices, at most half of them
    Cohort {
        #[command(flatten)]
        which: Which,
        /// Of a thousand, at most 500: for more a second person must approve
        #[arg(long, value_parser = clap::value_parser!(u16).range(1..=500))]
        permille: u16,
    },
    /// Propose to put a version in force, or approve what another person has proposed
    Activate(Which),
    /// Take a version out of force; the one before it is in force again
    RollBack(Which),
    /// Read the messages that no driver could read with the drivers that are in force now
    ///
    /// The answer is no when some of them still cannot be read.
    ReadAgain {
        /// Of one device model only
        #[arg(long)]
        model: Option<String>,
        /// Print JSON for programs instead of text for people
        #[arg(long)]
        json: bool,
    },
    /// Give up a version that is not in force
    Withdraw(Which),
    /// Refuse to put a proposed version in force
    Decline(Which),
    /// Delete the component of a version, to make room for others
    ///
    /// The answer is no when a version that has not ended, or a decision, refers to it.
    Delete(Which),
}

pub(crate) fn run(command: Command) -> Result<Answer> {
    let client = Client::resume()?;
    match command {
        Command::Publish { file, settings, tier, key, json } => {
            let component = read(&file)?;
            let settings = settings.map(|file| read(&file)).transpose()?;
            let signed = key.map(|key| sign::signature(&key, &component)).transpose()?;
            publish(&client, &component, settings.as_deref(), &tier, signed, json)
        }
        Command::Status { release: None, json } => {
            let versions: RuleVersions = client.get("/api/v1/rules")?;
            if json {
                print_json(&versions)?;
            } else {
                tell::list(&versions);
            }
            Ok(Answer::Yes)
        }
        Command::Status { release: Some(release), json } => {
            let rule: RuleDetail = client.get(&format!("/api/v1/rules/{release}"))?;
            show(&rule, json)?;
            Ok(Answer::Yes)
        }
        Command::Settings { which, settings } => {
            let settings: Value = serde_json::from_slice(&read(&settings)?)
                .with_context(|| format!("{} is not JSON", settings.display()))?;
            let new: RuleVersion = client.post(&format!("/api/v1/rules/{}/settings", which.release), &settings)?;
            checked(&client, new.id, which.json)
        }
        Command::BackTest { which, range, permille } => back_test(&client, &which, &range, permille),
        Command::CancelBackTest { test, json } => {
            let test = cancel(&client, test)?;
            if json {
                print_json(&test)?;
            } else {
                println!("{}: {}", test.id, test.state);
            }
            Ok(Answer::Yes)
        }
        Command::Shadow(which) => act(&client, &which, "start-shadow", None),
        Command::Cohort { which, permille } => act(&client, &which, "start-cohort", Some(permille)),
        Command::Activate(which) => {
            let rule: RuleDetail = client.get(&format!("/api/v1/rules/{}", which.release))?;
            let word = if rule.version.proposed_by.is_some() { "approve" } else { "propose" };
            act(&client, &which, word, None)
        }
        Command::RollBack(which) => act(&client, &which, "roll-back", None),
        Command::ReadAgain { model, json } => read_again(&client, model, json),
        Command::Withdraw(which) => act(&client, &which, "withdraw", None),
        Command::Decline(which) => act(&client, &which, "decline", None),
        Command::Delete(which) => {
            client.delete(&format!("/api/v1/rules/{}/component", which.release))?;
            if which.json {
                print_json(&serde_json::json!({"release": which.release, "component": "deleted"}))?;
            } else {
                println!("{}: its component is deleted", which.release);
            }
            Ok(Answer::Yes)
        }
    }
}

fn print_json<T: serde::Serialize>(value: &T) -> Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

fn show(rule: &RuleDetail, json: bool) -> Result<()> {
    if json {
        return print_json(rule);
    }
    tell::one(rule);
    Ok(())
}

fn publish(
    client: &Client,
    component: &[u8],
    settings: Option<&[u8]>,
    tier: &str,
    signed: Option<(String, String)>,
    json: bool,
) -> Result<Answer> {
    let mut query = vec![("tier", tier.to_owned())];
    if let Some(settings) = settings {
        let settings: Value = serde_json::from_slice(settings).context("the settings are not JSON")?;
        query.push(("settings", settings.to_string()));
    }
    if let Some((signer, signature)) = signed {
        query.push(("signer", signer));
        query.push(("signature", signature));
    }
    let new: RuleVersion = client.upload("/api/v1/rules", &query, component)?;
    checked(client, new.id, json)
}

/// Waits until the checks have ended.
fn checked(client: &Client, release: ReleaseId, json: bool) -> Result<Answer> {
    let terminal = std::io::stderr().is_terminal();
    loop {
        let rule: RuleDetail = client.get(&format!("/api/v1/rules/{release}"))?;
        if rule.version.stage != Stage::Uploaded {
            if terminal {
                eprint!("\r\x1b[K");
            }
            show(&rule, json)?;
            return Ok((rule.version.stage != Stage::Refused).into());
        }
        if terminal {
            eprint!("\r{release}: the server checks it …");
            std::io::stderr().flush().context("the terminal has gone")?;
        }
        std::thread::sleep(ASK_EVERY);
    }
}

fn act(client: &Client, which: &Which, act: &str, permille: Option<u16>) -> Result<Answer> {
    let path = format!("/api/v1/rules/{}/acts", which.release);
    let version: RuleVersion = client.post(&path, &RuleActRequest { act: act.to_owned(), permille })?;
    if which.json {
        print_json(&version)?;
    } else {
        println!("{}: {}", version.id, tell::where_it_is(&version));
        if act == "propose" {
            println!("another person approves with `davyctl rule activate {}`", version.id);
        }
    }
    Ok(Answer::Yes)
}

fn read_again(client: &Client, model: Option<String>, json: bool) -> Result<Answer> {
    let mine = |waiting: &Quarantine| {
        let counts = waiting.models.iter().filter(|each| model.as_ref().is_none_or(|model| *model == each.model));
        counts.map(|each| each.waiting).sum::<u64>()
    };
    let request = QuarantineRequest { model: model.clone() };
    let mut now: Quarantine = client.post("/api/v1/quarantine/read", &request)?;
    while now.reading {
        std::thread::sleep(ASK_EVERY);
        now = client.get("/api/v1/quarantine")?;
    }
    if json {
        print_json(&now)?;
    } else {
        tell::quarantine(&now);
    }
    Ok((mine(&now) == 0).into())
}

fn cancel(client: &Client, test: BackTestId) -> Result<BackTestItem> {
    client.post(&format!("/api/v1/back-tests/{test}/cancel"), &serde_json::json!({}))
}

fn back_test(client: &Client, which: &Which, range: &Range, permille: u16) -> Result<Answer> {
    let now =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).context("this machine's clock is before 1970")?;
    let now = Timestamp::from_millis(i64::try_from(now.as_millis()).context("this machine's clock is far off")?);
    let to = range.to.unwrap_or(now);
    let from = range.from.unwrap_or(to - Span::from_days(range.days.into()));
    let request = BackTestRequest { from: Some(from), to: Some(to), permille: Some(permille) };
    let mut test: BackTestItem = client.post(&format!("/api/v1/rules/{}/back-tests", which.release), &request)?;
    let interrupted = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&interrupted);
    ctrlc::set_handler(move || asked.store(true, Ordering::Relaxed)).context("cannot attend to Ctrl-C")?;
    let terminal = std::io::stderr().is_terminal();
    while matches!(test.state.as_str(), "waiting" | "running") {
        if interrupted.swap(false, Ordering::Relaxed) {
            test = cancel(client, test.id)?;
            continue;
        }
        if terminal {
            let share = test.done.saturating_mul(100).checked_div(test.total).unwrap_or(0);
            eprint!("\r\x1b[K{}: {} of {} uplinks, {share} %; Ctrl-C stops it", test.state, test.done, test.total);
            std::io::stderr().flush().context("the terminal has gone")?;
        }
        std::thread::sleep(ASK_EVERY);
        test = client.get(&format!("/api/v1/back-tests/{}", test.id))?;
    }
    if terminal {
        eprint!("\r\x1b[K");
    }
    if which.json {
        print_json(&test)?;
    }
    let report = test.report.clone().unwrap_or_default();
    match test.state.as_str() {
        "done" if which.json => {}
        "done" => tell::report(&report),
        "failed" => bail!("the back-test failed: {}", test.reason.unwrap_or_default()),
        other => bail!("the back-test was {other}"),
    }
    Ok((report["blocking"] == 0).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_date_or_a_time_with_its_offset() {
        let day = moment("2026-03-01").unwrap();
        assert_eq!(moment("2026-03-01T08:00:00+08:00"), Ok(day));
        assert_eq!(moment("2026-03-01T00:00:00Z"), Ok(day));
        for wrong in ["", "yesterday", "2026-13-01", "2026-03-01 08:00", "2026-03-01T08:00:00"] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }
}
