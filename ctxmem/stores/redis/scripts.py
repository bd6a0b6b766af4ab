"""Scripts that a Redis server runs as one step each, and what they keep where.

All keys of a tenant have its hash tag, so that they are in one slot of a cluster. Of a session:

- `...:head`: a hash of number, version, checksum, times and names;
- `...:records`: a list; each is the writer of its append (16 bytes), a checksum (8) and a payload;
- `...:pages`: a hash from id to a checksum (8) and a payload;
- `...:snapshot`: a hash: `version`, `checksum`, and `+name` for each part, a checksum (8) and a
  payload.

Of a tenant, `...:sessions` is the set of the keys of its sessions and `...:numbers` the last number
that a session got.
"""

from __future__ import annotations

# Keys: head, records, pages, snapshot, sessions, numbers.
# Arguments: version, number or "", checksum now and then, times, session key, names (2), writer,
# overwrite, milliseconds to live or "0", the number of records, records, then ids and pages.
APPEND = """
local head = redis.call('HMGET', KEYS[1], 'number', 'version', 'checksum')
local expected, incarnation, n = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[12])
if not head[1] then
    if expected > 0 or incarnation ~= '' then return {'gone'} end
else
    if incarnation ~= '' and incarnation ~= head[1] then return {'gone', head[1], head[2]} end
    if tonumber(head[2]) ~= expected then
        local first = redis.call('LINDEX', KEYS[2], expected)
        if first and string.sub(first, 1, 16) == ARGV[9] then
            return {'ours', head[1], tostring(expected + n)}
        end
        return {'conflict', head[1], head[2]}
    end
    if head[3] ~= ARGV[3] then return {'damaged', head[1], head[2]} end
    if ARGV[10] == '0' then
        for i = 13 + n, #ARGV, 2 do
            local there = redis.call('HGET', KEYS[3], ARGV[i])
            if there and there ~= ARGV[i + 1] then return {'pages', head[1], head[2]} end
        end
    end
end
local number = head[1]
if not number then
    number = tostring(redis.call('INCR', KEYS[6]))
    redis.call('HSET', KEYS[1], 'number', number, 'created', ARGV[5],
        'tenant', ARGV[7], 'session', ARGV[8])
    redis.call('SADD', KEYS[5], ARGV[6])
end
for i = 13 + n, #ARGV, 2 do redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1]) end
for i = 13, 12 + n do redis.call('RPUSH', KEYS[2], ARGV[i]) end
redis.call('HSET', KEYS[1], 'version', tostring(expected + n), 'checksum', ARGV[4], 'used', ARGV[5])
if ARGV[11] ~= '0' then
    local now = redis.call('TIME')
    local at = now[1] * 1000 + math.floor(now[2] / 1000) + tonumber(ARGV[11])
    for i = 1, 4 do redis.call('PEXPIREAT', KEYS[i], string.format('%d', at)) end
end
return {'written', number, tostring(expected + n)}
"""

# Keys: head, records. Arguments: number, first, last (from 1).
RECORDS = """
if redis.call('HGET', KEYS[1], 'number') ~= ARGV[1] then return {} end
return redis.call('LRANGE', KEYS[2], tonumber(ARGV[2]) - 1, tonumber(ARGV[3]) - 1)
"""

# Keys: head, snapshot.
SNAPSHOT = """
local head = redis.call('HMGET', KEYS[1], 'number', 'version')
if not head[1] then return {} end
return {head[1], head[2], redis.call('HGETALL', KEYS[2])}
"""

# Keys: head, snapshot. Arguments: number, checksum that is there or "", version, checksum, how many
# parts are dropped, their names, then names and parts.
REPLACE = """
if redis.call('HGET', KEYS[1], 'number') ~= ARGV[1] then return 0 end
if (redis.call('HGET', KEYS[2], 'checksum') or '') ~= ARGV[2] then return 0 end
local dropped = tonumber(ARGV[5])
for i = 6, 5 + dropped do redis.call('HDEL', KEYS[2], '+' .. ARGV[i]) end
redis.call('HSET', KEYS[2], 'version', ARGV[3], 'checksum', ARGV[4])
for i = 6 + dropped, #ARGV, 2 do redis.call('HSET', KEYS[2], '+' .. ARGV[i], ARGV[i + 1]) end
local left = redis.call('PTTL', KEYS[1])
if left >= 0 then redis.call('PEXPIRE', KEYS[2], left) end
return 1
"""

# Keys: head, records, pages, snapshot. Argument: number. Returns records, pages and bytes.
SIZE = """
if redis.call('HGET', KEYS[1], 'number') ~= ARGV[1] then return {0, 0, 0} end
local records, bytes = redis.call('LLEN', KEYS[2]), 0
for first = 0, records - 1, 1000 do
    for _, one in ipairs(redis.call('LRANGE', KEYS[2], first, first + 999)) do
        bytes = bytes + #one - 24
    end
end
local pages = redis.call('HKEYS', KEYS[3])
for _, id in ipairs(pages) do bytes = bytes + redis.call('HSTRLEN', KEYS[3], id) - 8 end
for _, name in ipairs(redis.call('HKEYS', KEYS[4])) do
    if string.sub(name, 1, 1) == '+' then
        bytes = bytes + redis.call('HSTRLEN', KEYS[4], name) - 8
    end
end
return {records, #pages, bytes}
"""

# Keys: head, records, pages, snapshot, sessions. Arguments: session key, number, times or "".
DELETE = """
local head = redis.call('HMGET', KEYS[1], 'number', 'used')
if head[1] ~= ARGV[2] or (ARGV[3] ~= '' and head[2] ~= ARGV[3]) then return false end
local counts = {redis.call('LLEN', KEYS[2]), redis.call('HLEN', KEYS[3])}
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
redis.call('SREM', KEYS[5], ARGV[1])
return counts
"""

# Keys: head, pages, snapshot. Arguments: ids.
DELETE_PAGES = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local count = 0
for _, id in ipairs(ARGV) do count = count + redis.call('HDEL', KEYS[2], id) end
if count > 0 then redis.call('DEL', KEYS[3]) end
return count
"""

# Keys: head, sessions. Argument: session key. Forgets the name of a session that has expired.
FORGET = """
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('SREM', KEYS[2], ARGV[1]) end
return 0
"""
