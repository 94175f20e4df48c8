--- @include "flow_rate"
-- How fast items are admitted, from looks at the count of accepted items: pushes pay nothing for it.
local function read_intake(b)
  local values = redis.call('HMGET', b.keys.state, 'intakeRate', 'intakeSinceMs', 'intakeCount', 'intakeSeen', 'accepted')
  local total = tonumber(values[5] or 0)
  return {
    rate = tonumber(values[1] or 0), sinceMs = tonumber(values[2] or 0),
    count = tonumber(values[3] or 0) + total - tonumber(values[4] or 0),
  }, total
end

local function sample_intake(b)
  local f, total = read_intake(b)
  if f.sinceMs == 0 then f.count = 0 end
  count_flow(f, 0, b.now)
  redis.call('HSET', b.keys.state, 'intakeRate', f.rate, 'intakeSinceMs', f.sinceMs, 'intakeCount', f.count,
    'intakeSeen', total)
end
