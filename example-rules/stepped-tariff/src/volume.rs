//! Volume to charges.

use crate::settings::SteppedTariff;
use davy_rules_sdk::billing::prelude::*;
use davy_rules_sdk::contract::billing::TariffStep;

/// Litres of a cubic metre.
const LITRES: u64 = 1_000;

/// Charges every span of the event, each beginning where the one before ended in the steps.
pub(crate) fn charge(settings: &SteppedTariff, event: &Event, decision: &mut Decision) {
    let steps = steps(settings, &event.context);
    let mut used = event.context.period_litres;
    for usage in &event.usage {
        let parts: Vec<Step> = if usage.credit {
            tariff::give_back(&steps, used, usage.litres).collect()
        } else {
            tariff::divide(&steps, used, usage.litres).collect()
        };
        let charged: u64 = parts.iter().map(|part| part.litres).sum();
        used = if usage.credit { used - charged } else { used.saturating_add(charged) };
        if charged < usage.litres {
            decision.note(format!("{} L given back at most, {} L asked for", charged, usage.litres));
        }
        for part in parts {
            decision.charge_volume(usage, part.litres, part.number, part.price, 0);
        }
    }
}

/// The account's own tariff, or that of the settings with more volume for a large household.
fn steps(settings: &SteppedTariff, account: &AccountContext) -> Vec<TariffStep> {
    if !account.tariff.is_empty() {
        return account.tariff.clone();
    }
    let tariff = &settings.tariff;
    let persons = u32::from(account.persons).saturating_sub(tariff.persons);
    let more = u64::from(persons) * u64::from(tariff.more_m3);
    let from = |m3: u32| (u64::from(m3) + more) * LITRES;
    vec![
        TariffStep { from_litres: 0, price: tariff.first_price },
        TariffStep { from_litres: from(tariff.second_from_m3), price: tariff.second_price },
        TariffStep { from_litres: from(tariff.third_from_m3), price: tariff.third_price },
    ]
}
