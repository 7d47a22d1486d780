//! Vector tiles of the map, made on the server: sites with their worst state, clustered so that a leak is never hidden.

use super::alarms::ACTIVE_AT_MOST;
use super::devices::bad;
use super::landscape::{Landscape, Site, SiteKind};
use super::{Reach, Service, reach, stored};
use crate::roles::Deed;
use davy_api::{Problem, Viewer};
use davy_domain::{Condition, Priority, Timestamp};
use mvt::{GeomEncoder, GeomType, Tile};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError};

/// Units across a tile (MVT's usual extent).
const EXTENT: u32 = 4096;
/// Cells across a tile within which sites are drawn as one.
const CELLS: f64 = 12.0;
/// From this zoom on every site is drawn by itself.
const SINGLE_FROM: u8 = 16;
/// The deepest zoom.
const DEEPEST: u8 = 22;
/// Tiles kept at most.
const TILES_AT_MOST: usize = 4_096;

type TileKey = (reach::Key, u8, u32, u32);
pub(super) type Cache = BTreeMap<TileKey, (Timestamp, Arc<Vec<u8>>)>;
/// The state of each site that is not normal, by scope.
pub(super) type States = BTreeMap<reach::Key, (Timestamp, Arc<HashMap<usize, u8>>)>;

/// How a site is drawn: 0 normal, 1 needs attention, 2 alarm, 3 leak.
fn state(condition: Condition, priority: Priority) -> u8 {
    if condition.is_leak() {
        3
    } else if priority >= Priority::High || condition == Condition::CloseUnverified {
        2
    } else {
        1
    }
}

struct Drawn<'a> {
    count: u64,
    state: u8,
    x: f64,
    y: f64,
    /// How many sites the position is the mean of: those in the worst state.
    mean_of: f64,
    site: &'a Site,
}

impl Service {
    pub(super) async fn tile_of(&self, viewer: &Viewer, z: u8, x: u32, y: u32) -> Result<Vec<u8>, Problem> {
        if z > DEEPEST {
            return Err(bad("z", format!("expected 0 to {DEEPEST}, got {z}")));
        }
        for (name, value) in [("x", x), ("y", y)] {
            if value >= 1 << z {
                return Err(bad(name, format!("expected 0 to {} at zoom {z}, got {value}", (1_u32 << z) - 1)));
            }
        }
        let reach = self.reach(viewer)?;
        let (key, now) = ((reach.key(), z, x, y), self.now());
        let fresh = |at: Timestamp| (0..self.tile_age.as_millis()).contains(&now.since(at).as_millis());
        {
            let kept = self.tiles.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((at, tile)) = kept.get(&key)
                && fresh(*at)
            {
                return Ok(tile.to_vec());
            }
        }
        let landscape = self.landscape();
        let kept = self.states.lock().unwrap_or_else(PoisonError::into_inner).get(&key.0).cloned();
        let states = if let Some((_, states)) = kept.filter(|(at, _)| fresh(*at)) {
            states
        } else {
            let active = self.enter(viewer, Deed::SeeAlarms)?.active_alarms(ACTIVE_AT_MOST).await.map_err(stored)?;
            let mut states = HashMap::new();
            for alarm in active.iter().map(|stored| &stored.alarm) {
                if let Some(site) = landscape.site_of(alarm.device) {
                    let worst: &mut u8 = states.entry(site).or_default();
                    *worst = (*worst).max(state(alarm.condition, alarm.priority));
                }
            }
            let states = Arc::new(states);
            let mut kept = self.states.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() >= TILES_AT_MOST {
                kept.clear();
            }
            kept.insert(key.0, (now, Arc::clone(&states)));
            states
        };
        let tile = draw(&landscape, &reach, &states, z, x, y).map_err(|error| {
            tracing::error!(%error, z, x, y, "a tile could not be encoded");
            Problem::new("internal", 500, "The server failed", "The tile could not be made; the log has the reason.")
        })?;
        let mut kept = self.tiles.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= TILES_AT_MOST {
            kept.clear();
        }
        kept.insert(key, (now, Arc::new(tile.clone())));
        Ok(tile)
    }
}

fn draw(
    landscape: &Landscape,
    reach: &Reach,
    states: &HashMap<usize, u8>,
    z: u8,
    x: u32,
    y: u32,
) -> Result<Vec<u8>, mvt::Error> {
    let scale = f64::from(1_u32 << z);
    let (west, north) = (f64::from(x) / scale, f64::from(y) / scale);
    let (east, south) = (f64::from(x + 1) / scale, f64::from(y + 1) / scale);
    let mut cells: BTreeMap<(u32, u32, usize), Drawn<'_>> = BTreeMap::new();
    for (index, site) in landscape.sites().iter().enumerate() {
        let inside = (west..east).contains(&site.x) && (north..south).contains(&site.y);
        if !inside || !reach.covers(&site.place) {
            continue;
        }
        let (across, down) = ((site.x - west) * scale, (site.y - north) * scale);
        let cell = if z >= SINGLE_FROM { (0, 0, index) } else { ((across * CELLS) as u32, (down * CELLS) as u32, 0) };
        let state = states.get(&index).copied().unwrap_or(0);
        let fresh = || Drawn { count: 0, state, x: 0.0, y: 0.0, mean_of: 0.0, site };
        let drawn = cells.entry(cell).or_insert_with(fresh);
        drawn.count += 1;
        if state > drawn.state {
            *drawn = Drawn { count: drawn.count, ..fresh() };
        }
        if state == drawn.state {
            drawn.x += across;
            drawn.y += down;
            drawn.mean_of += 1.0;
        }
    }
    let mut tile = Tile::new(EXTENT);
    let mut layer = tile.create_layer("sites");
    // The worst comes last, so that it is drawn on top.
    let mut cells: Vec<_> = cells.into_values().collect();
    cells.sort_by_key(|drawn| drawn.state);
    for drawn in cells {
        let place = |sum: f64| (sum / drawn.mean_of * f64::from(EXTENT)).floor();
        let point = GeomEncoder::new(GeomType::Point).point(place(drawn.x), place(drawn.y))?.encode()?;
        let mut feature = layer.into_feature(point);
        feature.add_tag_uint("count", drawn.count);
        feature.add_tag_uint("state", u64::from(drawn.state));
        if drawn.count == 1 {
            let (id, kind) = match drawn.site.kind {
                SiteKind::Premises(id) => (id.to_string(), "premises"),
                SiteKind::Device(id, kind) => (id.to_string(), kind.name()),
            };
            feature.add_tag_string("id", &id);
            feature.add_tag_string("kind", kind);
            feature.add_tag_string("name", &drawn.site.name);
        } else {
            feature.add_tag_string("kind", "cluster");
        }
        layer = feature.into_layer();
    }
    if layer.num_features() > 0 {
        tile.add_layer(layer)?;
    }
    tile.to_bytes()
}
