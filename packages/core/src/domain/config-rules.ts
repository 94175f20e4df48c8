import { valueAt } from './check-input.js';
import type { ConfigFault } from './errors.js';

/** Where a value comes from that was not given: a definition leaves defaults, a change what is in force. */
export type Origin = 'by default' | 'in force';

/** What was given of a configuration, by the dotted name of the option; the rest has another origin. */
export interface Given {
  readonly isGiven: (option: string) => boolean;
  readonly otherwise: Origin;
}

const RELATIONS = {
  below: (value: number, other: number) => value < other,
  above: (value: number, other: number) => value > other,
  'at least': (value: number, other: number) => value >= other,
  'at most': (value: number, other: number) => value <= other,
} as const;

/** How options have to agree with each other. A rule over an option without a value holds. */
const RULES = [
  ['lowWatermark', 'below', 'highWatermark'],
  ['hysteresis', 'below', 'lowWatermark'],
  ['maxBufferBytes', 'at least', 'maxItemBytes'],
  ['maxBatchSize', 'at least', 'batchSize'],
  ['minFlushIntervalMs', 'at most', 'maxFlushIntervalMs'],
  ['leaseMs', 'above', 'flushTimeoutMs'],
  ['backoff.delayMs', 'at most', 'backoff.maxDelayMs'],
  ['breaker.cooldownMs', 'at most', 'breaker.maxCooldownMs'],
] as const satisfies readonly (readonly [string, keyof typeof RELATIONS, string])[];

/** The rules that these options break. Each option has to be valid by itself. */
export function ruleFaults(options: unknown, { isGiven, otherwise }: Given): ConfigFault[] {
  return RULES.flatMap(([option, relation, other]): ConfigFault[] => {
    const [value, limit] = [numberAt(options, option), numberAt(options, other)];
    if (value === undefined || limit === undefined || RELATIONS[relation](value, limit)) return [];
    const message = `must be ${relation} ${other}, which is ${limit}${isGiven(other) ? '' : ` ${otherwise}`}`;
    // Where only the other option was given, the fault is still named where it shows.
    return [
      {
        option,
        message: isGiven(option) ? message : `${message} (${value} is its value ${otherwise})`,
        received: value,
      },
    ];
  });
}

function numberAt(options: unknown, name: string): number | undefined {
  const value = valueAt(options, name.split('.'));
  return typeof value === 'number' ? value : undefined;
}
