//! A premises: what its people want of gas, what flows through its meter and valves, and what is in its air.
//!
//! Must never let gas flow through a closed valve, nor turn the meter back.

use super::{
    calendar::{LocalTime, outdoor_celsius},
    habits::{Habits, Session},
    leak::{FlueFault, Leak, LeakSite},
    nuisance::Hump,
    room::{Room, RoomShape},
    valve::{Arrival, Valve},
};
use crate::chance::Chance;
use davy_domain::{Span, Timestamp};

/// How the people's time runs beside the devices': a demonstration lets a day at home pass in minutes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Life {
    /// When both began together.
    pub began: Timestamp,
    /// Hours at home per hour of the devices; 1 is life, at least 1.
    pub scale: f64,
}

impl Life {
    fn at(self, device_time: Timestamp) -> Timestamp {
        self.began + Span::from_millis((device_time.since(self.began).as_millis() as f64 * self.scale) as i64)
    }

    fn device_time(self, at: Timestamp) -> Timestamp {
        self.began + Span::from_millis((at.since(self.began).as_millis() as f64 / self.scale).ceil() as i64)
    }
}

/// A valve of the premises arrived somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Which one.
    pub valve: usize,
    /// When.
    pub at: Timestamp,
    /// Where.
    pub arrival: Arrival,
}

/// A premises.
#[derive(Clone, Debug)]
pub struct Home {
    habits: Habits,
    room: Room,
    life: Life,
    pace: f64,
    nuisance_per_meal: f64,
    chance: Chance,
    /// The valves in the line; any closed one stops the flow.
    pub valves: Vec<Valve>,
    leak: Option<Leak>,
    flue: Option<FlueFault>,
    humps: Vec<Hump>,
    edges: Vec<(Timestamp, f64)>,
    next_edge: usize,
    planned_day: i64,
    wanted_m3h: f64,
    index_m3: f64,
    at: Timestamp,
}

impl Home {
    /// A premises whose people live by `life`, with `pace` times faster gas, and a nuisance at `nuisance_per_meal` of the meals.
    pub fn new(at: Timestamp, life: Life, pace: f64, nuisance_per_meal: f64, mut chance: Chance) -> Self {
        let habits = Habits::draw(&mut chance);
        let size = if habits.is_restaurant() { 5.0 } else { 1.0 };
        let shape = RoomShape {
            volume_m3: chance.between(8.0, 22.0) * size,
            ceiling_share: chance.between(0.15, 0.3),
            air_changes_per_h: chance.between(1.0, 4.0),
            mixing_per_h: chance.between(3.0, 9.0),
        };
        let index_m3 = chance.between(5.0, 6000.0);
        let mut home = Self {
            habits,
            room: Room::new(shape),
            life,
            pace,
            nuisance_per_meal,
            chance,
            valves: Vec::new(),
            leak: None,
            flue: None,
            humps: Vec::new(),
            edges: Vec::new(),
            next_edge: 0,
            planned_day: LocalTime::of(life.at(at)).day - 1,
            wanted_m3h: 0.0,
            index_m3,
            at,
        };
        home.plan_until(at);
        home
    }

    /// Lets time pass and says which valves arrived on the way.
    pub fn advance(&mut self, to: Timestamp, moved: &mut Vec<Moved>) {
        while self.at < to {
            self.plan_until(self.at);
            let edge = self.edges.get(self.next_edge).map_or(to, |(at, _)| *at);
            let arrival = self.valves.iter().filter_map(Valve::moving_until).min().unwrap_or(to);
            let midnight = self.life.device_time(LocalTime::moment(self.planned_day + 1, 0.0));
            let next = to.min(edge).min(arrival).min(midnight).max(self.at);
            self.flow_until(next);
            while let Some((_, change)) = self.edges.get(self.next_edge).filter(|(at, _)| *at <= next) {
                self.wanted_m3h += change;
                self.next_edge += 1;
            }
            for (valve, each) in self.valves.iter_mut().enumerate() {
                if let Some(arrival) = each.settle(next) {
                    moved.push(Moved { valve, at: next, arrival });
                }
            }
        }
    }

    fn flow_until(&mut self, to: Timestamp) {
        let ms = to.since(self.at).as_millis() as f64;
        let seconds = ms / 1000.0 * self.pace;
        // The leak's opening is followed second by second while it opens; the room does the same inside.
        let leaking = self.leak_m3h(to);
        let burning = if self.is_open() { self.flue.as_ref().map_or(0.0, |flue| flue.co_ppm_per_h) } else { 0.0 };
        self.index_m3 += self.flow_m3h() * ms / 3.6e6;
        self.room.pass(seconds, leaking, burning);
        self.at = to;
    }

    fn leak_m3h(&self, at: Timestamp) -> f64 {
        self.leak
            .as_ref()
            .filter(|leak| leak.site == LeakSite::BeforeMeter || self.is_open())
            .map_or(0.0, |leak| leak.flow_m3h(at.since(leak.began).as_millis() as f64 / 1000.0 * self.pace))
    }

