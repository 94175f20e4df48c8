import type { Controller } from '../engine/controller.js';
import type { Plant } from '../engine/plant.js';

/** Every slot flushes as fast as it can. */
export const noControl = (plant: Plant): Controller => ({
  permits: plant.config.maxConcurrentFlushes,
  batchSize: plant.config.batchSize,
  lingerMs: plant.config.minFlushIntervalMs,
  intervalMs: 0,
  decisions: 0,
  epochs: 0,
  nextTakeMs: () => 0,
  taken: () => {},
  settled: () => {},
});
