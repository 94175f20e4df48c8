import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const embedder = fileURLToPath(new URL('../../packages/core/scripts/embed-lua.mjs', import.meta.url));

type Embedded = Record<string, { name: string; sha1: string; lua: string }>;

let root: string;
let target: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'embed-lua-'));
  target = join(root, 'src/redis/scripts.generated.ts');
  cpSync(embedder, join(root, 'scripts/embed-lua.mjs'));
});

afterEach(() => rmSync(root, { recursive: true }));

function lua(files: Record<string, string>): void {
  for (const [name, text] of Object.entries(files)) {
    const path = join(root, 'src/redis/lua', name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
}

function embed(...args: string[]): { status: number | null; stderr: string } {
  const { status, stderr } = spawnSync(process.execPath, [join(root, 'scripts/embed-lua.mjs'), ...args], {
    encoding: 'utf8',
  });
  return { status, stderr };
}

async function embedded(): Promise<Embedded> {
  expect(embed()).toEqual({ status: 0, stderr: '' });
  const copy = join(root, 'scripts.mjs');
  writeFileSync(copy, readFileSync(target, 'utf8').replace(' as const', ''));
  const { scripts } = (await import(/* @vite-ignore */ pathToFileURL(copy).href)) as { scripts: Embedded };
  return scripts;
}

describe('embed-lua', () => {
  it('writes an empty object while there are no scripts', async () => {
    expect(await embedded()).toEqual({});
  });

  it('embeds each script under the camel case of its file name, with the hash that Redis gives it', async () => {
    lua({ 'push.lua': '#!lua\nreturn 1\n', 'read-all.lua': '#!lua flags=no-writes\nreturn 2', 'x_y.lua': '#!lua' });
    const scripts = await embedded();
    expect(Object.keys(scripts)).toEqual(['push', 'readAll', 'xY']);
    expect(scripts.readAll).toEqual({
      name: 'read-all',
      sha1: createHash('sha1').update('#!lua flags=no-writes\nreturn 2').digest('hex'),
      lua: '#!lua flags=no-writes\nreturn 2',
    });
  });

  it('leaves out comment lines and blank lines, but never the flags', async () => {
    lua({
      'a.lua': '#!lua flags=allow-oom\n-- a header\n\n  -- indented\nlocal s = "-- kept" -- kept too\n\t\nreturn s\n',
    });
    expect((await embedded()).a?.lua).toBe('#!lua flags=allow-oom\nlocal s = "-- kept" -- kept too\nreturn s');
  });

  it('puts an include in the place of its line, once per script, and those that it mentions first', async () => {
    lua({
      'a.lua': '#!lua\n--- @include "outer"\n--- @include "clock"\n--- @include "last"\nreturn outer()',
      'b.lua': '#!lua\n--- @include "clock"\nreturn clock()',
      'include/outer.lua': '-- a comment\n--- @include "clock"\nlocal function outer() return clock() end\n',
      'include/clock.lua': 'local function clock() return 0 end\n',
      'include/last.lua': 'local last = 1',
    });
    const scripts = await embedded();
    expect(scripts.a?.lua.split('\n')).toEqual([
      '#!lua',
      'local function clock() return 0 end',
      'local function outer() return clock() end',
      'local last = 1',
      'return outer()',
    ]);
    expect(scripts.b?.lua).toBe('#!lua\nlocal function clock() return 0 end\nreturn clock()');
  });

  it.each<[string, Record<string, string>, string]>([
    ['a missing include', { 'a.lua': '#!lua\n--- @include "no"' }, 'a.lua:2: missing include "no"'],
    [
      'an include cycle',
      {
        'a.lua': '#!lua\n--- @include "b"',
        'include/b.lua': '--- @include "c"',
        'include/c.lua': '\n--- @include "b"',
      },
      'include/c.lua:2: include cycle: a.lua -> include/b.lua -> include/c.lua -> include/b.lua',
    ],
    [
      'an include mentioned twice in one file',
      { 'a.lua': '#!lua\n--- @include "b"\n--- @include "b"', 'include/b.lua': '' },
      'a.lua:3: duplicate include "b"',
    ],
    ['two scripts of one name', { 'a-b.lua': '#!lua', 'a_b.lua': '#!lua' }, 'a_b.lua: duplicate script "aB"'],
    ['a malformed include', { 'a.lua': '#!lua\n-- @include b' }, 'a.lua:2: write it as'],
    ['a script without flags', { 'a.lua': 'return 1' }, 'a.lua:1: a script starts with its flags'],
    ['an include with flags', { 'a.lua': '#!lua\n--- @include "b"', 'include/b.lua': '#!lua' }, 'include/b.lua:1: '],
    ['a comment that spans lines', { 'a.lua': '#!lua\n--[[ one\ntwo ]]' }, 'a.lua:2: comments and strings'],
    ['a string that spans lines', { 'a.lua': '#!lua\nlocal s = [==[ one\n-- two ]==]' }, 'a.lua:2: comments and'],
  ])('refuses %s and says where', (_, files, message) => {
    lua(files);
    const { status, stderr } = embed();
    expect(stderr).toContain(`embed-lua: ${message}`);
    expect(status).toBe(1);
  });

  it('--check fails while the module is missing or stale, passes when it is current, and writes nothing', () => {
    lua({ 'a.lua': '#!lua\nreturn 1' });
    expect(embed('--check').stderr).toContain('is stale');
    expect(embed().status).toBe(0);
    expect(embed('--check').status).toBe(0);
    lua({ 'a.lua': '#!lua\nreturn 2' });
    const before = readFileSync(target, 'utf8');
    expect(embed('--check')).toEqual({
      status: 1,
      stderr: expect.stringMatching(/scripts\.generated\.ts is stale: run "pnpm build"/) as string,
    });
    expect(readFileSync(target, 'utf8')).toBe(before);
  });

  it('does not touch a module that is current', () => {
    expect(embed().status).toBe(0);
    utimesSync(target, 1, 1);
    expect(embed().status).toBe(0);
    expect(statSync(target).mtimeMs).toBe(1000);
  });
});