    /// Whether gas gets through every valve.
    pub fn is_open(&self) -> bool {
        self.valves.iter().all(Valve::lets_gas_through)
    }

    /// What flows through the meter now, m³/h; exactly zero when a valve is closed.
    pub fn flow_m3h(&self) -> f64 {
        if !self.is_open() {
            return 0.0;
        }
        let leak = self.leak.as_ref().filter(|leak| leak.site == LeakSite::BehindValves);
        let burner = self.flue.as_ref().map_or(0.0, |flue| flue.burner_m3h);
        // Sessions are added and taken away again: what remains of rounding is no flow.
        let wanted = if self.wanted_m3h < 1e-6 { 0.0 } else { self.wanted_m3h };
        wanted + burner + leak.map_or(0.0, |_| self.leak_m3h(self.at))
    }

    /// The meter's index, m³: what has flowed since the meter was made.
    pub const fn index_m3(&self) -> f64 {
        self.index_m3
    }

    /// What a gas sensor sees at the moment: the air, and what it takes for gas; %LEL.
    pub fn sensed_lel(&self) -> f64 {
        self.room.gas_lel() + self.humps.iter().map(|hump| hump.lel(self.at)).sum::<f64>()
    }

    /// Gas truly in the air at the sensor, %LEL.
    pub const fn gas_lel(&self) -> f64 {
        self.room.gas_lel()
    }

    /// Carbon monoxide in the air, ppm.
    pub const fn co_ppm(&self) -> f64 {
        self.room.co_ppm()
    }

    /// Indoor temperature, °C.
    pub fn celsius(&self) -> f64 {
        let outdoor = outdoor_celsius(self.life.at(self.at));
        20.0 + 0.18 * (outdoor - 15.0) + 1.5 * self.wanted_m3h.min(1.0)
    }

    /// The air, to draw a fitting leak.
    pub const fn room(&self) -> &Room {
        &self.room
    }

    /// Begins a leak, or ends it with a repair.
    pub fn set_leak(&mut self, leak: Option<Leak>) {
        self.leak = leak;
    }

    /// The leak.
    pub const fn leak(&self) -> Option<&Leak> {
        self.leak.as_ref()
    }

    /// Blocks the flue, or ends it with a repair.
    pub fn set_flue_fault(&mut self, fault: Option<FlueFault>) {
        self.flue = fault;
    }

    /// Whether anything is wrong: a leak or a blocked flue.
    pub const fn is_hazardous(&self) -> bool {
        self.leak.is_some() || self.flue.is_some()
    }

    fn plan_until(&mut self, at: Timestamp) {
        let today = LocalTime::of(self.life.at(at)).day;
        while self.planned_day < today {
            self.planned_day += 1;
            let wanted = self.habits.day(self.planned_day, &mut self.chance);
            self.edges.drain(..self.next_edge);
            self.next_edge = 0;
            for session in &wanted {
                self.edges.push((self.life.device_time(session.from), session.m3h));
                self.edges.push((self.life.device_time(session.to), -session.m3h));
            }
            self.edges.sort_by_key(|(at, _)| *at);
            self.humps.retain(|hump| hump.until() > at);
            self.plan_nuisance(&wanted);
        }
    }

