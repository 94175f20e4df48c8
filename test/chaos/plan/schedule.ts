import type { RunOptions } from '../options.js';
import { Random } from '../random.js';
import { FAULTS, type Fault, type PlannedFault } from './faults.js';

/** How often in a minute, at rate 1. About as dense as two cores can bear: a new process costs half a second of CPU. */
const PER_MINUTE: Readonly<Record<Fault, number>> = {
  'kill-producer': 20,
  'kill-consumer': 24,
  'stop-producer': 4,
  'stop-consumer': 15,
  restart: 8,
  'swallow-reply': 240,
  'swallow-request': 30,
  cut: 30,
  hang: 10,
  refuse: 6,
  'kill-redis': 3,
  'script-flush': 12,
  memory: 3,
  obliterate: 4,
  'cut-signals': 6,
  limit: 6,
  pause: 3,
};

/** Nothing happens in the first and the last part of a run: it has to start, and to show that it works again. */
const LEAD_IN = 0.08;
const LEAD_OUT = 0.06;

export type PlanOptions = Pick<
  RunOptions,
  'seconds' | 'seed' | 'producers' | 'consumers' | 'leaseMs' | 'limit' | 'rates'
>;

/** The faults of a run in their order. Pure: the same options give the same plan. */
export function planFaults(options: PlanOptions): PlannedFault[] {
  const random = new Random(options.seed).fork('plan');
  const plan = FAULTS.flatMap((fault) => planOne(fault, options, random.fork(fault)));
  return plan.sort((a, b) => a.atMs - b.atMs);
}

export function producerName(index: number): string {
  return `p${index}`;
}

export function consumerName(index: number): string {
  return `c${index}`;
}

function planOne(fault: Fault, options: PlanOptions, random: Random): PlannedFault[] {
  const rate = options.rates[fault] ?? 0;
  if (rate <= 0) return [];
  const lengthMs = options.seconds * 1_000;
  const count = Math.max(1, Math.round((PER_MINUTE[fault] * rate * options.seconds) / 60));
  const room = lengthMs * (1 - LEAD_IN - LEAD_OUT);
  // One in each stretch of equal length: spread over the run, yet not in step with anything.
  return Array.from({ length: count }, (_, i) => ({
    fault,
    atMs: Math.round(lengthMs * LEAD_IN + (room * (i + random.next())) / count),
    ...detailsOf(fault, options, random, i),
  }));
}

function detailsOf(
  fault: Fault,
  options: PlanOptions,
  random: Random,
  i: number,
): Omit<PlannedFault, 'fault' | 'atMs'> {
  const producer = () => producerName(random.whole(0, options.producers - 1));
  const consumer = () => consumerName(random.whole(0, options.consumers - 1));
  // Consumers have more to lose: a batch in their hands.
  const anyone = () => (random.chance(0.5) ? consumer() : producer());
  switch (fault) {
    case 'kill-producer':
      return { target: producer(), forMs: 0 };
    case 'kill-consumer':
      return { target: consumer(), forMs: 0 };
    case 'stop-producer':
      return { target: producer(), forMs: Math.round(options.leaseMs * 1.5) };
    case 'stop-consumer':
      return { target: consumer(), forMs: Math.round(options.leaseMs * 1.5) };
    case 'restart':
      // One after the other, as a rolling deployment does.
      return { target: inTurn(options, i), forMs: 0 };
    case 'swallow-reply':
      // Most are replies to our own scripts (1), some to whatever comes, BullMQ's included (0).
      return { target: anyone(), forMs: 0, value: random.chance(0.75) ? 1 : 0 };
    case 'swallow-request':
      return { target: anyone(), forMs: random.whole(20, 120) };
    case 'cut':
      return { target: anyone(), forMs: 0 };
    case 'hang':
      return { target: anyone(), forMs: random.whole(200, Math.round(options.leaseMs * 1.5)) };
    case 'refuse':
      return { target: anyone(), forMs: random.whole(100, options.leaseMs) };
    default:
      return detailsOfShared(fault, options, random);
  }
}

function inTurn({ producers, consumers }: PlanOptions, i: number): string {
  const place = i % (producers + consumers);
  return place < producers ? producerName(place) : consumerName(place - producers);
}

function detailsOfShared(
  fault: Exclude<Fault, `${'kill' | 'stop'}-${'producer' | 'consumer'}`>,
  options: PlanOptions,
  random: Random,
): Omit<PlannedFault, 'fault' | 'atMs'> {
  switch (fault) {
    case 'kill-redis':
      return { forMs: random.whole(50, 400) };
    case 'memory':
      return { forMs: random.whole(800, 2_500), value: random.whole(16, 128) * 1024 };
    case 'limit':
      return {
        forMs: random.whole(500, 2_500),
        value: Math.max(1, Math.round(options.limit * (0.2 + random.next() * 1.2))),
      };
    case 'obliterate':
      return { forMs: 0, value: random.whole(0, 1) };
    case 'pause':
      return { forMs: random.whole(300, 1_200), value: random.whole(1, 3) };
    default:
      return { forMs: 0 };
  }
}
