import { parseArgs } from 'node:util';
import { type BackpressureConfig, parseOptions } from '../../../packages/core/src/domain/config.js';
import { ConfigError } from '../../../packages/core/src/domain/errors.js';
import type { DownstreamSpec } from '../engine/plant.js';
import type { Figures } from './figures.js';

/** What the command line asks for. */
export type Command =
  | { readonly mode: 'help' }
  /** The law beside its peers, on random plants from this seed on. */
  | { readonly mode: 'compare'; readonly seed: number; readonly json: boolean }
  | { readonly mode: 'run'; readonly figures: Figures; readonly json: boolean };

export class UsageError extends Error {}

interface Range {
  readonly fallback: number;
  readonly from: number;
  readonly to: number;
  readonly whole?: boolean;
}

const DAY = 86_400;
const NUMBERS = {
  rate: { fallback: 1_000, from: 0, to: 1_000_000 },
  backlog: { fallback: 0, from: 0, to: 10_000_000, whole: true },
  burst: { fallback: 1, from: 0, to: 1_000 },
  'burst-at': { fallback: 30, from: 0, to: DAY },
  'burst-for': { fallback: 20, from: 0, to: DAY },
  consumers: { fallback: 4, from: 0, to: 10_000, whole: true },
  concurrency: { fallback: 4, from: 1, to: 1_000, whole: true },
  'latency-ms': { fallback: 200, from: 1, to: 3_600_000 },
  'latency-spread': { fallback: 0.3, from: 0, to: 3 },
  'fixed-share': { fallback: 0.5, from: 0, to: 1 },
  servers: { fallback: 8, from: 1, to: 10_000, whole: true },
  degradation: { fallback: 0.1, from: 0, to: 10 },
  'downstream-rate': { fallback: 0, from: 0, to: 1_000_000 },
  'downstream-burst': { fallback: 1, from: 1, to: 1_000_000 },
  'retry-after-ms': { fallback: 1_000, from: 1, to: 3_600_000 },
  slowdown: { fallback: 1, from: 0.01, to: Number.POSITIVE_INFINITY },
  'servers-left': { fallback: 1, from: 1, to: 10_000, whole: true },
  'error-share': { fallback: 0, from: 0, to: 1 },
  'disturb-at': { fallback: 60, from: 0, to: DAY },
  'disturb-for': { fallback: 20, from: 0, to: DAY },
  duration: { fallback: 120, from: 1, to: DAY, whole: true },
  seed: { fallback: 1, from: 0, to: 4_294_967_295, whole: true },
} as const satisfies Record<string, Range>;
type NumberFlag = keyof typeof NUMBERS;

/** Options of the buffer, by the flag that states them. */
const BUFFER_OPTIONS = {
  'max-buffer-size': 'maxBufferSize',
  'low-watermark': 'lowWatermark',
  'high-watermark': 'highWatermark',
  hysteresis: 'hysteresis',
  'sample-rate': 'sampleRate',
  'max-block-time-ms': 'maxBlockTimeMs',
  'batch-size': 'batchSize',
  'max-batch-size': 'maxBatchSize',
  'target-latency-ms': 'targetLatencyMs',
  'min-flush-interval-ms': 'minFlushIntervalMs',
  'max-flush-interval-ms': 'maxFlushIntervalMs',
  'max-concurrent-flushes': 'maxConcurrentFlushes',
  'max-flushes-per-second': 'maxFlushesPerSecond',
  'flush-timeout-ms': 'flushTimeoutMs',
  'max-attempts': 'maxAttempts',
} as const satisfies Record<string, keyof BackpressureConfig>;

const TEXTS = [...Object.keys(NUMBERS), ...Object.keys(BUFFER_OPTIONS), 'algorithm', 'arrivals', 'discipline'];
type Texts = Readonly<Record<string, string | undefined>>;

/** More flushes than this take minutes on a real clock, and memory. */
const MOST_FLUSHES = 20_000_000;

