-- The time of the next place in the schedule of maxFlushesPerSecond. Mirrors domain/control/flush-rate-gate.ts.
local function next_take_ms(scheduled_ms, now, max_flushes_per_second)
  local place_ms = 1000 / max_flushes_per_second
  return math.max(scheduled_ms, now - place_ms / 2) + place_ms
end
