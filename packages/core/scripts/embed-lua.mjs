// src/redis/lua/*.lua -> src/redis/scripts.generated.ts, so that no file has to be found at run time and any bundler works.
// `--check` writes nothing and fails when the module on disk is stale.
//
// A line `--- @include "name"` is replaced by lua/include/<name>.lua, which may include others. Each file is inlined
// once per script, where it is first mentioned. Comment lines and blank lines are left out, for a small EVAL.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';

const luaDir = new URL('../src/redis/lua/', import.meta.url);
const target = new URL('../src/redis/scripts.generated.ts', import.meta.url);
const shown = 'src/redis/scripts.generated.ts';

class EmbedError extends Error {}

/** The text that Redis gets for one script: its flags line, then all of its code with the includes in place. */
function compile(file) {
  const [flags = '', ...body] = readLines(file);
  if (!/^#!lua(\s|$)/.test(flags)) throw new EmbedError(`${file}:1: a script starts with its flags, "#!lua ..."`);
  return [flags, ...inline(file, body, 2, [file], new Set())].join('\n');
}

function inline(file, lines, firstLine, path, done) {
  const mentioned = new Set();
  return lines.flatMap((line, i) => {
    const at = `${file}:${i + firstLine}`;
    if (!/^\s*---?\s*@include\b/.test(line)) return code(line, at);
    const name = line.match(/^\s*--- @include "([\w-]+)"\s*$/)?.[1];
    if (!name) throw new EmbedError(`${at}: write it as --- @include "name"`);
    if (mentioned.has(name)) throw new EmbedError(`${at}: duplicate include "${name}"`);
    mentioned.add(name);
    return include(name, at, path, done);
  });
}

function include(name, at, path, done) {
  const file = `include/${name}.lua`;
  if (path.includes(file)) throw new EmbedError(`${at}: include cycle: ${[...path, file].join(' -> ')}`);
  if (done.has(file)) return [];
  if (!existsSync(new URL(file, luaDir))) throw new EmbedError(`${at}: missing include "${name}": no ${file}`);
  const lines = readLines(file);
  if (lines[0]?.startsWith('#!')) throw new EmbedError(`${file}:1: an include has no flags line`);
  const text = inline(file, lines, 1, [...path, file], done);
  done.add(file);
  return text;
}

/** Drops what only a reader needs. That looks at single lines, so text that spans lines is refused. */
function code(line, at) {
  if (/^\s*--\[=*\[/.test(line) || /\[(=*)\[(?!.*\]\1\])/.test(line)) {
    throw new EmbedError(`${at}: comments and strings that span lines are not supported`);
  }
  return /^\s*(--|$)/.test(line) ? [] : [line.trimEnd()];
}

function readLines(file) {
  return readFileSync(new URL(file, luaDir), 'utf8').split(/\r?\n/);
}

function generate() {
  const files = existsSync(luaDir) ? readdirSync(luaDir).filter((file) => file.endsWith('.lua')) : [];
  const owners = new Map();
  const entries = files.sort().map((file) => {
    const name = file.slice(0, -'.lua'.length);
    const key = name.replace(/[-_]+(\w)/g, (_, letter) => letter.toUpperCase());
    if (!/^[a-z]\w*$/i.test(key)) throw new EmbedError(`${file}: a name is letters, digits, - and _`);
    if (owners.has(key)) throw new EmbedError(`${file}: duplicate script "${key}", also ${owners.get(key)}`);
    owners.set(key, file);
    const lua = compile(file);
    const sha1 = createHash('sha1').update(lua).digest('hex');
    return `  ${key}: {\n    name: '${name}',\n    sha1: '${sha1}',\n    lua: ${JSON.stringify(lua)},\n  },\n`;
  });
  const object = entries.length > 0 ? `{\n${entries.join('')}}` : '{}';
  return `// Generated from lua/*.lua by scripts/embed-lua.mjs. Do not edit.\nexport const scripts = ${object} as const;\n`;
}

function main() {
  const text = generate();
  if (existsSync(target) && readFileSync(target, 'utf8') === text) return;
  if (process.argv.includes('--check')) throw new EmbedError(`${shown} is stale: run "pnpm build"`);
  mkdirSync(new URL('.', target), { recursive: true });
  writeFileSync(target, text);
}

try {
  main();
} catch (error) {
  if (!(error instanceof EmbedError)) throw error;
  console.error(`embed-lua: ${error.message}`);
  process.exit(1);
}
