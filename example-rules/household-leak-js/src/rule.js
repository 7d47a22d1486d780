// The household-leak alarm policy in JavaScript: as the Rust one beside it, decision for decision.
//
// A call sees what its arguments say and nothing else. There is a `Date` and a `Math.random` in the engine, and both stand still:
// the time is in the event.

import { coDue, coElapse, coIsQuiet, coReading, coReopened } from "./co.js";
import { MINUTE_MS, VALVE_OPEN, quantity, trigger } from "./codes.js";
import { Decision, atOrAbove } from "./decision.js";
import { gasDue, gasElapse, gasIsQuiet, gasReading, gasReopened } from "./gas.js";
import { age, endOfService, healthReading, healthWakes } from "./health.js";
import * as memories from "./memory.js";
import * as settingsOf from "./settings.js";
import { warm } from "./warm.js";

/** The timer by which a level on the way up is decided though no further reading comes. */
const DECIDE = 1;

const TEXTS = [
  ["燃气浓度达到低限", "Gas at the low level"],
  ["燃气浓度达到高限,已关阀", "Gas at the high level: valve closed"],
  ["燃气浓度持续上升", "Gas is rising steadily"],
  ["一氧化碳浓度偏高", "Carbon monoxide is high"],
  ["一氧化碳浓度危险,已关阀", "Carbon monoxide is dangerous: valve closed"],
  ["传感器自报寿命终止", "The sensor reports its end of life"],
  ["探测器已到使用年限", "The detector has reached its service life"],
  ["电池电量低", "Battery low"],
  ["外壳被打开或倾斜", "Housing opened or tilted"],
];

function describe() {
  return {
    name: "household-leak-js",
    version: "1.0.0",
    summary: {
      zh: "家庭燃气泄漏:两级报警、上升趋势预警、一氧化碳、传感器寿命。",
      en: "Household gas leak: two levels, rising-trend pre-alarm, carbon monoxide, sensor end of life.",
    },
    settingsSchema: settingsOf.SCHEMA,
    texts: TEXTS.map(([zh, en], index) => ({ code: index + 1, text: { zh, en } })),
  };
}

function evaluate(settingsBytes, state, event) {
  const settings = settingsOf.read(settingsBytes);
  const { memory, foreign } = memories.read(state);
  const decision = new Decision();
  decide(settings, memory, event, decision);
  if (foreign) decision.notes.push("state of another layout: started anew");
  return decision.outcome(memories.write(memory));
}

function decide(settings, memory, event, decision) {
  const now = Number(event.context.nowMs);
  const installed = event.context.installedAtMs === undefined ? null : Number(event.context.installedAtMs);
  switch (event.trigger) {
    case trigger.READINGS:
      for (const reading of event.readings) take(settings, memory, reading, decision);
      break;
    case trigger.TIMER:
      if (event.timerId !== DECIDE) return;
      gasElapse(memory.gas, settings, now, decision);
      coElapse(memory.co, settings, now, decision);
      break;
    case trigger.VALVE_MOVED:
      // Opened again while the leak is still there: a person may have turned it by hand.
      if (event.context.valveState === VALVE_OPEN) {
        gasReopened(memory.gas, settings, decision);
        coReopened(memory.co, decision);
      }
      break;
    case trigger.START:
      break;
    default:
      return;
  }
  age(memory.health, settings, installed, now, decision);

  const due = [...gasDue(memory.gas, settings), ...coDue(memory.co, settings)].filter((at) => at !== null);
  if (due.length > 0) decision.setTimer(DECIDE, Math.max(Math.min(...due), now));
  if (gasIsQuiet(memory.gas) && coIsQuiet(memory.co) && decision.isQuiet()) {
    decision.wake = wake(settings, memory, now, installed);
  }
}

function take(settings, memory, reading, decision) {
  switch (reading.quantity) {
    case quantity.GAS:
      return gasReading(memory.gas, settings, reading.value, Number(reading.atMs), decision);
    case quantity.CO:
      return coReading(memory.co, settings, reading.value, Number(reading.atMs), decision);
    default:
      return healthReading(memory.health, settings, reading, decision);
  }
}

/** Until when, and unless what, quiet readings need no call. */
function wake(settings, memory, now, installed) {
  const ends = endOfService(memory.health, settings, installed) ?? Infinity;
  return {
    notBeforeMs: BigInt(Math.min(now + settings.restMinutes * MINUTE_MS, ends)),
    unless: [
      atOrAbove(quantity.GAS, settingsOf.watchLevel(settings)),
      atOrAbove(quantity.CO, settings.coLowLevel),
      ...healthWakes(memory.health, settings),
    ],
    valveMoves: true,
  };
}

export const alarm = { describe, evaluate };

warm(alarm);
