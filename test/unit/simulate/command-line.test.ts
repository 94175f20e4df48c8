import { describe, expect, it } from 'vitest';
import { DEFAULT_CONFIG } from '../../../packages/core/src/domain/config.js';
import { parseCommand, UsageError } from '../../simulation/command/command-line.js';
import { calmFromSecond, type Figures, plantOf } from '../../simulation/command/figures.js';

function figuresOf(...argv: string[]): Figures {
  const command = parseCommand(argv);
  if (command.mode !== 'run') throw new Error('help was not asked for');
  return command.figures;
}

describe('the command line of simulate', () => {
  it('has a default for everything', () => {
    const { slots, disturbances, config, durationMs } = plantOf(figuresOf());
    expect({ slots, disturbances, durationMs }).toEqual({ slots: 16, disturbances: [], durationMs: 120_000 });
    expect(config).toEqual({ ...DEFAULT_CONFIG, leaseMs: 86_400_000 });
  });

  it('takes 0 for 0', () => {
    const figures = figuresOf(
      '--rate',
      '0',
      '--consumers=0',
      '--latency-spread=0',
      '--max-block-time-ms=0',
      '--seed=0',
      '--downstream-rate=0',
    );
    expect(figures).toMatchObject({ rate: 0, consumers: 0, seed: 0, config: { maxBlockTimeMs: 0 } });
    expect(figures.downstream).toMatchObject({ spread: 0, tokens: { perSecond: 0, burst: 1, retryAfterMs: 1_000 } });
  });

  it.each([
    [['--rate', 'many'], '--rate must be a number from 0 to 1000000 (got many)'],
    [['--rate', '-5'], '--rate must be a number from 0 to 1000000 (got -5)'],
    [['--rate='], '--rate must be a number from 0 to 1000000 (got nothing)'],
    [['--consumers', '1.5'], '--consumers must be a whole number from 0 to 10000 (got 1.5)'],
    [['--algorithm', 'aimd'], '--algorithm must be one of elastic, interval, fixed (got aimd)'],
    [['--batch-size', '5000'], '--batch-size must be a whole number from 1 to 1000 (got 5000)'],
    [['--strategy', 'drop'], '--strategy must be one of block, drop_oldest, drop_newest, sample (got drop)'],
    [['--flush-timeout-ms', 'x'], '--flush-timeout-ms must be a whole number from 1 to 3600000 (got x)'],
    [['--low-watermark', '0.9'], '--low-watermark must be below highWatermark, which is 0.8 by default (got 0.9)'],
    [['--max-flushes-per-second', '0'], '--max-flushes-per-second must be a number from 0.001 to 1000000 (got 0)'],
    [['--downstream-rate', '-1'], '--downstream-rate must be a number from 0 to 1000000 (got -1)'],
    [['--retry-after-ms', '500'], '--retry-after-ms needs --downstream-rate (got 500)'],
    [['--burst-at', '5'], '--burst-at needs --burst (got 5)'],
    [['--disturb-for', '5'], '--disturb-for needs --slowdown, --servers-left or --error-share (got 5)'],
    [['--burst', '2', '--burst-at', '120'], '--burst-at must be below --duration, which is 120 (got 120)'],
    [['--servers-left', '9'], '--servers-left must be at most --servers, which is 8 (got 9)'],
    [['--backlog', '9', '--arrivals', 'bursty'], '--backlog needs --arrivals poisson or constant (got 9)'],
    [['--colour'], "Unknown option '--colour'"],
    [['fast'], 'unexpected argument: fast'],
  ])('refuses %j, names the option and what was given', (argv, message) => {
    expect(() => parseCommand(argv)).toThrow(new UsageError(message));
  });

  it('names every option of the buffer that is wrong', () => {
    expect(() => parseCommand(['--batch-size=0', '--max-buffer-size=0'])).toThrow(
      /--max-buffer-size .*\n--batch-size /,
    );
  });

  it('refuses a run that would not end soon', () => {
    const argv = ['--rate=1000000', '--duration=86400', '--latency-ms=1'];
    expect(() => parseCommand(argv)).toThrow('--duration makes up to');
    const refused = ['--rate=100', '--concurrency=1000', '--downstream-rate=1', '--retry-after-ms=1'];
    expect(() => parseCommand(refused)).toThrow('--duration makes up to');
  });
});

describe('an experiment', () => {
  it('has the rates that were given: backlog, load, burst, load', () => {
    const { arrivals } = plantOf(
      figuresOf('--rate=100', '--backlog=50', '--burst=3', '--burst-at=10', '--burst-for=5'),
    );
    expect(arrivals).toMatchObject({
      perSecond: 1,
      steps: [
        { atMs: 0, factor: 5_100 },
        { atMs: 11, factor: 100 },
        { atMs: 10_000, factor: 300 },
        { atMs: 15_000, factor: 100 },
      ],
    });
  });

  it('has a downstream that answers 429 where a rate was given, by default after a second of its rate', () => {
    const tokensOf = (...argv: string[]) => plantOf(figuresOf(...argv)).downstream.tokens;
    expect(tokensOf()).toBeUndefined();
    expect(tokensOf('--downstream-rate=20')).toEqual({ perSecond: 20, burst: 20, retryAfterMs: 1_000 });
    const all = ['--downstream-rate=20', '--downstream-burst=5', '--retry-after-ms=300'];
    expect(tokensOf(...all)).toEqual({ perSecond: 20, burst: 5, retryAfterMs: 300 });
  });

  it('keeps the backlog under a burst from the start', () => {
    const { arrivals } = plantOf(figuresOf('--rate=100', '--backlog=50', '--burst=3', '--burst-at=0', '--burst-for=0'));
    expect(arrivals.steps?.findLast(({ atMs }) => atMs <= 10)?.factor).toBe(5_100);
    expect(arrivals.steps?.findLast(({ atMs }) => atMs <= 20)?.factor).toBe(100);
  });

  it('is disturbed for the time that was given', () => {
    const figures = figuresOf('--slowdown=Infinity', '--servers-left=2', '--disturb-at=10', '--disturb-for=5');
    expect(plantOf(figures).disturbances).toEqual([
      { slowdown: Number.POSITIVE_INFINITY, servers: 2, atMs: 10_000 },
      { atMs: 15_000 },
    ]);
  });

  it('is calm after the last of what can leave a backlog', () => {
    expect(calmFromSecond(figuresOf())).toBeUndefined();
    expect(calmFromSecond(figuresOf('--backlog=1'))).toBe(0);
    expect(calmFromSecond(figuresOf('--backlog=1', '--burst=2'))).toBe(50);
    expect(calmFromSecond(figuresOf('--burst=2', '--error-share=1'))).toBe(80);
  });
});
