-- The circuit breaker of the fleet. Mirrors domain/control/breaker.ts; `breaker` is changed in place. A block of its own,
-- since a script has room for 200 local names.
local circuit = {}
do
local PROBE_ASK_AGAIN_MS = 1000
local MAX_TRIPS = 30

function circuit.closed(trips)
  return { phase = 'closed', flushes = 0, failures = 0, windowStartMs = 0, openUntilMs = 0, trips = trips }
end

function circuit.verdict(breaker, now)
  if breaker.phase == 'closed' then return 'pass' end
  if breaker.phase == 'half_open' then return 'wait', PROBE_ASK_AGAIN_MS end
  if now >= breaker.openUntilMs then return 'probe' end
  return 'wait', breaker.openUntilMs - now
end

-- A batch that was a probe before somebody closed the breaker is none any more, also when it has opened again since.
function circuit.awaits(breaker, batch)
  return breaker.phase == 'half_open' and batch.probe and batch.taken_ms >= breaker.openUntilMs
end

-- A probe that failed as a whole is taken for a sign of the outage. It looks the same when the probe is the trouble; so
-- what has failed for a day is to blame for it, and can't be probed for ever.
local LONGEST_OUTAGE_MS = 86400000

function circuit.is_outage(first_failed_ms, now)
  return first_failed_ms == 0 or now - first_failed_ms < LONGEST_OUTAGE_MS
end

local function opened(breaker, now, jitter, c)
  local cooldown_ms = math.min(c.breaker_max_cooldown_ms, c.breaker_cooldown_ms * 2 ^ breaker.trips)
  local after = circuit.closed(math.min(MAX_TRIPS, breaker.trips + 1))
  after.phase = 'open'
  after.openUntilMs = now + math.ceil(cooldown_ms * (0.5 + jitter / 2))
  return after
end

function circuit.after_flush(breaker, failed, is_probe, now, jitter, c)
  if is_probe then
    return failed and opened(breaker, now, jitter, c) or circuit.closed(breaker.trips)
  end
  if breaker.phase ~= 'closed' then return breaker end
  local over = breaker.windowStartMs > 0 and now - breaker.windowStartMs >= c.breaker_window_ms
  local counting = over and circuit.closed(0) or breaker
  if counting.windowStartMs == 0 then counting.windowStartMs = now end
  counting.flushes = counting.flushes + 1
  if failed then counting.failures = counting.failures + 1 end
  local tripped = counting.flushes >= c.breaker_min_flushes
    and counting.failures >= c.breaker_failure_ratio * counting.flushes
  return tripped and opened(counting, now, jitter, c) or counting
end
end