/** @throws UsageError that names the option and what was given */
export function parseCommand(argv: readonly string[]): Command {
  const { texts, json, help, compare } = split(argv);
  if (help) return { mode: 'help' };
  const number = (name: NumberFlag) => numberOf(name, texts[name]);
  if (compare) return { mode: 'compare', seed: number('seed'), json };
  const figures: Figures = {
    seed: number('seed'),
    duration: number('duration'),
    rate: number('rate'),
    arrivals: choiceOf('arrivals', texts, ['poisson', 'constant', 'bursty']),
    backlog: number('backlog'),
    burst: number('burst'),
    burstAt: number('burst-at'),
    burstFor: number('burst-for'),
    consumers: number('consumers'),
    concurrency: number('concurrency'),
    downstream: {
      discipline: choiceOf('discipline', texts, ['sharing', 'fifo']),
      servers: number('servers'),
      serviceMs: number('latency-ms'),
      fixedShare: number('fixed-share'),
      spread: number('latency-spread'),
      degradation: number('degradation'),
      ...tokensOf(texts, number),
    },
    disturbance: disturbanceOf(texts, number),
    disturbAt: number('disturb-at'),
    disturbFor: number('disturb-for'),
    config: configOf(texts),
  };
  checkTogether(figures, texts);
  return { mode: 'run', figures, json };
}

function split(argv: readonly string[]): { texts: Texts; json: boolean; help: boolean; compare: boolean } {
  const options = Object.fromEntries([...TEXTS, 'strategy'].map((name) => [name, { type: 'string' } as const]));
  const flags = { json: { type: 'boolean' }, help: { type: 'boolean' }, compare: { type: 'boolean' } } as const;
  try {
    const { values, positionals } = parseArgs({
      args: withNegativesJoined(argv),
      allowPositionals: true,
      options: { ...options, ...flags },
    });
    if (positionals[0] !== undefined) throw new UsageError(`unexpected argument: ${positionals[0]}`);
    const { json = false, help = false, compare = false, ...texts } = values;
    return { texts: texts as Texts, json: json === true, help: help === true, compare: compare === true };
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError((error as Error).message.split('. ')[0]);
  }
}

/** `--rate -5` as `--rate=-5`: parseArgs would take the number for an option, and not say what is wrong with it. */
function withNegativesJoined(argv: readonly string[]): string[] {
  const joined: string[] = [];
  for (const arg of argv) {
    const last = joined.at(-1);
    if (/^-\.?\d/.test(arg) && last?.startsWith('--') && !last.includes('=')) joined[joined.length - 1] += `=${arg}`;
    else if (arg !== '--') joined.push(arg);
  }
  return joined;
}

function numberOf(name: NumberFlag, text: string | undefined): number {
  const { fallback, from, to, whole = false }: Range = NUMBERS[name];
  const value = text === undefined ? fallback : valueOf(text);
  if (value >= from && value <= to && (!whole || Number.isInteger(value))) return value;
  const range = to === Number.POSITIVE_INFINITY ? `of at least ${from}` : `from ${from} to ${to}`;
  throw new UsageError(`--${name} must be a ${whole ? 'whole ' : ''}number ${range} (got ${shown(text)})`);
}

/** NaN where there is no number; the empty text is none. */
const valueOf = (text: string) => (text.trim() === '' ? Number.NaN : Number(text));
const shown = (text: string | undefined) => (text === '' ? 'nothing' : text);

function choiceOf<const T extends string>(name: string, texts: Texts, known: readonly [T, ...T[]]): T {
  const text = texts[name] ?? known[0];
  const found = known.find((each) => each === text);
  if (found === undefined) throw new UsageError(`--${name} must be one of ${known.join(', ')} (got ${shown(text)})`);
  return found;
}

/** A bucket of a second's answers, unless it is stated. */
function tokensOf(texts: Texts, number: (name: NumberFlag) => number): Pick<DownstreamSpec, 'tokens'> {
  if (texts['downstream-rate'] === undefined) return {};
  const perSecond = number('downstream-rate');
  const burst = texts['downstream-burst'] === undefined ? Math.max(1, perSecond) : number('downstream-burst');
  return { tokens: { perSecond, burst, retryAfterMs: number('retry-after-ms') } };
}

