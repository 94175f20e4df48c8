import { describe, expect, it } from 'vitest';
import { parseCommand, UsageError } from '../../chaos/command-line.js';
import { allFaults, DEFAULT_OPTIONS } from '../../chaos/options.js';
import { FAULTS } from '../../chaos/plan/faults.js';
import { planFaults } from '../../chaos/plan/schedule.js';

describe('the plan of a chaos run', () => {
  it('follows from the seed', () => {
    expect(planFaults({ ...DEFAULT_OPTIONS, seed: 7 })).toEqual(planFaults({ ...DEFAULT_OPTIONS, seed: 7 }));
    expect(planFaults({ ...DEFAULT_OPTIONS, seed: 7 })).not.toEqual(planFaults({ ...DEFAULT_OPTIONS, seed: 8 }));
  });

  it('has every fault that is asked for, even in a short run, in the order of time', () => {
    const plan = planFaults({ ...DEFAULT_OPTIONS, seconds: 5 });
    const planned = new Set(plan.map(({ fault }) => fault));
    expect([...planned].sort()).toEqual(FAULTS.filter((fault) => fault !== 'restart').sort());
    expect(plan.map(({ atMs }) => atMs)).toEqual(plan.map(({ atMs }) => atMs).sort((a, b) => a - b));
    expect(plan.every(({ atMs }) => atMs >= 0 && atMs < 5_000)).toBe(true);
  });

  it('keeps the faults of one kind where they are when another kind is left out', () => {
    const { cut: _, ...others } = allFaults();
    const kills = (rates: typeof others) =>
      planFaults({ ...DEFAULT_OPTIONS, rates }).filter(({ fault }) => fault === 'kill-consumer');
    expect(kills(others)).toEqual(kills(allFaults()));
  });

  it('stops a process for longer than a lease', () => {
    const stops = planFaults(DEFAULT_OPTIONS).filter(({ fault }) => fault === 'stop-consumer');
    expect(stops.length).toBeGreaterThan(0);
    expect(stops.every(({ forMs }) => forMs > DEFAULT_OPTIONS.leaseMs)).toBe(true);
  });
});

describe('the command line', () => {
  it('reads options, faults with rates, and names', () => {
    const { options } = parseCommand(['--seconds', '5', '--seed', '3', '--faults', 'kill-redis:2,cut']);
    expect(options).toMatchObject({ seconds: 5, seed: 3, rates: { 'kill-redis': 2, cut: 1 } });
    expect(parseCommand(['--bars', 'B4,B8'])).toMatchObject({ mode: 'bars', names: ['B4', 'B8'] });
    expect(parseCommand(['--calm']).options).toMatchObject({ rates: {}, failures: 0 });
  });

  it.each([
    [['--seconds', 'soon'], '--seconds'],
    [['--seconds', '0'], '--seconds'],
    [['--limit', '1.5'], '--limit'],
    [['--strategy', 'hope'], '--strategy'],
    [['--faults', 'earthquake'], 'earthquake'],
    [['--faults', 'cut:-1'], 'cut:-1'],
    [['--wrong'], '--wrong'],
    [['stray'], 'stray'],
  ])('refuses %j', (argv, named) => {
    expect(() => parseCommand(argv)).toThrow(UsageError);
    expect(() => parseCommand(argv)).toThrow(named);
  });
});
