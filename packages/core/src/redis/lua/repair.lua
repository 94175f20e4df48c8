#!lua flags=allow-oom
--- repair - makes the books agree with what is there, after somebody else has written to the keys.
-- KEYS[1..13] the keys of the buffer, see include/buffer_keys.lua
-- Returns {'repaired', <vitals>, lost, found, setAside}: items that are gone, items that no counter knew of, and
--   values that are none of ours (records are deleted, keys of a wrong type are renamed to broken:<key>)
-- Errors BP_NOT_DECLARED, BP_LAYOUT
-- Holds I2 conservation: what is missing is counted as lost
-- Reaches batch:<id> of every batch, and broken:<key>, in the same slot, without declaring them
-- Cost O(items + batches + waiters)
--- @include "open_buffer"
--- @include "batches"
--- @include "latency_buckets"
--- @include "records"
--- @include "vitals"
--- @include "save_buffer"
local TYPES = {
  config = 'hash', state = 'hash', high = 'list', normal = 'list', low = 'list', leases = 'zset', batches = 'hash',
  waiters = 'zset', tickets = 'zset', dead = 'stream', epoch = 'hash', events = 'stream', nodes = 'zset',
}
local TEXT_FIELDS = { about = true, state = true, control = true, law = true, suspect = true }
local GONE = '^(%l+):?%l*$'
local TERMINAL = { flushed = true, expired = true, purged = true, dead = true, lost = true, evicted = true }
local set_aside = 0

local function type_of(key)
  return redis.call('TYPE', key).ok
end

local function put_aside(key)
  redis.call('RENAME', key, (string.gsub(key, '}:', '}:broken:', 1)))
  set_aside = set_aside + 1
end

local function keep_type(key, wanted)
  local found = type_of(key)
  if found ~= 'none' and found ~= wanted then put_aside(key) end
end

local function is_item(record)
  return is_record(record) and string.find(string.sub(record, 1, STAMP_CHARS), '^%d+$') ~= nil
end

