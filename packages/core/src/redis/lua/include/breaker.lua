-- The circuit breaker of the fleet. Mirrors domain/control/breaker.ts; `breaker` is changed in place.
local PROBE_ASK_AGAIN_MS = 1000
local MAX_TRIPS = 30

local function closed_breaker(trips)
  return { phase = 'closed', flushes = 0, failures = 0, windowStartMs = 0, openUntilMs = 0, trips = trips }
end

local function breaker_verdict(breaker, now)
  if breaker.phase == 'closed' then return 'pass' end
  if breaker.phase == 'half_open' then return 'wait', PROBE_ASK_AGAIN_MS end
  if now >= breaker.openUntilMs then return 'probe' end
  return 'wait', breaker.openUntilMs - now
end

-- A batch that was a probe before somebody closed the breaker is none any more, also when it has opened again since.
local function breaker_awaits(breaker, batch)
  return breaker.phase == 'half_open' and batch.probe and batch.taken_ms >= breaker.openUntilMs
end

local function opened_breaker(breaker, now, jitter, c)
  local cooldown_ms = math.min(c.breaker_max_cooldown_ms, c.breaker_cooldown_ms * 2 ^ breaker.trips)
  local opened = closed_breaker(math.min(MAX_TRIPS, breaker.trips + 1))
  opened.phase = 'open'
  opened.openUntilMs = now + math.ceil(cooldown_ms * (0.5 + jitter / 2))
  return opened
end

local function breaker_after_flush(breaker, failed, is_probe, now, jitter, c)
  if is_probe then
    return failed and opened_breaker(breaker, now, jitter, c) or closed_breaker(breaker.trips)
  end
  if breaker.phase ~= 'closed' then return breaker end
  local over = breaker.windowStartMs > 0 and now - breaker.windowStartMs >= c.breaker_window_ms
  local counting = over and closed_breaker(0) or breaker
  if counting.windowStartMs == 0 then counting.windowStartMs = now end
  counting.flushes = counting.flushes + 1
  if failed then counting.failures = counting.failures + 1 end
  local tripped = counting.flushes >= c.breaker_min_flushes
    and counting.failures >= c.breaker_failure_ratio * counting.flushes
  return tripped and opened_breaker(counting, now, jitter, c) or counting
end
