import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, inject, onTestFinished, test } from 'vitest';
import { eventually } from '../support/eventually.js';

const main = fileURLToPath(new URL('../../examples/flights/dist/main.js', import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts the demo in a process group of its own, which its children belong to. */
function startDemo(args: readonly string[]) {
  const env = { ...process.env, REDIS_URL: inject('redisUrl') };
  const child = spawn(process.execPath, [main, ...args], { env, detached: true });
  const { pid } = child;
  if (pid === undefined) throw new Error('The demo did not start.');
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].on('data', (chunk) => {
      said[name] += chunk;
    });
  }
  const ended = new Promise<Ended>((resolve) => child.once('close', (code) => resolve({ code, ...said })));
  /** @throws ESRCH when nobody of the group lives */
  const signalAll = (signal: NodeJS.Signals | 0) => process.kill(-pid, signal);
  onTestFinished(() => {
    try {
      signalAll('SIGKILL');
    } catch {
      // As it should be: nobody is left.
    }
  });
  return { said, ended, signalAll };
}

const sum = (counts: Readonly<Record<string, number>>) => Object.values(counts).reduce((total, n) => total + n, 0);
const range = { min: expect.any(Number), max: expect.any(Number), last: expect.any(Number) };

/** Whatever the run was like. */
function expectSoundBooks({ code, stdout, stderr }: Ended) {
  const report = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
  expect(code, stderr).toBe(0);
  expect(report).toMatchObject({ ok: true, evicted: 0, expired: 0, dead: 0, remaining: 0, ledgerImbalance: 0 });
  expect(report.offered).toBe(report.accepted + sum(report.refused));
  expect(report.flushed).toBe(report.accepted);
  expect(report.downstreamRows).toBe(report.flushed);
  expect(report.intervalMs).toEqual(range);
  return report;
}

test('a short run of the demo: the bound holds, the books balance, and the database agrees', async () => {
  const report = expectSoundBooks(await startDemo(['--duration', '8', '--capacity', '1000', '--json']).ended);
  expect(report).toMatchObject({ capacity: 1_000, interrupted: false, maxSize: 1_000 });
  expect(report.accepted).toBeGreaterThan(1_000);
  expect(report.durationMs).toBeGreaterThanOrEqual(8_000);
  // Each state at its first time: full after normal, and normal again in the end.
  expect(report.statesSeen[0]).toBe('normal');
  expect(report.statesSeen.indexOf('blocked')).toBeGreaterThan(0);
  expect(report.statePath.at(-1)).toBe('normal');
  // Whether more than the one at first may fly depends on how fast the machine is; that it was decided does not.
  expect(report.permits.min).toBe(1);
  expect(sum(report.decisions)).toBeGreaterThan(0);
});

test('Ctrl-C in the middle of a run: what is left is flushed out, the books balance, and nobody stays', async () => {
  const { said, ended, signalAll } = startDemo(['--duration', '60', '--capacity', '1000', '--json']);
  // A terminal tells the whole group.
  await eventually(() => expect(said.stderr).toMatch(/ out [1-9][\d,]*\/s/));
  signalAll('SIGINT');
  const report = expectSoundBooks(await ended);
  expect(report.interrupted).toBe(true);
  expect(report.accepted).toBeGreaterThan(0);
  expect(report.durationMs).toBeLessThan(60_000);
  expect(report.statePath.at(-1)).toBe('normal');
  expect(() => signalAll(0)).toThrow(/ESRCH/);
});

test('a wrong option is named with its value', async () => {
  const { code, stderr } = await startDemo(['--producers', 'many']).ended;
  expect(code).toBe(2);
  expect(stderr).toMatch(/producers.*many/);
});
