import type { RunOptions } from '../options.js';
import type { FaultRecord } from '../plan/faults.js';
import type { ProcessEnd } from '../rig/member-process.js';
import type { Sample } from '../rig/sample-script.js';
import type { Scrape } from '../rig/scraper.js';
import type { CallLine, FailedLine, FlushLine, PushLine, ReplyLine, StallLine } from './lines.js';

/** Everything that a run left behind. The checks are functions of this and of nothing else. */
export interface History {
  readonly options: RunOptions;
  readonly startedUs: number;
  /** When the plan was over and the processes were asked to leave. */
  readonly endedUs: number;
  readonly faults: readonly FaultRecord[];
  /** When Redis was executed again after each kill. */
  readonly restarts: readonly number[];
  readonly pushes: readonly Push[];
  /** In the order of the sink. */
  readonly flushes: readonly FlushLine[];
  readonly calls: readonly StoreCall[];
  readonly stalls: readonly (StallLine & { readonly who: string })[];
  /** What consumers reported as `error`. */
  readonly errors: readonly { readonly who: string; readonly at: number; readonly error: string }[];
  readonly samples: readonly Sample[];
  /** What the metrics of the product itself said, all the time. */
  readonly scrapes: readonly Scrape[];
  /** The last look, when everybody had left. */
  readonly rest: Sample | undefined;
  readonly residue: Residue;
  readonly ends: readonly ProcessEnd[];
  /** One JSON text per script call, in the order of execution; empty when nothing was recorded. */
  readonly record: readonly string[];
  readonly peakBytes: { readonly producer: number; readonly consumer: number };
  /** By how much the loop of the rig was late at worst, in ms: what a busy machine adds to every time that is measured. */
  readonly lagMs: number;
  readonly usedMemory: { readonly min: number; readonly max: number };
}

/** One push as its process wrote it down; `end` is missing when the process was killed meanwhile. */
export interface Push {
  readonly who: string;
  readonly invokedAt: number;
  readonly stem: string;
  readonly first: number;
  readonly count: number;
  readonly end?: Extract<PushLine, { kind: 'outcome' }>;
}

/** One call upon a store as its process wrote it down. */
export interface StoreCall {
  readonly who: string;
  readonly call: CallLine;
  /** Missing when the process was killed meanwhile. */
  readonly end?: ReplyLine | FailedLine;
}

/** Keys that are left when everybody has left. */
export interface Residue {
  /** Those that should be gone: batches, lanes, leases. */
  readonly keys: readonly string[];
  /** Keys of the ledger (but for sessions) that would expire. */
  readonly expiring: readonly string[];
  readonly total: number;
}
