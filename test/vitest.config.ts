import { fileURLToPath } from 'node:url';
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
// Workspace packages resolve to their TypeScript source, so coverage and stack traces point there.
const conditions = ['@backpressure/source', 'module', 'node', 'development|production'];

type Options = NonNullable<TestProjectInlineConfiguration['test']>;

const tier = (name: string, options: Options = {}): TestProjectInlineConfiguration => ({
  extends: true,
  test: { name, include: [`test/${name}/**/*.test.ts`], ...options },
});
const withRedis = { globalSetup: [here('./setup/redis.ts')] };
/** Tests that measure whether a deadline held, which a neighbour that takes the processor would spoil. */
const timed = ['test/fault/**/{deadlines,unreachable}.test.ts', 'test/fault/producer/lost-replies.test.ts'];

/** Each is a fleet of processes that needs the machine for itself. */
const fleets = ['test/e2e/{chaos-run,demo}.test.ts'];
/** Most of these wait most of the time. */
const waiting = { ...withRedis, maxWorkers: 4, sequence: { groupOrder: 1 } };

export default defineConfig({
  root: here('..'),
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    maxWorkers: 2,
    // To load everything anew for each file takes longer than most files do. No test leaves anything behind.
    isolate: false,
    // For what hangs only: a busy machine may take ten times as long as an idle one.
    testTimeout: 180_000,
    hookTimeout: 60_000,
    setupFiles: [here('./setup/no-console.ts')],
    reporters: ['default', here('./setup/tally-reporter.ts')],
    coverage: {
      provider: 'v8',
      include: ['packages/*/src/**/*.ts'],
      exclude: ['**/*.generated.ts'],
      reporter: ['text', 'lcov'],
    },
    projects: [
      tier('unit'),
      tier('simulation'),
      tier('property', withRedis),
      tier('integration', waiting),
      tier('fault', { ...waiting, exclude: timed }),
      tier('e2e', { ...waiting, exclude: fleets }),
      tier('timed', { ...withRedis, include: timed, sequence: { groupOrder: 2 } }),
      tier('fleets', { ...withRedis, include: fleets, fileParallelism: false, sequence: { groupOrder: 3 } }),
      tier('types', {
        include: [],
        typecheck: {
          enabled: true,
          only: true,
          ignoreSourceErrors: true, // `tsc -b` reports those
          include: ['test/types/**/*.test-d.ts'],
          tsconfig: 'test/types/tsconfig.json', // of this folder alone: a second instead of ten
        },
      }),
    ],
  },
});
