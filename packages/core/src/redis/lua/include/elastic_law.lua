-- One decision for the whole fleet. Mirrors domain/control/elastic-law.ts, which has the reasons for each constant. A block
-- of its own, since a script has room for 200 local names.
local elastic = {}
do
--- @include "elasticity_test"
--- @include "epoch_view"
local QUEUE_RATIO = 1.35
local STARTING_QUEUE_RATIO = 1.3
local CALM_RATIO = 1.12
local CUT_TO_RATIO = 1.15
local LARGEST_CUT = 0.7
local DEEP_CUT = 0.5
local FAR_RATIO = 3
local ERROR_MARGIN = 0.05
local THROTTLED_SHARE = 0.02
local GROWTH = 0.5
local GROWTH_PER_EPOCH = 0.1
local LARGEST_GROWTH = 0.5
local HOLDS_BEFORE_PROBE = 8
local PROBE_DIP = 0.75
local LARGEST_BATCH_STEP = 1.5
local WANTED_VARIANCE = 0.01
local STARTING_WANTED_VARIANCE = 0.06
local FEWEST_SAMPLES = 20
local STARTING_FEWEST_SAMPLES = 6
local MOST_SAMPLES = 100

function elastic.initial(limits)
  return {
    permits = 1, batchSize = limits.batchSize, intervalMs = limits.minFlushIntervalMs, latencyMs = 0, wantedSamples = 6,
    baselineMs = 0, baselineVariance = 0, rising = 1, holds = 0, testPermits = 0, testLatencyMs = 0, testVariance = 0,
    testErrors = 0, testAge = 0, probing = 0, restorePermits = 0, errorFloor = 0,
  }
end

function elastic.recovering(law)
  return changed(disarmed(law), { permits = math.max(1, law.permits / 2), rising = 0, testAge = 0 })
end

local function cap_ms(view)
  local limits, state = view.limits, view.seen.state
  if state == 'normal' then return 0.8 * limits.targetLatencyMs end
  if state == 'elevated' then return limits.targetLatencyMs end
  return math.max(limits.targetLatencyMs, math.min(2.5 * limits.targetLatencyMs, limits.flushTimeoutMs / 4))
end

local function resized(law, batch_size)
  return changed(law, { batchSize = batch_size, baselineMs = (law.baselineMs * batch_size) / law.batchSize })
end

function elastic.within_limits(law, limits)
  local batch_size = math.max(limits.batchSize, math.min(limits.maxBatchSize, law.batchSize))
  return batch_size == law.batchSize and law or disarmed(resized(law, batch_size))
end

-- Another batch size, or nil.
local function with_size(law, view, surely)
  local limits, seen = view.limits, view.seen
  local cap = cap_ms(view)
  local relaxed = seen.state == 'normal' or seen.state == 'elevated'
  if relaxed and law.batchSize > limits.batchSize and law.baselineMs > 1.1 * cap then
    return resized(law, math.max(limits.batchSize, 0.9 * law.batchSize))
  end
  local calm = surely <= math.log(QUEUE_RATIO) and law.testPermits == 0
  if law.batchSize >= limits.maxBatchSize or seen.ready <= 2 * law.batchSize or not calm then return nil end
  local step = math.min(LARGEST_BATCH_STEP, cap / (1.1 * law.baselineMs))
  local to = math.min(limits.maxBatchSize, law.batchSize * step)
  if to < law.batchSize + 1 and to < limits.maxBatchSize then return nil end
  return resized(law, to)
end

local function throttled_step(law, view)
  local latency_ms = view.known and view.latencyMs or law.latencyMs
  local need = (view.seen.flushesPerSecond * latency_ms) / 1000 + 1
  local permits = math.max(1, math.min(law.permits, math.max(0.5 * law.permits, need)))
  local cut = changed(disarmed(law), { permits = permits, rising = 0, testAge = 0 })
  return view.known and law.baselineMs > 0 and with_size(cut, view, 0) or cut, 'errors'
end

local function cut_factor(law, view, erroneous, far, over)
  if far then return DEEP_CUT end
  if erroneous then return view.errors > 0.5 and DEEP_CUT or LARGEST_CUT end
  return law.rising == 1 and DEEP_CUT or math.max(LARGEST_CUT, CUT_TO_RATIO / math.exp(over))
end

