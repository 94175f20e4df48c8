import { BackpressureConsumer } from '@backpressure/consumer';
import { BackpressureAdmin, type BackpressureOptions, DEFAULT_CONFIG, defineBuffer } from '@backpressure/core';
import { openRedisStore } from '@backpressure/core/store';
import { BackpressureProducer } from '@backpressure/producer';

/** One call of the API with something that it can't be meant to take. */
export interface HostileCall {
  readonly name: string;
  readonly call: () => unknown;
}

/** What the calls are made upon: a producer and an admin that are connected, and where their Redis is. */
export interface HostileStage {
  readonly url: string;
  /** Of the buffer that must not notice. */
  readonly name: string;
  readonly producer: BackpressureProducer<unknown>;
  readonly admin: BackpressureAdmin<unknown>;
}

/** Everything here has lost its type on the way, as it has in a service that is configured by others. */
type Any = never;

/** No option takes any of these. `undefined` is no value at all, and so means the default everywhere. */
const NO_NUMBERS: readonly unknown[] = [
  Number.NaN,
  Number.POSITIVE_INFINITY,
  -1,
  1.5,
  '10',
  '0x10',
  null,
  10n,
  {},
  [],
  true,
  Symbol('ten'),
];
const NO_CHOICES: readonly unknown[] = ['BLOCK', '', 'constructor', '__proto__', null, 0, {}, [], Symbol('block')];
const NO_NAMES = ['', 'a b', 'a:b', '{x}', '../x', 'x\r\nFLUSHALL', 'ü', 'a'.repeat(129), 5, null, Symbol('x'), {}];
const NO_CONNECTIONS = [
  '',
  'http://localhost',
  'localhost:6379',
  5,
  null,
  'redis://localhost?keyPrefix=x',
  { keyPrefix: 'x' },
];
const NO_OBJECTS: readonly unknown[] = [null, 5, 'x', true, Symbol('x')];
const NO_IDS: readonly unknown[] = [null, 5, 'x', {}, ['x'], ['1'], [5], [null], [{}]];
const circular: Record<string, unknown> = {};
circular.self = circular;
const NO_ITEMS: readonly unknown[] = [
  undefined,
  () => 1,
  Symbol('item'),
  10n,
  circular,
  { deep: [1n] },
  {
    toJSON: () => {
      throw new Error('no');
    },
  },
  { toJSON: () => undefined },
  {
    get trap() {
      throw new Error('no');
    },
  },
  'x'.repeat(DEFAULT_CONFIG.maxItemBytes),
];

const WHOLE = [
  'maxBufferSize',
  'maxBufferBytes',
  'maxItemBytes',
  'maxItemAgeMs',
  'sampleRate',
  'maxBlockTimeMs',
  'batchSize',
  'maxBatchSize',
  'minFlushIntervalMs',
  'maxFlushIntervalMs',
  'targetLatencyMs',
  'maxConcurrentFlushes',
  'flushTimeoutMs',
  'leaseMs',
  'maxAttempts',
  'deadLetterLimit',
] as const;
const SHARES = ['highWatermark', 'lowWatermark', 'hysteresis'] as const;

export function hostileCalls(stage: HostileStage): readonly HostileCall[] {
  return [...ofDefinitions(), ...ofConstruction(stage), ...ofPushes(stage), ...ofAdmin(stage)];
}

function each(name: string, values: readonly unknown[], call: (value: Any) => unknown): HostileCall[] {
  return values.map((value) => ({ name: `${name} ${shown(value)}`, call: () => call(value as Any) }));
}

function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 20));
  return typeof value === 'object' && value !== null ? Object.prototype.toString.call(value) : String(value);
}

function ofDefinitions(): HostileCall[] {
  const define = (options: object) => defineBuffer({ name: 'hostile', ...options } as Any);
  return [
    ...each('defineBuffer', NO_OBJECTS, (value) => defineBuffer(value)),
    ...each('defineBuffer name', NO_NAMES, (name) => defineBuffer({ name })),
    // maxBufferBytes, maxItemAgeMs and maxBatchSize may be null: none.
    ...WHOLE.flatMap((option) =>
      each(
        `defineBuffer ${option}`,
        NO_NUMBERS.filter((value) => value !== null),
        (value) => define({ [option]: value }),
      ),
    ),
    ...SHARES.flatMap((option) => each(`defineBuffer ${option}`, NO_NUMBERS, (value) => define({ [option]: value }))),
    ...each('defineBuffer strategy', NO_CHOICES, (strategy) => define({ strategy })),
    ...each('defineBuffer onConfigMismatch', NO_CHOICES, (onConfigMismatch) => define({ onConfigMismatch })),
    ...each('defineBuffer schema', NO_OBJECTS, (schema) => define({ schema })),
    ...each('defineBuffer codec', NO_OBJECTS, (codec) => define({ codec })),
    ...each('defineBuffer backoff', ['x', 5, { delayMs: -1 }, { maxDelayMs: Number.NaN }], (backoff) =>
      define({ backoff }),
    ),
    ...each('defineBuffer unknown option', ['__proto__', 'maxSize'], (option) =>
      define(JSON.parse(`{"${String(option)}x":1}`) as object),
    ),
  ];
}

