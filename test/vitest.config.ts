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
const withRedis = { globalSetup: [here('./setup/redis.ts')], testTimeout: 30_000, hookTimeout: 60_000 };
/** Tests that measure whether a deadline held, which a neighbour that takes the processor would spoil. */
const timed = ['test/fault/**/{deadlines,unreachable}.test.ts', 'test/fault/producer/lost-replies.test.ts'];
/** One file at a time, after everything else. */
const alone = (groupOrder: number) => ({ ...withRedis, fileParallelism: false, sequence: { groupOrder } });

export default defineConfig({
  root: here('..'),
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    maxWorkers: 2,
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
      tier('simulation', { testTimeout: 180_000 }),
      tier('property', { ...withRedis, testTimeout: 120_000 }),
      tier('integration', withRedis),
      tier('fault', { ...withRedis, exclude: timed, sequence: { groupOrder: 1 }, testTimeout: 60_000 }),
      tier('timed', { ...alone(2), include: timed, testTimeout: 60_000 }),
      tier('e2e', { ...alone(3), testTimeout: 120_000 }),
      tier('types', {
        include: [],
        typecheck: {
          enabled: true,
          only: true,
          ignoreSourceErrors: true, // `tsc -b` reports those
          include: ['test/types/**/*.test-d.ts'],
          tsconfig: 'test/tsconfig.json',
        },
      }),
    ],
  },
});
