import type { RunOptions } from '../options.js';
import type { Address } from '../rig/ground.js';

/** What a child process is told, as JSON in its environment. */
export interface ProcessSpec {
  readonly role: 'producer' | 'consumer' | 'flood';
  /** Such as `c2`: the place in the fleet. */
  readonly name: string;
  /** Rises with each process that takes this place. */
  readonly incarnation: number;
  /** Of Redis, or of the proxy before it. */
  readonly address: Address;
  /** Where journals and the sink go. */
  readonly dir: string;
  readonly options: RunOptions;
}

const VARIABLE = 'CHAOS_PROCESS';

export function specToEnvironment(spec: ProcessSpec): Readonly<Record<string, string>> {
  return { [VARIABLE]: JSON.stringify(spec) };
}

export function specFromEnvironment(): ProcessSpec {
  const text = process.env[VARIABLE];
  if (text === undefined) throw new Error(`${VARIABLE} is not set: this program is started by the chaos rig.`);
  return JSON.parse(text) as ProcessSpec;
}

/** Names one process: its place and its incarnation. */
export function memberId({ name, incarnation }: Pick<ProcessSpec, 'name' | 'incarnation'>): string {
  return `${name}.${incarnation}`;
}
