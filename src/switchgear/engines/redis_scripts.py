"""What Redis runs to change many counts at once. The words of the keys are those of ``redis_counters.py``.

A window of a counter is a hash of two numbers: ``s`` settled, ``h`` held. Numbers are added by HINCRBY, exact to 2⁶³;
Lua only compares them, exact to 2⁵³ (its numbers are doubles). A reservation is a hash of what it holds of which
window, and a member of one sorted set by the time when it lapses, on the server's clock. Each script lets go of at
most ``REAP`` reservations that have lapsed before it does its own work, so that none takes long; one that would refuse
does so ``REAP_ROUNDS`` times, so that nobody is refused for what a dead gateway held.
"""

from typing import Final

from switchgear.engines.redis_client import Script

REAP: Final = 32
REAP_ROUNDS: Final = 32
_DAY_MS: Final = 86_400_000
_REFUSED_MS: Final = 120_000
"""So long a reservation that was ended before it came is not held any more: its command was late."""

_COMMON: Final = f"""
local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function release(hold)
  local held = redis.call('HGETALL', hold)
  for at = 1, #held, 2 do
    if redis.call('HEXISTS', held[at], 'h') == 1 then
      local left = redis.call('HINCRBY', held[at], 'h', '-' .. held[at + 1])
      if left <= 0 and redis.call('HEXISTS', held[at], 's') == 0 then
        redis.call('DEL', held[at])
      end
    end
  end
  redis.call('DEL', hold)
end

local function reap(holds, prefix, now)
  local due = redis.call('ZRANGEBYSCORE', holds, '-inf', now, 'LIMIT', 0, {REAP})
  for _, id in ipairs(due) do
    redis.call('ZREM', holds, id)
    release(prefix .. 'h:' .. id)
    redis.call('SET', prefix .. 'l:' .. id, '1', 'PX', {_DAY_MS})
  end
  return #due == {REAP}
end

local function look(key)
  local found = redis.call('HMGET', key, 's', 'h')
  return tonumber(found[1] or '0'), tonumber(found[2] or '0'), not (found[1] or found[2])
end

local function part(count, parts)
  local millions = math.floor(count / 1000000)
  local rest = (count - millions * 1000000) * parts
  local whole = math.floor(rest / 1000000)
  if rest > whole * 1000000 then whole = whole + 1 end
  return millions * parts + whole
end

local function settle(key, amount, keep)
  redis.call('HINCRBY', key, 's', amount)
  if redis.call('PTTL', key) == -1 then redis.call('PEXPIRE', key, keep) end
end

-- Each claim is six arguments from ARGV[first] on: amount, limit, enforced, milliseconds to keep (0: no window),
-- parts of the previous window, and the place of its key in KEYS (0: none).
local function ask(first, keys)
  local stands, refused = {{}}, false
  for at = 0, (#ARGV - first + 1) / 6 - 1 do
    local from = first + at * 6
    local amount, limit = tonumber(ARGV[from]), tonumber(ARGV[from + 1])
    local settled, held, fresh = look(KEYS[keys + at])
    local used = settled + held
    local previous = tonumber(ARGV[from + 5])
    if previous > 0 then
      local before, open = look(KEYS[previous])
      used = used + part(before + open, tonumber(ARGV[from + 4]))
    end
    local fits = used + amount <= limit
    refused = refused or (not fits and ARGV[from + 2] == '1')
    stands[at + 1] = {{used, held, fits, fresh}}
  end
  return stands, refused
end

local function told(stands, first, taken)
  local answer = {{}}
  for at, stand in ipairs(stands) do
    local more = taken and tonumber(ARGV[first + (at - 1) * 6]) or 0
    answer[#answer + 1] = stand[1] + more
    answer[#answer + 1] = stand[3] and 1 or 0
    answer[#answer + 1] = stand[2] + more
  end
  return answer
end
"""

RESERVE: Final = Script(f"""{_COMMON}
-- KEYS: the sorted set, the hold, its refusal, the windows, the previous windows. ARGV: prefix, id, ttl, the claims.
local now = clock()
local more = reap(KEYS[1], ARGV[1], now)
local stands, refused = ask(4, 4)
local rounds = 1
while refused and more and rounds < {REAP_ROUNDS} do
  rounds = rounds + 1
  more = reap(KEYS[1], ARGV[1], now)
  stands, refused = ask(4, 4)
end
if refused then return told(stands, 4, false) end
if redis.call('EXISTS', KEYS[3]) == 1 then return told(stands, 4, true) end
for at, stand in ipairs(stands) do
  local from, key = 4 + (at - 1) * 6, KEYS[3 + at]
  if ARGV[from] ~= '0' then
    redis.call('HINCRBY', key, 'h', ARGV[from])
    redis.call('HINCRBY', KEYS[2], key, ARGV[from])
    if stand[4] and ARGV[from + 3] ~= '0' then redis.call('PEXPIRE', key, ARGV[from + 3]) end
  end
end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[2])
return told(stands, 4, true)
""")

SETTLE: Final = Script(f"""{_COMMON}
-- KEYS: the sorted set, the hold, its refusal, its lapse, the windows. ARGV: prefix, id, pairs of amount and keeping.
local lapsed = redis.call('DEL', KEYS[4]) == 1
local held = redis.call('ZREM', KEYS[1], ARGV[2]) == 1
reap(KEYS[1], ARGV[1], clock())
if held then
  release(KEYS[2])
elseif not lapsed then
  redis.call('SET', KEYS[3], '1', 'PX', {_REFUSED_MS})
  return 0
end
for at = 5, #KEYS do
  local from = 3 + (at - 5) * 2
  if ARGV[from] ~= '0' and ARGV[from + 1] ~= '0' then settle(KEYS[at], ARGV[from], ARGV[from + 1]) end
end
return 1
""")

COUNT: Final = Script(f"""{_COMMON}
-- KEYS: the entry, the windows. ARGV: pairs of amount and keeping.
if not redis.call('SET', KEYS[1], '1', 'NX', 'PX', {_DAY_MS}) then return 0 end
for at = 2, #KEYS do
  local from = 1 + (at - 2) * 2
  if ARGV[from + 1] ~= '0' then settle(KEYS[at], ARGV[from], ARGV[from + 1]) end
end
return 1
""")

STANDINGS: Final = Script(f"""{_COMMON}
-- KEYS: the sorted set, the windows, the previous windows. ARGV: prefix, the claims.
reap(KEYS[1], ARGV[1], clock())
local stands = ask(2, 2)
return told(stands, 2, false)
""")

MEET: Final = Script(f"""{_COMMON}
-- KEYS: the sorted set of holds, that of gateways. ARGV: prefix, the gateway, milliseconds until it is missed.
local now = clock()
reap(KEYS[1], ARGV[1], now)
-- First what needs room, so that a server without any is not taken for one that can be used.
redis.call('ZADD', KEYS[2], now + ARGV[3], ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
return redis.call('ZCARD', KEYS[2])
""")
