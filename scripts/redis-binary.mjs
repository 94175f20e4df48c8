// Finds a Redis or Valkey server program, or fetches the distribution's packages into a user cache: no root, no service.
import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const SERVERS = ['valkey-server', 'redis-server'];
const OLDEST_MAJOR = 7; // the scripts use flags that came with Redis 7.0

// Absolute even where HOME is empty: apt takes a relative path from the root.
const cacheDir = resolve(process.env.XDG_CACHE_HOME || join(homedir() || tmpdir(), '.cache'), 'backpressure');
const cacheRoot = join(cacheDir, 'root');

/** The server on PATH, else the one in the cache; undefined when there is none. */
export async function findServer(log = () => {}) {
  for (const dir of (process.env.PATH ?? '').split(delimiter).filter(Boolean)) {
    for (const name of SERVERS) {
      const server = { bin: join(dir, name), env: {} };
      if (await usable(server, log)) return server;
    }
  }
  return cachedServer(log);
}

/** Downloads the distribution's packages, unless the cache has them; undefined where there is no apt. */
export async function fetchServer(log = () => {}) {
  const cached = await cachedServer(log);
  if (cached) return cached;
  if (process.platform !== 'linux' || !existsSync('/usr/bin/apt-get') || !existsSync('/usr/bin/dpkg-deb')) return;
  log('redis: fetching the distribution packages (one time)');
  mkdirSync(cacheDir, { recursive: true });
  const work = mkdtempSync(join(cacheDir, 'apt-'));
  try {
    const archives = await download(work);
    const root = join(work, 'root');
    mkdirSync(root);
    for (const file of readdirSync(archives).filter((name) => name.endsWith('.deb'))) {
      await run('dpkg-deb', ['-x', join(archives, file), root]);
    }
    await install(root, log);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return cachedServer(log);
}

async function cachedServer(log) {
  for (const name of SERVERS) {
    const server = { bin: join(cacheRoot, 'usr/bin', name), env: { LD_LIBRARY_PATH: libDirs(cacheRoot).join(':') } };
    if (await usable(server, log)) return server;
  }
}

/** Asks the program for its version: that also tells whether it starts at all here, with the libraries it has. */
async function usable({ bin, env }, log) {
  try {
    accessSync(bin, constants.X_OK);
  } catch {
    return false;
  }
  try {
    const { stdout } = await run(bin, ['--version'], { env: { ...process.env, ...env }, timeout: 10_000 });
    if (Number(stdout.match(/v=(\d+)\./)?.[1]) >= OLDEST_MAJOR) return true;
    log(`redis: ${bin} is older than ${OLDEST_MAJOR}.0 and not used`);
  } catch (error) {
    log(`redis: ${bin} does not start: ${firstLine(error)}`);
  }
  return false;
}

/** Lets apt, with a private state and cache, pick and verify exactly the packages that are missing. */
async function download(work) {
  const state = join(work, 'state');
  const cache = join(work, 'cache');
  mkdirSync(join(state, 'lists/partial'), { recursive: true });
  mkdirSync(join(cache, 'archives/partial'), { recursive: true });
  const options = {
    'Dir::State': state,
    'Dir::State::status': '/var/lib/dpkg/status',
    'Dir::Cache': cache,
    'Debug::NoLocking': 'true',
    'APT::Sandbox::User': '',
    'Acquire::Languages': 'none',
    'APT::Get::List-Cleanup': 'false',
  };
  const flags = Object.entries(options).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  const apt = (...args) =>
    run('apt-get', ['-qq', ...flags, ...args], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' },
      timeout: 240_000,
      maxBuffer: 1 << 24,
    });
  const errors = [];
  // One broken source among many fails the update, yet the others may have all we need: the install decides.
  await apt('update').catch((error) => errors.push(error));
  for (const name of SERVERS) {
    try {
      await apt('--download-only', '--no-install-recommends', '-y', 'install', name);
      return join(cache, 'archives');
    } catch (error) {
      errors.push(error);
    }
  }
  throw new Error(`apt-get: ${aptReason(errors)}`);
}

/** Moves what was unpacked into its place; another process may have been faster, and then its copy stays. */
async function install(root, log) {
  try {
    renameSync(root, cacheRoot);
  } catch {
    if (await cachedServer(log)) return;
    rmSync(cacheRoot, { recursive: true, force: true });
    renameSync(root, cacheRoot);
  }
}

function libDirs(root) {
  const dirs = [join(root, 'usr/lib'), join(root, 'lib')].filter(existsSync);
  return dirs.flatMap((dir) => [
    ...readdirSync(dir)
      .filter((name) => name.includes('-linux-'))
      .map((name) => join(dir, name)),
    dir,
  ]);
}

function aptReason(errors) {
  const lines = errors.flatMap((error) => String(error.stderr || error.message).split('\n'));
  return lines.find((line) => line.startsWith('E: ')) ?? lines[0];
}

function firstLine(error) {
  return String(error.stderr || error.message).split('\n')[0];
}
