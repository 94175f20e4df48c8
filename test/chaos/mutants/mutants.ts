import { DEFAULT_OPTIONS, type RunOptions } from '../options.js';
import { type Script, withText } from '../process/recording.js';
import type { WitnessedStore } from '../process/witness-store.js';
import { CLIENT_MUTANTS, type ClientMutant } from './client-mutants.js';
import { SCRIPT_MUTANTS, type ScriptMutant, type ScriptPatch } from './script-mutants.js';

export type Mutant = ScriptMutant | ClientMutant;

export const MUTANTS: readonly Mutant[] = [...SCRIPT_MUTANTS, ...CLIENT_MUTANTS];

/** @throws Error that lists those there are */
export function mutantNamed(name: string): Mutant {
  const found = MUTANTS.find((mutant) => mutant.name === name);
  if (found === undefined)
    throw new Error(`No mutant ${name}; there are ${MUTANTS.map((mutant) => mutant.name).join(', ')}.`);
  return found;
}

/** The script with other text in it. @throws Error when the text to patch is not there any more */
export function patched(script: Script, name: string, patches: readonly ScriptPatch[] = []): Script {
  let { lua } = script;
  for (const patch of patches) {
    if (patch.script !== script.name) continue;
    if (!lua.includes(patch.find)) throw new Error(`${name} does not apply: ${script.name} has no "${patch.find}".`);
    lua = lua.replace(patch.find, () => patch.put);
  }
  return lua === script.lua ? script : withText(script, lua);
}

export function wrapOf(mutant: Mutant): ((store: WitnessedStore) => WitnessedStore) | undefined {
  return 'wrap' in mutant ? mutant.wrap : undefined;
}

/** Every mutant runs like this, small and short, with the faults that provoke it; so does the control, without one. */
export function mutantOptions(mutant: Mutant | undefined, seed: number): RunOptions {
  const base: RunOptions = {
    ...DEFAULT_OPTIONS,
    seed,
    seconds: 5,
    producers: 2,
    consumers: 2,
    leaseMs: 1_000,
    limit: 200,
    algorithm: 'interval', // all slots at once, from the start
    rates: Object.fromEntries((mutant?.faults ?? ['swallow-reply', 'kill-consumer']).map((fault) => [fault, 2])),
  };
  return mutant === undefined ? base : { ...base, ...mutant.options, mutant: mutant.name };
}
