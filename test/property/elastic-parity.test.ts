import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import {
  type ElasticControl,
  type EpochObservation,
  initialElastic,
} from '../../packages/core/src/domain/control/elastic-control.js';
import { decide } from '../../packages/core/src/domain/control/elastic-law.js';

const LIMIT_NAMES = [
  'batchSize',
  'maxBatchSize',
  'minFlushIntervalMs',
  'maxFlushIntervalMs',
  'targetLatencyMs',
  'maxConcurrentFlushes',
  'flushTimeoutMs',
] as const;
interface Limits extends Record<(typeof LIMIT_NAMES)[number], number> {
  readonly control: { readonly algorithm: 'elastic'; readonly mode: 'enforce' | 'observe' };
}

const STATES = ['normal', 'elevated', 'critical', 'blocked', 'draining'] as const;
const NEW_LIMITS: Limits = {
  batchSize: 10,
  maxBatchSize: 40,
  minFlushIntervalMs: 100,
  maxFlushIntervalMs: 30_000,
  targetLatencyMs: 500,
  maxConcurrentFlushes: 64,
  flushTimeoutMs: 10_000,
  control: { algorithm: 'elastic', mode: 'enforce' },
};
const FIELDS = Object.keys(initialElastic(NEW_LIMITS)) as (keyof ElasticControl)[];
const SEEN_NAMES: readonly (keyof EpochObservation)[] = [
  'latencyMs',
  'spread',
  'samples',
  'batches',
  'failures',
  'throttled',
  'backlogged',
  'flushesPerSecond',
  'maxInFlight',
  'ready',
  'slots',
  'state',
];

/** The law as the scripts include it, and a loop over the cases in ARGV. */
const LUA = `${include('elastic_law', new Set())}
local at = 0
local function read(names)
  local values = {}
  for name in string.gmatch(names, '%S+') do
    at = at + 1
    values[name] = tonumber(ARGV[at]) or ARGV[at]
  end
  return values
end
local replies = {}
while at < #ARGV do
  local law, seen, limits = read('${FIELDS.join(' ')}'), read('${SEEN_NAMES.join(' ')}'), read('${LIMIT_NAMES.join(' ')} mode')
  limits.observed = limits.mode == 'observe'
  local after, reason = elastic.decide(law, seen, limits)
  replies[#replies + 1] = reason
  for name in string.gmatch('${FIELDS.join(' ')}', '%S+') do
    replies[#replies + 1] = string.format('%.17g', after[name])
  end
end
return replies`;

function include(name: string, done: Set<string>): string {
  if (done.has(name)) return '';
  done.add(name);
  const file = new URL(`../../packages/core/src/redis/lua/include/${name}.lua`, import.meta.url);
  const nested = /^\s*--- @include "([\w-]+)"\s*$/gm;
  return readFileSync(file, 'utf8').replace(nested, (_, inner: string) => include(inner, done));
}

const real = (min: number, max: number) => fc.double({ min, max, noNaN: true });

/** An epoch relative to what the law knows, so that a run of them passes through its regimes. */
const epochArbitrary = fc.record({
  over: fc.oneof(real(0.8, 1.1), real(1.2, 1.3), real(1.4, 3)),
  spread: fc.oneof(fc.constant(0), real(0, 1)),
  batches: fc.integer({ min: 5, max: 120 }),
  failed: fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: real(0, 1) }),
  throttled: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: real(0, 0.3) }),
  backlogged: fc.constantFrom(0, 0.5, 1, 1, 1),
  inUse: fc.constantFrom(0.5, 1, 1, 1, 1.2),
  flushesPerSecond: real(0.1, 500),
  ready: fc.integer({ min: 0, max: 5_000 }),
  slots: fc.integer({ min: 1, max: 300 }),
  state: fc.constantFrom(...STATES),
});
type Epoch = typeof epochArbitrary extends fc.Arbitrary<infer T> ? T : never;

