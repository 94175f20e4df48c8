#!lua
--- push - admits, refuses or queues each item of one chunk, in order, as one step.
-- KEYS[1..13] the keys of the buffer, see include/buffer_keys.lua
-- KEYS[14] session string the last call of the producer session and its answer
-- ARGV[1] seq of the call in its session, which resolve.lua has opened: 2 or more
-- ARGV[2] waits one character per item: n never, e enqueue, h held
-- ARGV[3..] items one or more: id (27 characters), lane (h n l), payload
-- Returns {'push', <vitals>, evicted, retryAfterMs, outcomes}: one character per item:
--   a accepted, w waiting, f full, s sampled, h shed, d draining, p paused, b too large
-- Returns {'replayed', ...} the same, for a call that was carried out before
-- Errors BP_NOT_DECLARED, BP_LAYOUT, BP_STALE, BP_TOKEN_EXPIRED
-- Holds I1 bound, I2 conservation, I6 idempotent push, I9 one clock
-- Cost O(items), and O(evicted) under drop_oldest
--- @include "open_buffer"
--- @include "session"
--- @include "list"
--- @include "move_state"
--- @include "line"
--- @include "expire_ready"
--- @include "evict"
--- @include "retry_after"
--- @include "vitals"
--- @include "full_batch"
--- @include "save_buffer"
local session_key = KEYS[14]
local seq = tonumber(ARGV[1])
local waits = ARGV[2]
local FIRST_ITEM = 3
local OFFER_CHARS = HEADER_CHARS - STAMP_CHARS
local NEVER, HELD = string.byte('nh', 1, 2)
local LANE_OF_CODE = { [104] = 1, [110] = 2, [108] = 3 }
local LANE_RANK = { high = 1, normal = 2, low = 3 }
local REASONS = { f = 'full', s = 'sampled', h = 'shed', d = 'draining', p = 'paused', b = 'too_large' }
local MAX_EXPIRED_PER_PUSH = 100
local MAX_WEIGHT = 99999999

local function id_of(item)
  return string.sub(item, 1, OFFER_CHARS - 1)
end

local b, refusal = open_buffer()
if not b then return refusal end
local recorded
recorded, refusal = recall(session_key, seq, false)
if refusal then return refusal end
if recorded then
  recorded[1] = 'replayed'
  return recorded
end
local c = b.config
local sampling, blocking = c.strategy == 'sample', c.strategy == 'block'
local shedding = c.shed_elevated or c.shed_critical
local stamp_of_one = stamp(b.now, 1)
local pending = { {}, {}, {} }
local expirable = MAX_EXPIRED_PER_PUSH
local evicted = 0
local room_made = false
local retry_after_ms = 0
local outcomes = {}
local tally = { a = 0, w = 0, f = 0, s = 0, h = 0, d = 0, p = 0, b = 0 }

local function write_pending(lane)
  push_all(b.keys.lanes[lane], pending[lane])
  pending[lane] = {}
end

-- The mark of the state in which this lane is shed, or nil when it is not.
local function shed_mark(lane)
  local elevated, critical = LANE_RANK[c.shed_elevated], LANE_RANK[c.shed_critical]
  if b.state == 'normal' then return nil end
  if b.state == 'elevated' then critical = nil end
  if critical then return lane >= critical and (elevated and lane >= elevated and c.low or c.high) or nil end
  return elevated and lane >= elevated and c.low or nil
end

-- Nobody overtakes those who wait.
local function may_enter(item, wait)
  if b.waiting == 0 then return true end
  local ahead = b.waiting
  if wait == HELD then ahead = redis.call('ZRANK', b.keys.waiters, id_of(item)) or b.waiting end
  return ahead == 0 or ahead < free_slots(b)
end

