--- @include "drain_rate"
--- @include "line"
--- @include "watermarks"
-- When a refused item may be offered again with some hope: the items that must leave first, over the drain rate.
local MAX_RETRY_AFTER_MS = 60000
local PAUSED_RETRY_AFTER_MS = 1000

local function items_above(b, mark)
  return math.max(1, math.ceil((utilization_of(b) - (mark - b.config.hysteresis)) * b.config.max_size))
end

local function retry_after(b, outcome, shed_mark)
  local c = b.config
  local ms
  if outcome == 'd' then
    ms = b.drainUntilMs - b.now
  elseif outcome == 'p' then
    ms = PAUSED_RETRY_AFTER_MS
  elseif outcome == 'b' then
    ms = MAX_RETRY_AFTER_MS
  else
    local items = 1
    if outcome == 'f' then items = b.waiting + 1 + math.max(0, b.size - c.max_size)
    elseif outcome == 's' then items = items_above(b, c.low)
    elseif outcome == 'h' then items = items_above(b, shed_mark) end
    local rate = drain_rate(b)
    if rate > 0 then ms = math.ceil(items / rate * 1000)
    elseif b.rateSinceMs == 0 then ms = math.ceil(math.max(b.intervalMs, 1000))
    else ms = c.max_interval_ms end
  end
  return math.min(MAX_RETRY_AFTER_MS, math.max(1, ms))
end
