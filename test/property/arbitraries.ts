import fc from 'fast-check';
import type { BackpressureOptions } from '../../packages/core/src/domain/config.js';
import { LANES } from '../../packages/core/src/domain/lane.js';
import type { Command, ItemSpec, Scenario } from './commands.js';

/** The byte limits of the scenarios, so that payloads can be made to lie just below, at and above them. */
const MAX_ITEM_BYTES = 8;
const FLUSH_TIMEOUT_MS = 100;
/** A buffer in which batches fail without delay. */
const CROWDED = {
  strategy: 'drop_newest',
  maxBufferSize: 100,
  maxBufferBytes: undefined,
  maxItemAgeMs: undefined,
  batchSize: 2,
  minFlushIntervalMs: 0,
  maxAttempts: 3,
  backoff: { type: 'fixed', delayMs: 2_000, maxDelayMs: 2_000 },
  control: { algorithm: 'fixed' },
} as const;
const TICKET_TTL_MS = 5_000;

/** A payload of so many UTF-8 bytes, in characters of one to four. */
function payloadOf(bytes: number, glyph: string): string {
  const width = Buffer.byteLength(glyph);
  return glyph.repeat(Math.floor(bytes / width)) + '.'.repeat(bytes % width);
}

/** A rare edge among the usual values. */
function mostly<T>(usual: fc.Arbitrary<T>, edge: T): fc.Arbitrary<T> {
  return fc.oneof({ weight: 9, arbitrary: usual }, { weight: 1, arbitrary: fc.constant(edge) });
}

const payload = fc
  .record({
    bytes: mostly(fc.constantFrom(0, 1, 2, 3, MAX_ITEM_BYTES - 1, MAX_ITEM_BYTES), MAX_ITEM_BYTES + 1),
    glyph: fc.constantFrom('a', 'é', '€', '🛫', '\0'),
  })
  .map(({ bytes, glyph }) => payloadOf(bytes, glyph));

const lane = fc.constantFrom(...LANES);
/** The newest first; now and then something old. */
const pick = fc.oneof({ weight: 4, arbitrary: fc.nat(2) }, { weight: 1, arbitrary: fc.nat(50) });
const client = fc.nat(2);

const item: fc.Arbitrary<ItemSpec> = fc.record({
  lane,
  payload,
  wait: fc.constantFrom<ItemSpec['wait'][]>('never', 'enqueue', 'enqueue'),
});
const items = fc.array(item, { minLength: 1, maxLength: 6 });

/** `without` times without a value for once with one. */
const optional = <T>(arbitrary: fc.Arbitrary<T>, without = 1) =>
  fc.oneof({ weight: 1, arbitrary }, { weight: without, arbitrary: fc.constant(undefined) });

/** Every combination of these is valid, so each may be declared or patched on its own. */
const optionArbitraries = {
  maxBufferSize: fc.oneof(fc.constantFrom(1, 2), fc.integer({ min: 3, max: 12 })),
  maxBufferBytes: optional(fc.constantFrom(MAX_ITEM_BYTES, MAX_ITEM_BYTES + 1, 20, 40)),
  maxItemAgeMs: optional(fc.constantFrom(1, 50, 1_000), 3),
  lowWatermark: fc.constantFrom(0.2, 0.5),
  highWatermark: fc.constantFrom(0.6, 0.8, 0.99),
  hysteresis: fc.constantFrom(0, 0.05, 0.19),
  strategy: fc.constantFrom('block', 'drop_oldest', 'drop_newest', 'sample'),
  sampleRate: fc.constantFrom(1, 2, 5),
  shed: fc.record({ elevated: optional(lane, 5), critical: optional(lane, 5) }),
  deadLetterEvictions: fc.boolean(),
  batchSize: fc.constantFrom(1, 2, 3, 12),
  minFlushIntervalMs: fc.constantFrom(0, 0, 10),
  maxFlushIntervalMs: fc.constantFrom(10, 60),
  targetLatencyMs: fc.constantFrom(1, 100),
  maxConcurrentFlushes: fc.constantFrom(1, 3, 64, 64),
  leaseMs: fc.constantFrom(FLUSH_TIMEOUT_MS + 1, 500, 2_000),
  maxAttempts: fc.constantFrom(1, 2, 3),
  backoff: fc.constantFrom(
    { type: 'fixed', delayMs: 0, maxDelayMs: 0 } as const,
    { type: 'exponential', delayMs: 40, maxDelayMs: 100 } as const,
    { type: 'fixed', delayMs: 3_000, maxDelayMs: 3_000 } as const,
  ),
  deadLetterLimit: fc.constantFrom(0, 1, 3, 1_000),
  control: fc.record({
    algorithm: fc.constantFrom('elastic', 'elastic', 'interval', 'fixed'),
    mode: mostly(fc.constant('enforce'), 'observe'),
  }),
  breaker: fc.constantFrom(
    { enabled: true, failureRatio: 0.5, minFlushes: 2, windowMs: 1_000, cooldownMs: 50, maxCooldownMs: 200 } as const,
    { enabled: false } as const,
  ),
  maxBatchSize: optional(fc.constantFrom(12, 20), 5),
  maxFlushesPerSecond: optional(fc.constantFrom(0.5, 20, 1_000), 5),
};

