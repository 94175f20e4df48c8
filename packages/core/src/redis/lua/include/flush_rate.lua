-- The next place in the schedule of maxFlushesPerSecond: under another rate, and after a take. Mirrors domain/control/flush-rate-gate.ts.
local function rescheduled_ms(scheduled_ms, now, max_flushes_per_second)
  return max_flushes_per_second and math.min(scheduled_ms, now + 1000 / max_flushes_per_second) or 0
end

local function next_take_ms(scheduled_ms, now, max_flushes_per_second)
  local place_ms = 1000 / max_flushes_per_second
  return math.max(scheduled_ms, now - place_ms / 2) + place_ms
end
