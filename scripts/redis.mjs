// Finds or starts a Redis for the demo and the tests. No dependencies.
//   url     the server that REDIS_URL names
//   path    redis-server or valkey-server on PATH, or from our cache, on a free port
//   docker  a container, when Docker runs and test/node_modules is installed
//   apt     Debian and Ubuntu: the distribution's packages, in a user cache (no root, no service)
// REDIS_PROVIDER=docker,path names other links, in order; the default is url,path,docker,apt.
//
// As a program it prints the address and keeps the server until a signal comes; with --once it stops it again.
import { execFile } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { fetchServer, findServer } from './redis-binary.mjs';
import { installHint, launch, startRedisServer } from './redis-server.mjs';

export { startRedisServer };

const run = promisify(execFile);
const links = { url: fromUrl, path: fromPath, docker: fromDocker, apt: fromApt };

/** Tries the links in order; see redis.d.mts. */
export async function provideRedis({
  log = () => {},
  order = process.env.REDIS_PROVIDER || 'url,path,docker,apt',
} = {}) {
  const tried = [];
  for (const name of order.split(',').map((word) => word.trim())) {
    if (!Object.hasOwn(links, name))
      throw new Error(`REDIS_PROVIDER: unknown link "${name}"; known: url,path,docker,apt`);
    try {
      const server = await links[name](log);
      if (server) {
        log(`redis: ${withoutPassword(server.url)} (${server.source})`);
        return server;
      }
      tried.push(`${name}: not available`);
    } catch (error) {
      if (name === 'url') throw error; // an explicit choice must not be overridden
      tried.push(`${name}: ${String(error.message).split('\n')[0]}`);
    }
  }
  throw new Error(`No Redis here: ${installHint()}, or start Docker, or set REDIS_URL.\n  ${tried.join('\n  ')}`);
}

async function fromUrl() {
  const url = process.env.REDIS_URL;
  if (!url) return;
  const { hostname, port, protocol } = new URL(url);
  await reachable(hostname, Number(port || 6379), protocol === 'rediss:', 3000).catch((error) => {
    throw new Error(`REDIS_URL is set but unreachable: ${error.message}`);
  });
  return { url, source: 'REDIS_URL', stop: async () => {} };
}

async function fromPath(log) {
  return ownServer(await findServer(log));
}

async function fromApt(log) {
  return ownServer(await fetchServer(log));
}

async function ownServer(program) {
  if (!program) return;
  const { url, stop } = await launch(program);
  return { url, source: program.bin, stop };
}

async function fromDocker(log) {
  await run('docker', ['info', '--format', '{{.ServerVersion}}'], { timeout: 10_000 });
  const require = createRequire(new URL('../test/package.json', import.meta.url));
  const { RedisContainer } = await import(pathToFileURL(require.resolve('@testcontainers/redis')).href);
  log('redis: starting a container');
  const container = await new RedisContainer('redis:7.4-alpine').start();
  return { url: container.getConnectionUrl(), source: 'docker', stop: () => container.stop() };
}

/** Resolves when something that speaks Redis answers; over TLS, when something accepts a connection. */
async function reachable(host, port, tls, ms) {
  const until = Date.now() + ms;
  for (;;) {
    try {
      return await ping(host, port, tls);
    } catch (error) {
      if (Date.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}

function ping(host, port, tls) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, host, () => (tls ? socket.destroy() && resolve() : socket.write('PING\r\n')));
    socket.setTimeout(1000, () => socket.destroy(new Error('timeout')));
    socket.once('error', reject);
    socket.once('data', (reply) => {
      socket.destroy();
      if (/^(\+PONG|-NOAUTH)/.test(String(reply))) resolve();
      else reject(new Error(`unexpected reply ${String(reply).trim()}`));
    });
  });
}

function withoutPassword(url) {
  const shown = new URL(url);
  if (shown.password) shown.password = '***';
  return String(shown);
}

async function main() {
  const server = await provideRedis({ log: console.error });
  console.log(server.url);
  if (process.argv[2] === '--once') return server.stop();
  const alive = setInterval(() => {}, 1 << 30);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, () => {
      clearInterval(alive);
      void server.stop();
    });
  }
}

const program = process.argv[1];
if (program && existsSync(program) && import.meta.url === pathToFileURL(realpathSync(program)).href) {
  await main().catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
