import type { History } from '../history/history.js';
import { type DuplicateFindings, judgeDuplicates } from './duplicates.js';
import { countItems, type ItemTotals } from './items.js';
import { type ModelFindings, replayOnModel } from './model.js';
import { operationsOf } from './operations.js';
import { type RecoveryTimes, recoveryTimes } from './recovery.js';
import { judgeRest } from './rest.js';
import { judgeSamples, type SampleFindings } from './samples.js';
import { checkWindows, type WindowFindings } from './windows.js';
import { checkWitness, type WitnessFindings } from './witness.js';

/** Everything that the checker has to say of a run. */
export interface Findings {
  readonly items: ItemTotals;
  readonly duplicates: DuplicateFindings;
  readonly samples: SampleFindings;
  readonly rest: readonly string[];
  readonly recovery: RecoveryTimes;
  readonly witness: WitnessFindings;
  readonly windows: WindowFindings;
  readonly model: ModelFindings;
  /** Processes that ended by themselves, or would not end. */
  readonly broken: readonly string[];
}

export async function check(history: History, descriptors: Parameters<typeof replayOnModel>[1]): Promise<Findings> {
  const items = countItems(history);
  const operations = operationsOf(history.calls, history.options.leaseMs);
  return {
    items,
    duplicates: judgeDuplicates(history),
    samples: judgeSamples(history.samples),
    rest: judgeRest(history, items),
    recovery: recoveryTimes(history),
    witness: checkWitness(history, operations),
    windows: checkWindows(operations, { batch: history.options.batch }),
    model: await replayOnModel(history.record, descriptors),
    broken: history.ends
      .filter(({ how }) => how === 'crashed' || how === 'stuck')
      .map(({ id, how, code, signal, said }) => `${id} ${how} (${signal ?? code}): ${said ?? ''}`),
  };
}
