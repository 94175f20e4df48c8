import { BackpressureConsumer } from '@backpressure/consumer';
import { BackpressureAdmin, BoundedBuffer, type BufferDefinition, defineBuffer } from '@backpressure/core';
import { registerMetrics } from '@backpressure/core/metrics';
import { openRedisStore } from '@backpressure/core/store';
import { MemoryStore } from '@backpressure/core/testing';
import { BackpressureProducer, backpressureMiddleware } from '@backpressure/producer';
import { BackpressureController } from 'backpressure';

/** One call of the public API with something that it must refuse. */
export interface HostileCall {
  /** The call and the option, such as `producer.push timeoutMs`. */
  readonly call: string;
  /** The option that the error has to name. */
  readonly option: string;
  readonly value: unknown;
  /** Throws, or rejects. */
  run(): unknown;
}

/** A payload that can't be encoded. */
export interface HostileItem {
  readonly kind: string;
  readonly item: unknown;
}

/** How a fault of the whole input is named. */
const WHOLE = '(the whole)';

const circular: Record<string, unknown> = {};
circular.self = circular;
const { proxy: revoked, revoke } = Proxy.revocable({}, {});
revoke();

const NO_NUMBER = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, '10', '0x10', null, 10n, {}, true];
const NO_COUNT = [...NO_NUMBER, -1, 1.5, 2 ** 53, 1e308, [7], Symbol('n'), () => 1, new Date(7), { valueOf: () => 7 }];
const NO_SHARE = [...NO_NUMBER, -0.1, 1, 1.5, [0.5]];
const NO_WORD = ['', 'DROP_OLDEST', 'toString', '__proto__', 7, null, ['block'], { toString: () => 'block' }];
const NO_OBJECT = [null, 7, 'x', true, [], () => {}, Symbol('o'), 7n, revoked];
const NO_NAME = [
  '',
  'a:b',
  '{a}',
  'a}',
  'a b',
  'a\r\nSET x 1',
  'ä',
  '💥',
  '../x',
  'a\0b',
  'x'.repeat(129),
  7,
  null,
  {},
];

/** Options that hold what no option is: also ones that would reach a prototype, or throw when they are read. */
const STRANGE_OPTIONS: readonly (readonly [option: string, options: object])[] = [
  ['maxBuffer', { maxBuffer: 5 }],
  ['__proto__', JSON.parse('{"__proto__": {"maxBufferSize": 5}}') as object],
  ['constructor', { constructor: { prototype: { maxBufferSize: 5 } } }],
  ['backoff.__proto__', { backoff: JSON.parse('{"__proto__": {"delayMs": 5}}') as object }],
];

/** Every option of a buffer with what it must refuse. */
const BUFFER_OPTIONS: Readonly<Record<string, readonly unknown[]>> = {
  maxBufferSize: [...NO_COUNT, 0, 10_000_001],
  maxBufferBytes: [Number.NaN, -1, 0, '1kb', 1.5],
  maxItemBytes: [Number.NaN, 0, 16_777_217, '1'],
  maxItemAgeMs: [Number.NaN, 0, -1, '1s'],
  highWatermark: NO_SHARE,
  lowWatermark: NO_SHARE,
  hysteresis: [Number.NaN, -0.01, '5%', 1],
  strategy: NO_WORD,
  sampleRate: [Number.NaN, 0, 1.5, '10'],
  maxBlockTimeMs: [Number.NaN, -1, Number.POSITIVE_INFINITY, '5s'],
  deadLetterEvictions: ['yes', 1, null],
  batchSize: [...NO_COUNT, 0, 1_001],
  maxBatchSize: [0, 1_001, '5'],
  minFlushIntervalMs: [Number.NaN, -1, 3_600_001],
  maxFlushIntervalMs: [Number.NaN, 0],
  targetLatencyMs: [0, '500'],
  maxConcurrentFlushes: [0, 10_001],
  flushTimeoutMs: [0, Number.POSITIVE_INFINITY],
  leaseMs: [99, 86_400_001, '15s'],
  maxAttempts: [0, 1_001, null],
  backoff: [null, 5, 'exponential', []],
  deadLetterLimit: [-1, Number.NaN],
  shed: [null, 'low', 7],
  control: [null, 'elastic', []],
};
/** Options that are wrong only beside others: at run time those are the ones in Redis. */
const DISAGREEING_OPTIONS: readonly (readonly [option: string, options: object])[] = [
  ['lowWatermark', { lowWatermark: 0.81 }],
  ['hysteresis', { hysteresis: 0.5 }],
  ['maxBufferBytes', { maxBufferBytes: 10 }],
  ['maxBatchSize', { maxBatchSize: 5 }],
  ['minFlushIntervalMs', { minFlushIntervalMs: 30_001 }],
  ['leaseMs', { leaseMs: 10_000 }],
  ['backoff.delayMs', { backoff: { delayMs: 90_000 } }],
];
const NESTED_OPTIONS: readonly (readonly [option: string, options: object])[] = [
  ['backoff.type', { backoff: { type: 'linear' } }],
  ['backoff.delayMs', { backoff: { delayMs: -1 } }],
  ['backoff.delay', { backoff: { delay: 1 } }],
  ['shed.critical', { shed: { critical: 'lowest' } }],
  ['shed.high', { shed: { high: 'low' } }],
  ['control.algorithm', { control: { algorithm: 'magic' } }],
  ['control.gain', { control: { gain: 3 } }],
];

