import { type BufferStore, itemId } from '@backpressure/core/store';
import { expect, inject, it, onTestFinished } from 'vitest';
import { openMemoryStore } from '../../conformance/open-memory-store.js';
import { declare, PATIENT_MS } from '../../fault/redis/rig.js';
import { openSession } from '../../support/open-session.js';
import { openVirtualClockStore } from '../../support/virtual-clock-store.js';

const MAX_WAITERS = 100_000;
const CHUNK = 1_000;

/** Their clocks stand still: a place that is not renewed for five seconds is free again. */
const stores: Record<string, () => Promise<{ readonly store: BufferStore; dispose(): Promise<void> }>> = {
  MemoryStore: openMemoryStore,
  RedisStore: () => openVirtualClockStore(inject('redisUrl')),
};

it.each(Object.keys(stores))(
  '%s has a line of 100,000 and no longer: who comes then is refused as full',
  async (kind) => {
    const { store, dispose } = await (stores[kind] as (typeof stores)[string])();
    onTestFinished(dispose);
    await declare(store, { strategy: 'block', maxBufferSize: 1 });
    const session = await openSession(store);
    let seq = 1;
    const push = async (count: number, wait: 'never' | 'enqueue') => {
      seq++;
      const items = Array.from({ length: count }, (_, i) => ({
        id: itemId(session, seq, i),
        lane: 'normal' as const,
        payload: 'x',
        wait,
      }));
      return (await store.push({ token: { session, seq }, items }, { deadlineMs: PATIENT_MS })).outcomes;
    };
    expect(await push(1, 'never')).toEqual(['accepted']);
    for (let waiting = 0; waiting < MAX_WAITERS; waiting += CHUNK) {
      expect(new Set(await push(CHUNK, 'enqueue'))).toEqual(new Set(['waiting']));
    }
    expect(await push(2, 'enqueue')).toEqual(['full', 'full']);
  },
);
