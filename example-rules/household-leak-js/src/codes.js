// The contract's codes that this rule uses; their meaning is in wit/types.wit.

export const quantity = { GAS: 1, CO: 2, BATTERY: 5, TAMPER: 10, END_OF_LIFE: 11 };

export const condition = {
  GAS_LOW: 1,
  GAS_HIGH: 2,
  GAS_RISING: 3,
  CO_LOW: 4,
  CO_HIGH: 5,
  SENSOR_END_OF_LIFE: 6,
  BATTERY_LOW: 7,
  TAMPER: 8,
};

export const priority = { LOW: 1, MEDIUM: 2, HIGH: 3, URGENT: 4 };

export const trigger = { READINGS: 1, TIMER: 2, VALVE_MOVED: 3, START: 4 };

export const fault = { SETTINGS: 1, STATE: 2 };

export const VALVE_OPEN = 1;

/** Added to a quantity's code: it wakes from its value downwards. */
export const DOWNWARDS = 0x8000;

export const MINUTE_MS = 60_000;
