import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import type { MutantResult } from '../chaos/mutants/run-mutants.js';
import type { RunSummary } from '../chaos/report/summary.js';

const run = promisify(execFile);
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const cli = here('../chaos/dist/chaos/cli.js');

/** Its processes are real ones, so they run what was compiled. */
beforeAll(async () => {
  await run(here('../../node_modules/.bin/tsc'), ['-p', here('../chaos/tsconfig.json')]);
});

/** Runs it as a user does; a failed run has its result on stdout too. */
async function chaos(...options: string[]): Promise<unknown> {
  const { stdout } = await run(process.execPath, [cli, ...options, '--json'], { timeout: 100_000 }).catch(
    (error: { stdout?: string }) => {
      if (error.stdout) return { stdout: error.stdout };
      throw error;
    },
  );
  return JSON.parse(stdout);
}

/** Short and small; `pnpm chaos` is the long one, and docs/reliability.md has its results. */
const SHORT = '--seconds 5 --producers 2 --consumers 2 --lease-ms 1000'.split(' ');

describe('under every fault at once', () => {
  it.each([1])('nothing is lost, twice or out of order (seed %i)', async (seed) => {
    const { violations, figures } = (await chaos(...SHORT, '--seed', String(seed))) as RunSummary;
    expect(violations).toEqual([]);
    // It has seen enough to say so.
    expect(figures.admitted).toBeGreaterThan(1_000);
    expect(figures.callsReplayedOnModel).toBeGreaterThan(500);
    expect(figures.samples).toBeGreaterThan(50);
  });
});

describe('the checker', () => {
  // All of them are caught by `pnpm chaos --mutants`; this is one of them.
  it('catches bugs that were put in on purpose, and nothing else', async () => {
    const results = (await chaos('--mutants', 'no-token')) as MutantResult[];
    expect(results.map(({ name, caught }) => [name, caught])).toEqual([
      ['none', false],
      ['no-token', true],
    ]);
  });

  it('refuses options that it does not understand', async () => {
    await expect(run(process.execPath, [cli, '--seconds', 'soon'])).rejects.toMatchObject({ code: 2 });
  });
});