const initialOptions = fc
  .record(optionArbitraries)
  .map(
    (options): BackpressureOptions => ({ ...options, maxItemBytes: MAX_ITEM_BYTES, flushTimeoutMs: FLUSH_TIMEOUT_MS }),
  );
/** One option or two: what changes at once has to leave something to observe. */
const changedOptions: fc.Arbitrary<BackpressureOptions> = fc
  .tuple(fc.record(optionArbitraries), fc.subarray(Object.keys(optionArbitraries), { minLength: 1, maxLength: 2 }))
  .map(([options, names]) => Object.fromEntries(Object.entries(options).filter(([name]) => names.includes(name))));

const ms = fc.oneof(
  fc.constantFrom(0, 1, 10, 49, 50, 51, FLUSH_TIMEOUT_MS + 1, 500, 999, 1_000, 1_001, 2_000, TICKET_TTL_MS),
  fc.nat(200),
);

const settle = fc.record({
  op: fc.constant('settle' as const),
  pick,
  next: fc.boolean(),
  kind: fc.constantFrom('acked', 'acked', 'failed', 'items', 'released'),
  outcomes: fc.array(fc.constantFrom('acked', 'retry', 'dead'), { minLength: 1, maxLength: 4 }),
  latencyMs: mostly<number | undefined>(fc.constantFrom(0, 1, 1.1, 40, 100, 160.5, 5_000), undefined),
  jitter: fc.constantFrom(0, 0.25, 0.999),
  retryAfterMs: fc.constantFrom(0, 0, 70),
});

const gate = fc.oneof(
  fc.record({ action: fc.constant('pause' as const), intake: fc.boolean(), flush: fc.boolean() }),
  fc.constant({ action: 'resume' as const }),
  fc.constant({ action: 'resume' as const }),
  fc.constant({ action: 'resume' as const }),
  fc.record({ action: fc.constant('drain' as const), timeoutMs: fc.constantFrom(0, 1, 50, 2_000) }),
);

/** Weighted so that a buffer fills, is flushed and fails; what an operator does is rare. */
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 20, arbitrary: fc.record({ op: fc.constant('push' as const), client, items }) },
  {
    weight: 6,
    arbitrary: fc.record({ op: fc.constant('pushHeld' as const), client, pick, count: fc.integer({ min: 1, max: 3 }) }),
  },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('repeatPush' as const), pick }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('resolve' as const), client, items }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('forgottenSession' as const) }) },
  { weight: 14, arbitrary: fc.record({ op: fc.constant('take' as const) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('repeatTake' as const), pick }) },
  { weight: 16, arbitrary: settle },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('repeatSettle' as const), pick }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('extend' as const), pick }) },
  { weight: 14, arbitrary: fc.record({ op: fc.constant('advance' as const), ms }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('patch' as const), options: changedOptions }) },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('declare' as const),
      options: changedOptions,
      onConfigMismatch: fc.constantFrom('error', 'adopt', 'apply'),
    }),
  },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('gate' as const), request: gate }) },
  {
    weight: 3,
    arbitrary: fc.record({ op: fc.constant('renew' as const), pick, count: fc.integer({ min: 1, max: 4 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('cancel' as const),
      pick,
      reason: fc.constantFrom('timeout', 'aborted'),
      twice: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant('redrive' as const),
      action: fc.constantFrom('redrive', 'redrive', 'discard'),
      picks: optional(fc.array(pick, { minLength: 1, maxLength: 3 })),
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('purge' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('heartbeat' as const),
      client,
      ttlMs: fc.constantFrom(0, 50, 60_000),
    }),
  },
);

export const scenario: fc.Arbitrary<Scenario> = fc.record({
  options: initialOptions,
  commands: fc.array(command, { minLength: 10, maxLength: 100, size: 'max' }),
});

/** More batches than a take looks at: all of a large buffer fails at first, and then whatever comes. */
export const crowd: fc.Arbitrary<Scenario> = fc
  .record({
    options: initialOptions,
    fails: fc.integer({ min: 20, max: 30 }),
    commands: fc.array(
      fc.oneof(
        { weight: 5, arbitrary: fc.constant({ op: 'take' as const }) },
        { weight: 3, arbitrary: settle },
        { weight: 1, arbitrary: command },
        { weight: 2, arbitrary: fc.record({ op: fc.constant('advance' as const), ms }) },
      ),
      { minLength: 30, maxLength: 50, size: 'max' },
    ),
  })
  .map(({ options, fails, commands }) => {
    const failure = { kind: 'failed', outcomes: [], latencyMs: undefined, jitter: 0, retryAfterMs: 0 } as const;
    const flush = [{ op: 'take' }, { op: 'settle', pick: 0, next: false, ...failure }] as const;
    const one = { lane: 'normal', payload: 'a', wait: 'never' } as const;
    return {
      options: { ...options, ...CROWDED },
      commands: [
        { op: 'push', client: 0, items: Array.from({ length: 2 * fails }, () => one) },
        ...Array.from({ length: fails }, () => flush).flat(),
        { op: 'advance', ms: CROWDED.backoff.delayMs },
        ...commands,
      ],
    };
  });
