#!lua
--- push - admits, refuses or queues each item of one chunk, in order, as one step.
-- KEYS[1..13] the keys of the buffer, see include/buffer_keys.lua
-- KEYS[14] session string the last call of the producer session and its answer
-- ARGV[1] seq of the call in its session
-- ARGV[2] waits one character per item: n never, e enqueue, h held
-- ARGV[3..] items id (27 characters), lane (h n l), payload
-- Returns {'push', <vitals>, evicted, retryAfterMs, outcomes}: one character per item:
--   a accepted, w waiting, f full, s sampled, h shed, d draining, p paused, b too large
-- Returns {'replayed', ...} the same, for a call that was carried out before
-- Errors BP_NOT_DECLARED, BP_STALE, BP_TOKEN_EXPIRED
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
--- @include "save_buffer"
local session_key = KEYS[14]
local seq = tonumber(ARGV[1])
local waits = ARGV[2]
local MAX_EXPIRED_PER_PUSH = 100
local MAX_WEIGHT = 99999999

local b = open_buffer()
if not b then return NOT_DECLARED end
local recorded, refusal = recall(session_key, seq)
if refusal then return refusal end
if recorded then
  recorded[1] = 'replayed'
  return recorded
end
local c = b.config
local pending = { {}, {}, {} }
local expirable = MAX_EXPIRED_PER_PUSH
local evicted = 0
local retry_after_ms = 0
local outcomes = {}
local tally = {}

local function write_pending(lane)
  push_all(b.keys.lanes[lane], pending[lane])
  pending[lane] = {}
end

local function has_room(bytes)
  return size_of(b) + 1 <= c.max_size and (not c.max_bytes or b.bytes + bytes <= c.max_bytes)
end

-- The mark of the state in which this lane is shed, or nil when it is not.
local function shed_mark(lane)
  local elevated, critical = LANE_INDEX[string.sub(c.shed_elevated or '', 1, 1)], LANE_INDEX[string.sub(c.shed_critical or '', 1, 1)]
  if b.state == 'elevated' then return elevated and lane >= elevated and c.low or nil end
  if b.state ~= 'critical' and b.state ~= 'blocked' then return nil end
  if elevated and lane >= elevated then
    if not critical or lane >= critical then return c.low end
    return nil
  end
  return critical and lane >= critical and c.high or nil
end

-- Nobody overtakes those who wait.
local function may_enter(id, wait)
  if b.waiting == 0 then return true end
  prune_line(b)
  local ahead = b.waiting
  if wait == 'h' then ahead = redis.call('ZRANK', b.keys.waiters, id) or b.waiting end
  return ahead == 0 or ahead < free_slots(b)
end

local function stand_in_line(id, wait)
  if wait == 'n' then return 'f' end
  if wait ~= 'h' or not redis.call('ZSCORE', b.keys.waiters, id) then
    if b.waiting >= MAX_WAITERS then return 'f' end
    b.ticketOrder = b.ticketOrder + 1
    redis.call('ZADD', b.keys.waiters, b.ticketOrder, id)
    b.waiting = b.waiting + 1
  end
  redis.call('ZADD', b.keys.tickets, b.now + TICKET_TTL_MS, id)
  return 'w'
end

local function admit(item, lane, bytes)
  local weight = 1
  if c.strategy == 'sample' then
    weight = math.min(b.sampleSince, MAX_WEIGHT)
    b.sampleSince = 0
  end
  pending[lane][#pending[lane] + 1] = stamp(b.now, weight) .. item
  b.ready[lane] = b.ready[lane] + 1
  b.bytes = b.bytes + bytes
  follow_fill(b)
  return 'a'
end

local function make_room(lane, bytes)
  if c.max_age_ms then
    for each = 1, 3 do
      write_pending(each)
      expirable = expirable - expire_ready(b, each, expirable)
    end
    if has_room(bytes) then return true end
  end
  if c.strategy ~= 'drop_oldest' then return false end
  for each = lane, 3 do write_pending(each) end
  local n = evict(b, lane, bytes)
  if not n then return false end
  evicted = evicted + n
  return true
end

local function decide(item, id, lane, wait)
  if b.state == 'draining' then return 'd' end
  if b.intakePaused == 1 then return 'p' end
  local bytes = #item - (HEADER_CHARS - STAMP_CHARS)
  if bytes > c.max_item_bytes then return 'b' end
  local mark = shed_mark(lane)
  if mark then return 'h', mark end
  if c.strategy == 'sample' then
    b.sampleSince = b.sampleSince + 1
    if b.state ~= 'normal' and b.sampleSince < c.sample_rate then return 's' end
  end
  local room = has_room(bytes) or make_room(lane, bytes)
  if c.strategy == 'block' and (not room or not may_enter(id, wait)) then return stand_in_line(id, wait) end
  if not room then return 'f' end
  if wait == 'h' then leave_line(b, id) end
  return admit(item, lane, bytes)
end

if #ARGV > 2 then touch(b) end
end_drain_if_over(b)
local ready_before = ready_count(b)
for i = 3, #ARGV do
  local item = ARGV[i]
  local id = string.sub(item, 1, 27)
  local wait = string.sub(waits, i - 2, i - 2)
  local outcome, mark = decide(item, id, LANE_INDEX[string.sub(item, 28, 28)], wait)
  if outcome ~= 'a' and outcome ~= 'w' then
    if wait == 'h' then leave_line(b, id) end
    if retry_after_ms == 0 then retry_after_ms = retry_after(b, outcome, mark) end
  end
  tally[outcome] = (tally[outcome] or 0) + 1
  outcomes[#outcomes + 1] = outcome
end
for lane = 1, 3 do write_pending(lane) end

local REASONS = { f = 'full', s = 'sampled', h = 'shed', d = 'draining', p = 'paused', b = 'too_large' }
for outcome, n in pairs(tally) do
  if outcome ~= 'w' then count(b, 'offered', n) end
  if outcome == 'a' then count(b, 'accepted', n) end
  if REASONS[outcome] then count(b, 'refused:' .. REASONS[outcome], n) end
end
local ready_after = ready_count(b)
if (ready_before == 0 and ready_after > 0) or (ready_before < c.batch_size and ready_after >= c.batch_size) then
  publish(b, 'ready')
end
save_buffer(b)
local reply = append(vitals(b, 'push'), evicted, retry_after_ms, table.concat(outcomes))
remember(session_key, seq, reply)
return reply