function ofConstruction({ url, name }: HostileStage): HostileCall[] {
  const buffer = defineBuffer<unknown>({ name });
  const produce = (options: object) => new BackpressureProducer(buffer, { connection: url, ...options } as Any);
  const consume = (options: object) =>
    new BackpressureConsumer(buffer, async () => {}, { connection: url, ...options } as Any);
  const open = (options: object) => openRedisStore(name, url, options as Any);
  return [
    ...each('producer buffer', NO_OBJECTS, (value) => new BackpressureProducer(value, { connection: url })),
    ...each('producer options', NO_OBJECTS, (value) => new BackpressureProducer(buffer, value)),
    ...each('producer connection', NO_CONNECTIONS, (connection) => produce({ connection })),
    ...each('producer sessions', NO_NUMBERS, (sessions) => produce({ sessions })),
    ...each('producer maxPendingItems', NO_NUMBERS, (maxPendingItems) => produce({ maxPendingItems })),
    ...each('producer deadlineMs', NO_NUMBERS, (deadlineMs) => produce({ deadlineMs })),
    ...each('producer onUnavailable', NO_CHOICES, (onUnavailable) => produce({ onUnavailable })),
    ...each('consumer flush', NO_OBJECTS, (flush) => new BackpressureConsumer(buffer, flush, { connection: url })),
    ...each('consumer options', NO_OBJECTS, (value) => new BackpressureConsumer(buffer, async () => {}, value)),
    ...each('consumer connection', NO_CONNECTIONS, (connection) => consume({ connection })),
    ...each('consumer concurrency', NO_NUMBERS, (concurrency) => consume({ concurrency })),
    ...each('consumer sliceMs', NO_NUMBERS, (sliceMs) => consume({ sliceMs })),
    ...each('admin connection', NO_CONNECTIONS, (connection) => new BackpressureAdmin(buffer, { connection })),
    ...each('store durability', ['x', 5, { replicas: 0, timeoutMs: 1 }, { replicas: 1 }], (durability) =>
      open({ durability }),
    ),
    ...each('store memoryHeadroom', NO_NUMBERS, (memoryHeadroom) => open({ memoryHeadroom })),
  ];
}

function ofPushes({ producer }: HostileStage): HostileCall[] {
  const push = (options: object) => producer.push('item', options as Any);
  return [
    ...each('push item', NO_ITEMS, (item) => producer.push(item)),
    ...each('push options', NO_OBJECTS, (options) => producer.push('item', options)),
    ...each('push priority', NO_CHOICES, (priority) => push({ priority })),
    ...each('push timeoutMs', [Number.NaN, -1, '10', null, 10n, {}, []], (timeoutMs) => push({ timeoutMs })),
    ...each('push signal', [null, 5, 'x', {}, { aborted: false }], (signal) => push({ signal })),
    ...each('push unknown option', [1], (value) => push({ timeout: value })),
    ...each('pushMany items', [null, undefined, 5, {}, Symbol('x')], (items) => producer.pushMany(items)),
    ...each('pushMany options', NO_OBJECTS, (options) => producer.pushMany(['item'], options)),
    ...each('pushMany item', NO_ITEMS, async (item) => {
      // One bad item is refused in its place; here there is no other.
      const { results } = await producer.pushMany([item]);
      const [result] = results;
      if (result !== undefined && !result.accepted && 'error' in result) throw result.error;
    }),
    ...each('pushOrThrow priority', NO_CHOICES, (priority) => producer.pushOrThrow('item', { priority })),
    ...each('resolve token', [null, 5, {}, { session: 'x', seq: 1 }, { session: 'a'.repeat(16), seq: 0 }], (token) =>
      producer.resolve(token),
    ),
  ];
}

function ofAdmin({ admin }: HostileStage): HostileCall[] {
  const options = ['maxBufferSize', 'batchSize', 'leaseMs', 'highWatermark'] as const;
  return [
    ...options.flatMap((option) =>
      each(`configure ${option}`, NO_NUMBERS, (value) =>
        admin.configure({ [option]: value } as unknown as BackpressureOptions),
      ),
    ),
    ...each('configure', NO_OBJECTS, (patch) => admin.configure(patch)),
    ...each('configure unknown option', [1], (value) => admin.configure({ limit: value } as Any)),
    ...each('pause', [null, 5, { intake: 'yes' }, { flush: 1 }], (what) => admin.pause(what)),
    ...each('drain timeoutMs', NO_NUMBERS, (timeoutMs) => admin.drain({ timeoutMs })),
    ...each('deadLetters.list limit', NO_NUMBERS, (limit) => admin.deadLetters.list({ limit })),
    ...each('deadLetters.list before', ['x', 5, {}, '1-x', '-1'], (before) => admin.deadLetters.list({ before })),
    ...each('deadLetters.redrive ids', NO_IDS, (ids) => admin.deadLetters.redrive(ids)),
    ...each('deadLetters.discard ids', NO_IDS, (ids) => admin.deadLetters.discard(ids)),
    ...each('events limit', NO_NUMBERS, (limit) => admin.events({ limit })),
    ...each('events after', ['x', 5, {}, '1-x', '-1'], (after) => admin.events({ after })),
    ...each('events options', NO_OBJECTS, (value) => admin.events(value)),
  ];
}
