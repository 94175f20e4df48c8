import { setTimeout as delay } from 'node:timers/promises';
import { StoreUnavailableError, TokenExpiredError } from '@backpressure/core';
import type { BufferStore, SettleReply, SettleRequest } from '@backpressure/core/store';
import type { SlotSession } from './slot-session.js';

const FIRST_DELAY_MS = 50;
const MAX_DELAY_MS = 1_000;
/** A settlement is always tried for this long: a late one may still be in time, for leases are swept lazily. */
const MIN_DEADLINE_MS = 2_000;
const MAX_DEADLINE_MS = 5_000;

export interface SettleOptions {
  readonly store: Pick<BufferStore, 'settle'>;
  readonly session: SlotSession;
  /** When the lease ends: nothing is tried after that. */
  readonly untilMs: number;
  /** Gives up at once. */
  readonly signal: AbortSignal;
}

/** What the store answered, and when the call was sent that it answered: a lease that it granted began no earlier. */
export interface Settled {
  readonly reply: SettleReply;
  readonly sentAtMs: number;
}

/**
 * Settles a batch, under one token, until the store has answered or the lease would end.
 *
 * @throws StoreUnavailableError, ProtocolError
 */
export async function settleBatch(request: Omit<SettleRequest, 'token'>, options: SettleOptions): Promise<Settled> {
  const { store, session, untilMs, signal } = options;
  let token = session.next();
  let renewed = false;
  for (let delayMs = FIRST_DELAY_MS; ; delayMs = Math.min(MAX_DELAY_MS, delayMs * 2)) {
    const sentAtMs = performance.now();
    const deadlineMs = Math.ceil(Math.min(MAX_DEADLINE_MS, Math.max(MIN_DEADLINE_MS, untilMs - sentAtMs)));
    try {
      return { reply: await store.settle({ ...request, token }, { deadlineMs, signal }), sentAtMs };
    } catch (error) {
      if (error instanceof TokenExpiredError && !renewed) {
        // Safe even if the call had been carried out: the batch id is the fence, and the second one is stale.
        renewed = true;
        session.renew();
        token = session.next();
        continue;
      }
      if (!(error instanceof StoreUnavailableError) || performance.now() + delayMs >= untilMs) throw error;
    }
    await delay(delayMs * (0.5 + Math.random() / 2), undefined, { signal });
  }
}
