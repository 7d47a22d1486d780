// Runs every path of the rule once while the component is made. The engine compiles a function when it is first called; what it made
// then is part of the component, and no decision pays for it.

import { SCHEMA } from "./settings.js";
import { quantity, trigger } from "./codes.js";

const START_MS = 1_800_000_000_000;

/** The settings of the schema's defaults, as the platform would encode them: keys in any order are read. */
function defaults() {
  const bytes = [];
  const head = (major, argument) => bytes.push(...(argument < 24 ? [(major << 5) | argument] : [(major << 5) | 24, argument]));
  const entries = Object.entries(JSON.parse(SCHEMA).properties);
  head(5, entries.length);
  for (const [name, { type, default: value }] of entries) {
    head(3, name.length);
    for (const letter of name) bytes.push(letter.charCodeAt(0));
    if (type === "boolean") {
      bytes.push(value ? 0xf5 : 0xf4);
    } else if (type === "integer") {
      head(0, value);
    } else {
      bytes.push(0xfb, ...new Uint8Array(new Float64Array([value]).buffer).reverse());
    }
  }
  return Uint8Array.from(bytes);
}

export function warm({ describe, evaluate }) {
  describe();
  const settings = defaults();
  let state = new Uint8Array();
  let now = START_MS;
  const call = (why, values = [], timerId = 0) => {
    now += 60_000;
    const nowMs = BigInt(now);
    const readings = values.map(([code, value]) => ({ atMs: nowMs, value, quantity: code, channel: 0 }));
    const context = {
      nowMs,
      installedAtMs: BigInt(START_MS - 86_400_000),
      lastMaintainedAtMs: undefined,
      activeConditions: 0n,
      deviceKind: 1,
      valveState: 1,
    };
    state = evaluate(settings, state, { context, trigger: why, timerId, readings, extensions: [] }).state;
  };
  const { GAS, CO, BATTERY, TAMPER, END_OF_LIFE } = quantity;
  for (let round = 0; round < 20; round += 1) {
    call(trigger.START);
    call(trigger.READINGS, [[GAS, 0.5], [CO, 2], [BATTERY, 90], [6, 21]]);
    call(trigger.READINGS, [[BATTERY, 5], [TAMPER, 1], [END_OF_LIFE, 1]]);
    call(trigger.READINGS, [[BATTERY, 95], [TAMPER, 0], [END_OF_LIFE, 0]]);
    for (const rise of [3, 4, 5, 6, 7]) call(trigger.READINGS, [[GAS, rise]]);
    call(trigger.READINGS, [[GAS, 12], [CO, 60]]);
    call(trigger.TIMER, [], 1);
    call(trigger.READINGS, [[GAS, 40], [CO, 400]]);
    call(trigger.VALVE_MOVED);
    call(trigger.READINGS, [[GAS, 0.5], [CO, 2]]);
    call(trigger.READINGS, [[GAS, 0.5], [CO, 2]]);
    call(trigger.READINGS, [[GAS, 0.5], [CO, 2]]);
    call(trigger.READINGS, [[GAS, 0.5], [CO, 2]]);
  }
}
