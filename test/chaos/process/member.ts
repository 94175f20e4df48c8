import { join } from 'node:path';
import { PREVIOUS_EDITION } from '../edition/previous.js';
import { mutantNamed, patched, wrapOf } from '../mutants/mutants.js';
import { connectionTo } from '../rig/ground.js';
import { type Connection, hookStores } from './hook.js';
import { memoized, recorded, type Transform } from './recording.js';
import { isPrevious, memberId, type ProcessSpec } from './spec.js';

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