/** At least 200 calls, each of which has to be refused by a typed error before Redis hears of it. */
export function hostileCalls(connection: string): { readonly calls: readonly HostileCall[]; close(): Promise<void> } {
  const buffer = defineBuffer<unknown>({ name: 'hostile' });
  const producer = new BackpressureProducer(buffer, { connection });
  const consumer = new BackpressureConsumer(buffer, () => {}, { connection });
  const admin = new BackpressureAdmin(buffer, { connection });
  const controller = new BackpressureController(() => {}, { name: 'hostile', connection });
  const calls: HostileCall[] = [];
  const add = (call: string, option: string, values: readonly unknown[], run: (value: never) => unknown) => {
    for (const value of values) calls.push({ call, option, value, run: () => run(value as never) });
  };
  const addOptions = (call: string, run: (options: never) => unknown) => {
    for (const [option, values] of Object.entries(BUFFER_OPTIONS)) {
      add(call, option, values, (value) => run({ [option]: value } as never));
    }
    for (const [option, options] of [...NESTED_OPTIONS, ...STRANGE_OPTIONS]) {
      add(call, option, [options], () => run(options as never));
    }
  };

  add('defineBuffer', 'name', NO_NAME, (name) => defineBuffer({ name }));
  add('defineBuffer', WHOLE, [null, 7, 'x', undefined, throwing('name')], (spec) => defineBuffer(spec));
  add('defineBuffer', 'schema', [{}, 7, 'x'], (schema) => defineBuffer({ name: 'a', schema }));
  add('defineBuffer', 'codec', [{}, 7, { encode: 1 }, null], (codec) => defineBuffer({ name: 'a', codec }));
  add('defineBuffer', 'onConfigMismatch', ['ignore', null, 7], (onConfigMismatch) =>
    defineBuffer({ name: 'a', onConfigMismatch }),
  );
  addOptions('defineBuffer', (options: object) => defineBuffer({ name: 'a', ...options }));
  for (const [option, options] of DISAGREEING_OPTIONS) {
    add('defineBuffer', option, [options], () => defineBuffer({ name: 'a', ...options }));
  }
  addOptions('admin.configure', (options) => admin.configure(options));
  add('admin.configure', WHOLE, [null, 7, 'x', [], throwing('maxBufferSize')], (options) => admin.configure(options));
  addOptions('controller', (options: object) => new BackpressureController(() => {}, options));
  addClients(add, buffer, connection);

  add('producer.push', 'timeoutMs', [Number.NaN, -1, '100', null, 2n], (timeoutMs) => producer.push(1, { timeoutMs }));
  add('producer.push', 'priority', NO_WORD, (priority) => producer.push(1, { priority }));
  add('producer.push', 'signal', [{}, null, 'x'], (signal) => producer.push(1, { signal }));
  add('producer.push', 'timeout', [5], (timeout) => producer.push(1, { timeout } as never));
  add('producer.push', WHOLE, NO_OBJECT, (options) => producer.push(1, options));
  add('producer.pushOrThrow', 'timeoutMs', [Number.NaN, -1], (timeoutMs) => producer.pushOrThrow(1, { timeoutMs }));
  add('producer.pushMany', 'items', [null, undefined, 7, {}, Symbol('i')], (items) => producer.pushMany(items));
  add('producer.pushMany', 'priority', ['urgent'], (priority) => producer.pushMany([1], { priority }));
  add('producer.writable', 'highWaterMark', [Number.NaN, -1, '16', 1.5], (highWaterMark) =>
    producer.writable({ highWaterMark }),
  );
  add('producer.writable', 'priority', ['urgent'], (priority) => producer.writable({ priority }));
  add('producer.writable', 'signal', [{}], (signal) => producer.writable({ signal }));
  add('producer.resolve', WHOLE, [undefined, null, 7, 'token'], (token) => producer.resolve(token));
  add('producer.resolve', 'session', ['short', 'x:{y}'.padEnd(16), 7], (session) =>
    producer.resolve({ session, seq: 2 }),
  );
  add('producer.resolve', 'seq', [0, 1, -1, 1.5, Number.NaN, '1', 2 ** 32], (seq) =>
    producer.resolve({ session: 'x'.repeat(16), seq }),
  );
  add('producer.close', 'timeoutMs', [Number.NaN, -1, '5', Number.POSITIVE_INFINITY], (timeoutMs) =>
    producer.close({ timeoutMs }),
  );

  add('consumer.close', 'timeoutMs', [...NO_COUNT, 2 ** 31], (timeoutMs) => consumer.close({ timeoutMs }));
  add('controller.stop', 'timeoutMs', [Number.NaN, -1], (timeoutMs) => controller.stop({ timeoutMs }));
  for (const [call, drain] of [
    ['admin.drain', admin.drain.bind(admin)],
    ['consumer.drain', consumer.drain.bind(consumer)],
    ['controller.drain', controller.drain.bind(controller)],
  ] as const) {
    add(call, 'timeoutMs', [...NO_COUNT, 86_400_001], (timeoutMs) => drain({ timeoutMs }));
    add(call, 'timeout', [5], (timeout) => drain({ timeout } as never));
  }
  add('admin.pause', 'intake', ['yes', 1, null], (intake) => admin.pause({ intake }));
  add('admin.pause', 'all', [true], (all) => admin.pause({ all } as never));
  add('admin.events', 'limit', [...NO_COUNT, 0, 1_001], (limit) => admin.events({ limit }));
  add('admin.events', 'after', [7, '+', 'x', '1-2-3', null], (after) => admin.events({ after }));
  add('admin.deadLetters.list', 'limit', [...NO_COUNT, 0, 1_001], (limit) => admin.deadLetters.list({ limit }));
  add('admin.deadLetters.list', 'before', [7, '+', 'x', '(1-1'], (before) => admin.deadLetters.list({ before }));
  add('admin.deadLetters.peek', 'id', [undefined, 7, '+', 'x', '1-2-3', ['1-1']], (id) => admin.deadLetters.peek(id));
  for (const action of ['redrive', 'discard'] as const) {
    add(`admin.deadLetters.${action}`, 'ids', [null, 7, '1-1', [7], ['x'], ['1-1', '-'], [['1-1']]], (ids) =>
      admin.deadLetters[action](ids),
    );
  }
  const close = async () => {
    await Promise.all([producer.close(), consumer.close(), admin.close(), controller.stop()]);
  };
  return { calls, close };
}

