import type { ControlDecision, IntervalDecision } from '@backpressure/core';
import { describe, expect, it } from 'vitest';
import { feed, numbers } from '../../integration/consumer/feed.js';
import { eventually } from '../../support/eventually.js';
import { openBuffer } from './memory-rig.js';

describe('what the fleet decides', () => {
  it('is told to every consumer, with what it was made of, as the event stream has it', async () => {
    const { store, consume, admin } = await openBuffer({
      batchSize: 1,
      breaker: { minFlushes: 2, cooldownMs: 60_000, maxCooldownMs: 60_000 },
    });
    const heard: (ControlDecision | IntervalDecision)[][] = [];
    for (const own of [{ concurrency: 1 }, { concurrency: 1 }]) {
      const decisions: (ControlDecision | IntervalDecision)[] = [];
      heard.push(decisions);
      const consumer = await consume(() => Promise.reject(new Error('no')), own);
      consumer.on('control', (decision) => decisions.push(decision));
    }
    await feed(store, numbers(6));
    await eventually(() => expect(heard.map(({ length }) => length)).toEqual([1, 1]));
    const events = await admin.events({ limit: 100 });
    const logged = events.find((event) => event.kind === 'control');
    for (const [decision] of heard) {
      expect(decision).toMatchObject({ reason: 'breaker', breaker: 'open' });
      expect(logged).toMatchObject({ ...decision });
    }
    // Nothing more is tried, so no attempt is lost.
    expect((await admin.status()).counters.batchesFailed).toBeLessThanOrEqual(3);
    await admin.purge();
  });

  it('ctx.retryAfter holds every consumer until its time, or until an operator knows better', async () => {
    const { store, consume, empty, admin } = await openBuffer({ batchSize: 1 });
    let asked = false;
    const flushed: number[] = [];
    const flush = (items: readonly number[], { retryAfter }: { retryAfter: (ms: number) => void }) => {
      if (asked) return void flushed.push(...items);
      asked = true;
      retryAfter(60_000);
      throw new Error('429');
    };
    await consume(flush, { concurrency: 1 });
    await feed(store, [0]);
    await eventually(async () => expect((await admin.status()).control.holdUntilMs).toBeGreaterThan(0));
    await consume(flush, { concurrency: 1 });
    await feed(store, numbers(5, 1));
    expect(await store.take({ batchId: 'of-another' })).toMatchObject({ kind: 'none', reason: 'hold' });
    expect(flushed).toEqual([]);
    await admin.resume();
    await eventually(() => expect(flushed.toSorted((a, b) => a - b)).toEqual(numbers(5, 1)));
    // What was told to wait has counted no attempt, and comes when its own time has.
    expect((await admin.status()).counters).toMatchObject({ batchesThrottled: 1, retried: 1, dead: 0 });
    await admin.drain({ timeoutMs: 5_000 });
    await empty();
  });
});
