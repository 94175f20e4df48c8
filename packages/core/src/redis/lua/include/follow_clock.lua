-- The clock of Redis may go back: by hand, or in a failover to a machine whose clock is behind. A lease would then last
-- longer by that much, and its batch would be frozen with it. So all that lies ahead is moved back as well. When it was
-- seen last is noted once a second; less than that is let pass.
--- @include "unpack_field"
local CLOCK_TOLERANCE_MS = 1000

local function rewind_fields(times, fields, ms)
  for _, field in ipairs(fields) do times[field] = math.max(0, (times[field] or 0) - ms) end
end

local function rewind(b, ms)
  local due = redis.call('ZRANGE', b.keys.leases, 0, -1, 'WITHSCORES')
  for i = 1, #due, 2 do redis.call('ZADD', b.keys.leases, tonumber(due[i + 1]) - ms, due[i]) end
  rewind_fields(b, { 'lastTakeAtMs', 'rateSinceMs', 'epochStartMs', 'drainUntilMs' }, ms)
  local intake_since_ms = tonumber(redis.call('HGET', b.keys.state, 'intakeSinceMs') or 0) or 0
  redis.call('HSET', b.keys.state, 'intakeSinceMs', math.max(0, intake_since_ms - ms))
  b.control = b.control or unpack_field(b, 'control')
  if not b.control then return end
  b.control_changed = true
  rewind_fields(b.control, { 'holdUntilMs', 'holdToldMs', 'scheduledTakeMs' }, ms)
  rewind_fields(b.control.breaker, { 'windowStartMs', 'openUntilMs' }, ms)
  rewind_fields(b.control.epoch, { 'startMs' }, ms)
end

local function follow_clock(b)
  if b.seenMs - b.now > CLOCK_TOLERANCE_MS then rewind(b, b.seenMs - b.now) end
  if math.abs(b.now - b.seenMs) >= CLOCK_TOLERANCE_MS then b.seenMs = b.now end
end
