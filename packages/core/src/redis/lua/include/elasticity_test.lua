--- @include "baseline"
-- Whether the latency followed a cut of the permits. Mirrors domain/control/elasticity-test.ts.
local FLAT_ELASTICITY = 0.4
local SURE = 2
local SMALLEST_CUT = 0.2
local LONGEST_TEST = 20
local STILL_RISING = 0.1
local HOPELESS_ERRORS = 0.5
local FLAT_ERRORS = 0.7

local function disarmed(law)
  return changed(law, { testPermits = 0, testErrors = 0, probing = 0, restorePermits = 0 })
end

local function armed(law, view, errors)
  local test_permits = math.min(law.permits, view.seen.maxInFlight)
  return changed(law, {
    testPermits = test_permits, testLatencyMs = view.latencyMs, testVariance = view.variance, testErrors = errors,
    testAge = 0, restorePermits = math.max(law.restorePermits, test_permits),
  })
end

local function is_still_rising(law, view, rise)
  local chance = math.sqrt(view.variance + law.testVariance)
  local by_latency = law.testErrors == 0 and law.probing == 0
  return by_latency and view.atOnce > 1 and rise > math.max(STILL_RISING, chance)
end

local function rebased(law, view, flat, flat_errors)
  local fields = { permits = law.restorePermits }
  if flat then fields.baselineMs, fields.baselineVariance = view.latencyMs, view.variance end
  if flat_errors then fields.errorFloor = view.errors end
  return changed(disarmed(law), fields)
end

-- Returns the law, a reason when nothing else is decided, and whether the latency followed the cut.
local function judge(law, view)
  if law.testPermits == 0 then return law end
  local over = view.observed or view.atOnce >= law.testPermits or law.testAge > LONGEST_TEST
  if over then return disarmed(law) end
  local ratio = math.log(law.testPermits / view.atOnce)
  if not view.known or ratio < SMALLEST_CUT then return law end
  local rise = math.log(view.latencyMs / law.testLatencyMs)
  if is_still_rising(law, view, rise) then return changed(armed(law, view, 0), { testPermits = view.atOnce }) end
  local fall = -rise - math.sqrt(law.testVariance)
  local flat = fall < FLAT_ELASTICITY * ratio
  local by_errors = law.testErrors > 0
  local flat_errors = by_errors and view.errors <= HOPELESS_ERRORS and view.errors > FLAT_ERRORS * law.testErrors
  local is_flat = flat
  if by_errors then is_flat = flat_errors end
  if is_flat then return rebased(law, view, flat, flat_errors), 'elastic_rebase' end
  if law.probing == 1 then
    local kept = view.latencyMs < law.baselineMs and tracked(law, view, 1) or law
    return changed(disarmed(kept), { permits = law.restorePermits, holds = 0 }), 'hold'
  end
  local chance = SURE * math.sqrt(view.variance + law.testVariance)
  local sure = by_errors or -rise - chance >= FLAT_ELASTICITY * ratio
  return changed(disarmed(law), { rising = sure and 0 or law.rising }), nil, true
end
