//! Vector tiles of the made-up sites: clustered on a grid of 20 by 20 cells, a cluster for each level so that a leak stays
//! visible among many quiet sites.

use mvt::{GeomEncoder, GeomType, Tile};
use std::collections::BTreeMap;

const EXTENT: f64 = 4_096.0;
const GRID: f64 = 20.0;

/// A site: id, name, level, longitude, latitude.
type Site = (String, String, u8, f64, f64);

/// Sites of one level that are drawn as one; `x` and `y` are sums.
#[derive(Default)]
struct Cell<'a> {
    x: f64,
    y: f64,
    members: Vec<&'a Site>,
}

pub(crate) fn make(sites: &[Site], z: u8, x: u32, y: u32) -> Result<Vec<u8>, mvt::Error> {
    let mut cells: BTreeMap<(i64, i64, u8), Cell<'_>> = BTreeMap::new();
    for site in sites {
        let (px, py) = project(site.3, site.4, z);
        let (px, py) = ((px - f64::from(x)) * EXTENT, (py - f64::from(y)) * EXTENT);
        if !(0.0..EXTENT).contains(&px) || !(0.0..EXTENT).contains(&py) {
            continue;
        }
        // Far away one cluster a cell and level, close up one a place.
        let grid = if z < 15 { EXTENT / GRID } else { 1.0 };
        let own = ((px / grid) as i64, (py / grid) as i64, site.2);
        let cell = cells.entry(own).or_default();
        cell.x += px;
        cell.y += py;
        cell.members.push(site);
    }
    let mut tile = Tile::new(EXTENT as u32);
    let mut layer = tile.create_layer("sites");
    for Cell { x, y, members } in cells.values() {
        let count = members.len();
        let place = GeomEncoder::new(GeomType::Point).point(x / count as f64, y / count as f64)?.encode()?;
        let mut feature = layer.into_feature(place);
        feature.add_tag_uint("state", u64::from(members[0].2));
        feature.add_tag_uint("count", count as u64);
        if let [(id, name, ..)] = members[..] {
            feature.add_tag_string("id", id);
            feature.add_tag_string("name", name);
        }
        layer = feature.into_layer();
    }
    tile.add_layer(layer)?;
    tile.to_bytes()
}

/// Web Mercator, in tiles of the zoom level.
fn project(lon: f64, lat: f64, z: u8) -> (f64, f64) {
    let tiles = f64::from(1_u32 << u32::from(z.min(22)));
    let y = lat.to_radians().tan().asinh() / std::f64::consts::PI;
    ((lon + 180.0) / 360.0 * tiles, (1.0 - y) / 2.0 * tiles)
}
