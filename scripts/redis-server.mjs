// Runs a Redis server of one's own, which never outlives the process that started it.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fetchServer, findServer } from './redis-binary.mjs';

const READY_MS = 30_000;
const STOP_MS = 5_000;

// The shell becomes the server (exec), so the child's pid is the server's: signals reach the right process. Before that
// it leaves a watcher behind, which reads from our end of a pipe. When this process goes away, for whatever reason, the
// read fails and the watcher kills the server, stopped (SIGSTOP) or not. A line says that the server is gone already.
const GUARD = `
{ read -r _ <&3 || { kill -KILL $$; [ -z "$GUARD_DIR" ] || rm -rf -- "$GUARD_DIR"; }; } >/dev/null 2>&1 &
exec "$0" "$@" 3<&-`;

const temporaryDirs = new Set();

/** Starts a server on 127.0.0.1; see redis.d.mts. */
export async function startRedisServer({ args = [], port, dir, log = () => {} } = {}) {
  const program = (await findServer(log)) ?? (await fetchServer(log));
  if (!program) throw new Error(`No Redis here: ${installHint()}.`);
  return launch(program, { args, port, dir });
}

/** With a port given there is one attempt; else a few, since another process may take the free port that was found. */
export async function launch(program, { args = [], port, dir } = {}) {
  const home = dir ?? mkdtempSync(join(tmpdir(), 'backpressure-'));
  if (!dir) temporaryDirs.add(home);
  for (let attemptsLeft = port ? 0 : 4; ; attemptsLeft--) {
    try {
      return await attempt(program, args, port ?? (await freePort()), home);
    } catch (error) {
      if (attemptsLeft > 0) continue;
      if (!dir) discard(home);
      throw error;
    }
  }
}

export function installHint() {
  return process.platform === 'darwin' ? 'brew install redis' : 'install redis-server or valkey-server (7.0 or newer)';
}

async function attempt({ bin, env }, args, port, dir) {
  const child = spawn('/bin/sh', ['-c', GUARD, bin, ...commandLine(args, port, dir)], {
    env: { ...process.env, ...env, GUARD_DIR: temporaryDirs.has(dir) ? dir : '' },
    detached: true, // Ctrl-C in the terminal is for us; we stop the server when we have done with it
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'], // not stdin for the watcher: Node closes that before it reports the exit
  });
  const watcher = child.stdio[3];
  let exited = false;
  const gone = new Promise((resolve) => child.once('error', resolve).once('exit', resolve)).then(() => {
    exited = true;
    watcher.end('\n');
  });
  watcher.on('error', () => {}); // it may be gone

  try {
    await ready(child, gone);
  } catch (error) {
    child.kill('SIGKILL');
    await gone;
    throw new Error(`${bin}: ${error.message}`);
  }
  for (const handle of [child, watcher, child.stdout, child.stderr]) handle.unref();

  /** Waits for the end, and keeps this process alive meanwhile. */
  const end = async () => {
    child.ref();
    await gone;
  };
  const kill = async (signal = 'SIGKILL') => {
    if (exited) return;
    child.kill(signal);
    if (signal === 'SIGKILL' || signal === 'SIGTERM') await end();
  };
  const stop = async () => {
    if (!exited) {
      child.kill('SIGTERM');
      child.kill('SIGCONT'); // a stopped process would not see the other signal
      const impatience = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      await end();
      clearTimeout(impatience);
    }
    discard(dir);
  };
  return { url: `redis://127.0.0.1:${port}`, port, pid: child.pid, dir, stop, kill };
}

function commandLine(args, port, dir) {
  const hasFile = args[0] !== undefined && !args[0].startsWith('--');
  const persists = hasFile || args.includes('--save');
  const snapshots = persists ? [] : ['--save', ''];
  const place = ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir];
  const log = ['--daemonize', 'no', '--loglevel', 'notice', '--logfile', '']; // `ready` reads it
  return [...args, ...snapshots, ...place, ...log]; // the last mention of an option wins
}

/** Waits for the server's own word, not for a PING: another server on that port could answer one. */
function ready(child, gone) {
  let output = '';
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not ready after ${READY_MS / 1000} s`)), READY_MS);
    const settle = (action, value) => {
      clearTimeout(timer);
      action(value);
    };
    const watch = (chunk) => {
      output = (output + chunk).slice(-4000);
      if (output.includes('Ready to accept connections')) settle(resolve);
    };
    child.stdout.on('data', watch);
    child.stderr.on('data', watch);
    child.once('error', (error) => settle(reject, error));
    void gone.then(() => settle(reject, new Error(output.trim().split('\n').pop() || 'it exited at once')));
  });
}

/** Removes a directory that this module made; one that the caller named stays. */
function discard(dir) {
  if (temporaryDirs.has(dir)) rmSync(dir, { recursive: true, force: true });
}

/**
 * A free port below the range that the system gives to outgoing connections. From that range a client that retries
 * while its server is down may be given the server's own port and connect to itself.
 */
async function freePort() {
  for (let attemptsLeft = 50; attemptsLeft > 0; attemptsLeft--) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    if (await isFree(port)) return port;
  }
  throw new Error('no free port between 20000 and 32000');
}

function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer()
      .once('error', () => resolve(false))
      .listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
