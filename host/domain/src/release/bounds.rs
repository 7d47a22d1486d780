//! The bounds of a version that is being tried: beyond them the platform takes it back by itself.
//!
//! A company may draw its own, tighter or wider, within what the platform allows: no bound can be set so wide that it bounds nothing. Must
//! never judge; that is done where versions are counted.

use std::collections::BTreeMap;
use std::fmt::Write as _;

macro_rules! bounds {
    ($($(#[$doc:meta])* $name:ident, $text:literal, $least:literal..=$most:literal, $usual:literal;)*) => {
        /// One bound.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Bound { $($(#[$doc])* $name,)* }

        impl Bound {
            /// Every bound, as they are listed.
            pub const ALL: [Self; [$($least,)*].len()] = [$(Self::$name,)*];

            /// The stable name, as in the API.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The least that the platform allows.
            pub const fn least(self) -> u32 {
                match self { $(Self::$name => $least,)* }
            }

            /// The most that the platform allows.
            pub const fn most(self) -> u32 {
                match self { $(Self::$name => $most,)* }
            }

            /// What holds unless somebody has set it.
            pub const fn usual(self) -> u32 {
                match self { $(Self::$name => $usual,)* }
            }
        }
    };
}

bounds! {
    /// Faults of a hundred calls, of all in this stage.
    Faults, "faults-percent", 0..=20, 2;
    /// Faults of a hundred calls, of the newest 512: what has been well for long must not fail for long.
    RecentFaults, "recent-faults-percent", 0..=40, 5;
    /// So many calls before faults are judged.
    FaultsFrom, "faults-from-calls", 10..=500, 50;
    /// Of the budget, percent, by 99 of 100 calls.
    Fuel, "fuel-percent", 1..=95, 80;
    /// So many calls before fuel is judged.
    FuelFrom, "fuel-from-calls", 10..=2_000, 200;
    /// So many times the alarms of what is in force, about the same devices in the same time.
    Alarms, "alarms-times", 1..=10, 3;
    /// So many alarms before it is judged whether they are too many.
    AlarmsFrom, "alarms-from", 1..=100, 10;
    /// Lost of a hundred alarms of what is in force.
    LostAlarms, "lost-alarms-percent", 0..=50, 20;
    /// So many lost alarms before it is judged whether they are too many.
    LostFrom, "lost-alarms-from", 1..=20, 3;
}

impl Bound {
    /// The bound of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|bound| bound.name() == name)
    }
}

/// A value that the platform does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {} to {} for `{}`, got {got}", bound.least(), bound.most(), bound.name())]
pub struct OutOfLimits {
    /// Of which bound.
    pub bound: Bound,
    /// What was asked for.
    pub got: u32,
}

/// Bounds that somebody has set; the others are left to whoever stands behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds(BTreeMap<Bound, u32>);

impl Bounds {
    /// Sets a bound.
    ///
    /// # Errors
    /// [`OutOfLimits`] for what the platform does not allow.
    pub fn set(&mut self, bound: Bound, value: u32) -> Result<(), OutOfLimits> {
        if !(bound.least()..=bound.most()).contains(&value) {
            return Err(OutOfLimits { bound, got: value });
        }
        self.0.insert(bound, value);
        Ok(())
    }

    /// What was set here.
    pub fn own(&self, bound: Bound) -> Option<u32> {
        self.0.get(&bound).copied()
    }

    /// What holds.
    pub fn get(&self, bound: Bound) -> u32 {
        self.own(bound).unwrap_or(bound.usual())
    }

    /// What was set here, before what was set there.
    #[must_use]
    pub fn over(&self, behind: &Self) -> Self {
        Self(behind.0.iter().chain(&self.0).map(|(bound, value)| (*bound, *value)).collect())
    }

    /// Each that was set as `name=value`, with blanks between them, in order: what is stored and entered.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (bound, value) in &self.0 {
            let blank = if text.is_empty() { "" } else { " " };
            let _ = write!(text, "{blank}{}={value}", bound.name());
        }
        text
    }

    /// Reads [`Self::text`]. What an earlier or a later version would have understood otherwise counts as not set.
    pub fn from_text(text: &str) -> Self {
        let mut bounds = Self::default();
        for (name, value) in text.split_whitespace().filter_map(|word| word.split_once('=')) {
            if let (Some(bound), Ok(value)) = (Bound::from_name(name), value.parse()) {
                // Drawn narrower since by the platform: then that is as wide as it goes.
                let _ = bounds.set(bound, u32::clamp(value, bound.least(), bound.most()));
            }
        }
        bounds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_usual_is_allowed_and_names_are_read_back() {
        for bound in Bound::ALL {
            Bounds::default().set(bound, bound.usual()).unwrap();
            assert_eq!(Bound::from_name(bound.name()), Some(bound));
        }
    }

    #[test]
    fn beyond_the_platforms_limits_nothing_is_set() {
        let mut bounds = Bounds::default();
        for bound in Bound::ALL {
            let beyond = bounds.set(bound, bound.most() + 1);
            assert_eq!(beyond, Err(OutOfLimits { bound, got: bound.most() + 1 }));
            assert_eq!(bounds.own(bound), None);
        }
        assert_eq!(
            bounds.set(Bound::Faults, 21).unwrap_err().to_string(),
            "expected 0 to 20 for `faults-percent`, got 21"
        );
    }

    #[test]
    fn a_companys_own_stand_before_the_operators_and_those_before_the_usual() {
        let (mut company, mut operator) = (Bounds::default(), Bounds::default());
        company.set(Bound::Faults, 1).unwrap();
        operator.set(Bound::Faults, 4).unwrap();
        operator.set(Bound::Fuel, 60).unwrap();
        let both = company.over(&operator);
        assert_eq!([Bound::Faults, Bound::Fuel, Bound::Alarms].map(|bound| both.get(bound)), [1, 60, 3]);
        assert_eq!(Bounds::from_text(&both.text()), both);
        assert_eq!(both.text(), "faults-percent=1 fuel-percent=60");
        assert_eq!(Bounds::from_text("faults-percent=99 unheard-of=1 fuel-percent=x").text(), "faults-percent=20");
    }
}
