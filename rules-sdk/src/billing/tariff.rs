//! Steps of a tariff: which part of a volume is charged at which price, exactly.

use crate::contract::billing::TariffStep;

/// Milli-fen per m³ times litres, in one fen.
const PER_FEN: i128 = 1_000_000;

/// Volume at a price, in fen: litres × milli-fen per m³ ÷ 1,000,000, rounded half away from zero.
pub fn amount_fen(litres: u64, price: i64) -> i64 {
    let exact = i128::from(litres) * i128::from(price);
    let rounded = (exact.abs() + PER_FEN / 2) / PER_FEN;
    let signed = if exact < 0 { -rounded } else { rounded };
    signed.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

/// A part of a volume that lies in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which step, from 1.
    pub number: u16,
    /// The part, in litres; never 0.
    pub litres: u64,
    /// Its price in milli-fen per m³.
    pub price: i64,
}

/// Divides the volume that follows `used` litres of the period among the steps. Only the excess pays the higher price.
///
/// A tariff without steps gives nothing: a rule must not invent a price.
pub fn divide(steps: &[TariffStep], used: u64, litres: u64) -> impl Iterator<Item = Step> + '_ {
    let end = used.saturating_add(litres);
    steps.iter().enumerate().filter_map(move |(index, step)| {
        let begins = if index == 0 { 0 } else { step.from_litres };
        let ends = steps.get(index + 1).map_or(u64::MAX, |next| next.from_litres);
        let litres = end.min(ends).saturating_sub(used.max(begins));
        (litres > 0).then_some(Step { number: index as u16 + 1, litres, price: step.price })
    })
}

/// Divides a correction downwards: volume is given back from the highest step that was reached, the other way round.
pub fn give_back(steps: &[TariffStep], used: u64, litres: u64) -> impl Iterator<Item = Step> + '_ {
    let litres = litres.min(used);
    divide(steps, used - litres, litres)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn three() -> [TariffStep; 3] {
        [
            TariffStep { from_litres: 0, price: 300_000 },
            TariffStep { from_litres: 360_000, price: 360_000 },
            TariffStep { from_litres: 540_000, price: 450_000 },
        ]
    }

    #[test]
    fn an_amount_is_rounded_half_away_from_zero() {
        assert_eq!(amount_fen(1_000, 315_600), 316, "1 m³ at 315.6 fen");
        assert_eq!(amount_fen(1, 500_000), 1, "half a fen up");
        assert_eq!(amount_fen(1, 499_999), 0);
        assert_eq!(amount_fen(1, -500_000), -1);
        assert_eq!(amount_fen(u64::MAX, i64::MAX), i64::MAX, "never wraps");
    }

    #[test]
    fn only_the_excess_pays_the_higher_price() {
        let parts: Vec<_> = divide(&three(), 350_000, 200_000).collect();
        assert_eq!(
            parts,
            [
                Step { number: 1, litres: 10_000, price: 300_000 },
                Step { number: 2, litres: 180_000, price: 360_000 },
                Step { number: 3, litres: 10_000, price: 450_000 },
            ]
        );
        assert_eq!(divide(&three(), 360_000, 1).next().unwrap().number, 2, "the step begins at its volume");
        assert_eq!(divide(&[], 0, 10).count(), 0);
    }

    #[test]
    fn a_correction_gives_back_the_dearest_litres_first() {
        let parts: Vec<_> = give_back(&three(), 550_000, 20_000).collect();
        assert_eq!(
            parts,
            [Step { number: 2, litres: 10_000, price: 360_000 }, Step { number: 3, litres: 10_000, price: 450_000 }]
        );
        assert_eq!(give_back(&three(), 5, 100).map(|part| part.litres).sum::<u64>(), 5, "no more than was used");
    }

    proptest! {
        #[test]
        fn no_litre_is_lost_or_charged_twice(used in 0..1_000_000_u64, litres in 0..1_000_000_u64) {
            prop_assert_eq!(divide(&three(), used, litres).map(|part| part.litres).sum::<u64>(), litres);
        }

        #[test]
        fn two_spans_are_divided_as_one(used in 0..800_000_u64, first in 0..300_000_u64, second in 0..300_000_u64) {
            let by_step = |parts: Vec<Step>| {
                (1..=3).map(|n| parts.iter().filter(|p| p.number == n).map(|p| p.litres).sum()).collect::<Vec<u64>>()
            };
            let apart = divide(&three(), used, first).chain(divide(&three(), used + first, second)).collect();
            let whole = divide(&three(), used, first + second).collect();
            prop_assert_eq!(by_step(apart), by_step(whole));
        }

        #[test]
        fn giving_back_undoes_what_was_charged(used in 0..800_000_u64, litres in 0..300_000_u64) {
            let charged: Vec<_> = divide(&three(), used, litres).collect();
            let back: Vec<_> = give_back(&three(), used + litres, litres).collect();
            prop_assert_eq!(charged, back);
        }
    }
}
