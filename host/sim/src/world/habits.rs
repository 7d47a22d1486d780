//! When a household uses gas, and how much: cooking, hot water, heating, with weekdays, absences and winters.
//!
//! Must never depend on valves or leaks: this is what people want, not what flows.

use super::calendar::{LocalTime, outdoor_celsius};
use crate::chance::Chance;
use davy_domain::Timestamp;

/// How a household lives. Drawn once, it explains its bill.
#[derive(Clone, Debug)]
pub struct Habits {
    people: u32,
    /// How much they cook; 1 is usual, a restaurant is far above.
    cooking: f64,
    home_at_noon: f64,
    heater: bool,
    boiler_m3h: Option<f64>,
    away: f64,
    restaurant: bool,
}

/// Gas wanted from `from` to `to`, m³/h.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Session {
    /// Begin.
    pub from: Timestamp,
    /// End.
    pub to: Timestamp,
    /// Flow in m³/h.
    pub m3h: f64,
    /// Whether vapour may rise from it.
    pub cooking: bool,
}

impl Habits {
    /// A household, or now and then a restaurant.
    pub fn draw(chance: &mut Chance) -> Self {
        let restaurant = chance.happens(0.03);
        Self {
            people: chance.whole(1, 5) as u32,
            cooking: if restaurant { chance.between(5.0, 9.0) } else { chance.between(0.6, 1.4) },
            home_at_noon: chance.between(0.15, 0.8),
            heater: restaurant || chance.happens(0.85),
            boiler_m3h: (!restaurant && chance.happens(0.3)).then(|| chance.between(0.9, 1.8)),
            away: if restaurant { 0.01 } else { chance.between(0.01, 0.08) },
            restaurant,
        }
    }

    /// Whether it is a restaurant.
    pub const fn is_restaurant(&self) -> bool {
        self.restaurant
    }

    /// What it wants on local day `day`, in no particular order.
    pub fn day(&self, day: i64, chance: &mut Chance) -> Vec<Session> {
        let mut wanted = Vec::new();
        let weekend = LocalTime { day, hour: 12.0 }.is_weekend();
        let away = chance.happens(self.away);
        if !away {
            self.cook(day, weekend, chance, &mut wanted);
            if self.heater {
                self.hot_water(day, weekend, chance, &mut wanted);
            }
        }
        if let Some(m3h) = self.boiler_m3h {
            heat(day, m3h, away, chance, &mut wanted);
        }
        wanted
    }

    fn cook(&self, day: i64, weekend: bool, chance: &mut Chance, wanted: &mut Vec<Session>) {
        let late = if weekend { 0.9 } else { 0.0 };
        let noon = if weekend || self.restaurant { 0.9 } else { self.home_at_noon };
        let meals = [(6.9 + late, 0.5, 0.7, 12.0), (11.7, 0.5, noon, 30.0), (18.3, 0.7, 0.92, 45.0)];
        let company = 0.7 + 0.12 * f64::from(self.people);
        for (hour, spread, likely, minutes) in meals {
            if !chance.happens(likely) {
                continue;
            }
            let begin = chance.normal(hour, spread);
            let stretch = if self.restaurant { 3.0 } else { company };
            let minutes = (chance.normal(minutes, minutes / 4.0) * stretch).clamp(4.0, 240.0);
            // The first burner all along, turned down once it boils; the second for a part of it.
            let flame = chance.between(0.22, 0.34) * self.cooking;
            wanted.push(session(day, begin, minutes * 0.4, flame, true));
            wanted.push(session(day, begin + minutes * 0.4 / 60.0, minutes * 0.6, flame * 0.55, true));
            if minutes > 15.0 {
                let at = begin + chance.between(0.0, minutes * 0.4) / 60.0;
                let flame = chance.between(0.2, 0.35) * self.cooking;
                wanted.push(session(day, at, minutes * chance.between(0.3, 0.6), flame, true));
            }
        }
    }

