import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { NO_BATCH_REASONS } from '../../../packages/core/src/domain/store-port.js';
import type { ScriptDescriptor } from '../../../packages/core/src/redis/define-script.js';
import { BUFFER_KEYS, KEY_TYPES } from '../../../packages/core/src/redis/keys.js';
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
  /** As Redis names them, in the order of the keys. */
  readonly keyTypes: readonly string[];
  readonly args: readonly string[];
  readonly sections: ReadonlySet<string>;
  /** All of it, in one line. */
  readonly text: string;
}

function readHeader(file: string): Header {
  const [flags = '', ...lines] = readFileSync(new URL(file, luaDir), 'utf8').split('\n');
  const comments = lines.slice(
    0,
    lines.findIndex((line) => !line.startsWith('--') || line.includes('@include')),
  );
  const named = (word: string) =>
    comments.flatMap((line) => {
      const match = new RegExp(`^-- ${word}\\[(\\d+)(\\.\\.)?\\] (\\w+)(?: (\\w+))?`).exec(line);
      return match === null ? [] : [{ index: Number(match[1]), name: match[3] ?? '', next: match[4] ?? '' }];
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
    keyTypes: keys.map(({ next }) => next),
    args: args.map(({ name }) => name),
    sections: new Set(comments.map((line) => /^-- (Returns|Errors|Holds|Cost)\b/.exec(line)?.[1] ?? '')),
    text: comments.map((line) => line.replace(/^-+ */, '')).join(' '),
  };
}

const found = (text: string, pattern: RegExp) =>
  [...new Set(Array.from(text.matchAll(pattern), (match) => match[1] ?? ''))].sort();
/** The errors that a script may answer, by its code or its header. */
const errorsIn = (text: string) => found(text, /\b(BP_[A-Z_]*[A-Z])\b/g);
/** The first words of the replies of a script, by its code. */
const tagsIn = (lua: string) => found(lua, /(?:vitals\(b, |(?:return|local reply =) \{ |recorded\[1\] = )'(\w+)'/g);
/** The same by its header; what settle passes on of take is take's. */
function tagsNamed({ text }: Header): readonly string[] {
  const own = found(text, /(?<=Returns )\{'(\w+)'/g);
  return text.includes('<take reply>') ? [...own, ...tagsNamed(readHeader('take.lua'))].sort() : own;
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
    expect(header.keyTypes).toEqual(header.keys.map((key) => KEY_TYPES[key.replace('next_', '')]));
    expect(header.args).toEqual(descriptor.args);
    expect(errorsIn(header.text)).toEqual(errorsIn(descriptor.script.lua));
    expect(tagsNamed(header)).toEqual(tagsIn(descriptor.script.lua));
    expect([...header.sections]).toEqual(expect.arrayContaining(['Returns', 'Holds', 'Cost']));
  });

  test('take names every reason, and push every outcome', () => {
    const [, reasons = ''] = /reason is ([\w, ]+?) Errors/.exec(readHeader('take.lua').text) ?? [];
    expect(reasons.split(/, | or /).sort()).toEqual([...NO_BATCH_REASONS].sort());
    for (const reason of NO_BATCH_REASONS) expect(scripts.take.lua).toContain(`'${reason}'`);
    const [, outcomes = ''] = /one character per item: (a .+?) Returns/.exec(readHeader('push.lua').text) ?? [];
    const named = outcomes.split(', ').map((outcome) => [outcome.charAt(0), outcome.slice(2).replace(' ', '_')]);
    const letters = named.map(([letter]) => letter).join('');
    const vitals = [1, 'normal', 0, 0, 0, 0, 1, '', 0, 1, 1, '1', '0', 1];
    const { outcomes: decoded } = descriptors.pushScript.decode(['push', ...vitals, 0, 0, letters]);
    expect(decoded).toEqual(named.map(([, outcome]) => outcome));
    expect(found(scripts.push.lua, /(?<=tally = \{.*)\b(\w) = 0/g)).toEqual(Array.from(letters).sort());
  });

  test('a script that takes in is refused by a full Redis as a whole; one that frees runs there; a reader writes nothing', () => {
    const flags = Object.fromEntries(Object.values(scripts).map(({ name, lua }) => [name, lua.split('\n', 1)[0]]));
    const frees = '#!lua flags=allow-oom';
    expect(flags).toEqual({
      push: '#!lua',
      configure: frees,
      destroy: frees,
      extend: frees,
      gate: frees,
      heartbeat: frees,
      purge: frees,
      redrive: frees,
      repair: frees,
      resolve: frees,
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
