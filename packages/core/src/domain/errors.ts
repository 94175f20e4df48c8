import { redact } from './redact.js';

/** The stable codes of {@link BackpressureError}. */
export type BackpressureErrorCode =
  | 'BP_CONFIG'
  | 'BP_CONFIG_MISMATCH'
  | 'BP_BUFFER_FULL'
  | 'BP_PUSH_TIMEOUT'
  | 'BP_ABORTED'
  | 'BP_ITEM_TOO_LARGE'
  | 'BP_INVALID_ITEM'
  | 'BP_DRAINING'
  | 'BP_STORE_UNAVAILABLE'
  | 'BP_PROTOCOL'
  | 'BP_CLOSED';

/** The base of every error that this library throws on purpose. */
export class BackpressureError extends Error {
  /** Stable, for programs; the message is for people and may change. */
  readonly code: BackpressureErrorCode;
  /** Whether the same call may succeed later without a change of its input. */
  readonly retryable: boolean;

  constructor(code: BackpressureErrorCode, message: string, options: { retryable?: boolean; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.retryable = options.retryable ?? false;
  }
}

/** One fault of a configuration: which option, what is allowed, what was given. */
export interface ConfigFault {
  readonly option: string;
  readonly message: string;
  readonly received: unknown;
}

/**
 * A configuration that is not valid. Lists every fault with its option, its range and the value that was given, without
 * passwords.
 */
export class ConfigError extends BackpressureError {
  readonly faults: readonly ConfigFault[];

  constructor(subject: string, found: readonly ConfigFault[], options: { cause?: unknown } = {}) {
    const faults = found.map((fault) => ({ ...fault, received: redact(fault.received) }));
    const lines = faults.map((fault) => `  ${fault.option}: ${fault.message} (got ${show(fault.received)})`);
    super('BP_CONFIG', `${subject} is not valid:\n${lines.join('\n')}`, options);
    this.faults = faults;
  }
}

/** An option on which this definition and the one that was declared last in Redis disagree. */
export interface ConfigMismatch {
  readonly option: string;
  /** As declared last, in the form in which it is stored. */
  readonly declared: string;
  /** As this definition states it. */
  readonly stated: string;
}

/** This definition states limits other than those declared last; see `onConfigMismatch`. */
export class ConfigMismatchError extends BackpressureError {
  readonly mismatches: readonly ConfigMismatch[];

  constructor(name: string, mismatches: readonly ConfigMismatch[]) {
    const lines = mismatches.map(
      ({ option, declared, stated }) =>
        `  ${option}: declared ${declared || 'none'}, this process states ${stated || 'none'}`,
    );
    super(
      'BP_CONFIG_MISMATCH',
      `Buffer "${name}" is declared otherwise in Redis:\n${lines.join('\n')}\n` +
        `Deploy the same definition everywhere, or set onConfigMismatch to 'adopt' or 'apply'.`,
    );
    this.mismatches = mismatches;
  }
}

/** The buffer had no room, or the item was refused by its strategy (thrown by `pushOrThrow`). */
export class BufferFullError extends BackpressureError {
  /** When there may be room again, from the drain rate that is measured. */
  readonly retryAfterMs: number;
  /** Why the item was refused. */
  readonly reason: string;

  constructor(name: string, reason: string, retryAfterMs: number) {
    super('BP_BUFFER_FULL', `Buffer "${name}" refused the item: ${reason}; try again in ${retryAfterMs} ms.`, {
      retryable: true,
    });
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }
}

/** No room appeared within the time that the push was allowed to wait (thrown by `pushOrThrow`). */
export class PushTimeoutError extends BackpressureError {
  readonly timeoutMs: number;

