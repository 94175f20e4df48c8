// A library is silent: a test that causes output on the console fails, and so does one that leaks listeners. Where output
// is the thing under test, spy on the method: `vi.spyOn(console, 'warn').mockImplementation(() => {})`.
import { format } from 'node:util';
import { afterAll, afterEach } from 'vitest';

const METHODS = ['debug', 'error', 'info', 'log', 'trace', 'warn'] as const;
const WARNINGS = new Set(['MaxListenersExceededWarning', 'TimeoutOverflowWarning', 'TimeoutNegativeWarning']);

let unexpected: string[] = [];

for (const method of METHODS) {
  console[method] = (...args: unknown[]) => {
    unexpected.push(`console.${method}: ${format(...args)}`);
  };
}

const onWarning = (warning: Error) => {
  if (WARNINGS.has(warning.name)) unexpected.push(`${warning.name}: ${warning.message}`);
};
process.on('warning', onWarning);

function expectSilence(): void {
  if (unexpected.length === 0) return;
  const lines = unexpected;
  unexpected = [];
  throw new Error(`Unexpected output:\n${lines.join('\n')}`);
}

// Registered first, so these run last: after the hooks of the test file.
afterEach(expectSilence);
afterAll(() => {
  process.off('warning', onWarning);
  expectSilence();
});
