import type { TestProject } from 'vitest/node';
import { type ProvidedRedis, provideRedis } from '../../scripts/redis.mjs';

declare module 'vitest' {
  interface ProvidedContext {
    /** `inject('redisUrl')`: a Redis that all tests share. Use a buffer of your own; never flush or reconfigure it. */
    redisUrl: string;
  }
}

// Each project loads its own copy of this module, so the shared server hangs on globalThis.
const key = Symbol.for('backpressure.redis');
type Shared = { readonly server: Promise<ProvidedRedis>; users: number };
const store = globalThis as { [key]?: Shared | undefined };

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  store[key] ??= { server: provideRedis({ log: (line) => process.stderr.write(`${line}\n`) }), users: 0 };
  const shared = store[key];
  shared.users++;
  project.provide('redisUrl', (await shared.server).url);
  return async () => {
    if (--shared.users > 0) return;
    store[key] = undefined;
    await (await shared.server).stop();
  };
}
