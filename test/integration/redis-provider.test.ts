import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { provideRedis, type RedisServer, type RedisServerOptions, startRedisServer } from '../../scripts/redis.mjs';
import { eventually } from '../support/eventually.js';

const provider = new URL('../../scripts/redis.mjs', import.meta.url).href;
const configuration = fileURLToPath(new URL('../../infra/redis.conf', import.meta.url));

const servers: RedisServer[] = [];

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});

async function start(options: RedisServerOptions = {}): Promise<RedisServer> {
  const server = await startRedisServer(options);
  servers.push(server);
  return server;
}

async function withClient<T>(url: string, use: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null });
  redis.on('error', () => {}); // a command says so as well
  await redis.connect();
  try {
    return await use(redis);
  } finally {
    redis.disconnect();
  }
}

/** A zombie still has a process id, so what counts is that nobody listens. */
async function expectNobodyListens(port: number): Promise<void> {
  await eventually(async () => {
    const socket = connect(port, '127.0.0.1');
    const listens = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    expect(listens).toBe(false);
  });
}

describe('startRedisServer', () => {
  it('keeps acknowledged writes through kill -9 and a restart on the same port and directory', async () => {
    const args = ['--appendonly', 'yes', '--appendfsync', 'everysec'];
    const first = await start({ args });
    await withClient(first.url, (redis) => redis.set('kept', 'yes'));
    await first.kill('SIGKILL');
    await expectNobodyListens(first.port);

    const second = await start({ args, port: first.port, dir: first.dir });
    expect(second.url).toBe(first.url);
    expect(second.pid).not.toBe(first.pid);
    expect(await withClient(second.url, (redis) => redis.get('kept'))).toBe('yes');
  });

  it('gives the process id of the server itself, so it can be paused, and stops it even so', async () => {
    const server = await start();
    const info = await withClient(server.url, (redis) => redis.info('server'));
    expect(info).toContain(`process_id:${server.pid}\r\n`);
    await server.kill('SIGSTOP');
    await server.stop();
    await expectNobodyListens(server.port);
  });

  it('removes the directory that it made when it stops, and leaves one that was given', async () => {
    const made = await start();
    expect(existsSync(made.dir)).toBe(true);
    await made.kill();
    expect(existsSync(made.dir)).toBe(true);
    await made.stop();
    await made.stop();
    expect(existsSync(made.dir)).toBe(false);

    const dir = mkdtempSync(join(tmpdir(), 'given-'));
    onTestFinished(() => rmSync(dir, { recursive: true }));
    const given = await start({ dir });
    await given.stop();
    expect(existsSync(dir)).toBe(true);
  });

  it('says what the server said when it cannot start', async () => {
    const { port } = await start();
    await expect(startRedisServer({ port })).rejects.toThrow(/Failed listening on port/);
    await expect(startRedisServer({ args: ['--maxmemory-policy', 'whatever'] })).rejects.toThrow(/argument/);
  });

  it.each(['SIGKILL', 'SIGTERM'] as const)('leaves no server behind when its parent ends by %s', async (signal) => {
    const program = `
      const { startRedisServer } = await import(${JSON.stringify(provider)});
      const { port, dir, kill } = await startRedisServer();
      if (process.argv[1] === 'SIGKILL') await kill('SIGSTOP');
      console.log(JSON.stringify({ port, dir }));
      setInterval(() => {}, 1000);`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', program, signal], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const { value: line } = await createInterface(parent.stdout)[Symbol.asyncIterator]().next();
    const { port, dir } = JSON.parse(line) as { port: number; dir: string };
    parent.kill(signal);
    await once(parent, 'exit');
    await expectNobodyListens(port);
    await eventually(() => expect(existsSync(dir)).toBe(false));
  });

  it('accepts infra/redis.conf, with the settings that the protocol needs', async () => {
    const { url } = await start({ args: [configuration] });
    const setting = (name: string) => withClient(url, async (redis) => (await redis.config('GET', name)) as string[]);
    expect(await setting('appendonly')).toEqual(['appendonly', 'yes']);
    expect(await setting('appendfsync')).toEqual(['appendfsync', 'everysec']);
    expect(await setting('maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction']);
    expect(await setting('maxmemory')).not.toEqual(['maxmemory', '0']);
  });
});

describe('provideRedis', () => {
  it('never falls back from a REDIS_URL that cannot be reached', async () => {
    const server = await start();
    await server.stop();
    vi.stubEnv('REDIS_URL', server.url);
    onTestFinished(() => void vi.unstubAllEnvs());
    await expect(provideRedis({ order: 'url,path,apt' })).rejects.toThrow('REDIS_URL is set but unreachable');
  });

  it('takes the server that REDIS_URL names, and does not stop it', async () => {
    const server = await start();
    vi.stubEnv('REDIS_URL', server.url);
    onTestFinished(() => void vi.unstubAllEnvs());
    const provided = await provideRedis({ order: 'url' });
    expect(provided).toMatchObject({ url: server.url, source: 'REDIS_URL' });
    await provided.stop();
    expect(await withClient(server.url, (redis) => redis.ping())).toBe('PONG');
  });

  it('lists what it tried when nothing is there, and refuses a link that it does not know', async () => {
    vi.stubEnv('REDIS_URL', '');
    vi.stubEnv('PATH', '');
    onTestFinished(() => void vi.unstubAllEnvs());
    await expect(provideRedis({ order: 'url,docker' })).rejects.toThrow(/No Redis here: .*\n {2}url: .*\n {2}docker: /);
    await expect(provideRedis({ order: 'pth' })).rejects.toThrow('unknown link "pth"');
  });
});
