import { createHash } from 'node:crypto';

/** A compiled script, as a store sends it. */
export interface Script {
  readonly name: string;
  readonly sha1: string;
  readonly lua: string;
}

export type Transform = (script: Script) => Script;

/** The last part of the key of the stream in which every script call is recorded. */
export const RECORD_KEY = 'record';

/** The same script with another text. */
export function withText(script: Script, lua: string): Script {
  return { ...script, lua, sha1: createHash('sha1').update(lua).digest('hex') };
}

/** Scripts are few and sent often: each is transformed once. */
export function memoized(transform: Transform): Transform {
  const known = new Map<string, Script>();
  return (script) => {
    const found = known.get(script.sha1) ?? transform(script);
    known.set(script.sha1, found);
    return found;
  };
}

/** The time is read once (Redis 7.0 gives another on each call): the script and the record must agree on it. */
const PROLOGUE = `
local __time
local function __clock()
  __time = __time or redis.call('TIME')
  return __time
end
local function __main()
`;

/**
 * Payloads are cut to their length, which is all that the model needs: a record is cut after its header of 49
 * characters, an offer after its 28 (id and lane).
 */
const EPILOGUE = `
end
local function __cut(text, head)
  return string.sub(text, 1, head) .. (#text - head)
end
local function __cut_all(values, from, head)
  local short = {}
  for i, value in ipairs(values) do
    local long = type(value) == 'string' and i >= from and #value >= head
    short[i] = long and __cut(value, head) or value
  end
  return short
end
local __reply = __main()
local __name = '@NAME@'
local __args = __name == 'push' and __cut_all(ARGV, 3, 28) or ARGV
local __answer = __reply
if type(__reply) == 'table' and (__name == 'take' or __name == 'settle') then __answer = __cut_all(__reply, 1, 49) end
if type(__reply) == 'table' and __reply.err then __answer = { 'error', __reply.err } end
__time = __time or redis.call('TIME')
local __session = KEYS[14] and string.match(KEYS[14], ':session:(.*)$') or ''
redis.call('XADD', (string.gsub(KEYS[1], '[^:]+$', '@KEY@')), '*', 'call',
  cjson.encode({ __name, tonumber(__time[1]) * 1000 + math.floor(tonumber(__time[2]) / 1000), __session, __args, __answer }))
return __reply
`;

/**
 * Wraps a script so that each execution leaves what it was asked, when, and what it answered in a stream, in the same
 * atomic step: the server's own account of the order in which everything happened. The script itself runs unchanged.
 */
export function recorded(script: Script): Script {
  const [flags = '', ...body] = script.lua.split('\n');
  if (flags.includes('no-writes')) return script;
  const text = body.join('\n').replaceAll("redis.call('TIME')", '__clock()');
  const epilogue = EPILOGUE.replace('@NAME@', script.name).replace('@KEY@', RECORD_KEY);
  return withText(script, `${flags}${PROLOGUE}${text}${epilogue}`);
}
