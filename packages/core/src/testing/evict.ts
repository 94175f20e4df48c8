import { hasRoom } from '../domain/admission.js';
import { LANES, type Lane, laneRank } from '../domain/lane.js';
import { fillOf } from './ledger.js';
import type { Step } from './step.js';

/**
 * `drop_oldest`: makes room by evicting the oldest ready items, lowest lane first, never from a lane above the
 * newcomer's. Returns how many; `undefined`, and then none was, when that can't make room.
 */
export function evictFor(step: Step, newcomer: Lane, bytes: number): number | undefined {
  const { ledger } = step;
  const lanes = LANES.slice(laneRank(newcomer)).reverse();
  if (!canMakeRoom(step, lanes, bytes)) return undefined;
  let evicted = 0;
  for (const lane of lanes) {
    while (!hasRoom(fillOf(ledger), bytes)) {
      const stored = ledger.ready.shift(lane);
      if (stored === undefined) break;
      evicted++;
      if (step.config.deadLetterEvictions) step.bury(stored, 'evicted', 0, step.nowMs);
      else ledger.tally.evicted[lane]++;
    }
  }
  return evicted;
}

function canMakeRoom({ ledger }: Step, lanes: readonly Lane[], bytes: number): boolean {
  const fill = fillOf(ledger);
  // After a limit was lowered nothing is admitted until the size is below it (I1), however much could be evicted.
  if (fill.size > fill.maxBufferSize || fill.bytes > (fill.maxBufferBytes ?? Infinity)) return false;
  const evictable = lanes.reduce((sum, lane) => sum + ledger.ready.countIn(lane), 0);
  const evictableBytes = lanes.reduce((sum, lane) => sum + ledger.ready.bytesIn(lane), 0);
  return hasRoom({ ...fill, size: fill.size - evictable, bytes: fill.bytes - evictableBytes }, bytes);
}
