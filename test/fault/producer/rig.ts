import type { StoreUnavailableError } from '@backpressure/core';
import { expect, onTestFinished } from 'vitest';
import type { RedisServer } from '../../../scripts/redis.mjs';
import { startLimitedServer } from '../../support/least-privilege.js';
import { TcpProxy } from '../../support/tcp-proxy.js';

/** A proxy that ends with the test. */
export async function startProxy(url: string): Promise<TcpProxy> {
  const proxy = await TcpProxy.start(url);
  onTestFinished(() => proxy.close());
  return proxy;
}

/** A server that ends with the test. */
export async function startServer(args: readonly string[] = [], more: object = {}): Promise<RedisServer> {
  const server = await startLimitedServer({ args, ...more });
  onTestFinished(() => server.stop());
  return server;
}

/** What a push throws, and how long that took, in ms. */
export async function failure(push: Promise<unknown>): Promise<{ error: StoreUnavailableError; tookMs: number }> {
  const startedAt = performance.now();
  const error = await push.then(
    () => expect.unreachable('The push did not fail.'),
    (thrown: unknown) => thrown as StoreUnavailableError,
  );
  return { error, tookMs: performance.now() - startedAt };
}