const runArbitrary = fc
  .record({
    firstLatencyMs: real(1, 3_000),
    batchSize: fc.integer({ min: 1, max: 200 }),
    growth: fc.constantFrom(1, 4),
    minFlushIntervalMs: fc.integer({ min: 0, max: 500 }),
    targetLatencyMs: fc.integer({ min: 1, max: 5_000 }),
    maxConcurrentFlushes: fc.constantFrom(1, 8, 400),
    flushTimeoutMs: fc.integer({ min: 100, max: 20_000 }),
    control: fc.record({
      algorithm: fc.constant('elastic' as const),
      mode: fc.constantFrom('enforce', 'enforce', 'enforce', 'observe'),
    }),
    epochs: fc.array(epochArbitrary, { minLength: 20, maxLength: 40 }),
    /** Steady runs are what growing, looking and holding take. */
    steady: fc.constantFrom(undefined, undefined, 1.1, 1.25),
  })
  .map(({ batchSize, growth, ...rest }) => ({ ...rest, batchSize, maxBatchSize: batchSize * growth }));

function observed(epoch: Epoch, control: ElasticControl, firstLatencyMs: number, steady?: number): EpochObservation {
  const calm = steady !== undefined && control.rising === 0;
  const failures = calm ? 0 : Math.round(epoch.batches * epoch.failed);
  const throttled = calm ? 0 : Math.round((epoch.batches - failures) * epoch.throttled);
  const samples = epoch.batches - failures - throttled;
  const over = calm ? steady + 0.1 * epoch.spread : epoch.over;
  return {
    latencyMs: samples === 0 ? 0 : (control.baselineMs || firstLatencyMs) * over,
    spread: samples === 0 ? 0 : epoch.spread * (calm ? 0.2 : 1),
    samples,
    batches: epoch.batches,
    failures,
    throttled,
    backlogged: Math.round(epoch.batches * (calm ? 1 : epoch.backlogged)),
    flushesPerSecond: epoch.flushesPerSecond,
    maxInFlight: Math.max(1, Math.round(Math.floor(control.permits) * (calm ? 1 : epoch.inUse))),
    ready: epoch.ready,
    state: epoch.state,
    slots: epoch.slots,
  };
}

let redis: Redis;
beforeAll(() => {
  redis = new Redis(inject('operatorUrl'));
});
afterAll(() => redis.quit());

it('decides in the scripts as it does here, in every regime', async () => {
  const reasons = new Map<string, number>();
  const property = fc.asyncProperty(runArbitrary, async ({ epochs, firstLatencyMs, steady, ...stated }) => {
    const limits: Limits = { ...stated, maxFlushIntervalMs: stated.minFlushIntervalMs + 10_000 };
    const args: (string | number)[] = [];
    const wanted: { readonly reason: string; readonly control: ElasticControl }[] = [];
    let control = initialElastic(limits);
    for (const epoch of epochs) {
      const seen = observed(epoch, control, firstLatencyMs, steady);
      args.push(...FIELDS.map((name) => control[name]));
      args.push(...SEEN_NAMES.map((name) => seen[name]));
      args.push(...LIMIT_NAMES.map((name) => limits[name]), limits.control.mode);
      const decision = decide(control, seen, limits);
      wanted.push(decision);
      reasons.set(decision.reason, (reasons.get(decision.reason) ?? 0) + 1);
      control = decision.control;
    }
    const replies = (await redis.eval(LUA, 0, ...args)) as string[];
    const width = FIELDS.length + 1;
    expect(replies.length).toBe(wanted.length * width);
    wanted.forEach((decision, i) => {
      const [reason, ...values] = replies.slice(i * width, (i + 1) * width);
      expect(reason, `epoch ${i}`).toBe(decision.reason);
      FIELDS.forEach((name, f) => {
        const gap = Math.abs(Number(values[f]) - decision.control[name]);
        expect(gap / Math.max(1, decision.control[name]), `epoch ${i}, ${name}`).toBeLessThanOrEqual(1e-9);
      });
    });
  });
  await fc.assert(property, { numRuns: 300 });
  const regimes = ['slow_start', 'grow', 'queue', 'elastic_rebase', 'errors', 'batch', 'probe', 'hold'];
  for (const regime of regimes) expect(reasons.get(regime) ?? 0, regime).toBeGreaterThan(0);
});
