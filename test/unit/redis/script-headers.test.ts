import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { ScriptDescriptor } from '../../../packages/core/src/redis/define-script.js';
import { BUFFER_KEYS } from '../../../packages/core/src/redis/keys.js';
import * as descriptors from '../../../packages/core/src/redis/script-descriptors.js';
import { scripts } from '../../../packages/core/src/redis/scripts.generated.js';
import { snapshotScript } from '../../../packages/core/src/redis/snapshot-script.js';

const luaDir = new URL('../../../packages/core/src/redis/lua/', import.meta.url);
const files = readdirSync(luaDir).filter((file) => file.endsWith('.lua'));
const described = [...Object.values(descriptors), snapshotScript].filter(isDescriptor);

function isDescriptor(value: unknown): value is ScriptDescriptor<never, unknown> {
  return typeof value === 'object' && value !== null && 'script' in value && 'encode' in value;
}

interface Header {
  readonly flags: string;
  readonly title: string;
  readonly bufferKeys: boolean;
  readonly keys: readonly string[];
  readonly args: readonly string[];
  readonly sections: ReadonlySet<string>;
}

function readHeader(file: string): Header {
  const [flags = '', ...lines] = readFileSync(new URL(file, luaDir), 'utf8').split('\n');
  const comments = lines.slice(
    0,
    lines.findIndex((line) => !line.startsWith('--') || line.includes('@include')),
  );
  const named = (word: string) =>
    comments.flatMap((line) => {
      const match = new RegExp(`^-- ${word}\\[(\\d+)(\\.\\.)?\\] (\\w+)`).exec(line);
      return match === null ? [] : [{ index: Number(match[1]), name: match[3] ?? '' }];
    });
  const bufferKeys = comments.some((line) =>
    line.startsWith(`-- KEYS[1..${BUFFER_KEYS.length}] the keys of the buffer`),
  );
  const keys = named('KEYS');
  const args = named('ARGV');
  expect(keys.map(({ index }) => index)).toEqual(keys.map((_, i) => i + 1 + (bufferKeys ? BUFFER_KEYS.length : 0)));
  expect(args.map(({ index }) => index)).toEqual(args.map((_, i) => i + 1));
  return {
    flags,
    title: comments[0] ?? '',
    bufferKeys,
    keys: keys.map(({ name }) => name),
    args: args.map(({ name }) => name),
    sections: new Set(comments.map((line) => /^-- (Returns|Errors|Holds|Cost)\b/.exec(line)?.[1] ?? '')),
  };
}

describe('the header of each script', () => {
  test('there is one descriptor for each file', () => {
    expect(described.map(({ script }) => `${script.name}.lua`).sort()).toEqual([...files].sort());
  });

  test.each(described.map((descriptor) => [descriptor.script.name, descriptor] as const))('%s', (name, descriptor) => {
    const header = readHeader(`${name}.lua`);
    expect(header.title).toMatch(new RegExp(`^--- ${name} - .+\\.$`));
    expect(header.bufferKeys).toBe(descriptor.bufferKeys);
    expect(header.keys).toEqual(descriptor.keys);
    expect(header.args).toEqual(descriptor.args);
    expect([...header.sections]).toEqual(expect.arrayContaining(['Returns', 'Holds', 'Cost']));
  });

  test('a script that takes in is refused by a full Redis as a whole; one that frees runs there; a reader writes nothing', () => {
    const flags = Object.fromEntries(Object.values(scripts).map(({ name, lua }) => [name, lua.split('\n', 1)[0]]));
    const frees = '#!lua flags=allow-oom';
    expect(flags).toEqual({
      push: '#!lua',
      redrive: '#!lua',
      configure: frees,
      destroy: frees,
      extend: frees,
      gate: frees,
      heartbeat: frees,
      purge: frees,
      repair: frees,
      settle: frees,
      take: frees,
      ticket: frees,
      snapshot: '#!lua flags=no-writes',
    });
  });

  test('the clock is read in one place, and nothing random decides', () => {
    for (const { name, lua } of Object.values(scripts)) {
      expect(lua.split("redis.call('TIME')").length - 1, name).toBeLessThanOrEqual(1);
      expect(lua, name).not.toMatch(/math\.random|os\.(time|clock)|KEYS\[(?!\d)/);
    }
  });

  test('an error of Redis is got over only where what somebody else wrote would end a call half way', () => {
    const includes = readdirSync(new URL('include/', luaDir)).map((file) => `include/${file}`);
    const catching = [...files, ...includes].filter((file) =>
      readFileSync(new URL(file, luaDir), 'utf8').includes('redis.pcall'),
    );
    expect(catching.toSorted()).toEqual(
      ['add_to_field', 'mend_batches', 'session', 'stream'].map((name) => `include/${name}.lua`),
    );
  });
});
