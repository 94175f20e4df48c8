--- @include "latency_buckets"
--- @include "move_state"
-- The shared interval: at most one decision per epoch for the whole fleet (I4), from the median latency of its flushes.
-- Mirrors domain/latency-histogram.ts and domain/interval-law.ts.
local EPOCH_MS = 1000

-- The geometric mean of the bounds of a bucket.
local function bucket_value(index)
  local lower, upper = bucket_bounds(index)
  return math.sqrt(math.max(1, lower) * upper)
end

local function median(b)
  local counts, samples = read_buckets(b)
  local rank, seen = math.ceil(samples / 2), 0
  for i = 0, BUCKETS - 1 do
    seen = seen + (counts[i] or 0)
    if seen >= rank then return bucket_value(i) end
  end
  return bucket_value(BUCKETS - 1)
end

local function next_interval(c, interval_ms, p50_ms)
  local next_ms, reason = interval_ms, 'on_target'
  if p50_ms > 1.5 * c.target_latency_ms then next_ms, reason = math.max(interval_ms, 1) * 1.5, 'slow'
  elseif p50_ms < 0.5 * c.target_latency_ms then next_ms, reason = interval_ms * 0.8, 'fast' end
  return math.min(c.max_interval_ms, math.max(c.min_interval_ms, next_ms)), reason
end

local function tell_interval(b, to_ms, p50_ms, reason)
  local from_ms, samples = b.intervalMs, b.epochSamples
  add_event(b, 'kind', 'interval', 'fromMs', decimal(from_ms), 'toMs', decimal(to_ms), 'p50Ms', decimal(p50_ms),
    'samples', samples, 'reason', reason)
  publish(b, 'control ' .. cjson.encode({
    fromMs = from_ms, toMs = to_ms, p50Ms = p50_ms, samples = samples, reason = reason,
  }))
end

local function record_latency(b, latency_ms)
  b.lastLatencyMs = latency_ms
  if b.config.algorithm ~= 'interval' then return end
  if b.epochStartMs == 0 then b.epochStartMs = b.now end
  count_latency(b, latency_ms)
  b.epochSamples = b.epochSamples + 1
  if b.now - b.epochStartMs < EPOCH_MS then return end
  local p50_ms = median(b)
  local interval_ms, reason = next_interval(b.config, b.intervalMs, p50_ms)
  tell_interval(b, interval_ms, p50_ms, reason)
  b.intervalMs = interval_ms
  b.epochStartMs = b.now
  b.epochSamples = 0
  redis.call('UNLINK', b.keys.epoch)
end
