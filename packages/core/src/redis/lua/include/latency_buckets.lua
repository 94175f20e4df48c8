--- @include "add_to_field"
--- @include "whole_number"
-- Latencies are counted in buckets whose bounds grow by a tenth. Mirrors domain/latency-histogram.ts.
local MAX_LATENCY_MS = 3600000
local BUCKETS = 160
local BUCKET_GROWTH = 1.1

local function bucket_of(latency_ms)
  local bound = 1
  for i = 0, BUCKETS - 1 do
    if latency_ms <= bound then return i end
    bound = bound * BUCKET_GROWTH
  end
  return BUCKETS - 1
end

local function bucket_bounds(index)
  local lower, upper = index == 0 and 0 or 1, 1
  for _ = 1, index do
    lower = upper
    upper = upper * BUCKET_GROWTH
  end
  return lower, upper
end

local function count_latency(b, latency_ms)
  add_to_field(b.keys.epoch, bucket_of(math.min(latency_ms, MAX_LATENCY_MS)), 1)
end

-- The bucket of a field of the histogram and its count; nil when it is somebody else's.
local function bucket_count(field, value)
  local bucket, n = whole_number(field), whole_number(value)
  if bucket and bucket < BUCKETS and n then return bucket, n end
end

-- Returns the counts and their sum.
local function read_buckets(b)
  local flat = redis.call('HGETALL', b.keys.epoch)
  local counts, samples = {}, 0
  for i = 1, #flat, 2 do
    local bucket, n = bucket_count(flat[i], flat[i + 1])
    if bucket then
      counts[bucket] = n
      samples = samples + n
    end
  end
  return counts, samples
end
