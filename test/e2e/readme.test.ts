import { execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { BackpressureAdmin, defineBuffer } from '@backpressure/core';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { BEATING, exitCodeOf } from '../support/exit-code.js';

const run = promisify(execFile);
const root = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
let dir = '';

/** The code blocks of the README that name their file, compiled in a project of their own against the built packages. */
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'backpressure-readme-'));
  const readme = await readFile(root('README.md'), 'utf8');
  const blocks = [...readme.matchAll(/```ts\n\/\/ (\S+\.ts)\n([\s\S]*?)```/g)];
  expect(blocks.map(([, file]) => file)).toEqual([
    'buffer.ts',
    'producer.ts',
    'consumer.ts',
    'controller.ts',
    'operator.ts',
  ]);
  expect(readme.match(/```ts\n/g)).toHaveLength(blocks.length);
  for (const [, file = '', code = ''] of blocks) await writeFile(join(dir, file), code);
  await writeFile(join(dir, 'package.json'), JSON.stringify({ type: 'module' }));
  await mkdir(join(dir, 'node_modules'));
  await symlink(root('test/node_modules/@backpressure'), join(dir, 'node_modules/@backpressure'));
  for (const name of ['backpressure', 'zod'])
    await symlink(root(`test/node_modules/${name}`), join(dir, 'node_modules', name));
  await symlink(root('node_modules/@types'), join(dir, 'node_modules/@types'));
  const compilerOptions = { module: 'nodenext', target: 'es2023', strict: true, skipLibCheck: true, types: ['node'] };
  await writeFile(join(dir, 'tsconfig.json'), JSON.stringify({ compilerOptions }));
  await run(root('node_modules/.bin/tsc'), ['-p', dir]);
});

afterAll(() => rm(dir, { recursive: true, force: true }));

function start(file: string) {
  const child = spawn(process.execPath, [...BEATING, join(dir, file)], {
    env: { ...process.env, REDIS_URL: inject('redisUrl') },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let complaints = '';
  child.stderr.on('data', (chunk) => {
    complaints += String(chunk).replaceAll('.', '');
  });
  const endWell = async () => expect([await exitCodeOf(child), complaints]).toEqual([0, '']);
  return { child, endWell };
}

async function outputOf(file: string): Promise<string> {
  const { child, endWell } = start(file);
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  await endWell();
  return output;
}

test('producer and consumer are short', async () => {
  for (const file of ['producer.ts', 'consumer.ts']) {
    const code = (await readFile(join(dir, file), 'utf8')).split('async function insertOrIgnore')[0] ?? '';
    expect(code.trim().split('\n').length, file).toBeLessThanOrEqual(15);
  }
});

test('the consumer flushes what the producer pushes, and leaves on SIGTERM; the operator looks on', async () => {
  const admin = new BackpressureAdmin(defineBuffer({ name: 'orders', onConfigMismatch: 'adopt' }), {
    connection: inject('redisUrl'),
  });
  const { child: consumer, endWell } = start('consumer.js');
  let rows = 0;
  const allRows = new Promise<void>((resolve) =>
    consumer.stdout.on('data', (chunk) => {
      for (const [, n] of String(chunk).matchAll(/(\d+) rows/g)) rows += Number(n);
      if (rows >= 1_000) resolve();
    }),
  );
  expect(await outputOf('producer.js')).toBe('');
  await allRows;
  expect(rows).toBe(1_000);
  consumer.kill('SIGTERM');
  await endWell();
  expect(await outputOf('operator.js')).toMatch(
    /state: 'normal',\s+size: 0,\s+capacity: 10000[\s\S]*ledgerImbalance: 0/,
  );
  await admin.destroy();
  await admin.close();
});

test('the controller runs in one process', async () => {
  expect(await outputOf('controller.js')).toMatch(/eventsAccepted: 1,[\s\S]*eventsFlushed: 1,/);
});
