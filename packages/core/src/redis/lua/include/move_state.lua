--- @include "stream"
--- @include "watermarks"
-- Changes the state in the call that caused it: a new epoch, an entry in the event stream, a signal.
local function add_event(b, ...)
  touch(b)
  append_entry(b.keys.events, 1000, b.revision .. '-' .. b.events, 'atMs', b.now, ...)
  b.events = b.events + 1
end

local function move_state(b, to)
  if to == b.state then return end
  touch(b)
  local from = b.state
  b.state = to
  b.stateEpoch = b.stateEpoch + 1
  b.stateSinceMs = b.now
  add_event(b, 'kind', 'state', 'from', from, 'to', to, 'stateEpoch', b.stateEpoch, 'size', b.size)
  publish(b, 'state ' .. to .. ' ' .. b.stateEpoch)
end

-- To be called whenever the size, the bytes or the limits have changed.
local function follow_fill(b)
  if b.size > b.maxSize then b.maxSize = b.size end
  if b.state ~= 'draining' then move_state(b, next_state(b)) end
end

-- Where a rising fill can't change the state yet: the size and the bytes up to which a push need not look. A little
-- below the mark, so that rounding can't matter.
local function calm_until(b)
  local c = b.config
  if b.state == 'draining' or b.state == 'blocked' then return math.huge, math.huge end
  local mark = ({ normal = c.low, elevated = c.high, critical = 1 })[b.state]
  local max_bytes = c.max_bytes or math.huge
  return math.floor(mark * c.max_size) - 1, math.min(mark * max_bytes, max_bytes - c.max_item_bytes) - 1
end

-- DRAINING ends at size 0 or at its end time, whether its caller lives or not.
local function end_drain(b)
  b.drainUntilMs = 0
  move_state(b, state_at(b))
  publish(b, 'resync')
end

local function end_drain_if_over(b)
  if b.state == 'draining' and (b.now >= b.drainUntilMs or b.size == 0) then end_drain(b) end
end
