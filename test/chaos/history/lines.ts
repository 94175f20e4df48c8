/** What became of one item of a push, as the producer was told; one character each, since there are many. */
export const PUSH_ENDS = {
  a: 'accepted',
  /** Accepted, and as many replicas have it as were asked for. */
  c: 'confirmed',
  f: 'full',
  s: 'sampled',
  h: 'shed',
  t: 'timeout',
  b: 'aborted',
  d: 'draining',
  p: 'paused',
  u: 'unavailable',
  /** Redis did not answer, and nothing was sent. */
  n: 'not sent',
  /** Redis did not answer, and the item may be in the buffer. */
  x: 'unknown',
  /** An error of another kind: the user would not know either. */
  e: 'error',
} as const;

export type PushEnd = keyof typeof PUSH_ENDS;

/** What a producer writes down around each push. `at` is µs of the monotonic clock. */
export type PushLine =
  | {
      readonly kind: 'invoke';
      readonly at: number;
      /** The items are `<stem>.<first>` to `<stem>.<first + count - 1>`. */
      readonly stem: string;
      readonly first: number;
      readonly count: number;
    }
  | {
      readonly kind: 'outcome';
      readonly at: number;
      readonly stem: string;
      readonly first: number;
      /** One {@link PushEnd} per item. */
      readonly ends: string;
      readonly evicted: number;
      /** Of an error that is no `StoreUnavailableError`. */
      readonly error?: string;
    }
  | StallLine;

/** Who stalls when it is the rig, through whose proxies the processes speak to Redis. */
export const RIG = 'rig';

/** The process did nothing for so long, though nobody stopped it: the machine was busy. */
export interface StallLine {
  readonly kind: 'stall';
  readonly at: number;
  readonly ms: number;
}

/** What the flush function writes to the sink: the side effect itself. */
export interface FlushLine {
  readonly at: number;
  readonly who: string;
  readonly batch: string;
  readonly attempts: number;
  /** What the items say of themselves. */
  readonly ids: readonly string[];
  /** The ids under which the buffer knows them, `meta[i].id`. */
  readonly items: readonly string[];
}

/** What a process writes down around each call upon its store. */
export type StoreLine = CallLine | ReplyLine | FailedLine;

export interface CallLine {
  readonly kind: 'call';
  readonly n: number;
  readonly at: number;
  readonly op: StoreOp;
  /** What makes it the same call when it is sent again: a token or a batch id. */
  readonly key: string;
  /** Of a settlement: which batch, and as what. */
  readonly batch?: string;
  readonly as?: 'acked' | 'failed' | 'items' | 'released';
  /** The id under which the same call is to take the next batch. */
  readonly nextBatch?: string;
}

export type StoreOp = 'push' | 'cancel' | 'renew' | 'take' | 'settle' | 'heartbeat' | 'gate' | 'purge' | 'configure';

export interface ReplyLine {
  readonly kind: 'reply';
  readonly n: number;
  readonly at: number;
  /** How often it was sent until it was answered. */
  readonly sends: number;
  /** The vitals of the reply that the checks need. */
  readonly seen?: Seen;
  readonly effect: Effect;
}

/** The buffer right after a call, as its reply says. */
export interface Seen {
  readonly revision: number;
  readonly size: number;
  readonly ready: number;
  readonly bytes: number;
  readonly limit: number;
  readonly limitBytes?: number;
  readonly state: string;
  readonly stateEpoch: number;
}

/** What a call did, as its reply says. */
export interface Effect {
  /** Whether it raised the revision; `maybe` when the reply does not tell. */
  readonly changed: 'yes' | 'no' | 'maybe';
  readonly accepted?: number;
  readonly evicted?: number;
  readonly refused?: number;
  /** Items of a batch that was never tried: fresh from the lanes, or given back untried before. */
  readonly takenUntried?: number;
  readonly takenRetry?: number;
  /** The id of the first item that was taken. */
  readonly head?: string;
  /** The batch of a take, and of a settlement that took the next one. */
  readonly batch?: string;
  readonly flushed?: number;
  readonly dead?: number;
  readonly stale?: true;
  /** What the same call took after it had settled. */
  readonly next?: { readonly seen: Seen; readonly effect: Effect };
}

export interface FailedLine {
  readonly kind: 'failed';
  readonly n: number;
  readonly at: number;
  readonly error: string;
  /** Whether it may have been carried out. */
  readonly unknown: boolean;
}
