import * as z from 'zod';
import { faultsOf, oneOf, readOptions, valueAt, wholeNumber } from './check-input.js';
import { type Given, ruleFaults } from './config-rules.js';
import { ConfigError, type ConfigFault } from './errors.js';
import { LANES } from './lane.js';

/** The largest delay that Node's timers take, about 24.8 days. */
const MAX_TIMER_MS = 2_147_483_647;

const share = (text: string, check: (value: number) => boolean) =>
  z.number({ error: text }).refine(check, { error: text });

/** The options of a buffer. Each is a limit or a policy of the whole fleet, and lives in Redis. */
const shape = {
  maxBufferSize: wholeNumber(1, 10_000_000),
  maxBufferBytes: wholeNumber(1, 1_000_000_000_000).optional(),
  maxItemBytes: wholeNumber(1, 16_777_216),
  maxItemAgeMs: wholeNumber(1, 31_536_000_000).optional(),
  highWatermark: share('must be a number above lowWatermark and below 1', (value) => value > 0 && value < 1),
  lowWatermark: share('must be a number above hysteresis and below highWatermark', (value) => value > 0 && value < 1),
  hysteresis: share('must be a number from 0 to below lowWatermark', (value) => value >= 0 && value < 1),
  strategy: oneOf(['block', 'drop_oldest', 'drop_newest', 'sample']),
  sampleRate: wholeNumber(1, 1_000_000),
  maxBlockTimeMs: wholeNumber(0, MAX_TIMER_MS),
  shed: z
    .strictObject(
      { elevated: oneOf(LANES).optional(), critical: oneOf(LANES).optional() },
      objectError('{ elevated?, critical? }'),
    )
    .optional(),
  deadLetterEvictions: z.boolean({ error: 'must be true or false' }),
  batchSize: wholeNumber(1, 1000),
  maxBatchSize: wholeNumber(1, 1000).optional(),
  minFlushIntervalMs: wholeNumber(0, 3_600_000),
  maxFlushIntervalMs: wholeNumber(1, 3_600_000),
  targetLatencyMs: wholeNumber(1, 3_600_000),
  maxConcurrentFlushes: wholeNumber(1, 10_000),
  flushTimeoutMs: wholeNumber(1, 3_600_000),
  leaseMs: wholeNumber(100, 86_400_000),
  maxAttempts: wholeNumber(1, 1000),
  backoff: z.strictObject(
    {
      type: oneOf(['exponential', 'fixed']).default('exponential'),
      delayMs: wholeNumber(0, 86_400_000).default(1000),
      maxDelayMs: wholeNumber(0, 86_400_000).default(60_000),
    },
    objectError('{ type, delayMs, maxDelayMs }'),
  ),
  deadLetterLimit: wholeNumber(0, 10_000_000),
  control: z.strictObject(
    {
      algorithm: oneOf(['elastic', 'interval', 'fixed']).default('elastic'),
      mode: oneOf(['enforce', 'observe']).default('enforce'),
    },
    objectError('{ algorithm, mode }'),
  ),
  breaker: z.strictObject(
    {
      enabled: z.boolean({ error: 'must be true or false' }).default(true),
      failureRatio: share('must be a number above 0, at most 1', (value) => value > 0 && value <= 1).default(0.5),
      minFlushes: wholeNumber(1, 100_000).default(20),
      windowMs: wholeNumber(100, 3_600_000).default(10_000),
      cooldownMs: wholeNumber(10, 3_600_000).default(1_000),
      maxCooldownMs: wholeNumber(10, 3_600_000).default(30_000),
    },
    objectError('{ enabled, failureRatio, minFlushes, windowMs, cooldownMs, maxCooldownMs }'),
  ),
  maxFlushesPerSecond: share(
    'must be a number from 0.001 to 1000000',
    (value) => value >= 0.001 && value <= 1_000_000,
  ).optional(),
};

function objectError(form: string) {
  return {
    error: (issue: { code?: string | undefined }) =>
      issue.code === 'unrecognized_keys' ? 'an unknown option' : `must be an object ${form}`,
  };
}

const unknownOption = {
  error: (issue: { code?: string | undefined }) =>
    issue.code === 'unrecognized_keys' ? 'an unknown option' : 'an object',
};
const completeSchema = z.strictObject(shape, unknownOption);
const statedSchema = completeSchema.partial();

/** Every option, with the defaults filled in. */
export type BackpressureConfig = z.output<typeof completeSchema>;

