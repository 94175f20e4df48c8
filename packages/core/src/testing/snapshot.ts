import { sampledRateAt } from '../domain/flow-rate.js';
import { stateAt } from '../domain/state.js';
import type { ControlSnapshot, Snapshot } from '../domain/store-port.js';
import { fillOf, type Ledger, sizeOf, vitalsOf } from './ledger.js';

/** Everything about the buffer at one instant. */
export function snapshotOf(ledger: Ledger, nowMs: number): Snapshot {
  const { ready, batches, shelf, line, tally } = ledger;
  const drained = ledger.state === 'draining' && (nowMs >= ledger.drainUntilMs || sizeOf(ledger) === 0);
  const vitals = vitalsOf(ledger, nowMs);
  const nodes = ledger.fleet.live(nowMs);
  return {
    // A snapshot writes nothing, so it says what the next call will find: a drain that is over is no drain.
    vitals: drained ? { ...vitals, state: stateAt(fillOf(ledger), ledger.configBook.config) } : vitals,
    nowMs,
    counters: { ...tally, refused: { ...tally.refused }, evicted: { ...tally.evicted } },
    readyByLane: { high: ready.countIn('high'), normal: ready.countIn('normal'), low: ready.countIn('low') },
    inFlight: batches.itemCount,
    retryBatches: batches.waitingCount,
    deadLetters: shelf.count,
    waiters: line.count,
    maxSize: ledger.maxSize,
    oldestAgeMs: Math.max(0, nowMs - (ready.oldestAtMs() ?? nowMs)),
    stateSinceMs: ledger.stateSinceMs,
    intakePaused: ledger.intakePaused,
    flushPaused: ledger.flushPaused,
    drainUntilMs: drained ? 0 : ledger.drainUntilMs,
    lastFlushLatencyMs: ledger.lastFlushLatencyMs,
    intakeRate: sampledRateAt(ledger.intakeRate, tally.accepted, nowMs),
    control: controlSnapshot(ledger),
    nodes,
    slots: nodes.reduce((sum, { slots }) => sum + slots, 0),
  };
}

function controlSnapshot({ fleetControl, configBook }: Ledger): ControlSnapshot {
  const { control, maxConcurrentFlushes, batchSize } = configBook.config;
  const { elastic, breaker, holdUntilMs } = fleetControl;
  const learnt =
    control.algorithm === 'elastic'
      ? {
          permits: elastic.permits,
          batchSize: elastic.batchSize,
          latencyMs: elastic.latencyMs,
          baselineMs: elastic.baselineMs,
          learning: elastic.rising === 1,
        }
      : { permits: maxConcurrentFlushes, batchSize, latencyMs: 0, baselineMs: 0, learning: false };
  return { ...control, ...learnt, breaker: breaker.phase, breakerOpenUntilMs: breaker.openUntilMs, holdUntilMs };
}
