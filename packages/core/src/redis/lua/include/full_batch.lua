--- @include "effective"
-- Whether what waits is a full batch: by its items, by its bytes, or because the buffer is full, so that no company can
-- come. Mirrors domain/control/full-batch.ts.
local MAX_BATCH_BYTES = 1048576

local function full_batch_waits(b)
  local ready = ready_count(b)
  return ready >= batch_size_of(b) or b.bytes - b.inFlightBytes >= MAX_BATCH_BYTES
    or (b.state == 'blocked' and ready > 0)
end