function disturbanceOf(texts: Texts, number: (name: NumberFlag) => number): Figures['disturbance'] {
  const disturbance = {
    ...(texts.slowdown === undefined ? {} : { slowdown: number('slowdown') }),
    ...(texts['servers-left'] === undefined ? {} : { servers: number('servers-left') }),
    ...(texts['error-share'] === undefined ? {} : { errorShare: number('error-share') }),
  };
  return Object.keys(disturbance).length === 0 ? undefined : disturbance;
}

/** Checked by the product itself, so that what runs here could be deployed. */
function configOf(texts: Texts): BackpressureConfig {
  const algorithm = choiceOf('algorithm', texts, ['elastic', 'interval', 'fixed']);
  const stated: Record<string, unknown> = texts.strategy === undefined ? {} : { strategy: texts.strategy };
  for (const [flag, option] of Object.entries(BUFFER_OPTIONS)) {
    const text = texts[flag];
    if (text !== undefined) stated[option] = valueOf(text);
  }
  try {
    // Nobody dies here, so no lease ends: it must only be longer than any flush.
    return parseOptions({ ...stated, control: { algorithm }, leaseMs: 86_400_000 }).config;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new UsageError(error.faults.map((fault) => faultText(fault, texts)).join('\n'));
  }
}

function faultText({ option, message, received }: ConfigError['faults'][number], texts: Texts): string {
  const flag = Object.entries(BUFFER_OPTIONS).find(([, name]) => name === option)?.[0] ?? option;
  return `--${flag} ${message} (got ${shown(texts[flag]) ?? String(received)})`;
}

function checkTogether(figures: Figures, texts: Texts): void {
  const { duration, burst, disturbance, consumers, concurrency, downstream, rate } = figures;
  const rule = (holds: boolean, name: string, message: string) => {
    const given = texts[name] ?? String(name in NUMBERS ? NUMBERS[name as NumberFlag].fallback : undefined);
    if (!holds) throw new UsageError(`--${name} ${message} (got ${given})`);
  };
  const slots = consumers * concurrency;
  rule(figures.backlog === 0 || figures.arrivals !== 'bursty', 'backlog', 'needs --arrivals poisson or constant');
  for (const name of ['downstream-burst', 'retry-after-ms'])
    rule(texts[name] === undefined || downstream.tokens !== undefined, name, 'needs --downstream-rate');
  for (const name of ['burst-at', 'burst-for'])
    rule(texts[name] === undefined || texts.burst !== undefined, name, 'needs --burst');
  for (const name of ['disturb-at', 'disturb-for'])
    rule(
      texts[name] === undefined || disturbance !== undefined,
      name,
      'needs --slowdown, --servers-left or --error-share',
    );
  const early = `must be below --duration, which is ${duration}`;
  rule(burst === 1 || figures.burstAt < duration, 'burst-at', early);
  rule(disturbance === undefined || figures.disturbAt < duration, 'disturb-at', early);
  rule(
    (disturbance?.servers ?? 1) <= downstream.servers,
    'servers-left',
    `must be at most --servers, which is ${downstream.servers}`,
  );
  rule(slots <= 10_000, 'consumers', `times --concurrency, which is ${concurrency}, must be at most 10000`);
  const items = figures.backlog + rate * duration * Math.max(1, burst);
  const served = Math.min(items, (duration * 1_000 * slots) / downstream.serviceMs);
  // Each answer of 429 holds the fleet; until it comes all slots may have asked.
  const refused = downstream.tokens === undefined ? 0 : (duration * 1_000 * slots) / downstream.tokens.retryAfterMs;
  const flushes = Math.round(served + refused);
  rule(flushes <= MOST_FLUSHES, 'duration', `makes up to ${flushes} flushes, the most is ${MOST_FLUSHES}`);
}
