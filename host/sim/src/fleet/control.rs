//! What a person, a script or a test may do to a running fleet.
//!
//! Must never reach a device other than by what could happen to it: gas, power, a jam, a repair.

use crate::world::leak::{LeakKind, LeakSite};
use std::str::FromStr;

/// An intervention. Premises and serials are as in the credentials; without one, any that fits is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// Gas begins to leak.
    Leak {
        /// At which premises.
        premises: Option<String>,
        /// How.
        kind: LeakKind,
        /// Where in the line.
        site: LeakSite,
    },
    /// A flue is blocked.
    CarbonMonoxide {
        /// At which premises.
        premises: Option<String>,
    },
    /// The valve of this device jams from now on.
    Jam {
        /// The device.
        serial: String,
    },
    /// This device loses power.
    Reboot {
        /// The device.
        serial: String,
    },
    /// Everything at these premises is mended.
    Repair {
        /// The premises.
        premises: String,
    },
    /// The fleet ends, as after its time.
    Stop,
}

/// Why a line is no intervention.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected `leak [PREMISES] [slow|sudden] [before-meter]`, `co [PREMISES]`, `jam SERIAL`, `reboot SERIAL`, `repair PREMISES` or `quit`, got `{got}`"
)]
pub struct ControlError {
    /// What came, cut to 80 characters.
    pub got: String,
}

impl FromStr for Control {
    type Err = ControlError;

    fn from_str(line: &str) -> Result<Self, ControlError> {
        let error = || ControlError { got: line.chars().take(80).collect() };
        let mut words = line.split_whitespace();
        let verb = words.next().ok_or_else(error)?;
        let rest: Vec<&str> = words.collect();
        match (verb, rest.as_slice()) {
            ("leak", words) => {
                let (mut premises, mut kind, mut site) = (None, LeakKind::Sudden, LeakSite::BehindValves);
                for word in words {
                    match *word {
                        "slow" => kind = LeakKind::Slow,
                        "sudden" => kind = LeakKind::Sudden,
                        "before-meter" => site = LeakSite::BeforeMeter,
                        name if premises.is_none() => premises = Some(name.to_owned()),
                        _ => return Err(error()),
                    }
                }
                Ok(Self::Leak { premises, kind, site })
            }
            ("co", []) => Ok(Self::CarbonMonoxide { premises: None }),
            ("co", [premises]) => Ok(Self::CarbonMonoxide { premises: Some((*premises).to_owned()) }),
            ("jam", [serial]) => Ok(Self::Jam { serial: (*serial).to_owned() }),
            ("reboot", [serial]) => Ok(Self::Reboot { serial: (*serial).to_owned() }),
            ("repair", [premises]) => Ok(Self::Repair { premises: (*premises).to_owned() }),
            ("quit" | "stop", []) => Ok(Self::Stop),
            _ => Err(error()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_nonsense_is_refused_with_what_is_expected() {
        let slow = Control::Leak { premises: Some("p7".into()), kind: LeakKind::Slow, site: LeakSite::BehindValves };
        assert_eq!("leak p7 slow".parse(), Ok(slow));
        assert_eq!("co".parse(), Ok(Control::CarbonMonoxide { premises: None }));
        assert_eq!("jam V1".parse(), Ok(Control::Jam { serial: "V1".into() }));
        for bad in ["", "open V1", "jam", "leak a b"] {
            assert!(bad.parse::<Control>().is_err(), "{bad}");
        }
    }
}
