-- The clock of Redis may go back: by hand, or in a failover to a machine whose clock is behind. A lease would then last
-- longer by that much, and its batch would be frozen with it. So all that lies ahead is moved back as well. When it was
-- seen last is noted once a second; less than that is let pass.
local CLOCK_TOLERANCE_MS = 1000

local function rewind(b, ms)
  local due = redis.call('ZRANGE', b.keys.leases, 0, -1, 'WITHSCORES')
  for i = 1, #due, 2 do redis.call('ZADD', b.keys.leases, tonumber(due[i + 1]) - ms, due[i]) end
  for _, field in ipairs({ 'lastTakeAtMs', 'rateSinceMs', 'epochStartMs', 'drainUntilMs' }) do
    b[field] = math.max(0, b[field] - ms)
  end
end

local function follow_clock(b)
  if b.seenMs - b.now > CLOCK_TOLERANCE_MS then rewind(b, b.seenMs - b.now) end
  if math.abs(b.now - b.seenMs) >= CLOCK_TOLERANCE_MS then b.seenMs = b.now end
end
