import { connect, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';
import { ConfigError, StoreUnavailableError } from '@backpressure/core';
import { type openRedisStore } from '@backpressure/core/store';
import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { declare, expectUnavailable, openStore, Session, startProxy, startServer } from './rig.js';

const SECRET = 's3cr3t-Passw0rd';
type Connection = Parameters<typeof openRedisStore>[1];

/** The call ends soon with an error that says what to do, and gives nothing away. */
async function expectRefused(call: () => Promise<unknown>, text: string): Promise<ConfigError> {
  const startMs = performance.now();
  const error = await call().catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(ConfigError);
  expect((error as ConfigError).message).toContain(text);
  expect(performance.now() - startMs).toBeLessThan(4_000);
  expectNoSecret(error);
  return error as ConfigError;
}

function expectNoSecret(error: unknown): void {
  expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(SECRET);
}

async function startGuardedServer() {
  const server = await startServer();
  await server.redis.call('acl', 'setuser', 'writer', 'on', `>${SECRET}`, '~*', '&*', '+@all');
  await server.redis.call(
    'acl',
    'setuser',
    'reader',
    'on',
    `>${SECRET}`,
    '~bp:*',
    '&bp:*',
    '+@connection',
    '+info',
    '+@read',
  );
  await server.redis.call('acl', 'setuser', 'deaf', 'on', `>${SECRET}`, '~bp:*', 'resetchannels', '+@all');
  await server.redis.call('acl', 'setuser', 'scripter', 'on', `>${SECRET}`, '~bp:*', '&bp:*', '+@all', '-zadd');
  await server.redis.call('acl', 'setuser', 'default', '>other');
  const url = (user: string, password: string) => `redis://${user}:${password}@127.0.0.1:${server.port}`;
  return { ...server, url, address: { host: '127.0.0.1', port: server.port } };
}

describe('N13: what can never work is refused soon, and not tried for ever', () => {
  it('a wrong password', async () => {
    const { port, redis } = await startGuardedServer();
    const proxy = await startProxy(`redis://127.0.0.1:${port}`);
    const template = new Redis({ port: proxy.port, username: 'writer', password: `${SECRET}!`, lazyConnect: true });
    onTestFinished(() => template.disconnect());
    const inputs: Connection[] = [
      `redis://writer:${SECRET}%21@127.0.0.1:${proxy.port}`,
      { port: proxy.port, username: 'writer', password: `${SECRET}!` },
      { port: proxy.port, username: 'writer', password: `${SECRET}!`, protocol: 2 },
      template,
    ];
    for (const input of inputs) {
      const store = openStore(input);
      await expectRefused(() => store.snapshot(), 'WRONGPASS');
      await expectRefused(() => store.snapshot(), 'WRONGPASS');
    }
    const attempts = proxy.accepted;
    expect(attempts).toBeLessThanOrEqual(2 * inputs.length);
    await delay(150); // a second attempt comes after 50 ms, a third after 100
    expect(proxy.accepted).toBe(attempts);
    expect(proxy.open).toBe(0);

    // It is put right while the process runs.
    const store = openStore(inputs[0] ?? '');
    await expectRefused(() => store.snapshot(), 'WRONGPASS');
    await redis.call('acl', 'setuser', 'writer', `>${SECRET}!`);
    await declare(store);
  });

  it('no password', async () => {
    const { address } = await startGuardedServer();
    await expectRefused(() => openStore(address).snapshot(), 'NOAUTH');
  });

  it('a user who may not run scripts, use what they use, or hear the signals', async () => {
    const { url } = await startGuardedServer();
    await expectRefused(() => openStore(url('reader', SECRET)).snapshot(), 'NOPERM');
    const scripter = openStore(url('scripter', SECRET));
    await declare(scripter);
    await new Session(scripter).push(['a']);
    await expectRefused(() => scripter.take({ batchId: 'a' }), 'executing the script');
    await expectRefused(() => openStore(url('deaf', SECRET)).subscribe(() => {}), 'NOPERM');
  });

  it('a database that does not exist', async () => {
    const { redis, url } = await startGuardedServer();
    await expectRefused(() => declare(openStore(`${url('writer', SECRET)}/99`)), 'DB index is out of range');
    expect(await redis.dbsize()).toBe(0);
  });

  it('a node of a cluster without a cluster client', async () => {
    const { url } = await startServer(['--cluster-enabled', 'yes']);
    await expectRefused(() => openStore(url).snapshot(), 'Cluster');
  });
});

it.each(['allkeys-lru', 'volatile-lru'])(
  'R6: a server that evicts keys (%s) is refused, unless accepted',
  async (policy) => {
    const { url } = await startServer(['--maxmemory', '100mb', '--maxmemory-policy', policy]);
    await expectRefused(() => declare(openStore(url)), policy);
    const codes: string[] = [];
    const store = openStore(url, { allowKeyEviction: true, onWarning: ({ code }) => codes.push(code) });
    await declare(store);
    expect(codes).toContain('key_eviction');
  },
);

it('R19: a server that is too old is refused by its version', async () => {
  const { port } = await startServer();
  // As long as the real one, so that the reply stays whole.
  const old = createServer((client) => {
    const server = connect(port, '127.0.0.1');
    client.pipe(server);
    server.on('data', (bytes) =>
      client.write(Buffer.from(bytes.toString('latin1').replace(/(redis_version:)\d/, '$16'), 'latin1')),
    );
    client.on('error', () => server.destroy()).on('close', () => server.destroy());
    server.on('error', () => client.destroy()).on('close', () => client.destroy());
  });
  await new Promise<void>((resolve) => old.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void old.close());
  const { port: oldPort } = old.address() as { port: number };
  const store = openStore(`redis://127.0.0.1:${oldPort}`);
  const error = await expectRefused(() => declare(store), 'redis_version: must be 7.0 or newer (got "6.');
  expect(error.faults).toHaveLength(1);
});

it('S8: no error of an unreachable server holds a password', async () => {
  const proxy = await startProxy('redis://127.0.0.1:1');
  for (const input of [
    `redis://user:${SECRET}@127.0.0.1:${proxy.port}`,
    { port: proxy.port, password: SECRET },
    { sentinels: [{ host: '127.0.0.1', port: proxy.port }], name: 'main', password: SECRET, sentinelPassword: SECRET },
  ] satisfies Connection[]) {
    expectNoSecret(await expectUnavailable(300, () => openStore(input, { deadlineMs: 300 }).snapshot()));
  }
});

it.each([
  `http://user:${SECRET}@127.0.0.1`,
  `user:${SECRET}@127.0.0.1:6379`,
  `redis:/user:${SECRET}@127.0.0.1:6379`,
  `redis://user:${SECRET}@127.0.0.1:99999`,
  `redis://user:${SECRET}/@127.0.0.1:6379`,
  `redis://127.0.0.1?password=${SECRET}&keyPrefix=x`,
  `127.0.0.1:6379?password=${SECRET}`,
])('S8: a URL that is not valid is shown without its password (%#)', (url) => {
  let error: unknown;
  try {
    openStore(url);
  } catch (reason) {
    error = reason;
  }
  expect(error).toBeInstanceOf(ConfigError);
  expectNoSecret(error);
});

it('S8: an error of a call holds no payload', async () => {
  const { url, redis } = await startServer(['--maxmemory-policy', 'noeviction']);
  const store = openStore(url, { memoryHeadroom: 0 });
  await declare(store);
  await redis.config('SET', 'maxmemory', '1');
  const error = await new Session(store).push([SECRET]).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(StoreUnavailableError);
  expectNoSecret(error);
});
