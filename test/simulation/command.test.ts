import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseCommand } from './command/command-line.js';
import type { Figures } from './command/figures.js';
import { printable } from './command/print.js';
import { runFigures } from './command/run.js';

function figuresOf(...argv: string[]): Figures {
  const command = parseCommand(argv);
  if (command.mode !== 'run') throw new Error('help was not asked for');
  return command.figures;
}
const reportOf = (...argv: string[]) => runFigures(figuresOf(...argv)).report;

describe('a simulation of somebody’s own figures', () => {
  it('is limited by nothing while all can be delivered', () => {
    const report = reportOf('--rate=1000');
    expect(report).toMatchObject({ lost: 0, limitedBy: 'nothing', twiceTheWorkers: null, drain: null });
    expect(report.states.normal).toBe(1);
    expect(report.deliveredPerSecond).toBeGreaterThan(980);
    expect(report.ageMs.p95).toBeLessThan(1_000);
  });

  it('is limited by its workers when more of them deliver more', () => {
    const report = reportOf('--rate=3000', '--consumers=1');
    expect(report).toMatchObject({ workers: 4, limitedBy: 'workers' });
    // Four workers at 200 ms for 100 items make 2000 items/s.
    expect(report.deliveredPerSecond).toBeLessThan(2_050);
    expect(report.twiceTheWorkers?.deliveredPerSecond).toBeGreaterThan(1.2 * report.deliveredPerSecond);
  });

  it('is limited by its downstream when more workers deliver no more', () => {
    const report = reportOf('--rate=6000', '--consumers=8');
    expect(report).toMatchObject({ workers: 32, limitedBy: 'downstream' });
    // Eight servers at 200 ms for 100 items make 4000 items/s.
    expect(report.deliveredPerSecond).toBeLessThan(4_050);
    expect(report.twiceTheWorkers?.deliveredPerSecond).toBeLessThan(1.1 * report.deliveredPerSecond);
  });

  it('is limited by its downstream while that is disturbed', () => {
    const report = reportOf('--rate=2000', '--servers-left=1', '--max-buffer-size=5000');
    expect(report.limitedBy).toBe('downstream');
    expect(report.losses.evicted).toBeGreaterThan(0);
  });

  it('is limited by maxConcurrentFlushes when neither has anything to do with it', () => {
    const report = reportOf('--rate=3000', '--max-concurrent-flushes=3', '--algorithm=fixed');
    expect(report).toMatchObject({ limitedBy: 'maxConcurrentFlushes', final: { permits: 3 } });
  });

  it('is limited by maxFlushesPerSecond, under every algorithm, and takes one at most beyond it', () => {
    for (const algorithm of ['elastic', 'interval', 'fixed']) {
      const argv = ['--rate=2000', '--max-flushes-per-second=10', '--duration=30', `--algorithm=${algorithm}`];
      const report = reportOf(...argv);
      expect(report.limitedBy).toBe('maxFlushesPerSecond');
      expect(report.flushes).toBeGreaterThan(270);
      expect(report.flushes).toBeLessThanOrEqual(301);
    }
  });

  it('is held by a downstream that answers 429, and limited by it', () => {
    for (const algorithm of ['elastic', 'interval', 'fixed']) {
      const report = reportOf('--rate=2000', '--downstream-rate=10', '--duration=60', `--algorithm=${algorithm}`);
      expect(report).toMatchObject({ failures: 0, losses: { dead: 0 } });
      // The pauses of `interval` are shorter with more workers, which delivers a little more.
      if (algorithm !== 'interval') expect(report.limitedBy).toBe('downstream');
      expect(report.throttled).toBeGreaterThan(0);
      // Some ten flushes of 100 items a second, and the ten of the first moment.
      expect(report.deliveredPerSecond).toBeGreaterThan(800);
      expect(report.deliveredPerSecond).toBeLessThan(1_020);
    }
    const refused = reportOf('--rate=2000', '--downstream-rate=0', '--duration=30');
    // What the bucket held at the start.
    expect(refused).toMatchObject({ limitedBy: 'downstream', flushes: refused.throttled + 1 });
  });

  it('has its circuit breaker under every algorithm: an outage kills no item', () => {
    for (const algorithm of ['elastic', 'interval', 'fixed']) {
      const argv = [
        '--rate=2000',
        '--error-share=1',
        '--disturb-at=30',
        '--disturb-for=60',
        '--max-buffer-size=200000',
      ];
      const report = reportOf(...argv, `--algorithm=${algorithm}`);
      // Without it some hundred flushes fail a second.
      expect(report.failures).toBeGreaterThan(10);
      expect(report.failures).toBeLessThan(100);
      expect(report.losses.dead).toBe(0);
      expect(report.deliveredPerSecond).toBeGreaterThan(900);
    }
  });

  it('says so when neither workers nor downstream are to blame for what its start cost', () => {
    const report = reportOf('--rate=6000', '--servers=64', '--degradation=0', '--max-buffer-size=500');
    expect(report.limitedBy).toBe('control');
    expect(report.losses.evicted).toBeGreaterThan(0);
  });

  it('accounts for every item, whatever becomes of it', () => {
    for (const strategy of ['block', 'drop_oldest', 'drop_newest', 'sample']) {
      const { offered, delivered, lost, losses, left } = reportOf('--rate=6000', `--strategy=${strategy}`);
      expect(offered).toBe(delivered + lost + left);
      expect(left).toBeGreaterThanOrEqual(0);
      const reason = { block: 'timeout', drop_oldest: 'evicted', drop_newest: 'full', sample: 'sampled' } as const;
      expect(losses[reason[strategy as keyof typeof reason]]).toBeGreaterThan(0);
    }
  });

  it('lets a backlog that does not fit evict its own oldest items', () => {
    const argv = ['--rate=0', '--backlog=50000', '--arrivals=constant', '--duration=10', '--max-buffer-size=10000'];
    expect(reportOf(...argv)).toMatchObject({ offered: 50_000, losses: { evicted: 40_000, full: 0 }, left: 0 });
  });

  it('tells when a burst has drained, and when it has not', () => {
    const argv = ['--rate=2000', '--burst=3', '--max-buffer-size=100000'];
    const { drain } = reportOf(...argv);
    expect(drain?.fromSecond).toBe(50);
    // 20 s at 6000 items/s against 4000 leave some 40,000 items, which drain at 2000 a second.
    expect(drain?.seconds).toBeGreaterThan(10);
    expect(drain?.seconds).toBeLessThan(45);
    expect(reportOf(...argv, '--duration=55').drain).toEqual({ fromSecond: 50, seconds: null });
  });

  it('is the same for the same seed, under every algorithm', () => {
    for (const algorithm of ['elastic', 'interval', 'fixed']) {
      const argv = [`--algorithm=${algorithm}`, '--rate=3000', '--slowdown=3', '--duration=100'];
      expect(reportOf(...argv)).toEqual(reportOf(...argv));
      expect(reportOf(...argv, '--seed=2')).not.toEqual({ ...reportOf(...argv), seed: 2 });
    }
  });

  it('has no latency where nothing was delivered, and 0 workers deliver nothing', () => {
    const figures = figuresOf('--consumers=0', '--rate=500', '--duration=30');
    const { report } = runFigures(figures);
    expect(report).toMatchObject({ delivered: 0, limitedBy: 'workers', ageMs: { p50: null, p95: null } });
    expect(printable(figures, report)).toContain('age         p50 -, p95 -');
  });
});