    fn hot_water(&self, day: i64, weekend: bool, chance: &mut Chance, wanted: &mut Vec<Session>) {
        let cold = ((22.0 - outdoor_celsius(LocalTime::moment(day, 12.0))) / 25.0).clamp(0.0, 1.0);
        let draw = |chance: &mut Chance| chance.between(1.3, 2.2) * (0.6 + 0.4 * cold);
        for _ in 0..self.people {
            let washes = chance.normal(if weekend { 8.3 } else { 7.1 }, 0.5);
            let m3h = draw(chance);
            wanted.push(session(day, washes, chance.between(0.8, 2.5), m3h, false));
            if chance.happens(0.45 + 0.35 * (1.0 - cold)) {
                let showers = chance.normal(21.0, 1.0);
                let m3h = draw(chance);
                wanted.push(session(day, showers, chance.between(4.0, 12.0), m3h, false));
            }
        }
        for _ in 0..chance.whole(1, if self.restaurant { 20 } else { 4 }) {
            let at = chance.between(8.0, 22.5);
            let m3h = draw(chance);
            wanted.push(session(day, at, chance.between(0.4, 2.0), m3h, false));
        }
    }
}

/// The boiler runs a share of each half hour that follows the cold outside; less at night and when nobody is home.
fn heat(day: i64, m3h: f64, away: bool, chance: &mut Chance, wanted: &mut Vec<Session>) {
    for half in 0..48 {
        let hour = f64::from(half) / 2.0;
        let outdoor = outdoor_celsius(LocalTime::moment(day, hour));
        let room = if away || !(5.5..22.5).contains(&hour) { 16.0 } else { 20.0 };
        let share = ((room - outdoor - 4.0) / 32.0).clamp(0.0, 0.95);
        if share < 0.05 {
            continue;
        }
        let minutes = 30.0 * share * chance.between(0.85, 1.15);
        let begin = hour + chance.between(0.0, (30.0 - minutes).max(0.0)) / 60.0;
        wanted.push(session(day, begin, minutes.min(30.0), m3h, false));
    }
}

fn session(day: i64, begin_hour: f64, minutes: f64, m3h: f64, cooking: bool) -> Session {
    // What would reach beyond midnight is cut: the next day plans its own.
    let begin = begin_hour.clamp(0.0, 23.9);
    let end = (begin + minutes / 60.0).min(23.999);
    Session { from: LocalTime::moment(day, begin), to: LocalTime::moment(day, end), m3h, cooking }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean_volume(first_day: i64, wanted: impl Fn(&Habits) -> bool) -> f64 {
        let mut chance = Chance::new(11, 0);
        let homes: Vec<Habits> = (0..400).map(|_| Habits::draw(&mut chance)).filter(|h| wanted(h)).collect();
        let mut volume = 0.0;
        for home in &homes {
            for day in first_day..first_day + 14 {
                for s in home.day(day, &mut chance) {
                    volume += s.m3h * s.to.since(s.from).as_millis() as f64 / 3.6e6;
                }
            }
        }
        volume / 14.0 / homes.len() as f64
    }

    #[test]
    fn daily_volumes_are_those_of_real_households() {
        let plain = |h: &Habits| !h.restaurant && h.boiler_m3h.is_none();
        let heated = |h: &Habits| h.boiler_m3h.is_some();
        let (january, july) = (20_454 + 14, 20_454 + 190);
        let winter_plain = mean_volume(january, plain);
        let winter_heated = mean_volume(january, heated);
        let summer_heated = mean_volume(july, heated);
        assert!((0.4..2.0).contains(&winter_plain), "{winter_plain} m³ a day");
        assert!((8.0..25.0).contains(&winter_heated), "{winter_heated} m³ a day");
        assert!((0.3..1.6).contains(&summer_heated), "{summer_heated} m³ a day");
    }

    #[test]
    fn evenings_outweigh_nights() {
        let mut chance = Chance::new(3, 0);
        let (mut evening, mut night) = (0.0, 0.0);
        for _ in 0..300 {
            let home = Habits { boiler_m3h: None, ..Habits::draw(&mut chance) };
            for s in home.day(20_500, &mut chance) {
                let hour = LocalTime::of(s.from).hour;
                let volume = s.m3h * s.to.since(s.from).as_millis() as f64;
                if (17.0..22.0).contains(&hour) {
                    evening += volume;
                } else if !(5.0..23.0).contains(&hour) {
                    night += volume;
                }
            }
        }
        assert!(evening > 20.0 * night, "evening {evening}, night {night}");
    }
}