  constructor(name: string, timeoutMs: number) {
    super('BP_PUSH_TIMEOUT', `Buffer "${name}" had no room within ${timeoutMs} ms.`, { retryable: true });
    this.timeoutMs = timeoutMs;
  }
}

/** The `AbortSignal` of the call fired (thrown by `pushOrThrow`). */
export class AbortedError extends BackpressureError {
  constructor(what: string, options: { cause?: unknown } = {}) {
    super('BP_ABORTED', `${what} was aborted by its signal.`, options);
  }
}

/** The encoded item is larger than `maxItemBytes`. Nothing was sent. */
export class ItemTooLargeError extends BackpressureError {
  readonly bytes: number;
  readonly maxItemBytes: number;

  constructor(bytes: number, maxItemBytes: number) {
    super('BP_ITEM_TOO_LARGE', `The encoded item has ${bytes} bytes; maxItemBytes is ${maxItemBytes}.`);
    this.bytes = bytes;
    this.maxItemBytes = maxItemBytes;
  }
}

/** The schema refused the item, or the codec could not encode it. Nothing was sent. */
export class InvalidItemError extends BackpressureError {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super('BP_INVALID_ITEM', message, options);
  }
}

/** The fleet's intake is closed while the buffer drains (thrown by `pushOrThrow`). */
export class DrainingError extends BackpressureError {
  readonly retryAfterMs: number;

  constructor(name: string, retryAfterMs: number) {
    super('BP_DRAINING', `Buffer "${name}" is draining; its intake reopens in at most ${retryAfterMs} ms.`, {
      retryable: true,
    });
    this.retryAfterMs = retryAfterMs;
  }
}

/** Names one call of one producer session, so that an unknown outcome can be resolved later. */
export interface StoreToken {
  /** 16 characters of base64url: 96 random bits. */
  readonly session: string;
  /** Rises by one with each call of the session; starts at 1, which opens the session of a producer. */
  readonly seq: number;
}

/** Redis gave no answer within the deadline. */
export class StoreUnavailableError extends BackpressureError {
  /** `not_sent`: nothing can have been written. `unknown`: the call may have been carried out. */
  readonly outcome: 'not_sent' | 'unknown';
  /** Of an unknown push: give it to `producer.resolve(token)` to learn (and fix) what became of it. */
  readonly token: StoreToken | undefined;

  constructor(
    message: string,
    options: { outcome: 'not_sent' | 'unknown'; token?: StoreToken | undefined; cause?: unknown },
  ) {
    super('BP_STORE_UNAVAILABLE', message, { retryable: true, cause: options.cause });
    this.outcome = options.outcome;
    this.token = options.token;
  }
}

/**
 * Redis is at its `maxmemory` and takes nothing new. Nothing was written. A producer turns it into the refusal
 * `unavailable`; flushing goes on until there is room again.
 */
export class StoreOutOfMemoryError extends StoreUnavailableError {
  constructor(cause: unknown) {
    super('Redis is at its maxmemory and takes nothing new.', { outcome: 'not_sent', cause });
  }
}

/** Redis answered something that this version does not understand, or refused the call for a reason of its own. */
export class ProtocolError extends BackpressureError {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super('BP_PROTOCOL', message, options);
  }
}

/** A call came under an older number than its session's last: it was overtaken, nothing was written. */
export class StaleTokenError extends ProtocolError {
  constructor(token: StoreToken) {
    super(`BP_STALE: call ${token.seq} of session ${token.session} was overtaken by a later one.`);
  }
}

/** The session's record is gone (idle for too long): whether the call was carried out can't be known any more. */
export class TokenExpiredError extends ProtocolError {
  constructor(token: StoreToken) {
    super(
      `BP_TOKEN_EXPIRED: the record of session ${token.session} is gone; call ${token.seq} was not carried out now.`,
    );
  }
}

/** The producer, consumer or admin was closed. */
export class ClosedError extends BackpressureError {
  constructor(what: string) {
    super('BP_CLOSED', `${what} is closed.`);
  }
}

function show(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'number' || value === undefined || typeof value === 'function' || typeof value === 'symbol') {
    return String(value);
  }
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return Object.prototype.toString.call(value);
  }
}
