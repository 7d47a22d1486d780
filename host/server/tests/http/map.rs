//! Map tiles.

use crate::city::{Browser, city};
use axum::body::Body;
use axum::http::{Method, StatusCode};

/// A feature of the tile: its properties.
type Feature = Vec<(String, String)>;

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

/// The fields of a protocol-buffers message: number, number value, bytes.
fn fields(mut bytes: &[u8]) -> Vec<(u64, u64, &[u8])> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        match key & 7 {
            0 => all.push((key >> 3, varint(&mut bytes), &[][..])),
            2 => {
                let length = varint(&mut bytes) as usize;
                let (value, rest) = bytes.split_at(length);
                all.push((key >> 3, 0, value));
                bytes = rest;
            }
            other => panic!("wire type {other}"),
        }
    }
    all
}

/// Reads the layer `sites` of a tile (Mapbox Vector Tile 2.1).
fn sites(tile: &[u8]) -> Vec<Feature> {
    let Some((3, _, layer)) = fields(tile).into_iter().next() else { return Vec::new() };
    let layer = fields(layer);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    assert!(layer.iter().any(|(field, _, bytes)| *field == 1 && text(bytes) == "sites"));
    let keys: Vec<String> = layer.iter().filter(|it| it.0 == 3).map(|it| text(it.2)).collect();
    let value = |bytes: &[u8]| {
        let (field, number, bytes) = fields(bytes)[0];
        if field == 1 { text(bytes) } else { number.to_string() }
    };
    let values: Vec<String> = layer.iter().filter(|it| it.0 == 4).map(|it| value(it.2)).collect();
    let tags = |feature: &[u8]| {
        let (_, _, mut packed) = *fields(feature).iter().find(|it| it.0 == 2).unwrap();
        let mut tags = Vec::new();
        while !packed.is_empty() {
            let key = varint(&mut packed) as usize;
            tags.push((keys[key].clone(), values[varint(&mut packed) as usize].clone()));
        }
        tags
    };
    layer.iter().filter(|it| it.0 == 2).map(|it| tags(it.2)).collect()
}

fn get<'a>(feature: &'a [(String, String)], name: &str) -> Option<&'a str> {
    feature.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

async fn tile(browser: &mut Browser, path: &str) -> Vec<Feature> {
    let answer = browser.get(path).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.headers["content-type"], "application/vnd.mapbox-vector-tile");
    sites(&answer.body)
}

#[tokio::test(flavor = "multi_thread")]
async fn far_away_all_sites_are_one_cluster_in_the_worst_state() {
    let city = city().await;
    let features = tile(&mut city.regulator().await, "/tiles/0/0/0.mvt").await;
    assert_eq!(features.len(), 1, "{features:?}");
    assert_eq!(get(&features[0], "kind"), Some("cluster"));
    assert_eq!((get(&features[0], "count"), get(&features[0], "state")), (Some("6"), Some("3")));
    assert_eq!(
        tile(&mut city.operator("a").await, "/tiles/0/0/0.mvt").await[0].iter().find(|it| it.0 == "count").unwrap().1,
        "3"
    );
    assert!(tile(&mut city.signed_in("elsewhere@city.example").await, "/tiles/0/0/0.mvt").await.is_empty());
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn close_by_every_site_is_itself_and_the_leak_is_where_it_is() {
    let city = city().await;
    // 120.1 E, 30.2 N at zoom 16.
    let features = tile(&mut city.operator("a").await, "/tiles/16/54631/26996.mvt").await;
    let home = city.premises["a-home"].to_string();
    let found =
        features.iter().find(|feature| get(feature, "id") == Some(&home)).unwrap_or_else(|| panic!("{features:?}"));
    assert_eq!((get(found, "kind"), get(found, "state")), (Some("premises"), Some("3")));
    assert_eq!(get(found, "name"), Some("样板街ahome"));
    assert!(tile(&mut city.operator("b").await, "/tiles/16/54631/26996.mvt").await.is_empty());
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tile_that_has_not_changed_is_answered_with_nothing_and_each_viewer_has_their_own() {
    let city = city().await;
    let mut operator = city.operator("a").await;
    let first = operator.get("/tiles/3/6/3.mvt").await;
    let tag = first.headers["etag"].to_str().unwrap().to_owned();
    // Nobody may show it again without asking, and nothing may ask again by the clock.
    assert_eq!(first.headers["cache-control"], "private, no-cache");
    let ask = |browser: &Browser, tag: &str| {
        let request = browser.request(Method::GET, "/tiles/3/6/3.mvt").header("if-none-match", tag);
        request.body(Body::empty()).unwrap()
    };
    let request = ask(&operator, &format!("\"other\", {tag}"));
    let again = operator.send(request).await;
    assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
    assert_eq!(again.headers["etag"], tag.as_str());
    let request = ask(&operator, "\"other\"");
    assert_eq!(operator.send(request).await.status, StatusCode::OK);
    let mut regulator = city.regulator().await;
    let request = ask(&regulator, &tag);
    assert_eq!(regulator.send(request).await.status, StatusCode::OK, "the regulator's tile shows more sites");
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tile_that_does_not_exist_is_refused_with_the_reason() {
    let city = city().await;
    let mut operator = city.operator("a").await;
    for path in [
        "/tiles/23/0/0.mvt",
        "/tiles/1/2/0.mvt",
        "/tiles/1/0/2.mvt",
        "/tiles/-1/0/0.mvt",
        "/tiles/1/0/0",
        "/tiles/1/0/x.mvt",
    ] {
        let answer = operator.get(path).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "invalid"), "{path}");
    }
    city.stop().await;
}
