// The detector's own health: sensor end of life, service life, battery, tampering.

import { condition, priority, quantity } from "./codes.js";
import { atOrAbove, atOrBelow } from "./decision.js";

/** A year of service, in ms: 365.25 days. */
const YEAR_MS = 31_557_600_000;
/** How far the battery must recover above its level before the alarm ends, percent. */
const BATTERY_HYSTERESIS = 5;

export const health = () => ({ flag: false, aged: false, tamper: false, battery: false });

export function healthReading(self, settings, reading, decision) {
  const set = reading.value >= 0.5;
  // What rose in this event stays for the rest of it: it must be on record.
  switch (reading.quantity) {
    case quantity.END_OF_LIFE:
      if (decision.raised(condition.SENSOR_END_OF_LIFE) || set === self.flag) return;
      self.flag = set;
      if (set) decision.raise(condition.SENSOR_END_OF_LIFE, priority.MEDIUM, 6);
      else if (!self.aged) decision.clear(condition.SENSOR_END_OF_LIFE);
      return;
    case quantity.TAMPER:
      if (decision.raised(condition.TAMPER) || set === self.tamper) return;
      self.tamper = set;
      if (set) decision.raise(condition.TAMPER, priority.MEDIUM, 9);
      else decision.clear(condition.TAMPER);
      return;
    case quantity.BATTERY:
      if (decision.raised(condition.BATTERY_LOW)) return;
      if (!self.battery && reading.value < settings.batteryLowLevel) {
        self.battery = true;
        decision.raise(condition.BATTERY_LOW, priority.LOW, 8);
      } else if (self.battery && reading.value >= settings.batteryLowLevel + BATTERY_HYSTERESIS) {
        self.battery = false;
        decision.clear(condition.BATTERY_LOW);
      }
  }
}

/** When the service life ends; `null` when that is not known. */
const end = (settings, installed) => (installed === null ? null : installed + settings.serviceLifeYears * YEAR_MS);

/** Looks at the age; it can fall too, when another device is installed in the place. */
export function age(self, settings, installed, now, decision) {
  const ends = end(settings, installed);
  const aged = ends !== null && now >= ends;
  if (aged === self.aged) return;
  self.aged = aged;
  if (aged) decision.raise(condition.SENSOR_END_OF_LIFE, priority.MEDIUM, 7);
  else if (!self.flag) decision.clear(condition.SENSOR_END_OF_LIFE);
}

/** When the service life will end; `null` when it has ended or is not known. */
export const endOfService = (self, settings, installed) => (self.aged ? null : end(settings, installed));

/** What of the detector's health changes something. */
export function healthWakes(self, settings) {
  const flag = (code, set) => (set ? atOrBelow(code, 0.5) : atOrAbove(code, 0.5));
  const battery = self.battery
    ? atOrAbove(quantity.BATTERY, settings.batteryLowLevel + BATTERY_HYSTERESIS)
    : atOrBelow(quantity.BATTERY, settings.batteryLowLevel);
  return [flag(quantity.END_OF_LIFE, self.flag), flag(quantity.TAMPER, self.tamper), battery];
}
