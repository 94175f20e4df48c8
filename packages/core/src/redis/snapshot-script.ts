import * as z from 'zod';
import { BREAKER_PHASES } from '../domain/control/breaker.js';
import { LANES } from '../domain/lane.js';
import { type Counters, type FleetNode, REFUSAL_REASONS, type Snapshot } from '../domain/store-port.js';
import { decimal, defineScript, tagged, whole } from './define-script.js';
import { scripts } from './scripts.generated.js';

/** What is no node of ours is left out, as the next sign of life takes it off the list. */
const nodes = z.array(z.string()).transform((members) =>
  members.flatMap((text): FleetNode[] => {
    const [, role, slots, id] = /^(producer|consumer):(\d+):(.+)$/.exec(text) ?? [];
    return id === undefined ? [] : [{ role: role as FleetNode['role'], slots: Number(slots), id }];
  }),
);

const control = z
  .tuple([
    decimal,
    z.enum(['elastic', 'interval', 'fixed']),
    z.enum(['enforce', 'observe']),
    decimal,
    decimal,
    decimal,
    decimal,
    whole,
    z.enum(BREAKER_PHASES),
    whole,
    whole,
  ])
  .transform(
    ([intakeRate, algorithm, mode, permits, batchSize, latencyMs, baselineMs, learning, breaker, ...times]) => {
      const [breakerOpenUntilMs, holdUntilMs] = times;
      return {
        intakeRate,
        control: {
          algorithm,
          mode,
          permits,
          batchSize,
          latencyMs,
          baselineMs,
          learning: learning === 1,
          breaker,
          breakerOpenUntilMs,
          holdUntilMs,
        },
      };
    },
  );

const rest = z.tuple([
  whole,
  whole,
  whole,
  whole,
  whole,
  whole,
  whole,
  whole,
  whole,
  z.array(z.string()),
  nodes,
  control,
]);

export const snapshotScript = defineScript({
  script: scripts.snapshot,
  bufferKeys: true,
  keys: [],
  args: [],
  encode: () => ({ keys: [], args: [] }),
  reply: tagged(['snapshot'], rest).transform(([, vitals, fields]): Snapshot => {
    const [nowMs, high, normal, low, inFlight, batches, deadLetters, waiters, oldestAtMs, flat, nodes, pace] = fields;
    const state = numbersOf(flat);
    return {
      vitals,
      nowMs,
      counters: countersOf(state),
      readyByLane: { high, normal, low },
      inFlight,
      retryBatches: batches - vitals.inFlightBatches,
      deadLetters,
      waiters,
      maxSize: state('maxSize'),
      oldestAgeMs: Math.max(0, nowMs - oldestAtMs),
      stateSinceMs: state('stateSinceMs'),
      intakePaused: state('intakePaused') === 1,
      flushPaused: state('flushPaused') === 1,
      drainUntilMs: vitals.state === 'draining' ? state('drainUntilMs') : 0,
      lastFlushLatencyMs: state('lastLatencyMs'),
      ...pace,
      nodes,
      slots: nodes.reduce((sum, { slots }) => sum + slots, 0),
    };
  }),
});

/** The fields of the state hash, which Redis sends as a flat list of text; a field that was never written, or is no number, is 0. */
function numbersOf(flat: readonly string[]): (field: string) => number {
  const fields = new Map<string, string>();
  for (let i = 0; i + 1 < flat.length; i += 2) fields.set(flat[i] ?? '', flat[i + 1] ?? '');
  return (field) => Number(fields.get(field) ?? 0) || 0;
}

function countersOf(state: (field: string) => number): Counters {
  const each = <K extends string>(keys: readonly K[], prefix: string) =>
    Object.fromEntries(keys.map((key) => [key, state(`${prefix}:${key}`)])) as Record<K, number>;
  return {
    offered: state('offered'),
    accepted: state('accepted'),
    refused: each(REFUSAL_REASONS, 'refused'),
    evicted: each(LANES, 'evicted'),
    expired: state('expired'),
    purged: state('purged'),
    lost: state('lost'),
    flushed: state('flushed'),
    dead: state('dead'),
    redriven: state('redriven'),
    deadTrimmed: state('deadTrimmed'),
    deadDiscarded: state('deadDiscarded'),
    retried: state('retried'),
    leasesLost: state('leasesLost'),
    staleSettlements: state('staleSettlements'),
    batchesSettled: state('batchesSettled'),
    batchesFailed: state('batchesFailed'),
    batchesThrottled: state('batchesThrottled'),
  };
}
