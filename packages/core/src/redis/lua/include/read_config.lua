-- The options that the scripts need, as numbers where they are numbers. nil when the buffer was never declared.
local function read_config(key)
  local f = redis.call('HMGET', key,
    'version', 'maxBufferSize', 'maxBufferBytes', 'maxItemBytes', 'maxItemAgeMs', 'lowWatermark', 'highWatermark',
    'hysteresis', 'strategy', 'sampleRate', 'shed.elevated', 'shed.critical', 'deadLetterEvictions', 'batchSize',
    'minFlushIntervalMs', 'maxFlushIntervalMs', 'targetLatencyMs', 'maxConcurrentFlushes', 'flushTimeoutMs', 'leaseMs',
    'maxAttempts', 'backoff.type', 'backoff.delayMs', 'backoff.maxDelayMs', 'deadLetterLimit', 'control.algorithm')
  if not f[1] then return nil end
  return {
    version = tonumber(f[1]), max_size = tonumber(f[2]), max_bytes = tonumber(f[3]), max_item_bytes = tonumber(f[4]),
    max_age_ms = tonumber(f[5]), low = tonumber(f[6]), high = tonumber(f[7]), hysteresis = tonumber(f[8]),
    strategy = f[9], sample_rate = tonumber(f[10]), shed_elevated = f[11], shed_critical = f[12],
    dead_letter_evictions = f[13] == '1', batch_size = tonumber(f[14]), min_interval_ms = tonumber(f[15]),
    max_interval_ms = tonumber(f[16]), target_latency_ms = tonumber(f[17]), permits = tonumber(f[18]),
    flush_timeout_ms = tonumber(f[19]), lease_ms = tonumber(f[20]), max_attempts = tonumber(f[21]),
    backoff_type = f[22], backoff_delay_ms = tonumber(f[23]), backoff_max_ms = tonumber(f[24]),
    dead_letter_limit = tonumber(f[25]), algorithm = f[26],
  }
end
