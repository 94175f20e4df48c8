import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { StoreUnavailableError } from '@backpressure/core';
import type { RefusedItem } from '@backpressure/producer';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { isPending, rig, settle } from './rig.js';

const names = (count: number) => Array.from({ length: count }, (_, i) => `i${i}`);

describe('writable', () => {
  it('is the end of a pipeline, in order, and gathers what waits', async () => {
    const { producer, store, taker } = rig();
    const stream = producer.writable();
    await pipeline(Readable.from(names(300)), stream);
    expect(stream).toMatchObject({ accepted: 300, refused: 0 });
    expect(store.pushes().length).toBeLessThan(200);
    expect(await taker.collect(300)).toEqual(names(300));
  });

  it('holds the source back while there is no room, without a limit of time', async () => {
    const { producer, taker } = rig({ maxBufferSize: 2, batchSize: 1, strategy: 'block', maxBlockTimeMs: 1 });
    let produced = 0;
    const source = Readable.from(
      (function* () {
        for (const name of names(100)) {
          produced++;
          yield name;
        }
      })(),
      { highWaterMark: 1 },
    );
    const stream = producer.writable({ highWaterMark: 4 });
    const done = pipeline(source, stream);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await isPending(done)).toBe(true);
    expect(produced).toBeLessThan(15);
    expect(await taker.collect(100)).toEqual(names(100));
    await done;
    expect(stream.accepted).toBe(100);
  });

  it('emits what is refused, or invalid, and goes on', async () => {
    const { producer } = rig({ maxBufferSize: 3, strategy: 'drop_newest', schema: z.string().startsWith('i') });
    const refused: [string, string][] = [];
    const stream = producer.writable();
    stream.on('refused', ({ item, result }: RefusedItem<string>) => refused.push([item, result.reason]));
    await pipeline(Readable.from(['i0', 'no', ...names(5).slice(1)]), stream);
    expect(refused).toEqual([
      ['no', 'invalid'],
      ['i3', 'full'],
      ['i4', 'full'],
    ]);
    expect(stream).toMatchObject({ accepted: 3, refused: 3 });
  });

  it('is destroyed when Redis does not answer', async () => {
    const { producer, store } = rig();
    await producer.open();
    const stream = producer.writable();
    const error = new StoreUnavailableError('Redis is away.', { outcome: 'not_sent' });
    store.failNext('push', error);
    const failed = once(stream, 'error');
    stream.write('a');
    expect((await failed)[0]).toMatchObject({ code: 'BP_STORE_UNAVAILABLE' });
    expect(stream.destroyed).toBe(true);
  });

  it.each(['destroy', 'signal'] as const)('gives up its places in line on %s', async (how) => {
    const { producer, store } = rig({ maxBufferSize: 1, strategy: 'block' });
    const stopping = new AbortController();
    const stream = producer.writable({ signal: stopping.signal });
    stream.on('error', () => {});
    const closed = new Promise((resolve) => stream.on('close', resolve));
    stream.write('a');
    stream.write('b');
    await settle();
    expect((await store.snapshot()).waiters).toBe(1);
    if (how === 'destroy') stream.destroy();
    else stopping.abort();
    await closed;
    await settle();
    expect(await store.snapshot()).toMatchObject({ waiters: 0, counters: { refused: { aborted: 1 } } });
  });

  it('takes a priority for all its items', async () => {
    const { producer, store } = rig();
    await pipeline(Readable.from(names(3)), producer.writable({ priority: 'low' }));
    expect((await store.snapshot()).readyByLane.low).toBe(3);
  });
});
