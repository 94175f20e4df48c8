import type { Push, StoreCall } from '../../chaos/history/history.js';
import type { Effect, FlushLine, Seen, StoreOp } from '../../chaos/history/lines.js';
import type { Sample } from '../../chaos/rig/sample-script.js';

/** Small histories, written by hand, in which exactly one thing is wrong. */

/** A push of the items `<stem>.0`, `<stem>.1`, … with these ends; without, its process was killed meanwhile. */
export function push(stem: string, ends: string | undefined, count = ends?.length ?? 1, at = 1_000): Push {
  const about = { who: 'p0.1', invokedAt: at, stem, first: 0, count };
  if (ends === undefined) return about;
  return { ...about, end: { kind: 'outcome', at: at + 500, stem, first: 0, ends, evicted: 0 } };
}

export function flush(batch: string, ids: readonly string[], at = 5_000, who = 'c0.1'): FlushLine {
  return { at, who, batch, attempts: 0, ids, items: ids.map((id) => `item of ${id}`) };
}

export function seen(revision: number, size: number, ready = size, more: Partial<Seen> = {}): Seen {
  return { revision, size, ready, bytes: size, limit: 10, state: 'normal', stateEpoch: 0, ...more };
}

let calls = 0;

/** A call that was answered: when, and with what. */
export function call(
  op: StoreOp,
  [from, to]: readonly [number, number],
  after: Seen | undefined,
  effect: Effect = { changed: 'yes' },
  more: {
    readonly key?: string;
    readonly who?: string;
    readonly batch?: string;
    readonly as?: 'acked' | 'failed';
    readonly sends?: number;
  } = {},
): StoreCall {
  const n = ++calls;
  const { key = `${op} ${n}`, who = 'p0.1', sends = 1, ...about } = more;
  const end = { kind: 'reply' as const, n, at: to, sends, effect, ...(after === undefined ? {} : { seen: after }) };
  return { who, call: { kind: 'call', n, at: from, op, key, ...about }, end };
}

/** A call that was not answered: its process was killed. */
export function openCall(op: StoreOp, from: number): StoreCall {
  const n = ++calls;
  return { who: 'p0.1', call: { kind: 'call', n, at: from, op, key: `${op} ${n}` } };
}

export function accepted(n: number): Effect {
  return { changed: 'yes', accepted: n, refused: 0, evicted: 0 };
}

/** A look at a buffer that is in order: so many ready, the rest of what was accepted flushed. */
export function sample(
  ready: number,
  more: Partial<Sample> = {},
  state: Readonly<Record<string, string>> = {},
): Sample {
  const books = {
    accepted: String(ready),
    offered: String(ready),
    bytes: String(ready),
    inFlight: '0',
    inFlightBatches: '0',
  };
  return {
    at: 0,
    ready,
    inFlight: 0,
    bytes: ready,
    twins: 0,
    strays: 0,
    leasedBatches: 0,
    batches: 0,
    limit: 10,
    limitBytes: undefined,
    configVersion: 1,
    dead: 0,
    waiters: 0,
    tickets: 0,
    state: { ...books, ...state },
    ...more,
  };
}
