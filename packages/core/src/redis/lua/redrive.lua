#!lua flags=allow-oom
--- redrive - puts dead letters back at the end of their lanes as far as there is room, or deletes them.
-- KEYS[1..13] the keys of the buffer, see include/buffer_keys.lua
-- ARGV[1] action redrive or discard
-- ARGV[2..] ids of dead letters; none: the oldest, up to 1,000
-- Returns {'redriven', <vitals>, count, remaining}
-- Errors BP_NOT_DECLARED, BP_LAYOUT, BP_BAD_REDRIVE
-- Holds I1 bound, I2 conservation
-- Cost O(count)
--- @include "open_buffer"
--- @include "move_state"
--- @include "records"
--- @include "vitals"
--- @include "save_buffer"
--- @include "sound_keys"
local action = ARGV[1]
local MAX_LETTERS = 1000

local function letters(b)
  if #ARGV == 1 then return redis.call('XRANGE', b.keys.dead, '-', '+', 'COUNT', MAX_LETTERS) end
  local found = {}
  local seen = {}
  for i = 2, #ARGV do
    local entry = not seen[ARGV[i]] and redis.call('XRANGE', b.keys.dead, ARGV[i], ARGV[i])[1]
    seen[ARGV[i]] = true
    if entry then found[#found + 1] = entry end
  end
  return found
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

if action ~= 'redrive' and action ~= 'discard' then return redis.error_reply('BP_BAD_REDRIVE unknown action') end
if #ARGV - 1 > MAX_LETTERS then return redis.error_reply('BP_BAD_REDRIVE at most 1000 ids') end
local b, refusal = open_buffer()
if not b then return refusal end
expect_sound_keys(b)
touch(b)
end_drain_if_over(b)
local ready_before = ready_count(b)
local n = 0
for _, entry in ipairs(letters(b)) do
  local item = item_of(entry)
  -- What is no item of ours stays where it is, until it is discarded.
  local wanted = action == 'discard' or is_record(item)
  if wanted and action == 'redrive' and not put_back(b, item) then break end
  if wanted then n = n + redis.call('XDEL', b.keys.dead, entry[1]) end
end
if action == 'redrive' then
  count(b, 'redriven', n)
  count(b, 'dead', -n)
  if ready_before == 0 and n > 0 then publish(b, 'ready') end
else
  count(b, 'deadDiscarded', n)
end
save_buffer(b)
return append(vitals(b, 'redriven'), n, redis.call('XLEN', b.keys.dead))
