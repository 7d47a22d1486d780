//! The districts' shapes: where a point may lie.

use crate::chance::Chance;
use anyhow::{Context, Result};
use serde_json::Value;

/// A district with its outline.
#[derive(Clone, Debug)]
pub struct District {
    /// Code (GB/T 2260).
    pub code: u64,
    /// Chinese name.
    pub name_zh: String,
    /// English name.
    pub name_en: String,
    /// The outer ring, degrees east and north.
    ring: Vec<(f64, f64)>,
}

/// The districts of one city.
#[derive(Clone, Debug)]
pub struct Districts(Vec<District>);

impl Districts {
    /// Reads a GeoJSON of districts with `code`, `name_zh` and `name_en`.
    pub fn read(geojson: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(geojson).context("the districts are not JSON")?;
        let features = value["features"].as_array().context("the districts have no `features`")?;
        let districts = features.iter().map(district).collect::<Result<Vec<_>>>()?;
        Ok(Self(districts))
    }

    /// Those of the given codes, in the order of the codes.
    pub fn of(&self, codes: &[u64]) -> Result<Vec<&District>> {
        let find = |code: &u64| {
            self.0.iter().find(|d| d.code == *code).with_context(|| format!("there is no district {code}"))
        };
        codes.iter().map(find).collect()
    }
}

fn district(feature: &Value) -> Result<District> {
    let properties = &feature["properties"];
    let text = |name: &str| {
        properties[name].as_str().map(str::to_owned).with_context(|| format!("a district has no `{name}`"))
    };
    let ring = feature["geometry"]["coordinates"][0].as_array().context("a district has no outline")?;
    let ring = ring.iter().map(|point| Some((point[0].as_f64()?, point[1].as_f64()?))).collect::<Option<Vec<_>>>();
    Ok(District {
        code: text("code")?.parse().context("a district's code is no number")?,
        name_zh: text("name_zh")?,
        name_en: text("name_en")?,
        ring: ring.context("a district's outline is no list of points")?,
    })
}

impl District {
    /// Whether a point lies inside (even–odd rule).
    pub fn contains(&self, lon: f64, lat: f64) -> bool {
        let mut inside = false;
        let Some(mut last) = self.ring.last().copied() else { return false };
        for &(x, y) in &self.ring {
            if (y > lat) != (last.1 > lat) && lon < (last.0 - x) * (lat - y) / (last.1 - y) + x {
                inside = !inside;
            }
            last = (x, y);
        }
        inside
    }

    /// A point inside, for a building.
    pub fn point(&self, chance: &mut Chance) -> (f64, f64) {
        let (mut low, mut high) = ((f64::MAX, f64::MAX), (f64::MIN, f64::MIN));
        for &(x, y) in &self.ring {
            low = (low.0.min(x), low.1.min(y));
            high = (high.0.max(x), high.1.max(y));
        }
        let centre = (f64::midpoint(low.0, high.0), f64::midpoint(low.1, high.1));
        for _ in 0..1000 {
            // Drawn towards the middle, where people live, rather than along the outline.
            let pull = |low: f64, high: f64, chance: &mut Chance| {
                low + (high - low) * f64::midpoint(chance.unit(), chance.unit())
            };
            let (lon, lat) = (pull(low.0, high.0, chance), pull(low.1, high.1, chance));
            if self.contains(lon, lat) {
                return (round(lon), round(lat));
            }
        }
        (round(centre.0), round(centre.1))
    }
}

/// Six decimals are a hand's width: more is noise.
fn round(degrees: f64) -> f64 {
    (degrees * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square() -> District {
        let ring = vec![(0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0), (0.0, 0.0)];
        District { code: 1, name_zh: String::new(), name_en: String::new(), ring }
    }

    #[test]
    fn a_point_outside_of_the_outline_is_outside() {
        assert!(square().contains(1.0, 1.0));
        assert!(!square().contains(3.0, 1.0));
        assert!(!square().contains(1.0, -0.1));
    }

    #[test]
    fn every_drawn_point_lies_inside() {
        let mut chance = Chance::new(1);
        for _ in 0..500 {
            let (lon, lat) = square().point(&mut chance);
            assert!(square().contains(lon, lat), "{lon} {lat}");
        }
    }
}
