import { join } from 'node:path';
import { nowUs } from '../clock.js';
import { PREVIOUS_EDITION } from '../edition/previous.js';
import { Journal } from '../history/journal.js';
import type { StallLine } from '../history/lines.js';
import { mutantNamed, patched, wrapOf } from '../mutants/mutants.js';
import { connectionTo } from '../rig/ground.js';
import { type Connection, hookStores } from './hook.js';
import { memoized, recorded, type Transform } from './recording.js';
import { isPrevious, memberId, type ProcessSpec } from './spec.js';

const WATCH_MS = 50;
/** Less is the ordinary noise of a busy machine. */
const STALL_MS = 250;

/** One process of the fleet. */
export interface Member {
  readonly id: string;
  /** What its producer or consumer is to be given: the same object, since that is what shares a link. */
  readonly connection: Connection;
  leave(): Promise<void>;
}

/** Every process of the fleet: a witness on its store, told apart by place and incarnation. */
export function joinFleet(spec: ProcessSpec): Member {
  const id = memberId(spec);
  const { mutant: name, record, durability } = spec.options;
  const connection = connectionTo(spec.address);
  const mutant = name === undefined ? undefined : mutantNamed(name);
  const steps: Transform[] = [];
  if (isPrevious(spec)) steps.push((script) => patched(script, 'The previous edition', PREVIOUS_EDITION));
  if (mutant !== undefined) steps.push((script) => patched(script, `The mutant ${mutant.name}`, mutant.patches));
  if (record) steps.push(recorded);
  const leave = hookStores({
    connection,
    durability,
    journalPath: join(spec.dir, `store-${id}.ndjson`),
    transformScript:
      steps.length === 0 ? undefined : memoized((script) => steps.reduce((text, step) => step(text), script)),
    bug: mutant && wrapOf(mutant),
  });
  return { id, connection, leave };
}

/**
 * Writes down when this process was not served by the machine for a while, which may cost it a lease as surely as a
 * fault. Returns the function that ends it.
 */
export function watchStalls(journal: Journal<StallLine>): () => void {
  let lastUs = nowUs();
  const timer = setInterval(() => {
    const at = nowUs();
    const ms = Math.round((at - lastUs) / 1_000) - WATCH_MS;
    lastUs = at;
    if (ms >= STALL_MS) journal.write({ kind: 'stall', at, ms });
  }, WATCH_MS);
  return () => clearInterval(timer);
}

/** Runs what is to run when this process is asked to leave. It then ends by itself, if nothing is left behind. */
export function onLeave(leave: () => Promise<void>): void {
  process.once('SIGTERM', () => {
    leave().catch((error: unknown) => {
      process.stderr.write(`leave: ${String(error)}\n`);
      process.exitCode = 1;
    });
  });
}

/** Tells the rig that this process is at work. */
export function sayReady(): void {
  process.stdout.write('ready\n');
}
