import { execute } from '../execute.js';
import type { RunContext } from '../rig/stage.js';
import { MUTANTS, mutantNamed, mutantOptions } from './mutants.js';

/** What a seeded bug came to. */
export interface MutantResult {
  readonly name: string;
  readonly about: string;
  readonly caught: boolean;
  /** The rules that it broke. */
  readonly detectors: readonly string[];
  readonly violations: readonly string[];
}

/** Runs seeded bugs one after the other (all, when none is named), and first the product as it is, which must pass. */
export async function runMutants(names: readonly string[], seed: number, context: RunContext): Promise<MutantResult[]> {
  const wanted = names.length === 0 ? MUTANTS : names.map(mutantNamed);
  const results: MutantResult[] = [];
  for (const mutant of [undefined, ...wanted]) {
    context.signal?.throwIfAborted();
    const { name, about } = mutant ?? { name: 'none', about: 'the product as it is; nothing may be caught' };
    const { summary } = await execute(mutantOptions(mutant, seed), { ...context, log: () => {} });
    const detectors = [...new Set(summary.violations.map((violation) => violation.split(':')[0] ?? ''))];
    results.push({ name, about, caught: !summary.passed, detectors, violations: summary.violations });
    context.log(`${name}: ${detectors.join(', ') || 'nothing'}`);
  }
  return results;
}

/** Every bug was caught, and the product was not. */
export function allCaught(results: readonly MutantResult[]): boolean {
  return results.every(({ name, caught }) => caught === (name !== 'none'));
}

export function printableMutants(results: readonly MutantResult[]): string {
  const width = Math.max(...results.map(({ name }) => name.length));
  const lines = results.map(
    ({ name, about, detectors }) =>
      `  ${name.padEnd(width)}  ${about}\n  ${''.padEnd(width)}  -> ${detectors.join(', ') || 'not caught'}`,
  );
  return [`seeded bugs: ${allCaught(results) ? 'all caught' : 'NOT all caught'}`, ...lines].join('\n');
}
