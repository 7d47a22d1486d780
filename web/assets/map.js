// The map's shim: loads MapLibre only when a map is wanted, draws the districts and the sites, and answers clicks.
//
// States speak by shape first, colour second: dot, ring, triangle, diamond. The icons are drawn here, on a canvas in the
// page's own colours, so that there is no sprite and no glyph server, and dark mode is the stylesheet's.

const here = (file) => new URL(file, import.meta.url).href;
const maps = new WeakMap();
const STATES = ["normal", "event", "alarm", "leak"];

/**
 * MapLibre's worker fetches the tiles, under the policy that its own script came with; files come with one that lets
 * nothing be fetched. A blob has the page's policy: the site and the base map's host, and nothing else.
 */
const worker = () => {
  const script = `import ${JSON.stringify(here("./vendor/maplibre/maplibre-gl-worker.mjs"))};`;
  return URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
};

let library;
const maplibre = () =>
  (library ??= (async () => {
    const css = document.createElement("link");
    css.rel = "stylesheet";
    css.href = here("./vendor/maplibre/maplibre-gl.css");
    const styled = new Promise((done) => {
      css.onload = css.onerror = done;
    });
    document.head.append(css);
    const [module] = await Promise.all([import(here("./vendor/maplibre/maplibre-gl.mjs")), styled]);
    module.setWorkerUrl(worker());
    return module;
  })());

/** The stylesheet's colours, as they are now. */
function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    water: of("map-ground"),
    land: of("map-land"),
    line: of("map-line"),
    label: of("map-label"),
    halo: of("map-land"),
    normal: of("map-site"),
    event: of("event"),
    alarm: of("alarm"),
    leak: of("leak"),
    ring: of("surface"),
    cut: of("surface"),
  };
}

/** The shape of a state around (0, 0), about `r` in radius. */
function shape(context, state, r) {
  context.beginPath();
  if (state === "leak") {
    context.moveTo(0, -r * 1.2);
    context.lineTo(r * 1.2, 0);
    context.lineTo(0, r * 1.2);
    context.lineTo(-r * 1.2, 0);
    context.closePath();
  } else if (state === "alarm") {
    context.moveTo(0, -r * 1.15);
    context.lineTo(r * 1.15, r * 0.9);
    context.lineTo(-r * 1.15, r * 0.9);
    context.closePath();
  } else {
    context.arc(0, 0, state === "normal" ? r * 0.82 : r, 0, Math.PI * 2);
  }
}

