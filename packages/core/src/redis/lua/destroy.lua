#!lua flags=allow-oom
--- destroy - deletes every key of the buffer, those of BullMQ too, some at a time.
-- KEYS[1] config hash any key of the buffer: it leads to the node that holds them all
-- ARGV[1] cursor 0 at first, then the one returned
-- ARGV[2] prefix of all keys of the buffer
-- Returns {'destroyed', cursor, keys}: done when the cursor is 0
-- Holds I10: nothing of a buffer remains
-- Cost O(1,000 keys of the node looked at); the whole is O(all keys of the node), so it is no everyday call
-- Reaches every key under the prefix, all in the same slot, without declaring them
local cursor = ARGV[1]
local prefix = ARGV[2]
local scan = redis.call('SCAN', cursor, 'MATCH', prefix .. '*', 'COUNT', 1000)
for _, key in ipairs(scan[2]) do redis.call('UNLINK', key) end
return { 'destroyed', scan[1], #scan[2] }