local function cut_permits(law, view, erroneous, over)
  local far = view.known and view.latencyMs > FAR_RATIO * law.baselineMs
  local factor = cut_factor(law, view, erroneous, far, over)
  local smallest = view.limits.batchSize
  if erroneous and not far and law.batchSize > smallest then
    return resized(law, math.max(smallest, factor * law.batchSize))
  end
  local fresh = law.testPermits == 0 or (erroneous and law.testErrors == 0)
  local watched = fresh and armed(law, view, erroneous and view.errors or 0) or law
  local in_use = math.min(law.permits, view.seen.maxInFlight)
  local permits = math.max(1, math.min(math.ceil(in_use * factor), view.atOnce - 1))
  return changed(watched, { permits = permits, probing = 0 })
end

local function climb(law, view, surely)
  if surely < math.log(CALM_RATIO) then
    local share = surely < 0 and math.min(LARGEST_GROWTH, GROWTH_PER_EPOCH * law.testAge) or 0
    local more = math.max(1, GROWTH * math.sqrt(law.permits), share * law.permits)
    return changed(law, { permits = law.permits + more }), 'grow'
  end
  if law.holds < HOLDS_BEFORE_PROBE or view.atOnce == 1 then return changed(law, { holds = law.holds + 1 }), 'hold' end
  local looking = armed(law, view, 0)
  local permits = math.min(view.atOnce - 1, math.ceil(looking.testPermits * PROBE_DIP))
  return changed(looking, { permits = permits, probing = 1 }), 'probe'
end

local function react(law, view, ours)
  local errors, known = view.errors, view.known
  local erroneous = errors - math.sqrt(errors / view.seen.batches) > law.errorFloor + ERROR_MARGIN
  local over = known and math.log(view.latencyMs / law.baselineMs) or 0
  local chance = known and math.sqrt(view.variance + law.baselineVariance) or 0
  local surely = over - chance
  local queued = surely > math.log(law.rising == 1 and STARTING_QUEUE_RATIO or QUEUE_RATIO)
  if erroneous or queued then
    return cut_permits(law, view, erroneous, over), erroneous and 'errors' or 'queue'
  end
  if law.probing == 1 or not known then return law, 'hold' end
  local starting = law.rising == 1 and view.permitBound
  local stuck = not starting and (not view.permitBound or not view.backlogged or surely > math.log(CALM_RATIO))
  local sized = (stuck or ours) and with_size(law, view, surely) or nil
  if sized and stuck then return sized, 'batch' end
  local after = sized or law
  if not view.backlogged or not view.permitBound then return after, 'hold' end
  if law.rising == 1 and law.testPermits == 0 then return changed(after, { permits = 2 * after.permits }), 'slow_start' end
  return climb(changed(after, { rising = 0 }), view, surely)
end

local function elastic_step(law, view)
  if view.seen.throttled > THROTTLED_SHARE * view.seen.batches then
    return throttled_step(view.known and with_baseline(law, view) or law, view)
  end
  local aged = changed(law, {
    errorFloor = math.min(law.errorFloor, view.errors), baselineVariance = drifted_variance(law), testAge = law.testAge + 1,
  })
  local judged, reason, ours = judge(aged, view)
  if reason then return judged, reason end
  return react(view.known and with_baseline(judged, view) or judged, view, ours)
end

local function published(law, view, reason)
  local seen, limits = view.seen, view.limits
  local permits = math.max(1, math.min(law.permits, limits.maxConcurrentFlushes))
  local latency_ms = view.known and view.latencyMs or law.latencyMs
  local pause_ms = latency_ms * (seen.slots / permits - 1)
  local rising = law.rising == 1
  local variance = rising and reason ~= 'hold' and STARTING_WANTED_VARIANCE or WANTED_VARIANCE
  local wanted = math.ceil((MEDIAN_FACTOR * seen.spread * seen.spread) / variance)
  return changed(law, {
    permits = permits, latencyMs = latency_ms,
    intervalMs = math.min(limits.maxFlushIntervalMs, math.max(limits.minFlushIntervalMs, pause_ms)),
    wantedSamples = math.max(rising and STARTING_FEWEST_SAMPLES or FEWEST_SAMPLES, math.min(MOST_SAMPLES, wanted)),
    holds = reason == 'hold' and law.holds or 0,
  })
end

function elastic.decide(law, seen, limits)
  local view = view_of(law, seen, limits)
  local after, reason = elastic_step(law, view)
  return published(after, view, reason), reason
end
end
