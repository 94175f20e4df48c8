import { spawn } from 'node:child_process';
import { expect, it } from 'vitest';
import { BEATING, exitCodeOf } from '../support/exit-code.js';

const start = (code: string) =>
  spawn(process.execPath, [...BEATING, '--eval', code], { stdio: ['ignore', 'ignore', 'pipe'] });

it.concurrent('a process that ends has its own exit code', async () => {
  expect(await exitCodeOf(start('process.exitCode = 3'))).toBe(3);
});

it.concurrent('a process that something keeps alive has not ended, however long one waits', async () => {
  expect(await exitCodeOf(start('setInterval(() => {}, 1_000)'), { patienceMs: 1_000 })).toBeNull();
});

it.concurrent('a process in which nothing runs any more is as good as gone', async () => {
  const block = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)';
  expect(await exitCodeOf(start(block), { silenceMs: 1_000 })).toBe(0);
});
