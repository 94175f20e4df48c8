import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, inject, test } from 'vitest';

const main = fileURLToPath(new URL('../../examples/flights/dist/main.js', import.meta.url));

function runDemo(args: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [main, ...args], { env: { ...process.env, REDIS_URL: inject('redisUrl') } });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, stdout, stderr })));
}

test('a short run of the demo: the bound holds, the books balance, and the database agrees', async () => {
  const { code, stdout, stderr } = await runDemo(['--duration', '8', '--capacity', '2000', '--json']);
  const report = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
  expect(code, stderr).toBe(0);
  expect(report).toMatchObject({ capacity: 2000, evicted: 0, expired: 0, dead: 0, remaining: 0, ledgerImbalance: 0 });
  expect(report.accepted).toBeGreaterThan(2000);
  expect(report.downstreamRows).toBe(report.flushed);
  expect(report.flushed).toBe(report.accepted);
  expect(report.maxSize).toBeLessThanOrEqual(2000);
  expect(report.statesSeen).toEqual(expect.arrayContaining(['normal', 'blocked']));
  // Whether more than the one at first may fly depends on how fast the machine is; that it was decided does not.
  expect(report.permits.min).toBe(1);
  expect(Object.values<number>(report.decisions).reduce((sum, n) => sum + n, 0)).toBeGreaterThan(0);
});

test('a wrong option is named with its value', async () => {
  const { code, stderr } = await runDemo(['--producers', 'many']);
  expect(code).toBe(2);
  expect(stderr).toMatch(/producers.*many/);
});
