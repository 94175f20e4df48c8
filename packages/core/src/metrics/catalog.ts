import type { BufferStatus } from '../buffer/status.js';
import { BREAKER_PHASES } from '../domain/control/breaker.js';
import { BackpressureState } from '../domain/state.js';

/** One value of a metric, with its labels besides `buffer`. */
export interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A metric of the whole fleet, read from one snapshot of the buffer. */
export interface FleetMetric {
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  readonly help: string;
  readonly labels: readonly string[];
  readonly read: (status: BufferStatus) => readonly Sample[];
}

function gauge(name: string, help: string, read: (status: BufferStatus) => number): FleetMetric {
  return { name, type: 'gauge', help, labels: [], read: (status) => [{ value: read(status) }] };
}

function counter(name: string, help: string, read: (status: BufferStatus) => number): FleetMetric {
  return { name, type: 'counter', help, labels: [], read: (status) => [{ value: read(status) }] };
}

function byLabel(counts: Readonly<Record<string, number>>, label: string): Sample[] {
  return Object.entries(counts).map(([key, value]) => ({ labels: { [label]: key }, value }));
}

/** Every metric of the whole fleet, without the prefix: the one place where they are named. */
export const FLEET_METRICS: readonly FleetMetric[] = [
  gauge('size_items', 'Items that wait or are in flight: what the limit counts.', (s) => s.size),
  gauge('capacity_items', 'The limit of the size (maxBufferSize).', (s) => s.capacity),
  gauge('size_bytes', 'Bytes of the payloads of those items.', (s) => s.bytes),
  gauge(
    'capacity_bytes',
    'The limit of the bytes (maxBufferBytes); +Inf without one.',
    (s) => s.capacityBytes ?? Infinity,
  ),
  gauge('utilization_ratio', 'The larger of the item and the byte utilization; 1 is full.', (s) => s.utilization),
  gauge('max_size_items', 'The largest size ever.', (s) => s.maxSize),
  {
    name: 'state',
    type: 'gauge',
    help: '1 for the state in which the buffer is, 0 for the others.',
    labels: ['state'],
    read: ({ state }) =>
      Object.values(BackpressureState).map((each) => ({ labels: { state: each }, value: each === state ? 1 : 0 })),
  },
  {
    name: 'ready_items',
    type: 'gauge',
    help: 'Items that wait, by priority lane.',
    labels: ['lane'],
    read: ({ readyByLane }) => byLabel(readyByLane, 'lane'),
  },
  gauge('in_flight_items', 'Items in batches under a lease or waiting for a retry.', (s) => s.inFlight),
  gauge('in_flight_batches', 'Batches under a lease.', (s) => s.inFlightBatches),
  gauge('retry_batches', 'Batches that wait for a retry.', (s) => s.retryBatches),
  gauge('waiting_pushes', 'Blocked pushes that stand in line.', (s) => s.waiters),
  gauge('dead_letter_items', 'Dead letters that are kept.', (s) => s.deadLetters),
  gauge('oldest_item_age_seconds', 'Age of the oldest item that waits.', (s) => s.oldestAgeMs / 1000),
  gauge('interval_seconds', 'The shared flush interval.', (s) => s.intervalMs / 1000),
  gauge('permits', 'Batches that may be in flight at once, fleet-wide.', (s) => s.permits),
  gauge('batch_size_items', 'Items of a full batch now.', (s) => s.batchSize),
  gauge(
    'flush_latency_seconds',
    'Median latency of the flushes of the last control epoch; 0 before the first.',
    (s) => s.control.latencyMs / 1000,
  ),
  gauge(
    'baseline_latency_seconds',
    'Median latency when nothing of ours queues downstream; 0 while unknown.',
    (s) => s.control.baselineMs / 1000,
  ),
  {
    name: 'breaker',
    type: 'gauge',
    help: '1 for the phase in which the circuit breaker is, 0 for the others.',
    labels: ['phase'],
    read: ({ control }) =>
      BREAKER_PHASES.map((phase) => ({ labels: { phase }, value: phase === control.breaker ? 1 : 0 })),
  },
  gauge('intake_rate_items_per_second', 'Items admitted per second, lately.', (s) => s.intakeRate),
  gauge('drain_rate_items_per_second', 'Items that leave per second, lately.', (s) => s.drainRate),
  gauge(
    'seconds_to_full',
    'Until the buffer is full, by items or by bytes, at the present rates; 0 while it is blocked, +Inf while it is not filling.',
    (s) => s.secondsToFull ?? Infinity,
  ),
  gauge(
    'seconds_to_drain',
    'Until the buffer is empty at the present rates; +Inf while it is not draining.',
    (s) => s.secondsToDrain ?? Infinity,
  ),
  {
    name: 'desired_consumers',
    type: 'gauge',
    help: 'Consumers that the present load needs, those there are while the flush is held up, and what limits the drain: workers, downstream, or none. No value while unknown.',
    labels: ['limited_by'],
    read: ({ desiredConsumers, limitedBy = 'none' }) =>
      desiredConsumers === undefined ? [] : [{ labels: { limited_by: limitedBy }, value: desiredConsumers }],
  },
  gauge('flush_slots', 'Flush slots of all live consumers.', (s) => s.slots),
  {
    name: 'nodes',
    type: 'gauge',
    help: 'Live processes, by role.',
    labels: ['role'],
    read: ({ nodes }) =>
      ['producer', 'consumer'].map((role) => ({
        labels: { role },
        value: nodes.filter((node) => node.role === role).length,
      })),
  },
  gauge('paused', '1 while an operator has paused the intake or the flush.', (s) =>
    s.intakePaused || s.flushPaused ? 1 : 0,
  ),
  gauge(
    'ledger_imbalance_items',
    'How far the books are from balance. Anything but 0 is a fault.',
    (s) => s.ledgerImbalance,
  ),
  {
    name: 'pushes_total',
    type: 'counter',
    help: 'Items offered, by their final outcome; a refused one with its reason.',
    labels: ['outcome', 'reason'],
    read: ({ counters }) => [
      { labels: { outcome: 'accepted', reason: '' }, value: counters.accepted },
      ...Object.entries(counters.refused).map(([reason, value]) => ({ labels: { outcome: 'refused', reason }, value })),
    ],
  },
  {
    name: 'evicted_items_total',
    type: 'counter',
    help: 'Items evicted to make room, by lane.',
    labels: ['lane'],
    read: ({ counters }) => byLabel(counters.evicted, 'lane'),
  },
  counter('flushed_items_total', 'Items flushed.', (s) => s.counters.flushed),
  counter('expired_items_total', 'Items dropped because they were older than maxItemAgeMs.', (s) => s.counters.expired),
  counter('purged_items_total', 'Items deleted by an operator.', (s) => s.counters.purged),
  counter('lost_items_total', 'Items that a repair found missing.', (s) => s.counters.lost),
  counter('retried_items_total', 'Items sent to a retry.', (s) => s.counters.retried),
  counter('settled_batches_total', 'Batches settled.', (s) => s.counters.batchesSettled),
  counter('failed_batches_total', 'Batches that failed, in part or as a whole.', (s) => s.counters.batchesFailed),
  counter(
    'throttled_batches_total',
    'Batches during which the downstream asked for a pause.',
    (s) => s.counters.batchesThrottled,
  ),
  counter('lost_leases_total', 'Batches whose lease ended before they were settled.', (s) => s.counters.leasesLost),
  counter(
    'stale_settlements_total',
    'Settlements that came too late; they changed nothing.',
    (s) => s.counters.staleSettlements,
  ),
  counter('trimmed_dead_letters_total', 'Dead letters deleted at deadLetterLimit.', (s) => s.counters.deadTrimmed),
  counter('redriven_items_total', 'Dead letters put back.', (s) => s.counters.redriven),
];
