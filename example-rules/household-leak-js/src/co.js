// Carbon monoxide: levels with the times of EN 50291.

import { MINUTE_MS, condition, priority } from "./codes.js";
import { FELL, ROSE, elapse, isQuiet, level, risesAt, update } from "./level.js";

/** How long carbon monoxide must stay below a level before its alarm ends, and how far below, as a share of the level. */
const RECOVERY_MS = MINUTE_MS;
const RECOVERY_SHARE = 0.8;

export const co = () => ({ low: level(), high: level(), extreme: level() });

export const coIsQuiet = (self) => isQuiet(self.low) && isQuiet(self.high) && isQuiet(self.extreme);

const isHigh = (self) => self.high.on || self.extreme.on;
const lowMs = (settings) => settings.coLowMinutes * MINUTE_MS;
const highMs = (settings) => settings.coHighMinutes * MINUTE_MS;

export function coReading(self, settings, value, at, decision) {
  const wasHigh = isHigh(self);
  const take = (which, onAt, onMs) => update(which, value, at, onAt, onMs, onAt * RECOVERY_SHARE, RECOVERY_MS);
  // What rose in this event stays for the rest of it: it must be on record.
  if (!decision.raised(condition.CO_LOW)) {
    const edge = take(self.low, settings.coLowLevel, lowMs(settings));
    if (edge === ROSE) decision.raise(condition.CO_LOW, priority.HIGH, 4);
    if (edge === FELL) decision.clear(condition.CO_LOW);
  }
  if (!decision.raised(condition.CO_HIGH)) {
    take(self.extreme, settings.coExtremeLevel, 0);
    take(self.high, settings.coHighLevel, highMs(settings));
    reportHigh(self, wasHigh, decision);
  }
}

/** Two levels lead to one condition: only the change of both together is an edge. */
function reportHigh(self, wasHigh, decision) {
  if (isHigh(self) && !wasHigh) {
    decision.raise(condition.CO_HIGH, priority.URGENT, 5);
    decision.close(condition.CO_HIGH);
  } else if (wasHigh && !isHigh(self)) {
    decision.clear(condition.CO_HIGH);
  }
}

export function coElapse(self, settings, now, decision) {
  const wasHigh = isHigh(self);
  elapse(self.high, now, highMs(settings));
  if (elapse(self.low, now, lowMs(settings)) === ROSE) decision.raise(condition.CO_LOW, priority.HIGH, 4);
  reportHigh(self, wasHigh, decision);
}

export function coReopened(self, decision) {
  if (isHigh(self)) decision.close(condition.CO_HIGH);
}

export const coDue = (self, settings) => [risesAt(self.low, lowMs(settings)), risesAt(self.high, highMs(settings))];
