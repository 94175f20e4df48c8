#!lua flags=allow-oom
--- redrive - puts dead letters back at the end of their lanes as far as there is room, or deletes them.
-- KEYS[1..13] the keys of the buffer, see include/buffer_keys.lua
-- ARGV[1] action redrive or discard
-- ARGV[2] which named or oldest, up to 1,000; a redrive stops when it has put back 1 MiB
-- ARGV[3..] ids of dead letters (named only)
-- Returns {'redriven', <vitals>, count, remaining}
-- Errors BP_NOT_DECLARED, BP_LAYOUT, BP_BAD_REDRIVE
-- Holds I1 bound, I2 conservation
-- Cost O(count); a discard reads no letter
--- @include "open_buffer"
--- @include "move_state"
--- @include "records"
--- @include "vitals"
--- @include "save_buffer"
--- @include "sound_keys"
local action = ARGV[1]
local named = ARGV[2] == 'named'
local FIRST_ID = 3
local MAX_LETTERS = 1000
local MAX_BYTES = 1048576

-- The one that is named at this place, or else the oldest after the last one that was looked at.
local function letter_at(b, place, last)
  if named then return redis.call('XRANGE', b.keys.dead, ARGV[place], ARGV[place], 'COUNT', 1)[1] end
  return redis.call('XRANGE', b.keys.dead, last and '(' .. last or '-', '+', 'COUNT', 1)[1]
end

local function item_of(entry)
  local fields = entry[2]
  for i = 1, #fields, 2 do
    if fields[i] == 'item' then return fields[i + 1] end
  end
end

local function put_back(b, record)
  local c = b.config
  local bytes = payload_bytes(record)
  if b.state == 'draining' or b.intakePaused == 1 or b.size + 1 > c.max_size then return false end
  if c.max_bytes and b.bytes + bytes > c.max_bytes then return false end
  local lane = LANE_INDEX[string.sub(record, HEADER_CHARS, HEADER_CHARS)]
  redis.call('RPUSH', b.keys.lanes[lane], string.format('%013d', b.now) .. string.sub(record, 14))
  b.ready[lane] = b.ready[lane] + 1
  b.size = b.size + 1
  b.bytes = b.bytes + bytes
  follow_fill(b)
  return true
end

local function redrive(b)
  local n, bytes = 0, 0
  local last
  for place = FIRST_ID, named and #ARGV or FIRST_ID + MAX_LETTERS - 1 do
    local entry = letter_at(b, place, last)
    if not entry and not named then break end
    local item = entry and item_of(entry) or nil
    -- What is no item of ours stays where it is, until it is discarded.
    if is_record(item) then
      if not put_back(b, item) then break end
      n = n + redis.call('XDEL', b.keys.dead, entry[1])
      bytes = bytes + payload_bytes(item)
      if bytes >= MAX_BYTES then break end
    end
    last = entry and entry[1]
  end
  return n
end

local function discard(b)
  if not named then
    return redis.call('XTRIM', b.keys.dead, 'MAXLEN', '=', math.max(0, redis.call('XLEN', b.keys.dead) - MAX_LETTERS))
  end
  return #ARGV < FIRST_ID and 0 or redis.call('XDEL', b.keys.dead, unpack(ARGV, FIRST_ID))
end

if action ~= 'redrive' and action ~= 'discard' then return redis.error_reply('BP_BAD_REDRIVE unknown action') end
if #ARGV - FIRST_ID + 1 > MAX_LETTERS then return redis.error_reply('BP_BAD_REDRIVE at most 1000 ids') end
local b, refusal = open_buffer()
if not b then return refusal end
expect_sound_keys(b)
touch(b)
end_drain_if_over(b)
local ready_before = ready_count(b)
local n
if action == 'redrive' then
  n = redrive(b)
  count(b, 'redriven', n)
  count(b, 'dead', -n)
  if ready_before == 0 and n > 0 then publish(b, 'ready') end
else
  n = discard(b)
  count(b, 'deadDiscarded', n)
end
save_buffer(b)
return append(vitals(b, 'redriven'), n, redis.call('XLEN', b.keys.dead))
