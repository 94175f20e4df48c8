import { describe, expect, it } from 'vitest';
import {
  type BackpressureOptions,
  completeConfig,
  DEFAULT_CONFIG,
  parseOptions,
} from '../../../packages/core/src/domain/config.js';
import {
  CONFIG_FIELD_NAMES,
  configFields,
  configOfFields,
  statedFields,
} from '../../../packages/core/src/domain/config-fields.js';
import { ConfigError } from '../../../packages/core/src/domain/errors.js';

function faultsOf(options: unknown): { option: string; message: string; received: unknown }[] {
  try {
    parseOptions(options);
  } catch (error) {
    if (error instanceof ConfigError) return [...error.faults];
    throw error;
  }
  return [];
}

describe('the options', () => {
  it('have defaults', () => {
    expect(parseOptions({})).toEqual({ stated: {}, config: DEFAULT_CONFIG });
    expect(completeConfig(DEFAULT_CONFIG, 'The defaults')).toEqual(DEFAULT_CONFIG);
  });

  it('that are stated are kept apart from those that are not; undefined states nothing, 0 is 0', () => {
    const { stated, config } = parseOptions({ maxBufferSize: 5, sampleRate: undefined, maxBlockTimeMs: 0 });
    expect(stated).toEqual({ maxBufferSize: 5, maxBlockTimeMs: 0 });
    expect(config).toEqual({ ...DEFAULT_CONFIG, maxBufferSize: 5, maxBlockTimeMs: 0 });
  });

  it('are refused all at once, each with its range and what was given', () => {
    const faults = faultsOf({
      maxBufferSize: 0,
      hysteresis: '5 %',
      strategy: 'drop',
      bufferSize: 9,
      backoff: { delay: 1 },
    });
    expect(faults).toEqual([
      { option: 'maxBufferSize', message: 'must be a whole number from 1 to 10000000', received: 0 },
      { option: 'hysteresis', message: 'must be a number from 0 to below lowWatermark', received: '5 %' },
      { option: 'strategy', message: 'must be one of block, drop_oldest, drop_newest, sample', received: 'drop' },
      { option: 'backoff.delay', message: 'is not an option', received: 1 },
      { option: 'bufferSize', message: 'is not an option', received: 9 },
    ]);
  });

  it.each([
    [{ lowWatermark: 0.9 }, 'lowWatermark'],
    [{ hysteresis: 0.5 }, 'hysteresis'],
    [{ maxBufferBytes: 10 }, 'maxBufferBytes'],
    [{ maxBatchSize: 10 }, 'maxBatchSize'],
    [{ maxFlushIntervalMs: 10 }, 'minFlushIntervalMs'],
    [{ flushTimeoutMs: 15_000 }, 'leaseMs'],
    [{ backoff: { delayMs: 90_000 } }, 'backoff.delayMs'],
    [{ breaker: { maxCooldownMs: 500 } }, 'breaker.cooldownMs'],
  ] satisfies [BackpressureOptions, string][])('have to agree with each other: %o', (options, option) => {
    expect(faultsOf(options).map((fault) => fault.option)).toEqual([option]);
  });

  it('are refused with those that have to agree with them, as far as these are valid by themselves', () => {
    expect(faultsOf({ batchSize: 0, maxBatchSize: 5, lowWatermark: 0.9, leaseMs: 500, flushTimeoutMs: 900 })).toEqual([
      { option: 'batchSize', message: 'must be a whole number from 1 to 1000', received: 0 },
      { option: 'lowWatermark', message: 'must be below highWatermark, which is 0.8 by default', received: 0.9 },
      { option: 'leaseMs', message: 'must be above flushTimeoutMs, which is 900', received: 500 },
    ]);
    expect(faultsOf({ highWatermark: 0.4 })).toEqual([
      {
        option: 'lowWatermark',
        message: 'must be below highWatermark, which is 0.4 (0.5 is its value by default)',
        received: 0.5,
      },
    ]);
  });

  it('may leave a nested option undefined', () => {
    const backoff = { delayMs: undefined, maxDelayMs: 2_000 };
    expect(parseOptions({ backoff }).config.backoff).toEqual({
      type: 'exponential',
      delayMs: 1_000,
      maxDelayMs: 2_000,
    });
    expect(faultsOf({ backoff: { ...backoff, maxDelayMs: 10 } }).map(({ option }) => option)).toEqual([
      'backoff.delayMs',
    ]);
  });

  it.each([undefined, null, 5, 'x', []])('are an object, not %j', (options) => {
    expect(faultsOf(options)).toHaveLength(1);
  });
});

describe('the stored fields', () => {
  const options = {
    maxBufferBytes: 1_000_000,
    shed: { critical: 'low' },
    deadLetterEvictions: true,
    hysteresis: 0.1 + 0.2,
    lowWatermark: 0.4,
    control: { algorithm: 'fixed' },
  } as const;

  it('hold every option, and are read as they were written', () => {
    const { config } = parseOptions(options);
    const fields = configFields(config);
    expect(Object.keys(fields)).toEqual([...CONFIG_FIELD_NAMES]);
    expect(fields).toMatchObject({
      'shed.critical': 'low',
      'shed.elevated': '',
      deadLetterEvictions: '1',
      maxItemAgeMs: '',
    });
    expect(configOfFields(fields)).toEqual(config);
  });

  it('of what is stated are only that', () => {
    expect(statedFields({ maxBufferSize: 5, backoff: { type: 'fixed' } as never })).toEqual({
      maxBufferSize: '5',
      'backoff.type': 'fixed',
    });
  });

  it('have defaults where an older version stored nothing, and may hold what this one does not know', () => {
    expect(configOfFields({ maxBufferSize: '7', 'control.future': '1', version: '3' })).toEqual({
      ...DEFAULT_CONFIG,
      maxBufferSize: 7,
    });
  });

  it('are refused when they are not valid', () => {
    expect(() => configOfFields({ maxBufferSize: 'many' })).toThrow(ConfigError);
  });
});
