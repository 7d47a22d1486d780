// The chart's shim: loads uPlot only when a series is shown, and puts it in place of the picture that the server drew.

const here = (file) => new URL(file, import.meta.url).href;
const charts = new WeakMap();

let library;
const uplot = () =>
  (library ??= (async () => {
    const css = document.createElement("link");
    css.rel = "stylesheet";
    css.href = here("./vendor/uplot/uplot.css");
    document.head.append(css);
    return (await import(here("./vendor/uplot/uplot.mjs"))).default;
  })());

function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  return { line: of("chart-line"), grid: of("line"), text: of("muted"), alarm: of("alarm"), command: of("accent"), active: of("text"), version: of("event"), ground: of("surface") };
}

/** Vertical lines where something happened: on top a triangle for an alarm and a disc for another version's, below a square for a command. */
const marks = (spec, colour) => ({
  hooks: {
    draw: [
      (plot) => {
        const { ctx, bbox } = plot;
        const ratio = devicePixelRatio || 1;
        ctx.save();
        for (const mark of spec.marks) {
          const x = plot.valToPos(mark.at, "x", true);
          if (x < bbox.left || x > bbox.left + bbox.width) continue;
          ctx.strokeStyle = ctx.fillStyle = colour[mark.kind];
          ctx.lineWidth = ratio;
          ctx.setLineDash([3 * ratio, 3 * ratio]);
          ctx.beginPath();
          ctx.moveTo(x, bbox.top);
          ctx.lineTo(x, bbox.top + bbox.height);
          ctx.stroke();
          ctx.setLineDash([]);
          const r = 5 * ratio;
          ctx.beginPath();
          if (mark.kind === "version") {
            ctx.arc(x, bbox.top, r, 0, 2 * Math.PI);
          } else if (mark.kind !== "command") {
            ctx.moveTo(x, bbox.top - r);
            ctx.lineTo(x + r, bbox.top + r);
            ctx.lineTo(x - r, bbox.top + r);
            ctx.closePath();
          } else {
            ctx.rect(x - r * 0.8, bbox.top + bbox.height - r * 0.8, r * 1.6, r * 1.6);
          }
          ctx.fill();
        }
        ctx.restore();
      },
    ],
  },
});

async function draw(element, spec, kept) {
  const Plot = await uplot();
  if (kept.removed) return;
  const colour = colours();
  const zone = spec.offset_minutes * 60;
  const width = () => Math.max(240, element.clientWidth);
  const font = "12px system-ui, sans-serif";
  // uPlot writes UTC: the page's zone is added to the date that it formats.
  const tzDate = (seconds) => {
    const local = new Date((seconds + zone) * 1000);
    return new Date(local.getTime() + local.getTimezoneOffset() * 60000);
  };
  const clock = (seconds) =>
    tzDate(seconds).toLocaleString(spec.locale, { month: "numeric", day: "numeric", hour: "2-digit", minute: "2-digit" });
  const byDay = spec.to - spec.from > 86400 * 1.5;
  const axisTime = (seconds) =>
    tzDate(seconds).toLocaleString(spec.locale, byDay ? { month: "numeric", day: "numeric" } : { hour: "2-digit", minute: "2-digit" });
  const options = {
    width: width(),
    height: 260,
    tzDate,
    padding: [14, 10, 0, 0],
    cursor: { drag: { x: true, y: false }, points: { size: 7 } },
    legend: { live: true, markers: { show: false } },
    scales: {
      x: { time: true, range: (_, low, high) => (low == null ? [spec.from, spec.to] : [low, high]) },
      y: { range: (_, low, high) => limits(spec, low, high) },
    },
    series: [
      { label: spec.locale === "en" ? "Time" : "时间", value: (_, value) => (value == null ? "–" : clock(value)) },
      {
        label: spec.label,
        stroke: colour.line,
        width: 1.6,
        fill: undefined,
        points: { show: spec.times.length < 60 },
        paths: spec.steps ? Plot.paths.stepped({ align: 1 }) : undefined,
        value: (_, value) => (value == null ? "–" : `${round(value)} ${spec.unit}`),
      },
    ],
    axes: [
      { stroke: colour.text, font, grid: { show: false }, ticks: { stroke: colour.grid, width: 1 }, values: (_, splits) => splits.map(axisTime) },
      { stroke: colour.text, font, size: 56, grid: { stroke: colour.grid, width: 1 }, ticks: { show: false } },
    ],
    plugins: [marks(spec, colour)],
  };
  const plot = new Plot(options, [spec.times, spec.values], (self, start) => {
    // What the server drew stays for readers that do not see the canvas.
    element.classList.add("chart-drawn");
    element.append(self.root);
    start();
  });
  plot.setScale("x", { min: spec.from, max: spec.to });
  kept.plot = plot;
  kept.watch = new ResizeObserver(() => plot.setSize({ width: width(), height: 260 }));
  kept.watch.observe(element);
  kept.dark = matchMedia("(prefers-color-scheme: dark)");
  kept.onDark = () => drawChart(element, JSON.stringify(spec));
  kept.dark.addEventListener("change", kept.onDark);
}

const round = (value) => (Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 1 ? value.toFixed(1) : value.toFixed(2));

function limits(spec, low, high) {
  if (low == null || high == null) return [0, 1];
  if (spec.steps) return [-0.1, 1.1];
  if (spec.unit === "%LEL") return [Math.min(0, low), Math.max(5, high * 1.08)];
  if (spec.unit === "%") return [0, 100];
  if (spec.unit === "m³/h" || spec.unit === "ppm") return [Math.min(0, low), Math.max(0.1, high * 1.08)];
  const room = (high - low) * 0.08 || Math.abs(high) * 0.02 || 1;
  return [low - room, high + room];
}

export function drawChart(element, json) {
  removeChart(element);
  const kept = {};
  charts.set(element, kept);
  // Without it the server's picture stays: nothing is lost.
  draw(element, JSON.parse(json), kept).catch((error) => console.warn("chart:", error));
}

export function removeChart(element) {
  const kept = charts.get(element);
  if (!kept) return;
  kept.removed = true;
  kept.watch?.disconnect();
  kept.dark?.removeEventListener("change", kept.onDark);
  kept.plot?.destroy();
  element.classList.remove("chart-drawn");
  charts.delete(element);
}