local function stand_in_line(item, wait)
  if wait == NEVER then return 'f' end
  local id = id_of(item)
  local order = wait == HELD and tonumber(redis.call('ZSCORE', b.keys.waiters, id) or nil)
  if order then
    -- It was told of room and has to wait on: the next room is to be told to it again.
    b.grantedOrder = math.min(b.grantedOrder, order - 1)
  else
    if b.waiting >= MAX_WAITERS then return 'f' end
    b.ticketOrder = b.ticketOrder + 1
    redis.call('ZADD', b.keys.waiters, b.ticketOrder, id)
    b.waiting = b.waiting + 1
  end
  redis.call('ZADD', b.keys.tickets, b.now + TICKET_TTL_MS, id)
  return 'w'
end

local function has_room(bytes)
  return b.size < c.max_size and (not c.max_bytes or b.bytes + bytes <= c.max_bytes)
end

local function make_room(lane, bytes)
  if c.max_age_ms then
    for each = 1, 3 do
      write_pending(each)
      expirable = expirable - expire_ready(b, each, expirable)
    end
    room_made = true
    if has_room(bytes) then return true end
  end
  if c.strategy ~= 'drop_oldest' then return false end
  for each = lane, 3 do write_pending(each) end
  local n = evict(b, lane, bytes)
  if not n then return false end
  evicted = evicted + n
  room_made = true
  return true
end

local function admit(item, lane, bytes)
  local prefix = stamp_of_one
  if sampling then
    prefix = stamp(b.now, math.min(b.sampleSince, MAX_WEIGHT))
    b.sampleSince = 0
  end
  pending[lane][#pending[lane] + 1] = prefix .. item
  b.ready[lane] = b.ready[lane] + 1
  b.size = b.size + 1
  b.bytes = b.bytes + bytes
  if b.size > b.maxSize then b.maxSize = b.size end
  return 'a'
end

local function decide(item, lane, wait)
  local bytes = #item - OFFER_CHARS
  if bytes > c.max_item_bytes then return 'b' end
  if shedding then
    local mark = shed_mark(lane)
    if mark then return 'h', mark end
  end
  if sampling then
    b.sampleSince = b.sampleSince + 1
    if b.state ~= 'normal' and b.sampleSince < c.sample_rate then return 's' end
  end
  local room = has_room(bytes) or make_room(lane, bytes)
  if blocking then
    prune_line(b)
    if not (room and may_enter(item, wait)) then return stand_in_line(item, wait) end
  end
  if not room then return 'f' end
  if wait == HELD then leave_line(b, id_of(item)) end
  return admit(item, lane, bytes)
end

touch(b)
end_drain_if_over(b)
local closed = b.state == 'draining' and 'd' or b.intakePaused == 1 and 'p'
local ready_before, full_before = ready_count(b), full_batch_waits(b)
local calm_size, calm_bytes = calm_until(b)
for i = FIRST_ITEM, #ARGV do
  local item = ARGV[i]
  local wait = string.byte(waits, i - FIRST_ITEM + 1)
  local outcome, mark = closed, nil
  if not closed then outcome, mark = decide(item, LANE_OF_CODE[string.byte(item, OFFER_CHARS)], wait) end
  if outcome ~= 'a' and outcome ~= 'w' then
    if wait == HELD then leave_line(b, id_of(item)) end
    if retry_after_ms == 0 then retry_after_ms = retry_after(b, outcome, mark) end
  end
  -- Once per item and not per change within it: an eviction that makes room for a newcomer is no transition.
  if room_made or b.size > calm_size or b.bytes > calm_bytes then
    follow_fill(b)
    room_made = false
    calm_size, calm_bytes = calm_until(b)
  end
  tally[outcome] = tally[outcome] + 1
  outcomes[#outcomes + 1] = outcome
end
for lane = 1, 3 do write_pending(lane) end

count(b, 'offered', #outcomes - tally.w)
count(b, 'accepted', tally.a)
for outcome, reason in pairs(REASONS) do count(b, 'refused:' .. reason, tally[outcome]) end
if (ready_before == 0 and ready_count(b) > 0) or (full_batch_waits(b) and not full_before) then
  publish(b, 'ready')
end
save_buffer(b)
local reply = append(vitals(b, 'push'), evicted, retry_after_ms, table.concat(outcomes))
remember(session_key, seq, reply)
return reply
