// The bench's policy for QuickJS: JSON in, JSON out.

function take(level, value, atMs, onAt, onMs, offBelow, offMs) {
  const turns = level.on ? value < offBelow : value >= onAt;
  const needMs = level.on ? offMs : onMs;
  if (!turns) {
    level.sinceMs = null;
    return null;
  }
  level.sinceMs = level.sinceMs === null ? atMs : Math.min(level.sinceMs, atMs);
  if (atMs - level.sinceMs < needMs) return null;
  level.on = !level.on;
  level.sinceMs = null;
  return level.on;
}

function evaluate(text) {
  const { settings, state, readings } = JSON.parse(text);
  const { low, high } = state ?? { low: { on: false, sinceMs: null }, high: { on: false, sinceMs: null } };
  const raises = [];
  const clears = [];
  let close = false;
  const offMs = settings.recovery_s * 1000;
  for (const { at_ms: atMs, value, quantity } of readings) {
    if (quantity !== 1) continue;
    const highEdge = take(high, value, atMs, settings.high, settings.high_s * 1000, settings.high - settings.hysteresis, offMs);
    if (highEdge === true) {
      raises.push({ condition: 2, priority: 4 });
      close = true;
    } else if (highEdge === false) {
      clears.push(2);
    }
    const lowEdge = take(low, value, atMs, settings.low, settings.low_s * 1000, settings.low - settings.hysteresis, offMs);
    if (lowEdge === true) raises.push({ condition: 1, priority: 3 });
    else if (lowEdge === false) clears.push(1);
  }
  return JSON.stringify({ state: { low, high }, raises, clears, close });
}
