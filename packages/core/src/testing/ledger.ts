import { type FleetControl, initialFleetControl } from '../domain/control/fleet-control.js';
import { batchSizeInForce, permitsInForce } from '../domain/control/in-force.js';
import { type FlowRate, flowRateAt, NO_FLOW, NOT_SAMPLED, type SampledRate } from '../domain/flow-rate.js';
import { type IntervalControl, initialControl } from '../domain/interval-law.js';
import type { Lane } from '../domain/lane.js';
import type { BackpressureState, Fill } from '../domain/state.js';
import type { ConfigureRequest, Counters, RefusalReason, Vitals } from '../domain/store-port.js';
import { BatchTable } from './batch-table.js';
import { ConfigBook } from './config-book.js';
import { DeadLetterShelf } from './dead-letter-shelf.js';
import { EventLog } from './event-log.js';
import { Fleet } from './fleet.js';
import { ReadyLanes } from './ready-lanes.js';
import { SessionBook } from './session-book.js';
import { TicketLine } from './ticket-line.js';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** {@link Counters} that can be raised. */
interface Tally extends Omit<Writable<Counters>, 'refused' | 'evicted'> {
  readonly refused: Record<RefusalReason, number>;
  readonly evicted: Record<Lane, number>;
}

/** Everything that is true of one buffer. Only the operations change it, each within one {@link Step}. */
export interface Ledger {
  readonly configBook: ConfigBook;
  readonly ready: ReadyLanes;
  readonly batches: BatchTable;
  readonly line: TicketLine;
  readonly shelf: DeadLetterShelf;
  readonly log: EventLog;
  readonly sessions: SessionBook;
  readonly fleet: Fleet;
  readonly tally: Tally;
  revision: number;
  state: BackpressureState;
  stateEpoch: number;
  stateSinceMs: number;
  intakePaused: boolean;
  flushPaused: boolean;
  /** 0 when nothing drains. */
  drainUntilMs: number;
  /** Items offered under `sample` since the last one that was accepted. */
  sampleSince: number;
  /** Fresh batches taken. */
  takeCount: number;
  lastTakeAtMs: number;
  /** The time at the last look at the clock. */
  seenMs: number;
  lastFlushLatencyMs: number;
  /** Largest size ever. */
  maxSize: number;
  drainRate: FlowRate;
  intakeRate: SampledRate;
  /** The interval in force, and the law of `algorithm: 'interval'`. */
  control: IntervalControl;
  /** Breaker, hold, flush rate, and the elastic law. */
  fleetControl: FleetControl;
}

/** @throws ConfigError when what is declared is not valid. */
export function openLedger(
  name: string,
  declaration: Extract<ConfigureRequest, { action: 'declare' }>,
  nowMs: number,
): Ledger {
  const configBook = new ConfigBook(name, declaration);
  return {
    configBook,
    ready: new ReadyLanes(),
    batches: new BatchTable(),
    line: new TicketLine(),
    shelf: new DeadLetterShelf(),
    log: new EventLog(),
    sessions: new SessionBook(),
    fleet: new Fleet(),
    tally: emptyTally(),
    revision: 0,
    state: 'normal',
    stateEpoch: 0,
    stateSinceMs: nowMs,
    intakePaused: false,
    flushPaused: false,
    drainUntilMs: 0,
    sampleSince: 0,
    takeCount: 0,
    lastTakeAtMs: 0,
    seenMs: 0,
    lastFlushLatencyMs: 0,
    maxSize: 0,
    drainRate: NO_FLOW,
    intakeRate: NOT_SAMPLED,
    control: initialControl(configBook.config),
    fleetControl: initialFleetControl(configBook.config),
  };
}

/** Ready and in flight: sizes are derived, so that no counter can drift from what it counts. */
export function sizeOf(ledger: Ledger): number {
  return ledger.ready.count + ledger.batches.itemCount;
}

export function fillOf(ledger: Ledger): Fill {
  const { maxBufferSize, maxBufferBytes } = ledger.configBook.config;
  return { size: sizeOf(ledger), bytes: ledger.ready.bytes + ledger.batches.bytes, maxBufferSize, maxBufferBytes };
}

export function vitalsOf(ledger: Ledger, nowMs: number): Vitals {
  const { config } = ledger.configBook;
  const { elastic } = ledger.fleetControl;
  return {
    ...fillOf(ledger),
    revision: ledger.revision,
    state: ledger.state,
    stateEpoch: ledger.stateEpoch,
    ready: ledger.ready.count,
    inFlightBatches: ledger.batches.leasedCount,
    permits: permitsInForce(config, elastic),
    batchSize: batchSizeInForce(config, elastic),
    intervalMs: ledger.control.intervalMs,
    drainRate: flowRateAt(ledger.drainRate, nowMs),
    configVersion: ledger.configBook.version,
  };
}

function emptyTally(): Tally {
  return {
    offered: 0,
    accepted: 0,
    refused: { full: 0, sampled: 0, shed: 0, draining: 0, paused: 0, too_large: 0, timeout: 0, aborted: 0 },
    evicted: { high: 0, normal: 0, low: 0 },
    expired: 0,
    purged: 0,
    lost: 0,
    flushed: 0,
    dead: 0,
    redriven: 0,
    deadTrimmed: 0,
    deadDiscarded: 0,
    retried: 0,
    leasesLost: 0,
    staleSettlements: 0,
    batchesSettled: 0,
    batchesFailed: 0,
    batchesThrottled: 0,
  };
}
