import { ConfigError, LANES, type Lane, type StoreOptions } from '@backpressure/core';
import { checkClient, checkInput, clientShape, oneOf, wholeNumber } from '@backpressure/core/store';
import * as z from 'zod';

/** What a push does when Redis gives no answer within the deadline. */
export type OnUnavailable = (typeof ON_UNAVAILABLE)[number];
const ON_UNAVAILABLE = ['throw', 'refuse', 'hold'] as const;

/** How a producer works. Of this process alone: never compared with other processes. */
export interface ProducerOnlyOptions {
  /**
   * What a push does when Redis gives no answer within `deadlineMs`. Default `throw`.
   *
   * - `throw`: it throws `StoreUnavailableError`, which says whether the item may have been admitted all the same.
   * - `refuse`: the result is the refusal `unavailable`, with that error as its `cause`.
   * - `hold`: it goes on, under the same token, until Redis answers or the producer is closed; the result then tells
   *   for how long (`heldMs`). What is held is sent in the order in which it was pushed, before anything newer. What is
   *   pending when the outage is noticed is held whatever it is (`maxPendingItems` at most), and more is taken up to
   *   `maxHeldItems` and `maxPendingBytes`, in the memory of this process: it is lost if that dies. A push beyond that is
   *   refused at once as `unavailable`. The events `away` and `back` tell when it begins and ends.
   *   `deadlineMs` then limits each attempt, and all other calls; `close` ends it, and tells what it gave up.
   */
  readonly onUnavailable?: OnUnavailable | undefined;
  /** Under `hold`: how many items may be pending while Redis is away; 0 to 1,000,000. Default: `maxPendingItems`. */
  readonly maxHeldItems?: number | undefined;
  /**
   * How many items may be pending in this process: not sent yet, in a call, or waiting for room; 1 to 1,000,000,
   * default 10,000. Beyond it a push is refused at once. More takes more memory; fewer refuses earlier in a burst, and
   * lets fewer pushes wait for room.
   */
  readonly maxPendingItems?: number | undefined;
  /** The same in bytes of payload; 1 to 1 TB, default 16 MiB. A single larger item is taken when nothing else is pending. */
  readonly maxPendingBytes?: number | undefined;
  /**
   * Calls in flight at once; 1 to 64, default 4. More hides a long round trip; fewer makes larger calls of the same
   * load.
   */
  readonly sessions?: number | undefined;
}

/** What {@link BackpressureProducer} takes: where the buffer is, and how to work. */
export type ProducerOptions = StoreOptions & ProducerOnlyOptions;

/** The options of one push. */
export interface PushOptions {
  /** Default `normal`. */
  readonly priority?: Lane | undefined;
  /** Ends the push; the result is then the refusal `aborted`, unless a call under way decides otherwise. */
  readonly signal?: AbortSignal | undefined;
  /**
   * How long to wait for room at most under the strategy `block`, in ms; 0 does not wait, `Infinity` waits for as long
   * as `signal` allows. Default: the buffer's `maxBlockTimeMs`. It does not count the time that Redis may take to
   * answer, which `deadlineMs` limits.
   */
  readonly timeoutMs?: number | undefined;
}

/** The options with their defaults. */
export interface ProducerSettings {
  readonly deadlineMs: number;
  readonly onUnavailable: OnUnavailable;
  readonly maxHeldItems: number;
  readonly maxPendingItems: number;
  readonly maxPendingBytes: number;
  readonly sessions: number;
}

/** The longest time that one timer of Node can wait, about 24.8 days. */
const MAX_TIMER_MS = 2_147_483_647;

const settingsSchema = z.strictObject(
  {
    ...clientShape,
    onUnavailable: oneOf(ON_UNAVAILABLE).default('throw'),
    maxHeldItems: wholeNumber(0, 1_000_000).optional(),
    maxPendingItems: wholeNumber(1, 1_000_000).default(10_000),
    maxPendingBytes: wholeNumber(1, 1_000_000_000_000).default(16 * 1024 * 1024),
    sessions: wholeNumber(1, 64).default(4),
  },
  { error: 'must be an object with connection or store' },
);

const timeout = (max: number, text: string) => {
  const error = `must be a number from 0 to ${MAX_TIMER_MS}${text}`;
  return z.custom<number>((value) => typeof value === 'number' && value >= 0 && value <= max, { error });
};
/** zod takes `Infinity` for no number; here it is the longest wait of all. */
const pushSchema = z.strictObject(
  {
    priority: oneOf(LANES).optional(),
    signal: z.instanceof(AbortSignal, { error: 'must be an AbortSignal' }).optional(),
    timeoutMs: timeout(Number.POSITIVE_INFINITY, ', or Infinity').optional(),
  },
  { error: 'must be an object { priority?, signal?, timeoutMs? }' },
);
const streamSchema = z.strictObject(
  {
    signal: pushSchema.shape.signal,
    priority: pushSchema.shape.priority,
    highWaterMark: wholeNumber(0, 1_000_000).optional(),
  },
  { error: 'must be an object { signal?, priority?, highWaterMark? }' },
);
const closeSchema = z.strictObject(
  { timeoutMs: timeout(MAX_TIMER_MS, '').default(5_000) },
  { error: 'must be an object { timeoutMs? }' },
);
const tokenSchema = z.object(
  {
    session: z
      .string({ error: 'must be the session of a token' })
      .regex(/^[\w-]{16}$/, { error: 'must have 16 characters' }),
    // Under number 1 nothing is ever offered.
    seq: wholeNumber(2, 0xffff_ffff),
    index: wholeNumber(0, 999).optional(),
  },
  { error: 'must be the token of a StoreUnavailableError' },
);

/** @throws ConfigError that lists every fault */
export function parseProducer(buffer: unknown, options: unknown): ProducerSettings {
  const parsed = checkClient('producer', settingsSchema, buffer, options);
  const { deadlineMs, onUnavailable, maxPendingItems, maxPendingBytes, sessions } = parsed;
  const { maxHeldItems = maxPendingItems } = parsed;
  return { deadlineMs, onUnavailable, maxHeldItems, maxPendingItems, maxPendingBytes, sessions };
}

/** @throws ConfigError */
export function parsePushOptions(options: unknown): PushOptions {
  return checkInput(pushSchema, options, 'The push');
}

/** @throws ConfigError */
export function parseStreamOptions(options: unknown): z.output<typeof streamSchema> {
  return checkInput(streamSchema, options, 'The stream');
}

/** @throws ConfigError */
export function parseCloseOptions(options: unknown): { readonly timeoutMs: number } {
  return checkInput(closeSchema, options, 'The close of a producer');
}

/** @throws ConfigError */
export function parseToken(token: unknown): z.output<typeof tokenSchema> {
  return checkInput(tokenSchema, token, 'The token');
}

/** What is not a list of items. @throws ConfigError */
export function checkIterable(items: unknown): void {
  if (typeof (items as Iterable<unknown> | null | undefined)?.[Symbol.iterator] === 'function') return;
  const message = 'must be an iterable of items, such as an array; for a stream of items use writable()';
  throw new ConfigError('pushMany', [{ option: 'items', message, received: items }]);
}
