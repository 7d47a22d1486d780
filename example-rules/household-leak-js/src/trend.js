// How fast a value changes: the slope of a straight line through the points of a time window.

/** Points that are kept: a few bytes each, so that the state stays small. */
const MOST = 10;

/** Takes in a value with its time and drops points older than the window. Times before the newest point change nothing. */
export function push(points, at, value, windowMs) {
  const newest = points.at(-1);
  if (newest !== undefined && at < newest[0]) return;
  while (points.length > 0 && at - points[0][0] > windowMs) points.shift();
  const before = points.at(-2);
  // Points closer together than that replace the newest one, keeping the higher value: a short peak is not averaged away. Measured
  // from the last point but one: from the newest itself, which moves, the window would never fill.
  if (before !== undefined && at - before[0] < Math.floor(windowMs / (MOST - 1))) {
    const last = points.at(-1);
    points[points.length - 1] = [at, Math.max(last[1], value)];
    return;
  }
  if (points.length >= MOST) points.shift();
  points.push([at, value]);
}

/** Change per minute; `null` with fewer than `least` points or points at one time only. */
export function perMinute(points, least) {
  if (points.length < least) return null;
  const first = points[0][0];
  let sumT = 0;
  let sumV = 0;
  let sumTt = 0;
  let sumTv = 0;
  for (const point of points) {
    const t = (point[0] - first) / 60_000;
    const value = point[1];
    sumT += t;
    sumV += value;
    sumTt += t * t;
    sumTv += t * value;
  }
  const count = points.length;
  const spread = count * sumTt - sumT * sumT;
  return spread > 0 ? (count * sumTv - sumT * sumV) / spread : null;
}

/** How much time the points span, in ms. */
export const spanMs = (points) => (points.length < 2 ? 0 : points.at(-1)[0] - points[0][0]);
