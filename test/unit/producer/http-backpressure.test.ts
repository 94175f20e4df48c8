import { backpressureMiddleware, refusalResponse } from '@backpressure/producer';
import { describe, expect, it, vi } from 'vitest';
import { eventually } from '../../support/eventually.js';
import { rig } from './rig.js';

describe('refusalResponse', () => {
  it.each([
    ['full', 1_200, 429, '2'],
    ['sampled', 0, 429, '1'],
    ['shed', 60_000, 429, '60'],
    ['timeout', 1, 429, '1'],
    ['draining', 3_000, 503, '3'],
    ['paused', 1_000, 503, '1'],
    ['unavailable', 1_001, 503, '2'],
    ['aborted', 0, 503, '1'],
  ] as const)('%s after %i ms is %i, Retry-After %s', (reason, retryAfterMs, status, seconds) => {
    expect(refusalResponse({ reason, retryAfterMs })).toEqual({ status, headers: { 'Retry-After': seconds } });
  });
});

describe('backpressureMiddleware', () => {
  const ask = (middleware: ReturnType<typeof backpressureMiddleware>) => {
    const response = { statusCode: 200, setHeader: vi.fn(), end: vi.fn() };
    const next = vi.fn();
    middleware({}, response, next);
    expect(next.mock.calls.length + response.end.mock.calls.length).toBe(1);
    return next.mock.calls.length === 1 ? 'next' : [response.statusCode, ...(response.setHeader.mock.calls[0] ?? [])];
  };

  it('refuses requests from its state on', async () => {
    const { producer, store } = rig({ maxBufferSize: 10, strategy: 'drop_newest' });
    const early = backpressureMiddleware(producer, { refuseAt: 'critical' });
    const late = backpressureMiddleware(producer);
    expect([ask(early), ask(late)]).toEqual(['next', 'next']);
    await producer.pushMany(Array(8).fill('x'));
    expect([ask(early), ask(late)]).toEqual([[429, 'Retry-After', '1'], 'next']);
    await producer.pushMany(Array(2).fill('x'));
    expect([ask(early), ask(late)]).toEqual([
      [429, 'Retry-After', '1'],
      [429, 'Retry-After', '1'],
    ]);
    await store.gate({ action: 'drain', timeoutMs: 5_000 });
    await eventually(() => expect(producer.state).toBe('draining'));
    expect(ask(late)).toEqual([503, 'Retry-After', '1']);
  });
});
