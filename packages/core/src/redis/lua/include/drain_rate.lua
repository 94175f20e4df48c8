-- Items that leave per second, as a moving average over about five seconds. Mirrors domain/drain-rate.ts.
local function rate_after(b)
  local elapsed = b.now - b.rateSinceMs
  local instant = b.rateCount * 1000 / elapsed
  if b.rate == 0 then return instant end
  return b.rate + (1 - math.exp(-elapsed / 5000)) * (instant - b.rate)
end

local function add_to_rate(b, n)
  if b.rateSinceMs == 0 then b.rateSinceMs = b.now end
  b.rateCount = b.rateCount + n
  if b.now - b.rateSinceMs >= 1000 then
    b.rate = rate_after(b)
    b.rateSinceMs = b.now
    b.rateCount = 0
  end
end

local function drain_rate(b)
  if b.rateSinceMs == 0 then return 0 end
  local elapsed = b.now - b.rateSinceMs
  if b.rate == 0 and b.rateCount > 0 then return b.rateCount * 1000 / math.max(1000, elapsed) end
  if elapsed > 1000 then return rate_after(b) end
  return b.rate
end
