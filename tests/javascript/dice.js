// A rule that reaches for everything in a script that could differ from call to call, and writes what it got into its state.

const NOTHING = { raises: [], clears: new Uint16Array(), closeValve: false, closeReason: 0, timers: [], notes: [], wake: undefined };

let calls = 0;

export const alarm = {
  describe() {
    return {
      name: "dice",
      version: "1.0.0",
      summary: { zh: "测试用。", en: "For tests." },
      settingsSchema: JSON.stringify({ type: "object", additionalProperties: false, properties: {} }),
      texts: [],
    };
  },

  evaluate() {
    calls += 1;
    const found = {
      calls,
      now: Date.now(),
      date: new Date().toISOString(),
      dice: [Math.random(), Math.random(), Math.random()],
      order: Object.keys({ b: 1, a: 2, 7: 3 }),
    };
    return { ...NOTHING, state: new TextEncoder().encode(JSON.stringify(found)) };
  },
};
