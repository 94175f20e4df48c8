-- An epoch as the law looks at it. Mirrors domain/control/epoch-view.ts.
local FEWEST_KNOWN_SAMPLES = 5
local ASSUMED_VARIANCE = 0.25
local ASSUMED_SAMPLES = 5
local SMALLEST_VARIANCE = 0.0004
local MEDIAN_FACTOR = 1.5625

local function median_variance(seen)
  if seen.samples == 0 then return 1 end
  local pooled = (seen.spread * seen.spread * seen.samples + ASSUMED_VARIANCE * ASSUMED_SAMPLES)
    / (seen.samples + ASSUMED_SAMPLES)
  return math.max(SMALLEST_VARIANCE, (MEDIAN_FACTOR * pooled) / seen.samples)
end

local function view_of(law, seen, limits)
  local permitted = limits.observed and seen.maxInFlight or math.floor(law.permits)
  return {
    observed = limits.observed, seen = seen, limits = limits, known = seen.samples >= FEWEST_KNOWN_SAMPLES, latencyMs = seen.latencyMs,
    variance = median_variance(seen), atOnce = math.max(1, math.min(permitted, seen.maxInFlight)),
    backlogged = seen.backlogged > 0.5 * seen.batches, permitBound = seen.maxInFlight >= math.floor(law.permits),
    errors = seen.failures / seen.batches,
  }
end
