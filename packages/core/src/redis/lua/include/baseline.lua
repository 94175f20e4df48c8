-- The median latency when nothing of ours queues downstream. Mirrors domain/control/baseline.ts.
local BASELINE_DRIFT = 0.0004
local UNLOADED_GAIN = 0.3
local FAR_SQUARED = 4

-- A copy of a table with other fields.
local function changed(from, fields)
  local to = {}
  for name, value in pairs(from) do to[name] = value end
  for name, value in pairs(fields) do to[name] = value end
  return to
end

local function drifted_variance(law)
  return law.baselineVariance + BASELINE_DRIFT
end

local function tracked(law, view, share)
  local gain = (share * law.baselineVariance) / (law.baselineVariance + view.variance)
  return changed(law, {
    baselineMs = law.baselineMs + gain * (view.latencyMs - law.baselineMs),
    baselineVariance = law.baselineVariance * (1 - gain),
  })
end

local function with_baseline(law, view)
  local anew = { baselineMs = view.latencyMs, baselineVariance = view.variance }
  if law.baselineMs == 0 then return changed(law, anew) end
  if view.latencyMs < law.baselineMs then return tracked(law, view, 1) end
  if view.atOnce == 1 then
    local far = math.log(view.latencyMs / law.baselineMs)
    if far * far > FAR_SQUARED * (view.variance + law.baselineVariance) then return changed(law, anew) end
    return tracked(law, view, 1)
  end
  return view.backlogged and law or tracked(law, view, UNLOADED_GAIN)
end
