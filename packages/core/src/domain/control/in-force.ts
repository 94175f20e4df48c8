import type { BackpressureConfig } from '../config.js';
import type { ElasticControl } from './elastic-control.js';

type Decided = Pick<ElasticControl, 'permits' | 'batchSize'>;
type InForceConfig = Pick<BackpressureConfig, 'control' | 'maxConcurrentFlushes' | 'batchSize' | 'maxBatchSize'>;

/** Whether takes follow the elastic law; else it is only observed, or there is none. */
export function lawRules({ control }: Pick<BackpressureConfig, 'control'>): boolean {
  return control.algorithm === 'elastic' && control.mode === 'enforce';
}

/** Whether takes follow the shared interval. */
export function intervalRules({ control }: Pick<BackpressureConfig, 'control'>): boolean {
  return control.algorithm === 'interval' && control.mode === 'enforce';
}

/** Batches that may be in flight at once. A limit that was lowered since the last decision counts at once. */
export function permitsInForce(config: InForceConfig, { permits }: Decided): number {
  if (!lawRules(config)) return config.maxConcurrentFlushes;
  return Math.max(1, Math.min(config.maxConcurrentFlushes, Math.floor(permits)));
}

/** Items of a full batch. */
export function batchSizeInForce(config: InForceConfig, { batchSize }: Decided): number {
  if (!lawRules(config)) return config.batchSize;
  return Math.max(config.batchSize, Math.min(config.maxBatchSize ?? config.batchSize, Math.floor(batchSize)));
}
