import type { BackpressureConfig } from '../config.js';

/** What the law has decided, as far as it says how batches are taken. */
interface Decided {
  readonly permits: number;
  readonly batchSize: number;
  readonly intervalMs: number;
}

type InForceConfig = Pick<
  BackpressureConfig,
  'control' | 'maxConcurrentFlushes' | 'batchSize' | 'maxBatchSize' | 'minFlushIntervalMs' | 'maxFlushIntervalMs'
>;

/** Whether takes follow the elastic law; else it is only observed, or there is none. */
export function lawRules({ control }: Pick<BackpressureConfig, 'control'>): boolean {
  return control.algorithm === 'elastic' && control.mode === 'enforce';
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