-- The items of a list and their bytes; what is no item is deleted from it.
local function clean_list(key)
  local items, bytes = {}, 0
  local records = redis.call('LRANGE', key, 0, -1)
  for _, record in ipairs(records) do
    if is_item(record) then
      items[#items + 1] = record
      bytes = bytes + payload_bytes(record)
    end
  end
  if #items < #records then
    set_aside = set_aside + #records - #items
    redis.call('DEL', key)
    push_all(key, items)
  end
  return #items, bytes
end

-- Fields that are no number any more are as good as deleted.
local function clean_state(key)
  local flat = redis.call('HGETALL', key)
  for i = 1, #flat, 2 do
    local field, value = flat[i], flat[i + 1]
    local fit = TEXT_FIELDS[field] or tonumber(value)
    if field == 'state' then fit = STATE_RANK[value] or value == 'draining' end
    if not fit then
      redis.call('HDEL', key, field)
      set_aside = set_aside + 1
    end
  end
end

-- The books of one batch after its list. One without a list is none; one without a lease is due at once.
local function mend_batch(b, id)
  local key = batch_key(b, id)
  keep_type(key, 'list')
  local items, bytes = clean_list(key)
  if items == 0 then return drop_batch(b, id) end
  local said = read_batch(b, id) or {}
  if said.items ~= items or said.bytes ~= bytes or not redis.call('ZSCORE', b.keys.leases, id) then
    -- Nobody knows whose it was: what it was taken as is void, and it is tried again.
    said = {
      phase = 'r', items = items, bytes = bytes, attempts = said.attempts or 1, lease_ms = 0, first_ms = b.now, taken_ms = 0,
    }
    write_batch(b, id, said, b.now)
  end
  b.inFlight = b.inFlight + items
  b.inFlightBytes = b.inFlightBytes + bytes
  if said.phase == 'l' then b.inFlightBatches = b.inFlightBatches + 1 end
end

local function mend_batches(b)
  b.inFlight, b.inFlightBytes, b.inFlightBatches = 0, 0, 0
  local known = {}
  for _, id in ipairs(redis.call('HKEYS', b.keys.batches)) do known[id] = true end
  for _, id in ipairs(redis.call('ZRANGE', b.keys.leases, 0, -1)) do known[id] = true end
  for id in pairs(known) do mend_batch(b, id) end
end

-- A place in line that no ticket keeps would stay for ever.
local function mend_line(b)
  for _, id in ipairs(redis.call('ZRANGE', b.keys.waiters, 0, -1)) do
    if not redis.call('ZSCORE', b.keys.tickets, id) then leave_line(b, id) end
  end
  for _, id in ipairs(redis.call('ZRANGE', b.keys.tickets, 0, -1)) do
    if not redis.call('ZSCORE', b.keys.waiters, id) then redis.call('ZREM', b.keys.tickets, id) end
  end
  local last = redis.call('ZREVRANGE', b.keys.waiters, 0, 0, 'WITHSCORES')[2]
  b.ticketOrder = math.max(b.ticketOrder, tonumber(last or 0))
  b.waiting = redis.call('ZCARD', b.keys.waiters)
end

local function mend_nodes(b)
  for _, node in ipairs(redis.call('ZRANGE', b.keys.nodes, 0, -1)) do
    if not string.find(node, '^%l+:%d+:.') then set_aside = set_aside + redis.call('ZREM', b.keys.nodes, node) end
  end
end

-- A median of more samples than there are would be none.
local function mend_epoch(b)
  local flat = redis.call('HGETALL', b.keys.epoch)
  for i = 1, #flat, 2 do
    if not bucket_count(flat[i], flat[i + 1]) then
      set_aside = set_aside + redis.call('HDEL', b.keys.epoch, flat[i])
    end
  end
  local _, samples = read_buckets(b)
  b.epochSamples = samples
end

-- What the counters say against what is there. Returns lost, found.
local function balance(b)
  local counter = {}
  local gone, refused = 0, 0
  local flat = redis.call('HGETALL', b.keys.state)
  for i = 1, #flat, 2 do
    local field, n = flat[i], tonumber(flat[i + 1]) or 0
    counter[field] = n
    if TERMINAL[string.match(field, GONE) or ''] then gone = gone + n end
    if string.find(field, '^refused:') then refused = refused + n end
  end
  local letters = (counter.dead or 0) - (counter.deadTrimmed or 0) - (counter.deadDiscarded or 0)
  local kept = redis.call('XLEN', b.keys.dead)
  if kept < letters then count(b, 'deadDiscarded', letters - kept) end
  if kept > letters then
    count(b, 'dead', kept - letters)
    gone = gone + kept - letters
  end
  local accepted = counter.accepted or 0
  local missing = accepted - gone - b.size
  if missing > 0 then count(b, 'lost', missing) end
  if missing < 0 then
    count(b, 'accepted', -missing)
    accepted = accepted - missing
  end
  count(b, 'offered', accepted + refused - (counter.offered or 0))
  return math.max(0, missing), math.max(0, -missing)
end

local keys = buffer_keys()
keep_type(keys.config, TYPES.config)
local foreign = refuse_layout(redis.call('HGET', keys.config, 'layout'))
if foreign then return foreign end
for name, wanted in pairs(TYPES) do keep_type(keys[name], wanted) end
clean_state(keys.state)
local b, refusal = open_buffer()
if not b then return refusal end
follow_streams(b)
touch(b)
mend_batches(b)
b.bytes = b.inFlightBytes
for lane = 1, 3 do
  local items, bytes = clean_list(b.keys.lanes[lane])
  b.ready[lane] = items
  b.bytes = b.bytes + bytes
end
b.size = b.ready[1] + b.ready[2] + b.ready[3] + b.inFlight
mend_line(b)
mend_nodes(b)
mend_epoch(b)
local lost, found = balance(b)
give_room(b)
follow_fill(b)
end_drain_if_over(b)
publish(b, 'resync')
save_buffer(b)
return append(vitals(b, 'repaired'), lost, found, set_aside)