type Add = (call: string, option: string, values: readonly unknown[], run: (value: never) => unknown) => void;

/** What producers, consumers, admins and stores are made of. */
function addClients(add: Add, buffer: BufferDefinition<unknown>, connection: string): void {
  const makers = {
    producer: (options: never) => new BackpressureProducer(buffer, options),
    consumer: (options: never) => new BackpressureConsumer(buffer, () => {}, options),
    admin: (options: never) => new BackpressureAdmin(buffer, options),
  };
  const noConnection = [7, 'localhost:6379', 'http://localhost', 'redis://a:99999', null, { keyPrefix: 'x:' }];
  for (const [call, make] of Object.entries(makers)) {
    const each = (option: string, values: readonly unknown[]) =>
      add(call, option, values, (value) => make({ connection, [option]: value } as never));
    each('connection', noConnection);
    each('deadlineMs', [...NO_COUNT, 0, 2 ** 31]);
    each('memoryHeadroom', [Number.NaN, -0.1, 1, '5%']);
    each('allowKeyEviction', ['yes', 1]);
    each('durability', [null, 1, 'all']);
    each('onWarning', ['log', 7, {}]);
    each('conection', [connection]);
    add(call, WHOLE, [null, undefined, 7, 'redis://localhost', throwing('connection')], make);
    for (const durability of [{ replicas: 0, timeoutMs: 5 }, { replicas: 1.5, timeoutMs: 5 }, { replicas: '1' }]) {
      add(call, 'durability.replicas', [durability], (value) => make({ connection, durability: value } as never));
    }
    add(call, 'store', [7, {}, 'memory'], (store) => make({ store } as never));
    const unconnected = { durability: { replicas: 1, timeoutMs: 5 }, memoryHeadroom: 0.1, allowKeyEviction: true };
    for (const [option, value] of Object.entries({ ...unconnected, onWarning: () => {} })) {
      add(call, option, [value], () => make({ store: new MemoryStore('hostile'), [option]: value } as never));
    }
  }
  for (const [option, values] of Object.entries({
    onUnavailable: NO_WORD,
    maxHeldItems: [-1, 1.5, Number.NaN, '1'],
    maxPendingItems: [...NO_COUNT, 0],
    maxPendingBytes: [0, -1, Number.NaN, '16MB'],
    sessions: [0, 65, 1.5, null],
  })) {
    add('producer', option, values, (value) => makers.producer({ connection, [option]: value } as never));
  }
  for (const [option, values] of Object.entries({ concurrency: [...NO_COUNT, 0, 1_001], sliceMs: [-1, 10_001, 'x'] })) {
    add('consumer', option, values, (value) => makers.consumer({ connection, [option]: value } as never));
  }
  const noBuffer = [undefined, null, 'orders', {}, { name: 'a' }];
  add('producer', 'buffer', noBuffer, (value) => new BackpressureProducer(value, { connection }));
  add('consumer', 'buffer', noBuffer, (value) => new BackpressureConsumer(value, () => {}, { connection }));
  add('admin', 'buffer', noBuffer, (value) => new BackpressureAdmin(value, { connection }));
  add('consumer', 'flush', [undefined, null, 'x', {}], (f) => new BackpressureConsumer(buffer, f, { connection }));
  add('controller', 'flush', [undefined, 7], (f) => new BackpressureController(f, {}));
  add('controller', 'name', [undefined], () => new BackpressureController(() => {}, { connection }));
  add(
    'controller',
    'concurrency',
    [0, 1.5, '4'],
    (concurrency) => new BackpressureController(() => {}, { concurrency }),
  );
  add(
    'controller',
    WHOLE,
    [null, 7, throwing('connection')],
    (options) => new BackpressureController(() => {}, options),
  );
  add('openRedisStore', 'deadlineMs', [0, '5'], (deadlineMs) => openRedisStore('a', connection, { deadlineMs }));
  add('backpressureMiddleware', 'refuseAt', NO_WORD, (refuseAt) =>
    backpressureMiddleware({ state: 'normal', retryAfterMs: 1 }, { refuseAt }),
  );
  add('registerMetrics', 'register', [undefined, {}, 7], (register) => registerMetrics({ register }));
  add('BoundedBuffer', 'capacity', NO_COUNT, (capacity) => new BoundedBuffer(capacity));
}

/** An object whose option can't be read. */
function throwing(option: string): object {
  return Object.defineProperty({}, option, {
    enumerable: true,
    get() {
      throw new Error('no');
    },
  });
}

/** Payloads that JSON can't hold, or that the store could not give back as they were. */
export const HOSTILE_ITEMS: readonly HostileItem[] = [
  { kind: 'a cycle', item: circular },
  { kind: 'a BigInt', item: { n: 1n } },
  { kind: 'a function', item: () => 1 },
  { kind: 'a symbol', item: Symbol('s') },
  { kind: 'undefined', item: undefined },
  {
    kind: 'a toJSON that throws',
    item: {
      toJSON() {
        throw new TypeError('no');
      },
    },
  },
  { kind: 'a toJSON that gives nothing', item: { toJSON: () => undefined } },
  { kind: 'a getter that throws', item: throwing('x') },
  { kind: 'a revoked proxy', item: revoked },
];
