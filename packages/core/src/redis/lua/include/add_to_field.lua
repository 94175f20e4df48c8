-- HINCRBY for a field that somebody else may have overwritten: what is no number begins anew. To fail on it would end a
-- script that has written.
local function add_to_field(key, field, n)
  if type(redis.pcall('HINCRBY', key, field, n)) == 'table' then redis.call('HSET', key, field, n) end
end