describe('pnpm simulate', () => {
  const run = promisify(execFile);
  const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
  const simulate = (...options: string[]) =>
    run(process.execPath, [here('command/dist/test/simulation/command/cli.js'), ...options]);

  beforeAll(async () => {
    await run(here('../../node_modules/.bin/tsc'), ['-p', here('command/tsconfig.json')]);
  });

  it('prints the report as one line of JSON', async () => {
    const { stdout, stderr } = await simulate('--duration', '20', '--json');
    expect(stderr).toBe('');
    expect(stdout.trimEnd().split('\n')).toHaveLength(1);
    expect(JSON.parse(stdout)).toEqual(reportOf('--duration=20'));
  });

  it('prints a plot and the report for people', async () => {
    const { stdout } = await simulate('--duration', '20');
    expect(stdout).toContain('items in the buffer');
    expect(stdout).toMatch(/^ {2}limited by {2}nothing$/m);
  });

  it('explains itself, and ends with 2 when an option is wrong', async () => {
    expect((await simulate('--help')).stdout).toContain('--target-latency-ms N');
    await expect(simulate('--rate', 'soon')).rejects.toMatchObject({
      code: 2,
      stdout: '',
      stderr: '--rate must be a number from 0 to 1000000 (got soon)\npnpm simulate --help lists the options.\n',
    });
  });
});
