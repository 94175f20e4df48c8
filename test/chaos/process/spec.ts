import type { BufferSpec } from '@backpressure/core';
import { bufferSpec, type ChaosItem, type RunOptions } from '../options.js';
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

/** A place is taken by the new edition when its process has been replaced so often; until then it comes back as it was. */
const PREVIOUS_INCARNATIONS = 3;

/** In an upgrade every second place starts as the previous edition. */
export function isPrevious({
  name,
  incarnation,
  options,
}: Pick<ProcessSpec, 'name' | 'incarnation' | 'options'>): boolean {
  const old = Number.parseInt(name.slice(1), 10) % 2 === 1;
  return options.upgrade !== undefined && old && incarnation <= PREVIOUS_INCARNATIONS;
}

/** What this process defines: in an upgrade the new edition states another limit, and the previous one puts up with it. */
export function definitionOf(spec: ProcessSpec): BufferSpec<ChaosItem> {
  const definition = bufferSpec(spec.options);
  const { upgrade } = spec.options;
  if (upgrade === undefined) return definition;
  if (isPrevious(spec)) return { ...definition, onConfigMismatch: 'adopt' };
  return { ...definition, maxBufferSize: upgrade.limit, onConfigMismatch: 'apply' };
}

/** Names one process: its place and its incarnation. */
export function memberId({ name, incarnation }: Pick<ProcessSpec, 'name' | 'incarnation'>): string {
  return `${name}.${incarnation}`;
}
