import type { PushItem, PushRequest, SettleRequest, StoredConfig, Snapshot } from '@backpressure/core/store';
import assert from 'node:assert/strict';
import { parseOptions } from '../../packages/core/src/domain/config.js';
import { configFields, statedFields } from '../../packages/core/src/domain/config-fields.js';
import { itemId } from '../../packages/core/src/domain/item-record.js';
import type { OpenedStore } from '../conformance/rig.js';
import type { Command, ItemSpec, Scenario, SettleSpec } from './commands.js';
import { Lockstep, type Result } from './lockstep.js';
import { Observer, type SeenBatch } from './observer.js';
import { checkSnapshot } from './snapshot-rules.js';

type Op<Name extends Command['op']> = Extract<Command, { op: Name }>;

/**
 * Runs a scenario against one store, checking every invariant after each step; against several, it also compares
 * every answer. At the end everything that is inside is flushed, so that nothing can have been lost.
 */
export async function runInterleaving(scenario: Scenario, stores: readonly OpenedStore[]): Promise<void> {
  const run = new Interleaving(new Lockstep(stores));
  await run.open(scenario);
  for (const command of scenario.commands) await run.step(command);
  await run.finish();
}
