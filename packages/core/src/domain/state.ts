/** The states of a buffer, in rising order of pressure; `DRAINING` while an operator drains it. */
export const BackpressureState = {
  NORMAL: 'normal',
  ELEVATED: 'elevated',
  CRITICAL: 'critical',
  BLOCKED: 'blocked',
  DRAINING: 'draining',
} as const;

/** One of the values of {@link BackpressureState}. */
export type BackpressureState = (typeof BackpressureState)[keyof typeof BackpressureState];

/** The states that follow from how full the buffer is. */
export type FillState = Exclude<BackpressureState, 'draining'>;

const RISING: readonly FillState[] = ['normal', 'elevated', 'critical', 'blocked'];

/** What the state depends on. Sizes in items, bytes in encoded payload bytes. */
export interface Fill {
  readonly size: number;
  readonly bytes: number;
  readonly maxBufferSize: number;
  /** No byte limit when undefined. */
  readonly maxBufferBytes: number | undefined;
}

/** The limits that divide the states. */
export interface Watermarks {
  /** Entry mark of ELEVATED, a share of the capacity. */
  readonly lowWatermark: number;
  /** Entry mark of CRITICAL, a share of the capacity. */
  readonly highWatermark: number;
  /** How far below its entry mark the utilization must fall before a state is left downwards. */
  readonly hysteresis: number;
  /** BLOCKED also when fewer bytes than this are free; it is left when the hysteresis is free besides. */
  readonly maxItemBytes: number;
}

/** The larger of the item and the byte utilization: 0 is empty, 1 is full, more than 1 after a limit was lowered. */
export function utilizationOf(fill: Fill): number {
  const byItems = fill.size / fill.maxBufferSize;
  return fill.maxBufferBytes === undefined ? byItems : Math.max(byItems, fill.bytes / fill.maxBufferBytes);
}

/** The state without memory: what an empty history would read at this fill. */
export function stateAt(fill: Fill, marks: Watermarks): FillState {
  if (fill.size >= fill.maxBufferSize) return 'blocked';
  if (fill.maxBufferBytes !== undefined && fill.maxBufferBytes - fill.bytes < marks.maxItemBytes) return 'blocked';
  const utilization = utilizationOf(fill);
  if (utilization >= marks.highWatermark) return 'critical';
  return utilization >= marks.lowWatermark ? 'elevated' : 'normal';
}

/** Whether so much is free that the largest item fits with the hysteresis besides; an empty buffer is always roomy. */
function isRoomy({ bytes, maxBufferBytes }: Fill, { maxItemBytes, hysteresis }: Watermarks): boolean {
  if (maxBufferBytes === undefined) return true;
  return maxBufferBytes - bytes >= Math.min(maxBufferBytes, maxItemBytes + hysteresis * maxBufferBytes);
}

/**
 * The state that follows `current` at this fill. Upwards at once; downwards one state at a time, each only when the
 * utilization is below its entry mark by more than the hysteresis, and BLOCKED only for a roomy buffer. `hysteresis: 0`
 * is the memoryless rule.
 */
export function nextState(current: FillState, fill: Fill, marks: Watermarks): FillState {
  const target = RISING.indexOf(stateAt(fill, marks));
  const entryMarks = [0, marks.lowWatermark, marks.highWatermark, 1];
  const utilization = utilizationOf(fill);
  let rank = RISING.indexOf(current);
  if (target >= rank) return RISING[target] ?? 'blocked';
  if (current === 'blocked' && !isRoomy(fill, marks)) return current;
  while (rank > target && utilization < (entryMarks[rank] ?? 0) - marks.hysteresis) rank--;
  return RISING[rank] ?? 'normal';
}
