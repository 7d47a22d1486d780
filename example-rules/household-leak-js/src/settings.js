// What a gas company can set. One table is the schema that the platform draws its form from, the defaults, and the ranges that are
// checked once more here. Defaults and ranges stay within GB 15322.2 (alarm at 5 to 25 %LEL) and EN 50291.

import { Entries, keyOf } from "./cbor.js";
import { fault } from "./codes.js";

const number = (initial, minimum, maximum, unit, zh, en, description) =>
  property("number", { minimum, maximum, default: initial, "x-unit": unit }, zh, en, description);

const integer = (initial, minimum, maximum, unit, zh, en, description) =>
  property("integer", { minimum, maximum, default: initial, "x-unit": unit }, zh, en, description);

const flag = (initial, zh, en, description) => property("boolean", { default: initial }, zh, en, description);

function property(type, keywords, zh, en, description) {
  return { type, ...keywords, "x-label-zh": zh, "x-label-en": en, description };
}

const TABLE = {
  gasLowLevel: number(10, 5, 25, "%LEL", "燃气低限", "Gas, low level",
    "Gas at or above this for the low persistence raises the low alarm."),
  gasHighLevel: number(20, 5, 50, "%LEL", "燃气高限", "Gas, high level",
    "Gas at or above this for the high persistence raises the high alarm and closes the valve."),
  gasHysteresis: number(2, 0.5, 4.5, "%LEL", "燃气回差", "Gas, hysteresis",
    "How far gas must fall below a level before its alarm ends."),
  gasLowPersistenceS: integer(10, 0, 30, "s", "低限持续时间", "Low level, persistence",
    "How long gas must stay at the low level: keeps cooking vapour from raising an alarm."),
  gasHighPersistenceS: integer(0, 0, 10, "s", "高限持续时间", "High level, persistence",
    "How long gas must stay at the high level."),
  gasRecoveryS: integer(60, 0, 600, "s", "恢复持续时间", "Recovery time",
    "How long gas must stay below a level before its alarm ends."),
  closeAtLow: flag(true, "低限即关阀", "Close at the low level",
    "Whether the low alarm closes the valve too."),
  risePerMinute: number(0.5, 0.1, 10, "%LEL/min", "上升速率", "Rate of rise",
    "A rise at least this steep gives a pre-alarm."),
  riseFrom: number(3, 1, 10, "%LEL", "趋势起点", "Trend begins at",
    "The rise is looked at from this value on; below it, noise would be measured."),
  riseWindowMinutes: integer(10, 2, 60, "min", "趋势窗口", "Trend window",
    "The length of time over which the rise is measured."),
  coLowLevel: number(50, 20, 50, "ppm", "一氧化碳低限", "CO, low level",
    "Carbon monoxide at or above this for the low time raises the low alarm."),
  coLowMinutes: integer(60, 1, 90, "min", "一氧化碳低限时间", "CO, low level, time",
    "How long; EN 50291 asks for 60 to 90 minutes at 50 ppm."),
  coHighLevel: number(100, 50, 100, "ppm", "一氧化碳高限", "CO, high level",
    "Carbon monoxide at or above this for the high time raises the high alarm and closes the valve."),
  coHighMinutes: integer(10, 1, 40, "min", "一氧化碳高限时间", "CO, high level, time",
    "How long; EN 50291 asks for 10 to 40 minutes at 100 ppm."),
  coExtremeLevel: number(300, 100, 300, "ppm", "一氧化碳极限", "CO, extreme level",
    "Carbon monoxide at or above this raises the high alarm at once; EN 50291 asks for less than 3 minutes at 300 ppm."),
  serviceLifeYears: integer(5, 1, 10, "a", "使用年限", "Service life",
    "The detector's service life since its installation (CJJ/T 146-2011: 5 years in a household)."),
  batteryLowLevel: number(15, 5, 50, "%", "电池低限", "Battery, low level",
    "A battery below this raises an alarm."),
  restMinutes: integer(60, 1, 1440, "min", "静默周期", "Rest at most",
    "The longest time without a call while everything is quiet."),
};

/** `gasLowPersistenceS` as it is called in JSON: `gas-low-persistence-s`. */
const outside = (key) => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

// Done once, when the component is made: what a call finds is ready.
const FIELDS = Object.entries(TABLE).map(([key, rules]) => {
  const name = outside(key);
  return { key, name, rules, encoded: keyOf(name), expected: expected(rules) };
});
const DEFAULTS = Object.fromEntries(FIELDS.map(({ key, rules }) => [key, rules.default]));
/** In the order in which they come: shorter names first, then by their letters. */
const IN_ORDER = [...FIELDS].sort((one, other) => (one.encoded < other.encoded ? -1 : 1));

export const SCHEMA = JSON.stringify({
  type: "object",
  additionalProperties: false,
  properties: Object.fromEntries(FIELDS.map(({ name, rules }, order) => [name, { ...rules, "x-order": order }])),
});

function expected({ type, minimum, maximum, "x-unit": unit }) {
  return type === "boolean" ? "a value of the type that the schema names" : `a value from ${minimum} to ${maximum} ${unit}`;
}

function fits(value, { type, minimum, maximum }) {
  if (type === "boolean") return typeof value === "boolean";
  const whole = type !== "integer" || Number.isInteger(value);
  return typeof value === "number" && whole && value >= minimum && value <= maximum;
}

function refuse(field, what) {
  throw { code: fault.SETTINGS, field, message: `expected ${what}` };
}

function take(settings, { key, name, rules, expected }, value) {
  if (!fits(value, rules)) refuse(name, expected);
  settings[key] = value;
}

function readEntries(bytes) {
  const settings = { ...DEFAULTS };
  const entries = new Entries(bytes);
  let next = 0;
  for (let left = entries.left; left > 0; left -= 1) {
    if (next < IN_ORDER.length && entries.isNext(IN_ORDER[next].encoded)) {
      take(settings, IN_ORDER[next], entries.value());
      next += 1;
      continue;
    }
    // In another order, or not of this version of the rule.
    const name = entries.value();
    const value = entries.value();
    const field = FIELDS.find((field) => field.name === name);
    if (field !== undefined) take(settings, field, value);
  }
  if (!entries.isAtEnd()) throw new RangeError("more than the map");
  return settings;
}

/** The settings of a call. Throws the contract's fault, which names the property. */
export function read(bytes) {
  let settings;
  try {
    settings = readEntries(bytes);
  } catch (error) {
    if (error instanceof RangeError) refuse("", "one CBOR map of texts to numbers and flags");
    throw error;
  }
  const { gasLowLevel, gasHighLevel, coLowLevel, coHighLevel, coExtremeLevel } = settings;
  if (gasHighLevel < gasLowLevel) refuse("gas-high-level", "a level not below `gas-low-level`");
  if (coHighLevel < coLowLevel) refuse("co-high-level", "a level not below `co-low-level`");
  if (coExtremeLevel < coHighLevel) refuse("co-extreme-level", "a level not below `co-high-level`");
  return settings;
}

/** From here on gas is not quiet: its trend is followed. */
export const watchLevel = (settings) => Math.min(settings.riseFrom, settings.gasLowLevel);
