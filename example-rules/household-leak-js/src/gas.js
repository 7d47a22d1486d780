// Combustible gas: two levels and the trend.

import { MINUTE_MS, condition, priority } from "./codes.js";
import { FELL, ROSE, elapse, isQuiet, level, risesAt, update } from "./level.js";
import { watchLevel } from "./settings.js";
import { perMinute, push, spanMs } from "./trend.js";

/** Points of the trend that make a slope believable, and the least time that they span. */
const LEAST_POINTS = 3;
const LEAST_SPAN_MS = MINUTE_MS;

export const gas = () => ({ low: level(), high: level(), rising: false, trend: [] });

export const gasIsQuiet = (self) =>
  isQuiet(self.low) && isQuiet(self.high) && !self.rising && self.trend.length === 0;

const lowMs = (settings) => settings.gasLowPersistenceS * 1_000;
const highMs = (settings) => settings.gasHighPersistenceS * 1_000;

export function gasReading(self, settings, value, at, decision) {
  const { gasLowLevel, gasHighLevel, gasHysteresis } = settings;
  const recoveryMs = settings.gasRecoveryS * 1_000;
  // What rose in this event stays for the rest of it: a leak in a late batch of readings must be on record.
  if (!decision.raised(condition.GAS_HIGH)) {
    const edge = update(self.high, value, at, gasHighLevel, highMs(settings), gasHighLevel - gasHysteresis, recoveryMs);
    if (edge === ROSE) highRose(decision);
    if (edge === FELL) decision.clear(condition.GAS_HIGH);
  }
  if (!decision.raised(condition.GAS_LOW)) {
    const edge = update(self.low, value, at, gasLowLevel, lowMs(settings), gasLowLevel - gasHysteresis, recoveryMs);
    if (edge === ROSE) lowRose(settings, decision);
    if (edge === FELL) decision.clear(condition.GAS_LOW);
  }
  followTrend(self, settings, value, at, decision);
}

function followTrend(self, settings, value, at, decision) {
  if (value < watchLevel(settings)) {
    self.trend = [];
  } else {
    push(self.trend, at, value, settings.riseWindowMinutes * MINUTE_MS);
  }
  if (decision.raised(condition.GAS_RISING)) return;
  const believable = spanMs(self.trend) >= LEAST_SPAN_MS;
  const slope = (believable ? perMinute(self.trend, LEAST_POINTS) : null) ?? 0;
  if (!self.rising && slope >= settings.risePerMinute) {
    self.rising = true;
    // At the low level the pre-alarm has nothing more to say.
    if (!self.low.on && !self.high.on) decision.raise(condition.GAS_RISING, priority.MEDIUM, 3);
  } else if (self.rising && slope < settings.risePerMinute / 2) {
    self.rising = false;
    decision.clear(condition.GAS_RISING);
  }
}

export function gasElapse(self, settings, now, decision) {
  if (elapse(self.high, now, highMs(settings)) === ROSE) highRose(decision);
  if (elapse(self.low, now, lowMs(settings)) === ROSE) lowRose(settings, decision);
}

export function gasReopened(self, settings, decision) {
  if (self.high.on) {
    decision.close(condition.GAS_HIGH);
  } else if (self.low.on && settings.closeAtLow) {
    decision.close(condition.GAS_LOW);
  }
}

/** When a level on the way up is decided though no further reading comes. */
export const gasDue = (self, settings) => [risesAt(self.low, lowMs(settings)), risesAt(self.high, highMs(settings))];

function highRose(decision) {
  decision.raise(condition.GAS_HIGH, priority.URGENT, 2);
  decision.close(condition.GAS_HIGH);
}

function lowRose(settings, decision) {
  decision.raise(condition.GAS_LOW, priority.HIGH, 1);
  if (settings.closeAtLow) decision.close(condition.GAS_LOW);
}
