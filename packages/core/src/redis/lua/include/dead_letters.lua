--- @include "open_buffer"
--- @include "stream"
-- Puts an item among the dead letters; beyond the limit the oldest goes, and is counted.
local function add_dead_letter(b, record, cause, attempts, first_ms)
  count(b, 'dead', 1)
  local limit = b.config.dead_letter_limit
  local before = redis.call('XLEN', b.keys.dead)
  if limit == 0 then
    if before > 0 then redis.call('UNLINK', b.keys.dead) end
    return count(b, 'deadTrimmed', before + 1)
  end
  local id = b.revision .. '-' .. b.letters
  b.letters = b.letters + 1
  append_entry(b.keys.dead, limit, id,
    'item', record, 'cause', cause, 'attempts', attempts, 'firstMs', first_ms, 'lastMs', b.now)
  count(b, 'deadTrimmed', before + 1 - redis.call('XLEN', b.keys.dead))
end
