/**
 * The checker's own look at everything in one instant. It shares no line with the product, counts the items themselves
 * (and not what a field says of them), and writes nothing.
 *
 * KEYS[1] is any key of the buffer; the rest is named from it, which is right on one server only.
 */
export const SAMPLE_SCRIPT = `#!lua flags=no-writes
local prefix = string.gsub(KEYS[1], '[^:]+$', '')
local function key(name) return prefix .. name end
local payload_of = {}
local twins, items, bytes = 0, 0, 0

-- A payload holds an id that only one push ever had: twice in the buffer means admitted twice, or in two places.
local function count(name)
  local records = redis.call('LRANGE', key(name), 0, -1)
  for _, record in ipairs(records) do
    local payload = string.sub(record, 50)
    if payload_of[payload] then twins = twins + 1 end
    payload_of[payload] = true
    bytes = bytes + #payload
  end
  items = items + #records
  return #records
end

local ready = count('ready:high') + count('ready:normal') + count('ready:low')
local leased, claimed, strays = 0, 0, 0
local books = redis.call('HGETALL', key('batches'))
for i = 1, #books, 2 do
  local phase, said = string.match(books[i + 1], '^(%l) (%d+)')
  local held = count('batch:' .. books[i])
  claimed = claimed + held
  if held ~= tonumber(said) then strays = strays + 1 end
  if phase == 'l' then leased = leased + 1 end
  if not redis.call('ZSCORE', key('leases'), books[i]) then strays = strays + 1 end
end
if redis.call('ZCARD', key('leases')) ~= #books / 2 then strays = strays + 1 end
local config = redis.call('HMGET', key('config'), 'maxBufferSize', 'maxBufferBytes', 'version')
local time = redis.call('TIME')
return {
  ready, claimed, items, bytes, twins, strays, leased, #books / 2,
  config[1] or '', config[2] or '', config[3] or '',
  redis.call('XLEN', key('dead')), redis.call('ZCARD', key('waiters')), redis.call('ZCARD', key('tickets')),
  time[1], redis.call('HGETALL', key('state')),
}`;

/** What one look saw. */
export interface Sample {
  readonly at: number;
  readonly ready: number;
  /** Items in the lists of the batches. */
  readonly inFlight: number;
  readonly bytes: number;
  /** Payloads that were there twice. */
  readonly twins: number;
  /** Batches whose list, line and lease do not agree. */
  readonly strays: number;
  readonly leasedBatches: number;
  readonly batches: number;
  readonly limit: number;
  readonly limitBytes: number | undefined;
  readonly configVersion: number;
  readonly dead: number;
  readonly waiters: number;
  readonly tickets: number;
  /** The fields of the state hash. */
  readonly state: Readonly<Record<string, string>>;
}

/** Names what the script returned; undefined for a buffer that nobody has declared yet. */
export function readSample(at: number, reply: readonly unknown[]): Sample | undefined {
  const number = (i: number) => Number(reply[i]);
  if (reply[10] === '') return undefined;
  const flat = reply[15] as readonly string[];
  const state: Record<string, string> = {};
  for (let i = 0; i + 1 < flat.length; i += 2) state[flat[i] ?? ''] = flat[i + 1] ?? '';
  return {
    at,
    ready: number(0),
    inFlight: number(1),
    bytes: number(3),
    twins: number(4),
    strays: number(5),
    leasedBatches: number(6),
    batches: number(7),
    limit: number(8),
    limitBytes: reply[9] === '' ? undefined : number(9),
    configVersion: number(10),
    dead: number(11),
    waiters: number(12),
    tickets: number(13),
    state,
  };
}
