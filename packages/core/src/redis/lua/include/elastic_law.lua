-- PROVISIONAL
local function initial_elastic(l)
  return { permits = 1, batchSize = l.batchSize, intervalMs = l.minFlushIntervalMs, latencyMs = 0, wantedSamples = 6, baselineMs = 0, rising = 1 }
end
local function elastic_recovering(law)
  return law
end
local function elastic_decide(law, seen, l)
  local n = {}
  for k, v in pairs(law) do n[k] = v end
  n.permits = math.min(l.maxConcurrentFlushes, law.permits * 2)
  n.latencyMs, n.baselineMs = seen.latencyMs, seen.latencyMs
  return n, 'slow_start'
end
