import { randomUUID } from 'node:crypto';
import type { StoreToken } from '@backpressure/core';
import { type BufferStore, itemId } from '@backpressure/core/store';
import { openSession } from '../../support/open-session.js';

/** A name that no other test uses. */
export function bufferName(): string {
  return `t-${randomUUID()}`;
}

/** Pushes items as JSON, in one call, and returns how many were accepted. */
export async function feed(store: BufferStore, items: readonly unknown[]): Promise<number> {
  const token: StoreToken = { session: await openSession(store), seq: 2 };
  const offers = items.map((item, index) => ({
    id: itemId(token.session, token.seq, index),
    lane: 'normal' as const,
    payload: typeof item === 'string' && item.startsWith('raw:') ? item : JSON.stringify(item),
    wait: 'never' as const,
  }));
  const { outcomes } = await store.push({ token, items: offers });
  return outcomes.filter((outcome) => outcome === 'accepted').length;
}

/** 0, 1, … as many. */
export function numbers(count: number, from = 0): number[] {
  return Array.from({ length: count }, (_, i) => from + i);
}
