import { type BackpressureConfig, type BackpressureOptions, completeConfig, DEFAULT_CONFIG } from './config.js';
import type { Given } from './config-rules.js';

/**
 * A configuration as it lies in the `config` hash: one field an option, nested options with a dot
 * (`backoff.delayMs`), an option without a value as the empty string.
 */
export type ConfigFields = Readonly<Record<string, string>>;

const NESTED = {
  shed: ['elevated', 'critical'],
  backoff: ['type', 'delayMs', 'maxDelayMs'],
  control: ['algorithm', 'mode'],
  breaker: ['enabled', 'failureRatio', 'minFlushes', 'windowMs', 'cooldownMs', 'maxCooldownMs'],
} as const;
const OPTIONAL = ['maxBufferBytes', 'maxItemAgeMs', 'maxBatchSize', 'maxFlushesPerSecond'] as const;
const FLAT = [...Object.keys(DEFAULT_CONFIG).filter((option) => !(option in NESTED)), ...OPTIONAL];

/** Every field name, in the order in which they are stored. */
export const CONFIG_FIELD_NAMES: readonly string[] = [
  ...FLAT,
  ...Object.entries(NESTED).flatMap(([option, keys]) => keys.map((key) => `${option}.${key}`)),
];

/** The fields of what a definition states. */
export function statedFields(stated: BackpressureOptions): ConfigFields {
  const fields: Record<string, string> = {};
  for (const [option, value] of Object.entries(stated)) {
    if (value === undefined) continue;
    if (!(option in NESTED)) {
      fields[option] = fieldText(value);
      continue;
    }
    for (const [key, nested] of Object.entries(value as object)) {
      // Only what has no default can be without a value.
      if (nested !== undefined || !(option in DEFAULT_CONFIG)) fields[`${option}.${key}`] = fieldText(nested);
    }
  }
  return fields;
}

/** The fields of a whole configuration: every name, the empty string where an option has no value. */
export function configFields(config: BackpressureConfig): ConfigFields {
  const stated = statedFields(config);
  return Object.fromEntries(CONFIG_FIELD_NAMES.map((name) => [name, stated[name] ?? '']));
}

/**
 * Reads stored fields. An option that an older version did not store has its default; fields this version does not
 * know are left alone.
 *
 * @throws ConfigError when what is stored is not valid.
 */
export function configOfFields(
  fields: ConfigFields,
  subject = 'The configuration in force',
  given?: Given,
): BackpressureConfig {
  const defaults = configFields(DEFAULT_CONFIG);
  const config: Record<string, unknown> = {};
  for (const name of CONFIG_FIELD_NAMES) {
    const text = fields[name] ?? defaults[name] ?? '';
    if (text === '') continue;
    const [option = '', key] = name.split('.');
    if (key === undefined) config[option] = fieldValue(name, text);
    else config[option] = { ...(config[option] as object | undefined), [key]: fieldValue(name, text) };
  }
  return completeConfig(config, subject, given);
}

function fieldText(value: unknown): string {
  if (typeof value === 'boolean') return value ? '1' : '0';
  return value === undefined ? '' : String(value);
}

const BOOLEANS: ReadonlySet<string> = new Set(['deadLetterEvictions', 'breaker.enabled']);

function fieldValue(name: string, text: string): unknown {
  if (BOOLEANS.has(name)) return text === '1';
  const number = Number(text);
  return Number.isNaN(number) ? text : number;
}
