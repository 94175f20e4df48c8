import type { Transform } from '../process/recording.js';
import type { WitnessedStore } from '../process/witness-store.js';

export type Mutant =
  | { readonly kind: 'script'; readonly transform: Transform }
  | { readonly kind: 'client'; readonly wrap: (store: WitnessedStore) => WitnessedStore };

export function mutantNamed(name: string): Mutant {
  throw new Error(`No mutant ${name}.`);
}
