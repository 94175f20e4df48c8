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

-- Returns the counts and their sum. Neither a field of somebody else, nor one that he has deleted, may end the call that
-- it is in.
local function read_buckets(b)
  local flat = redis.call('HGETALL', b.keys.epoch)
  local counts, samples = {}, 0
  for i = 1, #flat, 2 do
    local bucket, count = tonumber(flat[i]), tonumber(flat[i + 1])
    if bucket and count then
      counts[bucket] = count
      samples = samples + count
    end
  end
  return counts, samples
end
