// When a value counts as over a level: hysteresis, and persistence on both sides. Plain data and functions over it, because what is
// remembered goes through JSON between two calls.

export const ROSE = "rose";
export const FELL = "fell";

export const level = () => ({ on: false, since: null, newest: null });

export const isQuiet = ({ on, since, newest }) => !on && since === null && newest === null;

/** When it will have held long enough if nothing contradicts; `null` unless it is on the way up. */
export const risesAt = ({ on, since }, onMs) => (on || since === null ? null : since + onMs);

/** Time has passed without a reading. On the way up, no news counts as "still there"; on the way down it does not. */
export function elapse(self, now, onMs) {
  const due = risesAt(self, onMs);
  if (due === null || now < due) return null;
  self.since = null;
  self.on = true;
  return ROSE;
}

/**
 * Takes in a value with its time. A reading that is older than the newest one can begin the level, but never end it or take it back
 * on its way: it says nothing about now.
 */
export function update(self, value, at, onAt, onMs, offBelow, offMs) {
  if (value < onAt && self.newest !== null && at < self.newest) return null;
  const newest = self.newest === null ? at : Math.max(self.newest, at);
  const edge = turn(self, value, at, onAt, onMs, offBelow, offMs);
  // Forgotten at rest, so that the state is then always the same.
  self.newest = self.on || self.since !== null ? newest : null;
  return edge;
}

function turn(self, value, at, onAt, onMs, offBelow, offMs) {
  const turns = self.on ? value < offBelow : value >= onAt;
  const need = self.on ? offMs : onMs;
  if (!turns) {
    self.since = null;
    return null;
  }
  self.since = self.since === null ? at : Math.min(self.since, at);
  if (at - self.since < need) return null;
  self.since = null;
  self.on = !self.on;
  return self.on ? ROSE : FELL;
}
