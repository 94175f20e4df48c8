-- Items per second, as a moving average over about five seconds. Mirrors domain/flow-rate.ts; `f` is a FlowRate.
local function averaged(f, elapsed_ms)
  local instant = f.count * 1000 / elapsed_ms
  if f.rate == 0 then return instant end
  return f.rate + (1 - math.exp(-elapsed_ms / 5000)) * (instant - f.rate)
end

local function count_flow(f, items, now)
  if f.sinceMs == 0 then f.sinceMs = now end
  f.count = f.count + items
  local elapsed_ms = now - f.sinceMs
  if elapsed_ms < 1000 then return end
  f.rate = averaged(f, elapsed_ms)
  f.sinceMs = now
  f.count = 0
end

local function flow_rate_at(f, now)
  if f.sinceMs == 0 then return 0 end
  local elapsed_ms = now - f.sinceMs
  if f.rate == 0 and f.count > 0 then return f.count * 1000 / math.max(1000, elapsed_ms) end
  if elapsed_ms > 1000 then return averaged(f, elapsed_ms) end
  return f.rate
end
