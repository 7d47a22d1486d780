// What the rule decided, built up call by call.

import { DOWNWARDS } from "./codes.js";

export class Decision {
  raises = [];
  clears = [];
  closeReason = null;
  timers = [];
  notes = [];
  wake = undefined;

  /** Raises an alarm with one of the rule's own texts. */
  raise(condition, priority, text) {
    this.clears = this.clears.filter((cleared) => cleared !== condition);
    const known = this.raises.find((raise) => raise.condition === condition);
    if (known === undefined) {
      this.raises.push({ condition, priority, text });
    } else if (known.priority < priority) {
      Object.assign(known, { priority, text });
    }
  }

  raised(condition) {
    return this.raises.some((raise) => raise.condition === condition);
  }

  /** Says that a condition has gone. Not if it was raised within this decision: it must be on record. */
  clear(condition) {
    if (!this.raised(condition) && !this.clears.includes(condition)) this.clears.push(condition);
  }

  /** Closes every linked valve; the first reason given is kept, and a close is never taken back. */
  close(reason) {
    this.closeReason ??= reason;
  }

  setTimer(id, at) {
    this.timers = [...this.timers.filter((timer) => timer.id !== id), { id, atMs: BigInt(at) }];
  }

  isQuiet() {
    return this.raises.length === 0 && this.clears.length === 0 && this.closeReason === null;
  }

  /** As the contract wants it. */
  outcome(state) {
    return {
      state,
      raises: this.raises,
      clears: Uint16Array.from(this.clears),
      closeValve: this.closeReason !== null,
      closeReason: this.closeReason ?? 0,
      timers: this.timers,
      notes: this.notes,
      wake: this.wake,
    };
  }
}

export const atOrAbove = (quantity, value) => ({ atOrAbove: value, quantity });
export const atOrBelow = (quantity, value) => ({ atOrAbove: value, quantity: quantity | DOWNWARDS });
