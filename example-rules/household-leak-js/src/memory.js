// What is remembered of one detector between two calls, as JSON in UTF-8. The same memory is always the same bytes.

import { co } from "./co.js";
import { fault } from "./codes.js";
import { gas } from "./gas.js";
import { health } from "./health.js";

/** Counted up when the form below changes: a rule that finds another number starts anew. */
const LAYOUT = 1;

const decoder = new TextDecoder("utf-8", { fatal: true });
const encoder = new TextEncoder();

export const write = ({ gas, co, health }) => encoder.encode(JSON.stringify({ layout: LAYOUT, gas, co, health }));

/** The memory of stored bytes, and whether they were another layout's. Throws the contract's fault for what nobody wrote. */
export function read(bytes) {
  const fresh = () => ({ gas: gas(), co: co(), health: health() });
  if (bytes.length === 0) return { memory: fresh(), foreign: false };
  let stored;
  try {
    stored = JSON.parse(decoder.decode(bytes));
  } catch {
    throw { code: fault.STATE, field: "", message: "expected the state that this rule wrote, got bytes that are not JSON" };
  }
  if (stored?.layout !== LAYOUT) return { memory: fresh(), foreign: true };
  return { memory: stored, foreign: false };
}
