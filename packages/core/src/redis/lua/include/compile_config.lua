-- What read_config reads, from the effective options.
local function compile_config(options)
  local function text(option)
    local value = options[option]
    return value ~= '' and value or nil
  end
  local function number(option)
    return tonumber(options[option])
  end
  return cmsgpack.pack({
    layout = text('layout'), version = number('version'), max_size = number('maxBufferSize'), max_bytes = number('maxBufferBytes'),
    max_item_bytes = number('maxItemBytes'), max_age_ms = number('maxItemAgeMs'), low = number('lowWatermark'),
    high = number('highWatermark'), hysteresis = number('hysteresis'), strategy = text('strategy'),
    sample_rate = number('sampleRate'), shed_elevated = text('shed.elevated'), shed_critical = text('shed.critical'),
    dead_letter_evictions = options.deadLetterEvictions == '1', batch_size = number('batchSize'),
    min_interval_ms = number('minFlushIntervalMs'), max_interval_ms = number('maxFlushIntervalMs'),
    target_latency_ms = number('targetLatencyMs'), permits = number('maxConcurrentFlushes'),
    flush_timeout_ms = number('flushTimeoutMs'), lease_ms = number('leaseMs'), max_attempts = number('maxAttempts'),
    backoff_type = text('backoff.type'), backoff_delay_ms = number('backoff.delayMs'),
    backoff_max_ms = number('backoff.maxDelayMs'), dead_letter_limit = number('deadLetterLimit'),
    algorithm = text('control.algorithm'), enforced = options['control.mode'] ~= 'observe',
    max_batch_size = number('maxBatchSize') or number('batchSize'), max_flushes_per_second = number('maxFlushesPerSecond'),
    breaker_enabled = options['breaker.enabled'] == '1', breaker_failure_ratio = number('breaker.failureRatio'),
    breaker_min_flushes = number('breaker.minFlushes'), breaker_window_ms = number('breaker.windowMs'),
    breaker_cooldown_ms = number('breaker.cooldownMs'), breaker_max_cooldown_ms = number('breaker.maxCooldownMs'),
  })
end