    fn plan_nuisance(&mut self, wanted: &[Session]) {
        for meal in wanted.iter().filter(|session| session.cooking) {
            if self.chance.happens(self.nuisance_per_meal) {
                let within = meal.to.since(meal.from).as_millis();
                let at = self.life.device_time(meal.from + Span::from_millis(self.chance.whole(0, within)));
                let alcohol = self.chance.happens(0.15);
                let hump = if alcohol { Hump::alcohol } else { Hump::vapour };
                let hump = hump(at, &mut self.chance);
                // One at a time: two on top of each other could pass for gas.
                if self.humps.iter().all(|other| hump.until() < other.from || other.until() < hump.from) {
                    self.humps.push(hump);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{leak::LeakKind, nuisance, valve::Position};
    use proptest::prelude::*;

    /// 2026-11-23, midnight, local.
    const START: Timestamp = Timestamp::from_millis(1_795_363_200_000);

    fn home(seed: u64, jam: f64) -> Home {
        let mut chance = Chance::new(seed, 1);
        let mut home = Home::new(START, Life { began: START, scale: 1.0 }, 1.0, 0.3, Chance::new(seed, 0));
        home.valves.push(Valve::new(jam, &mut chance));
        home
    }

    fn leak(home: &mut Home, kind: LeakKind, at: Timestamp) {
        let leak = Leak::draw(kind, LeakSite::BehindValves, home.room(), at, &mut Chance::new(9, 9));
        home.set_leak(Some(leak));
    }

    #[test]
    fn a_closed_valve_ends_the_flow_and_airing_ends_the_gas() {
        for seed in 0..20 {
            for kind in [LeakKind::Sudden, LeakKind::Slow] {
                let mut home = home(seed, 0.0);
                let mut moved = Vec::new();
                leak(&mut home, kind, START);
                let mut at = START;
                while home.gas_lel() < 25.0 {
                    at = at + Span::from_secs(1);
                    home.advance(at, &mut moved);
                    assert!(at < START + Span::from_hours(6), "seed {seed}: {kind:?} never reached 25 %LEL");
                }
                assert!(home.flow_m3h() > 0.0);
                let index_before = home.index_m3();
                home.valves[0].close(at, &mut Chance::new(0, 0));
                home.advance(at + Span::from_secs(9), &mut moved);
                assert_eq!(moved.last().map(|m| m.arrival), Some(Arrival::Closed));
                assert!(home.index_m3() > index_before, "gas flows while the valve moves");
                assert_eq!(home.flow_m3h(), 0.0);
                let (index, gas) = (home.index_m3(), home.gas_lel());
                home.advance(at + Span::from_hours(4), &mut moved);
                assert_eq!(home.index_m3(), index);
                assert!(home.gas_lel() < gas / 10.0, "seed {seed}: {} of {gas}", home.gas_lel());
            }
        }
    }

    #[test]
    fn a_hose_that_slips_off_is_felt_within_two_minutes_in_every_room() {
        let mut slowest = 0;
        for seed in 0..300 {
            let mut home = home(seed, 0.0);
            let leak =
                Leak::draw(LeakKind::Sudden, LeakSite::BehindValves, home.room(), START, &mut Chance::new(seed, 9));
            assert!(leak.full_m3h < 40.0, "{leak:?}");
            home.set_leak(Some(leak));
            let felt = (0..600).find(|second| {
                home.advance(START + Span::from_secs(*second), &mut Vec::new());
                home.gas_lel() >= 27.0
            });
            slowest = slowest.max(felt.unwrap_or(600));
        }
        assert!((20..=120).contains(&slowest), "{slowest} s");
    }

    #[test]
    fn a_jam_leaves_gas_rising_and_flowing() {
        let mut home = home(4, 1.0);
        let mut moved = Vec::new();
        leak(&mut home, LeakKind::Slow, START);
        home.advance(START + Span::from_minutes(10), &mut moved);
        home.valves[0].close(START + Span::from_minutes(10), &mut Chance::new(0, 0));
        home.advance(START + Span::from_minutes(11), &mut moved);
        assert_eq!(home.valves[0].position(), Position::Jammed);
        let gas = home.gas_lel();
        home.advance(START + Span::from_minutes(20), &mut moved);
        assert!(home.gas_lel() > gas);
        assert!(home.flow_m3h() > 0.0);
    }

    #[test]
    fn a_leak_before_the_meter_is_neither_stopped_nor_metered() {
        let mut home = home(6, 0.0);
        let mut moved = Vec::new();
        home.valves[0].close(START, &mut Chance::new(0, 0));
        home.advance(START + Span::from_secs(10), &mut moved);
        let site = LeakSite::BeforeMeter;
        let leak = Leak::draw(LeakKind::Sudden, site, home.room(), START + Span::from_secs(10), &mut Chance::new(1, 1));
        home.set_leak(Some(leak));
        let index = home.index_m3();
        home.advance(START + Span::from_minutes(10), &mut moved);
        assert!(home.gas_lel() > 25.0);
        assert_eq!(home.index_m3(), index);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn the_meter_never_turns_back_and_the_steps_do_not_matter(seed: u64, steps in prop::collection::vec(1_i64..7_200, 1..40)) {
            let (mut often, mut once) = (home(seed, 0.0), home(seed, 0.0));
            let mut moved = Vec::new();
            let mut at = START;
            let mut index = often.index_m3();
            for step in steps {
                at = at + Span::from_secs(step);
                often.advance(at, &mut moved);
                prop_assert!(often.index_m3() >= index);
                index = often.index_m3();
            }
            once.advance(at, &mut moved);
            prop_assert!((once.index_m3() - index).abs() < 1e-6);
            prop_assert!((once.flow_m3h() - often.flow_m3h()).abs() < 1e-9);
        }

        #[test]
        fn a_day_without_a_leak_never_looks_like_one_for_half_a_minute(seed: u64) {
            let mut home = home(seed, 0.0);
            let mut moved = Vec::new();
            let mut above = 0;
            for second in 0..86_400 {
                home.advance(START + Span::from_secs(second), &mut moved);
                let lel = home.sensed_lel();
                prop_assert!(lel < nuisance::NEVER_ABOVE_LEL);
                above = if lel >= nuisance::HALF_MINUTE_LEL { above + 1 } else { 0 };
                prop_assert!(above <= 30);
            }
        }
    }
}
