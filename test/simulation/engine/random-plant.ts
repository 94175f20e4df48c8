import { DEFAULT_CONFIG } from '../../../packages/core/src/domain/config.js';
import { capacityPerMs } from './optimum.js';
import type { Disturbance, DownstreamSpec, Plant } from './plant.js';
import { type Random, randomFrom } from './random.js';

const DURATION_MS = 150_000;

/** A plant drawn from a seed: any kind of downstream, load, fleet and disturbance, and options that fit more or less. */
export function randomPlant(seed: number): Plant {
  const random = randomFrom(seed);
  const downstream = randomDownstream(random);
  const { servers, serviceMs } = downstream;
  const slots = Math.max(1, Math.round(servers * random.logBetween(0.7, 8)));
  const batchSize = random.wholeBetween(10, 100);
  const grows = random.next() < 0.25;
  const draft: Plant = {
    seed,
    durationMs: DURATION_MS,
    downstream,
    disturbances: randomDisturbances(downstream, random),
    arrivals: { perSecond: 0, process: random.pick(['constant', 'poisson', 'bursty']) },
    slots,
    config: {
      ...DEFAULT_CONFIG,
      strategy: 'drop_newest',
      batchSize,
      maxBatchSize: grows ? batchSize * random.wholeBetween(2, 4) : batchSize,
      targetLatencyMs: Math.max(1, Math.round(serviceMs * random.between(0.5, 3))),
      flushTimeoutMs: Math.round(serviceMs * random.between(6, 20)),
      maxConcurrentFlushes: 400,
    },
  };
  const capacity = capacityPerMs(draft, { atMs: 0 }) * 1_000;
  const working = servers * (draft.config.maxBatchSize ?? batchSize);
  return {
    ...draft,
    arrivals: { ...draft.arrivals, perSecond: capacity * random.between(0.2, 1.3) },
    config: {
      ...draft.config,
      maxBufferSize: Math.round(Math.max(4 * working, capacity * random.logBetween(1.5, 10))),
    },
  };
}

function randomDownstream(random: Random): DownstreamSpec {
  const kind = random.pick(['sharing', 'sharing', 'fifo', 'retrograde', 'bimodal', 'tokens'] as const);
  const servers = Math.round(random.logBetween(2, 48));
  const serviceMs = random.logBetween(30, 800);
  const plain: DownstreamSpec = {
    discipline: kind === 'fifo' || (kind === 'bimodal' && random.next() < 0.5) ? 'fifo' : 'sharing',
    servers,
    serviceMs,
    fixedShare: random.between(0.1, 0.8),
    spread: random.between(0.05, 0.6),
    degradation: kind === 'retrograde' ? random.between(0.3, 0.8) : random.between(0, 0.25),
  };
  if (kind === 'bimodal') return { ...plain, bimodal: { share: 0.1, factor: random.between(4, 10) } };
  if (kind !== 'tokens') return plain;
  const perSecond = ((servers * 1_000) / serviceMs) * random.between(0.4, 0.9);
  return { ...plain, tokens: { perSecond, burst: Math.max(1, perSecond), retryAfterMs: random.pick([200, 1_000]) } };
}

function randomDisturbances({ servers }: DownstreamSpec, random: Random): Disturbance[] {
  const kind = random.pick([
    'slow',
    'slow',
    'slow',
    'lost',
    'lost',
    'lost',
    'pauses',
    'tenant',
    'blip',
    'none',
  ] as const);
  const atMs = random.between(40_000, 70_000);
  const untilMs = random.next() < 0.5 ? atMs + random.between(20_000, 50_000) : Number.POSITIVE_INFINITY;
  switch (kind) {
    case 'none':
      return [];
    case 'slow':
      return [{ atMs, slowdown: random.between(1.5, 4) }, { atMs: untilMs }];
    case 'lost':
      return [{ atMs, servers: Math.max(1, Math.round(servers * random.between(0.3, 0.7))) }, { atMs: untilMs }];
    case 'tenant':
      return [{ atMs, tenant: Math.round(servers * random.between(0.2, 0.5)) }, { atMs: untilMs }];
    case 'pauses':
      return pauses(random);
    case 'blip':
      return random.next() < 0.5
        ? [{ atMs, slowdown: 10 }, { atMs: atMs + 5_000 }]
        : [{ atMs, errorShare: 1 }, { atMs: atMs + 5_000 }];
    default:
      return kind satisfies never;
  }
}

function pauses(random: Random): Disturbance[] {
  const list: Disturbance[] = [];
  for (let atMs = 30_000; atMs < DURATION_MS; atMs += random.between(15_000, 40_000)) {
    list.push({ atMs, slowdown: Number.POSITIVE_INFINITY }, { atMs: atMs + random.between(200, 2_000) });
  }
  return list;
}