/** What a definition states: any of the options. `undefined` is the same as leaving one out; 0 is 0. */
export type BackpressureOptions = z.input<typeof statedSchema>;

export const DEFAULT_CONFIG: BackpressureConfig = {
  maxBufferSize: 10_000,
  maxItemBytes: 262_144,
  highWatermark: 0.8,
  lowWatermark: 0.5,
  hysteresis: 0.05,
  strategy: 'drop_oldest',
  sampleRate: 10,
  maxBlockTimeMs: 5_000,
  deadLetterEvictions: false,
  batchSize: 100,
  minFlushIntervalMs: 100,
  maxFlushIntervalMs: 30_000,
  targetLatencyMs: 500,
  maxConcurrentFlushes: 64,
  flushTimeoutMs: 10_000,
  leaseMs: 15_000,
  maxAttempts: 5,
  backoff: { type: 'exponential', delayMs: 1_000, maxDelayMs: 60_000 },
  deadLetterLimit: 10_000,
  control: { algorithm: 'elastic', mode: 'enforce' },
  breaker: {
    enabled: true,
    failureRatio: 0.5,
    minFlushes: 20,
    windowMs: 10_000,
    cooldownMs: 1_000,
    maxCooldownMs: 30_000,
  },
};

/**
 * Checks options on their own: each by itself, and those of them that have to agree with each other.
 *
 * @throws ConfigError that lists every fault.
 */
export function checkOptions(stated: unknown, subject: string): BackpressureOptions {
  return check(statedSchema, definedIn(stated, subject), subject) as BackpressureOptions;
}

/**
 * Checks what a definition states, fills in the defaults, and checks the whole. `found`: what is wrong besides.
 *
 * @throws ConfigError that lists every fault.
 */
export function parseOptions(
  stated: unknown,
  subject = 'The configuration',
  found: readonly ConfigFault[] = [],
): { stated: BackpressureOptions; config: BackpressureConfig } {
  const given = definedIn(stated, subject);
  const isGiven = (option: string) => valueAt(given, option.split('.')) !== undefined;
  const config = check(completeSchema, withDefaults(given), subject, { isGiven, otherwise: 'by default' }, found);
  const options = Object.keys(given as object).map((option) => [option, config[option as keyof BackpressureConfig]]);
  return { stated: Object.fromEntries(options) as BackpressureOptions, config };
}

/**
 * Checks a whole configuration.
 *
 * @throws ConfigError that lists every fault.
 */
export function completeConfig(config: unknown, subject: string, given?: Given): BackpressureConfig {
  return check(completeSchema, definedIn(config, subject), subject, given);
}

/** Options that are not valid by themselves break no rule with others: what they should have been is not known. */
function check<Schema extends z.ZodType>(
  schema: Schema,
  input: unknown,
  subject: string,
  given: Given = { isGiven: () => true, otherwise: 'by default' },
  found: readonly ConfigFault[] = [],
): z.output<Schema> {
  const parsed = schema.safeParse(input);
  const faults = parsed.success ? [] : faultsOf(parsed.error, input);
  const faulty = new Set(faults.map(({ option }) => option.split('.')[0]));
  const sound = isRecord(input) ? Object.entries(input).filter(([option]) => !faulty.has(option)) : [];
  const all = [...found, ...faults, ...ruleFaults(Object.fromEntries(sound), given)];
  if (!parsed.success || all.length > 0) throw new ConfigError(subject, all);
  return parsed.data;
}

/** A copy without what is undefined, in nested options neither. */
function definedIn(value: unknown, subject: string, depth = 1): unknown {
  const read = readOptions(value, subject);
  if (!isRecord(read)) return read;
  const defined = Object.entries(read).filter(([, entry]) => entry !== undefined);
  if (depth === 0) return Object.fromEntries(defined);
  return Object.fromEntries(defined.map(([option, entry]) => [option, definedIn(entry, subject, depth - 1)]));
}

function withDefaults(given: unknown): unknown {
  if (!isRecord(given)) return given;
  const nested = Object.entries(given).map(([option, entry]) => {
    const defaults: unknown = DEFAULT_CONFIG[option as keyof BackpressureConfig];
    return [option, isRecord(entry) && isRecord(defaults) ? { ...defaults, ...entry } : entry];
  });
  return { ...DEFAULT_CONFIG, ...Object.fromEntries(nested) };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
