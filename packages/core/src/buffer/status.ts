import type { BackpressureConfig } from '../domain/config.js';
import { type Forecast, forecast } from '../domain/forecast.js';
import type { Lane } from '../domain/lane.js';
import { type BackpressureState, utilizationOf } from '../domain/state.js';
import type { ControlSnapshot, Counters, FleetNode, Snapshot } from '../domain/store-port.js';

/** A buffer at one instant, for people and programs that watch it. */
export interface BufferStatus extends Forecast {
  readonly name: string;
  readonly state: BackpressureState;
  /** Since when, in ms since 1970 by Redis' clock. */
  readonly stateSinceMs: number;
  /** Items that wait or are in flight: what the limit counts. */
  readonly size: number;
  readonly ready: number;
  readonly readyByLane: Readonly<Record<Lane, number>>;
  /** Items in batches under a lease or waiting for a retry. */
  readonly inFlight: number;
  readonly inFlightBatches: number;
  readonly retryBatches: number;
  /** `maxBufferSize`. */
  readonly capacity: number;
  readonly bytes: number;
  /** `maxBufferBytes`, if there is a limit. */
  readonly capacityBytes: number | undefined;
  /** The larger of the item and the byte utilization; 1 is full. */
  readonly utilization: number;
  /** The largest size ever. */
  readonly maxSize: number;
  readonly oldestAgeMs: number;
  /** Items admitted per second, lately. */
  readonly intakeRate: number;
  /** Items that leave per second, lately. */
  readonly drainRate: number;
  /** Batches that may be in flight at once, and items of a full one: what is in force now. */
  readonly permits: number;
  readonly batchSize: number;
  readonly intervalMs: number;
  readonly control: ControlSnapshot;
  readonly lastFlushLatencyMs: number;
  readonly waiters: number;
  readonly deadLetters: number;
  readonly intakePaused: boolean;
  readonly flushPaused: boolean;
  readonly counters: Counters;
  /** 0 when the books balance (I2); always 0 unless somebody else wrote to the keys, until `repair`. */
  readonly ledgerImbalance: number;
  readonly nodes: readonly FleetNode[];
  /** Flush slots of all live consumers. */
  readonly slots: number;
  readonly configVersion: number;
  readonly revision: number;
}

/** What of the configuration a forecast depends on, besides what a snapshot has of it. */
type ForecastLimits = Pick<BackpressureConfig, 'maxItemBytes' | 'maxFlushesPerSecond'>;

/** Puts a snapshot into the words of an operator. Pure. */
export function statusOf(name: string, snapshot: Snapshot, limits: ForecastLimits): BufferStatus {
  const { vitals, counters, nowMs: _now, drainUntilMs: _drain, ...rest } = snapshot;
  const { state, size, drainRate, permits, batchSize } = vitals;
  return {
    name,
    ...rest,
    ...forecastOf(snapshot, limits),
    counters,
    state,
    size,
    permits,
    batchSize,
    ready: vitals.ready,
    inFlightBatches: vitals.inFlightBatches,
    capacity: vitals.maxBufferSize,
    bytes: vitals.bytes,
    capacityBytes: vitals.maxBufferBytes,
    utilization: utilizationOf(vitals),
    drainRate,
    intervalMs: vitals.intervalMs,
    ledgerImbalance: ledgerImbalanceOf(snapshot),
    configVersion: vitals.configVersion,
    revision: vitals.revision,
  };
}

function forecastOf(snapshot: Snapshot, { maxItemBytes, maxFlushesPerSecond }: ForecastLimits): Forecast {
  const { vitals, nowMs, intakeRate, nodes, slots, control, lastFlushLatencyMs, flushPaused } = snapshot;
  const { state, size, bytes, maxBufferSize, maxBufferBytes, drainRate, permits, batchSize } = vitals;
  return forecast({
    state,
    size,
    capacity: maxBufferSize,
    bytes,
    capacityBytes: maxBufferBytes,
    maxItemBytes,
    intakeRate,
    drainRate,
    consumers: nodes.filter(({ role }) => role === 'consumer').length,
    slots,
    permits,
    batchSize,
    latencyMs: control.latencyMs > 0 ? control.latencyMs : lastFlushLatencyMs,
    learning: control.learning,
    maxFlushesPerSecond,
    broken: control.breaker !== 'closed' || control.holdUntilMs > nowMs,
    paused: flushPaused,
  });
}

/** How far the books are from I2: `offered = accepted + refused`, and each accepted item is in exactly one place. */
export function ledgerImbalanceOf({ counters, vitals, inFlight }: Snapshot): number {
  const sum = (counts: Readonly<Record<string, number>>) => Object.values(counts).reduce((a, b) => a + b, 0);
  const { offered, accepted, refused, evicted, expired, purged, lost, dead, flushed } = counters;
  const intake = offered - accepted - sum(refused);
  const outlet = accepted - (flushed + sum(evicted) + expired + purged + lost + dead + vitals.ready + inFlight);
  return Math.abs(intake) + Math.abs(outlet);
}