/** An icon named `site-STATE-COUNT`. */
function icon(name, colour) {
  const [, index, number] = name.split("-");
  const state = STATES[Number(index)] ?? "normal";
  const count = Number(number) || 1;
  const many = count > 1;
  const ratio = 2;
  const r = many ? 11 + Math.min(9, Math.log10(count) * 5) : state === "normal" ? 4.5 : 9;
  const size = Math.ceil((r * 1.2 + 4) * 2);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size * ratio;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.translate(size / 2, size / 2);
  context.lineJoin = "round";
  shape(context, state, r);
  context.lineWidth = 3;
  context.strokeStyle = colour.ring;
  context.stroke();
  if (state === "event") {
    context.fillStyle = colour.ring;
    context.fill();
    context.lineWidth = 2.5;
    context.strokeStyle = colour.event;
    context.stroke();
  } else {
    context.fillStyle = colour[state];
    context.fill();
  }
  const text = many ? (count > 9999 ? `${Math.round(count / 1000)}k` : String(count)) : state === "normal" ? "" : state === "event" ? "i" : "!";
  if (text) {
    context.fillStyle = state === "event" ? colour.event : colour.cut;
    context.font = `600 ${many ? Math.max(10, r * 0.72) : 12}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText(text, 0, state === "alarm" ? r * 0.3 : 0.5);
  }
  return { pixels: context.getImageData(0, 0, canvas.width, canvas.height), ratio };
}

const blankStyle = (colour) => ({
  version: 8,
  sources: {},
  layers: [{ id: "ground", type: "background", paint: { "background-color": colour.water } }],
});

const TILES = [`${location.origin}/tiles/{z}/{x}/{y}.mvt`];
/** The deepest zoom with tiles of its own. */
const DEEPEST = 16;
/** Places beyond which all tiles in view are asked for. */
const PLACES_AT_MOST = 200;
/** How long after a failure the tiles are asked for again, milliseconds. */
const RETRY_MS = 10_000;

/** The tiles of all zooms that a place is in. */
export function tilesAround([lon, lat]) {
  const clamped = Math.max(-85.0511, Math.min(85.0511, lat));
  const x = (lon + 180) / 360;
  const y = (1 - Math.asinh(Math.tan((clamped * Math.PI) / 180)) / Math.PI) / 2;
  return Array.from({ length: DEEPEST + 1 }, (_, z) => ({ z, x: Math.floor(x * 2 ** z), y: Math.floor(y * 2 ** z) }));
}

const keyOf = ({ z, x, y }) => `${z}/${x}/${y}`;

const shapes = async () => (await fetch(here("./map/tianjin.geojson"))).json();

/** Where the districts' names stand. */
const names = ({ features }) => ({
  type: "FeatureCollection",
  features: features.map(({ properties }) => ({
    type: "Feature",
    properties,
    geometry: { type: "Point", coordinates: properties.centre },
  })),
});

function addOurs(map, spec, colour, districts) {
  const own = !spec.style;
  map.addSource("districts", { type: "geojson", data: districts, attribution: spec.words.datum });
  map.addSource("names", { type: "geojson", data: names(districts) });
  if (own) {
    map.addLayer({ id: "land", type: "fill", source: "districts", paint: { "fill-color": colour.land } });
  }
  map.addLayer({
    id: "borders",
    type: "line",
    source: "districts",
    paint: { "line-color": colour.line, "line-width": ["interpolate", ["linear"], ["zoom"], 6, 0.8, 12, 1.6] },
  });
  map.addLayer({
    id: "names",
    type: "symbol",
    source: "names",
    layout: {
      "text-field": ["get", spec.english ? "name_en" : "name_zh"],
      "text-font": ["sans-serif"],
      "text-size": 13,
      "text-padding": 4,
      // Beside the sites rather than under them, but never as far as the next district; left out where there is no room.
      "text-variable-anchor-offset": [
        "center", [0, 0], "top", [0, 1], "bottom", [0, -1], "top", [0, 1.8], "bottom", [0, -1.8], "left", [0.6, 0], "right", [-0.6, 0],
      ],
    },
    paint: { "text-color": colour.label, "text-halo-color": colour.land, "text-halo-width": 1.5 },
  });
  map.addSource("sites", { type: "vector", tiles: TILES, minzoom: 0, maxzoom: DEEPEST });
  map.addLayer({
    id: "sites",
    type: "symbol",
    source: "sites",
    "source-layer": "sites",
    layout: {
      "icon-image": ["concat", "site-", ["to-string", ["get", "state"]], "-", ["to-string", ["coalesce", ["get", "count"], 1]]],
      "icon-allow-overlap": true,
      "symbol-sort-key": ["get", "state"],
      "symbol-z-order": "auto",
    },
  });
}

/** A test, or a person's script, can read how many sites of each state are in view. */
function tell(element, map) {
  const seen = new Map();
  for (const feature of map.queryRenderedFeatures({ layers: ["sites"] })) {
    const { id, state, count } = feature.properties;
    seen.set(`${id ?? ""}|${state}|${feature.geometry.coordinates}`, { state, count: Number(count ?? 1) });
  }
  const totals = [0, 0, 0, 0];
  for (const { state, count } of seen.values()) totals[state] = (totals[state] ?? 0) + count;
  STATES.forEach((name, index) => {
    element.dataset[`map${name[0].toUpperCase()}${name.slice(1)}`] = String(totals[index]);
  });
  element.dataset.mapReady = "true";
}

function card(words, feature) {
  const { id = "", name = "", state = 0 } = feature.properties;
  const body = document.createElement("div");
  body.className = "map-card";
  const title = document.createElement("p");
  title.className = "map-card-title";
  title.textContent = name;
  const line = document.createElement("p");
  line.className = `map-card-state map-card-${STATES[state] ?? "normal"}`;
  line.textContent = words[STATES[state]] ?? "";
  const link = document.createElement("a");
  link.href = id.startsWith("dev_") ? `/devices/${id}` : `/devices?q=${encodeURIComponent(name)}`;
  link.textContent = words.open;
  body.append(title, line, link);
  return body;
}

async function draw(element, spec, kept) {
  const [library, districts] = await Promise.all([maplibre(), shapes()]);
  if (kept.removed) return;
  let colour = colours();
  const [west, south, east, north] = spec.bounds.length === 4 ? spec.bounds : [116.7, 38.55, 118.06, 40.25];
  const map = new library.Map({
    container: element,
    style: spec.style ?? blankStyle(colour),
    bounds: [[west, south], [east, north]],
    fitBoundsOptions: { padding: 48, maxZoom: 14 },
    attributionControl: false,
    dragRotate: false,
    pitchWithRotate: false,
    touchPitch: false,
    maxZoom: 18,
    fadeDuration: 0,
    // Tiles are asked for when something has changed, never by the clock; what is out of view is asked for when it comes back.
    refreshExpiredTiles: false,
    maxTileCacheSize: 0,
  });
  kept.map = map;
  map.touchZoomRotate.disableRotation();
  map.addControl(new library.AttributionControl({ compact: false }), "top-left");
  map.addControl(new library.NavigationControl({ showCompass: false }), "top-right");
  map.setMissingStyleImageResolver((id) => {
    if (!id.startsWith("site-") || map.hasImage(id)) return;
    const { pixels, ratio } = icon(id, colour);
    map.addImage(id, pixels, { pixelRatio: ratio });
  });
  map.on("style.load", () => addOurs(map, spec, colour, districts));
  map.once("load", () => element.parentElement?.classList.add("map-drawn"));
  map.on("idle", () => tell(element, map));
  map.on("error", (event) => {
    if (event.sourceId !== "sites") {
      console.warn("map:", event.error);
      return;
    }
    if (event.tile) kept.failed.set(keyOf(event.tile.tileID.canonical), event.tile.tileID.canonical);
    trouble(element, kept);
  });
  map.on("sourcedata", (event) => {
    if (event.sourceId === "sites" && event.tile?.state === "loaded") {
      kept.failed.delete(keyOf(event.tile.tileID.canonical));
    }
  });
  map.on("mouseenter", "sites", () => (map.getCanvas().style.cursor = "pointer"));
  map.on("mouseleave", "sites", () => (map.getCanvas().style.cursor = ""));
  map.on("click", "sites", (event) => {
    const feature = event.features?.[0];
    if (!feature) return;
    const centre = feature.geometry.coordinates;
    if (Number(feature.properties.count ?? 1) > 1) {
      map.easeTo({ center: centre, zoom: Math.min(map.getZoom() + 2, 17) });
      return;
    }
    new library.Popup({ offset: 12, maxWidth: "280px" }).setLngLat(centre).setDOMContent(card(spec.words, feature)).addTo(map);
  });
  if (!spec.style) {
    kept.dark = matchMedia("(prefers-color-scheme: dark)");
    kept.onDark = () => {
      colour = colours();
      map.setStyle(blankStyle(colour), { diff: false });
    };
    kept.dark.addEventListener("change", kept.onDark);
  }
}

/** Says that sites are missing, and tries again until they are not. */
function trouble(element, kept) {
  element.parentElement?.classList.add("map-stale");
  kept.retry ??= setTimeout(() => {
    kept.retry = undefined;
    const again = [...kept.failed.values()];
    kept.failed.clear();
    if (again.length > 0 && kept.map?.getSource("sites")) kept.map.refreshTiles("sites", again);
    // Whoever fails again comes back here; whoever is out of view by now does not.
    kept.calm = setTimeout(() => {
      if (kept.failed.size === 0 && !kept.retry) element.parentElement?.classList.remove("map-stale");
    }, RETRY_MS / 2);
  }, RETRY_MS);
}

export function drawMap(element, json) {
  removeMap(element);
  const spec = JSON.parse(json);
  const kept = { settle: spec.settle_ms, touched: new Map(), everything: false, failed: new Map() };
  maps.set(element, kept);
  draw(element, spec, kept).catch((error) => {
    console.warn("map:", error);
    element.textContent = spec.words.failed;
    element.classList.add("map-failed");
    element.parentElement?.classList.add("map-drawn");
  });
}

export function refreshMap(element, json) {
  const kept = maps.get(element);
  if (!kept) return;
  const places = JSON.parse(json);
  for (const place of places ?? []) {
    for (const tile of tilesAround(place)) kept.touched.set(keyOf(tile), tile);
  }
  kept.everything ||= places === null || kept.touched.size > PLACES_AT_MOST * (DEEPEST + 1);
  kept.waiting ??= setTimeout(() => {
    kept.waiting = undefined;
    const tiles = kept.everything ? undefined : [...kept.touched.values()];
    kept.touched.clear();
    kept.everything = false;
    // A map that is still loading loads what is there now.
    if (kept.map?.getSource("sites")) kept.map.refreshTiles("sites", tiles);
  }, kept.settle);
}

export function removeMap(element) {
  const kept = maps.get(element);
  if (!kept) return;
  kept.removed = true;
  for (const timer of [kept.waiting, kept.retry, kept.calm]) clearTimeout(timer);
  kept.dark?.removeEventListener("change", kept.onDark);
  kept.map?.remove();
  maps.delete(element);
}
