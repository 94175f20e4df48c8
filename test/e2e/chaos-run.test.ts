import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import type { RunSummary } from '../chaos/report/summary.js';

const run = promisify(execFile);
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const cli = here('../chaos/dist/chaos/cli.js');

/** Its processes are real ones, so they run what was compiled. */
beforeAll(async () => {
  await run(here('../../node_modules/.bin/tsc'), ['-p', here('../chaos/tsconfig.json')]);
});

/** A run takes a tenth of it. Node may lock up while it ends (nodejs/node#54918); what it has said by then counts. */
const GIVE_UP = { timeout: 150_000, killSignal: 'SIGKILL' } as const;

/** Runs it as a user does; a failed run has its result on stdout too. */
async function chaos(...options: string[]): Promise<RunSummary> {
  const { stdout } = await run(process.execPath, [cli, ...options, '--json'], GIVE_UP).catch(
    (error: { stdout?: string }) => {
      if (error.stdout) return { stdout: error.stdout };
      throw error;
    },
  );
  return JSON.parse(stdout) as RunSummary;
}

/** Short and small, and side by side; `pnpm chaos` is the long one, and docs/reliability.md has its results. */
const SHORT = '--seconds 4 --producers 1 --consumers 2 --lease-ms 1000'.split(' ');

describe.concurrent('under every fault at once', () => {
  it.each([1, 2, 3])('nothing is lost, twice or out of order (seed %i)', async (seed) => {
    const { violations, figures } = await chaos(...SHORT, '--seed', String(seed));
    expect(violations).toEqual([]);
    // It has seen enough to say so.
    expect(figures.admitted).toBeGreaterThan(25);
    expect(figures.callsReplayedOnModel).toBeGreaterThan(25);
    expect(figures.samples).toBeGreaterThan(20);
    expect(figures.scrapes).toBeGreaterThan(3);
  });
});

describe.concurrent('the checker', () => {
  // `pnpm chaos --mutants` has all of them, in longer runs.
  it.each([['no-token', 'swallow-reply:10', 'model: ']])(
    'catches a bug that was put in on purpose (%s)',
    async (mutant, faults, rule) => {
      const seen: string[] = [];
      // A machine that is busy enough may do too little in one run for the bug to show.
      for (let seed = 1; seed <= 3 && !seen.some((violation) => violation.includes(rule)); seed++) {
        const options = ['--mutant', mutant, '--faults', faults, '--seed', String(seed)];
        seen.push(...(await chaos(...SHORT, ...options)).violations);
      }
      expect(seen).toContainEqual(expect.stringContaining(rule));
    },
  );

  it('refuses options that it does not understand', async () => {
    await expect(run(process.execPath, [cli, '--seconds', 'soon'])).rejects.toMatchObject({ code: 2 });
  });
});
