--- @include "flow_rate"
-- How fast items leave the buffer, flushed or dead.
local function add_to_rate(b, n)
  local f = { rate = b.rate, sinceMs = b.rateSinceMs, count = b.rateCount }
  count_flow(f, n, b.now)
  b.rate, b.rateSinceMs, b.rateCount = f.rate, f.sinceMs, f.count
end

local function drain_rate(b)
  return flow_rate_at({ rate = b.rate, sinceMs = b.rateSinceMs, count = b.rateCount }, b.now)
end
