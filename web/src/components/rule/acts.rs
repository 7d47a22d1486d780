//! What the viewer can do with a version now, and who has to act next: words and plain forms.

use crate::components::icon::LevelIcon;
use crate::tell::tell;
use crate::translations::Locale;
use crate::words::Level;
use crate::words::rules as words;
use davy_api::RuleDetail;
use davy_domain::UserId;
use davy_domain::release::{Act, MOST_ON_TRIAL, Stage};
use leptos::prelude::*;
use leptos_i18n::td_string;

/// The next step in words, and its buttons.
#[component]
pub fn Acts(
    /// The language.
    locale: Locale,
    /// The version.
    detail: RuleDetail,
    /// Who looks.
    me: Option<UserId>,
    /// The session's CSRF token.
    csrf: String,
) -> impl IntoView {
    let version = &detail.version;
    let waits = version.proposed_by.is_some();
    let may = |act: &str| detail.may.iter().any(|it| it == act);
    let form = Form { rule: version.id.to_string(), csrf };
    let cohort = version.stage == Stage::Cohort;
    // Whoever has proposed can take the proposal back; nobody can propose it a second time.
    let buttons = [
        ("start-shadow", td_string!(locale, act.start_shadow), "button primary"),
        ("approve", td_string!(locale, act.approve), "button primary"),
        ("decline", td_string!(locale, act.decline), "button"),
        ("propose", td_string!(locale, act.propose), "button primary"),
        ("roll-back", td_string!(locale, act.roll_back), "button danger"),
        ("withdraw", td_string!(locale, act.withdraw), "button quiet"),
    ]
    .into_iter()
    .filter(|(act, ..)| may(act) && !(waits && *act == "propose"))
    .map(|(act, label, class)| form.button(act, label, class))
    .collect_view();
    let share = (may("start-cohort") && !waits).then(|| form.share(locale, cohort, version.permille));
    let delete = may("delete-component").then(|| form.delete(locale));
    let nothing = detail.may.iter().all(|act| act == "back-test");
    let waiting = waits.then_some(());
    view! {
        <div class="next-step" data-testid="next-step" data-waits=waits.to_string()>
            {waiting.map(|()| view! { <LevelIcon level=Level::Event /> })}
            <p>{next_step(locale, &detail, me)}</p>
        </div>
        {share}
        <div class="actions" role="group" aria-label=td_string!(locale, act.title)>{buttons} {delete}</div>
        {(nothing && version.stage != Stage::Checked)
            .then(|| view! { <p class="muted small">{td_string!(locale, act.nothing)}</p> })}
    }
    .into_any()
}

fn next_step(locale: Locale, detail: &RuleDetail, me: Option<UserId>) -> String {
    let version = &detail.version;
    match (version.stage, version.proposed_by, version.missed) {
        (Stage::Uploaded, ..) => td_string!(locale, stage.uploaded_now).to_owned(),
        (Stage::Checked, _, Some(missed)) if missed > 0 => tell!(locale, stage.checked_missed, count = missed),
        // A driver goes from its checks to a proposal.
        (Stage::Checked | Stage::Cohort, Some(by), _) if Some(by) == me => {
            td_string!(locale, stage.proposed_by_you).to_owned()
        }
        (Stage::Checked | Stage::Cohort, Some(_), _) => {
            tell!(locale, stage.proposed_by_other, name = proposer(locale, detail))
        }
        (Stage::Checked, None, _) if version.world == "device-driver" => {
            td_string!(locale, stage.checked_driver_now).to_owned()
        }
        (Stage::Checked, ..) => td_string!(locale, stage.checked_now).to_owned(),
        (Stage::BackTested, ..) => td_string!(locale, stage.back_tested_now).to_owned(),
        (Stage::Shadow, ..) => td_string!(locale, stage.shadow_now).to_owned(),
        (Stage::Cohort, None, _) => tell!(locale, stage.cohort_now, share = words::share(version.permille)),
        (Stage::Active, ..) => td_string!(locale, stage.active_now).to_owned(),
        (Stage::Retired, ..) => td_string!(locale, stage.retired_now).to_owned(),
        (Stage::Refused, ..) => td_string!(locale, stage.refused_now).to_owned(),
    }
}

fn proposer(locale: Locale, detail: &RuleDetail) -> String {
    let proposal = detail.acts.iter().rev().find(|act| act.act == Act::Propose);
    proposal.and_then(|act| act.by.clone()).unwrap_or_else(|| td_string!(locale, stage.a_colleague).to_owned())
}

struct Form {
    rule: String,
    csrf: String,
}

impl Form {
    fn button(&self, act: &'static str, label: &'static str, class: &'static str) -> AnyView {
        view! {
            <form method="post" action="/actions/rules/act" class="action">
                <input type="hidden" name="csrf" value=self.csrf.clone() />
                <input type="hidden" name="rule" value=self.rule.clone() />
                <input type="hidden" name="act" value=act />
                <button type="submit" class=class data-testid=format!("act-{act}")>{label}</button>
            </form>
        }
        .into_any()
    }

    fn delete(&self, locale: Locale) -> AnyView {
        view! {
            <form method="post" action="/actions/rules/delete-component" class="action">
                <input type="hidden" name="csrf" value=self.csrf.clone() />
                <input type="hidden" name="rule" value=self.rule.clone() />
                <button type="submit" class="button quiet" data-testid="delete-component">
                    {td_string!(locale, act.delete_component)}
                </button>
            </form>
        }
        .into_any()
    }

    fn share(&self, locale: Locale, again: bool, permille: u16) -> AnyView {
        let percent = if permille == 0 { 10.0 } else { f64::from(permille.min(MOST_ON_TRIAL)) / 10.0 };
        let label = if again { td_string!(locale, act.change_cohort) } else { td_string!(locale, act.start_cohort) };
        view! {
            <form method="post" action="/actions/rules/act" class="in-line">
                <input type="hidden" name="csrf" value=self.csrf.clone() />
                <input type="hidden" name="rule" value=self.rule.clone() />
                <input type="hidden" name="act" value="start-cohort" />
                <label>
                    <span>{td_string!(locale, act.percent)}</span>
                    <input
                        type="number"
                        name="percent"
                        min="0.1"
                        max=(f64::from(MOST_ON_TRIAL) / 10.0).to_string()
                        step="0.1"
                        value=percent.to_string()
                        required
                        inputmode="decimal"
                    />
                </label>
                <button type="submit" class=if again { "button" } else { "button primary" } data-testid="act-start-cohort">
                    {label}
                </button>
            </form>
        }
        .into_any()
    }
}
