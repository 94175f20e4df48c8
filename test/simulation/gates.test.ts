import { describe, expect, it } from 'vitest';
import { efficiencyBetween, efficiencyOf, momentAt, type Outcome, quantileOf, variationOf } from './engine/measures.js';
import { simulate } from './engine/world.js';
import { Elastic } from './peers/elastic.js';
import { BLIP_END_MS, BLIPS, HEALTHY_MS, LAST_MS } from './scenarios/blips.js';
import { CAPACITY, plantOf, type Scenario, SERVERS } from './scenarios/scenario.js';

const SEEDS = [1, 2, 3];

function run(scenario: Scenario, seed: number): Outcome {
  return simulate(plantOf(scenario, seed), (plant, random) => new Elastic(plant, random));
}

/** The median over the seeds. */
function median(measure: (seed: number) => number): number {
  return quantileOf(SEEDS.map(measure), 0.5);
}

describe('the gates of the elastic law', () => {
  it.each(Object.entries(BLIPS))('no latch: %s for 5 s, and the load is delivered again', (_, scenario) => {
    const end = BLIP_END_MS + HEALTHY_MS;
    for (const seed of SEEDS.slice(0, 1)) {
      expect(efficiencyBetween(run(scenario, seed), end - LAST_MS, end), `seed ${seed}`).toBeGreaterThanOrEqual(0.95);
    }
  });

  it('converges within 15 epochs after the load has doubled', () => {
    const atMs = 60_000;
    const scenario: Scenario = { load: 0.45, arrivals: { steps: [{ atMs, factor: 2 }] } };
    const epochs = median((seed) => {
      const { moments } = run(scenario, seed);
      const offered = (moment: number) => momentAt(moments, moment + 1_000).offered - momentAt(moments, moment).offered;
      const delivered = (moment: number) =>
        momentAt(moments, moment + 1_000).delivered - momentAt(moments, moment).delivered;
      let done = atMs;
      while (delivered(done) < 0.95 * offered(done)) done += 1_000;
      return momentAt(moments, done).epochs - momentAt(moments, atMs).epochs;
    });
    expect(epochs).toBeLessThanOrEqual(15);
  });

  it('keeps p95 of the flush latency within four times that without a queue', () => {
    for (const load of [0.5, 0.9, 1.3]) {
      const ratio = median((seed) => {
        const { latencyMs, unqueuedMs } = run({ load }, seed);
        return latencyMs.quantile(0.95) / unqueuedMs.quantile(0.95);
      });
      expect(ratio, `load ${load}`).toBeLessThanOrEqual(4);
    }
  });

  it('is steady: the permits vary by at most .20 of their mean, and stay near the knee', () => {
    const { variation, permits } = SEEDS.map((seed) => {
      const steady = run({ load: 1.2 }, seed).moments.filter(({ atMs }) => atMs > 60_000);
      return { variation: variationOf(steady.map((moment) => moment.permits)), permits: steady.map((m) => m.permits) };
    }).reduce((worst, each) => (each.variation > worst.variation ? each : worst));
    expect(variation).toBeLessThanOrEqual(0.2);
    expect(quantileOf(permits, 0.5)).toBeGreaterThan(0.7 * SERVERS);
    expect(quantileOf(permits, 0.5)).toBeLessThan(2 * SERVERS);
  });

  it('does not depend on the number of workers', () => {
    const efficiency = (slots: number) => median((seed) => efficiencyOf(run({ load: 0.9, slots }, seed)));
    expect(efficiency(256) / efficiency(SERVERS)).toBeGreaterThanOrEqual(0.95);
  });

  it('has drained within 60 s what a burst of three times the load for 20 s has left in a buffer of 10 s', () => {
    const burst = {
      load: 0.75,
      arrivals: {
        steps: [
          { atMs: 30_000, factor: 3 },
          { atMs: 50_000, factor: 1 },
        ],
      },
    };
    const seconds = median((seed) => {
      const { moments } = run({ ...burst, config: { maxBufferSize: 10 * CAPACITY } }, seed);
      const empty = moments.find(({ atMs, size }) => atMs >= 50_000 && size < 2_000);
      return ((empty?.atMs ?? Number.POSITIVE_INFINITY) - 50_000) / 1_000;
    });
    expect(seconds).toBeLessThanOrEqual(60);
  });

  it('is not fooled by a latency that is not its doing: three times slower costs only what it must', () => {
    const slower: Scenario = { load: 0.3, disturbances: [{ atMs: 40_000, slowdown: 3 }] };
    expect(median((seed) => efficiencyBetween(run(slower, seed), 60_000, 120_000))).toBeGreaterThanOrEqual(0.9);
  });

  it('decides at most once per epoch, whoever reports', () => {
    for (const slots of [1, 16, 256]) {
      const { decisions, epochs, moments } = run({ load: 1.1, slots }, 1);
      expect(decisions).toBeLessThanOrEqual(epochs);
      expect(epochs).toBeLessThanOrEqual((moments.at(-1)?.atMs ?? 0) / 1_000);
    }
  });
});
