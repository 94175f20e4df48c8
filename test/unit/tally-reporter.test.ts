import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const reporter = fileURLToPath(new URL('../setup/tally-reporter.ts', import.meta.url));
const silence = fileURLToPath(new URL('../setup/no-console.ts', import.meta.url));
const vitest = join(dirname(fileURLToPath(import.meta.resolve('vitest/package.json'))), 'vitest.mjs');

const PASSES = 'test("one", () => {}); test("two", () => {});';
const FAILS = 'test("three", () => { throw new Error("no"); });';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tally-'));
});

afterEach(() => rmSync(root, { recursive: true }));

/** Runs a small suite of its own in another process; what counts is how that ends. */
function suite(files: Record<string, string>, options: object = {}): { code: number | null; lastLine: string } {
  const test = { globals: true, maxWorkers: 1, reporters: ['default', reporter], ...options };
  const all = { 'vitest.config.mjs': `export default ${JSON.stringify({ test })};`, ...files };
  for (const [name, text] of Object.entries(all)) writeFileSync(join(root, name), text);
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, NO_COLOR: '1', CI: '1' };
  const { status, stdout } = spawnSync(process.execPath, [vitest, 'run', '--root', root], { encoding: 'utf8', env });
  return { code: status, lastLine: stdout.trimEnd().split('\n').pop() ?? '' };
}

describe('the last line of a test run', { timeout: 60_000 }, () => {
  it('counts what passed', () => {
    expect(suite({ 'a.test.js': PASSES })).toEqual({ code: 0, lastLine: '2 passed, 0 failed' });
  });

  it('counts a failed test once, and a file that cannot be imported once', () => {
    const files = { 'a.test.js': PASSES + FAILS, 'b.test.js': 'import "./missing.js"; test("four", () => {});' };
    expect(suite(files)).toEqual({ code: 1, lastLine: '2 passed, 2 failed' });
  });

  it('counts a rejection that nobody handles', () => {
    const files = { 'a.test.js': `${PASSES} Promise.reject(new Error("lost"));` };
    expect(suite(files)).toEqual({ code: 1, lastLine: '2 passed, 1 failed' });
  });

  it('is a failure when the global setup throws', () => {
    const files = { 'a.test.js': PASSES, 'setup.js': 'export default () => { throw new Error("no Redis"); };' };
    expect(suite(files, { globalSetup: ['./setup.js'] })).toEqual({ code: 1, lastLine: '0 passed, 1 failed' });
  });

  it('is a failure when something but a test fails the run', () => {
    const files = { 'a.test.js': PASSES, 'setup.js': 'export const teardown = () => { process.exitCode = 1; };' };
    expect(suite(files, { globalSetup: ['./setup.js'] })).toEqual({ code: 1, lastLine: '2 passed, 1 failed' });
  });

  it.each([
    ['no file matches', {}],
    ['every test is skipped', { 'a.test.js': 'test.skip("one", () => {});' }],
  ])('is a failure when %s', (_, files) => {
    expect(suite(files)).toEqual({ code: 1, lastLine: '0 passed, 1 failed' });
  });

  it('counts tests that write to the console or leak listeners', () => {
    const files = {
      'a.test.js': `${PASSES}
        test("talks", () => console.warn("hello"));
        test("leaks", async () => {
          const target = new EventTarget();
          (await import("node:events")).setMaxListeners(1, target);
          for (const f of [() => {}, () => {}]) target.addEventListener("x", f);
          await new Promise(setImmediate);
        });
        test("expects it", () => {
          const spy = vi.spyOn(console, "warn").mockImplementation(() => {});
          console.warn("hello");
          expect(spy).toHaveBeenCalledOnce();
          spy.mockRestore();
        });`,
    };
    expect(suite(files, { setupFiles: [silence] })).toEqual({ code: 1, lastLine: '3 passed, 2 failed' });
  });
});
