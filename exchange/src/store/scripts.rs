//! What Redis runs. Amounts and keys come as arguments; Lua compares doubles, which is exact up to 2^53 and off by less than one part
//! in 10^15 beyond; sums are Redis's own, in 64 bits.

/// What the scripts share. A counter is a hash of `window` (its start), `used`, `open` (reserved in all) and `r:<id>` (reserved by one
/// call); a sorted set beside it has the ids by the second at which they expire. A window only ever rolls forward: a message that comes
/// late counts in the newer one.
pub const SHARED: &str = "local function release(k,id) \
local r=redis.call('HGET',k,'r:'..id) \
if r then if r~='0' then redis.call('HINCRBY',k,'open','-'..r) end \
redis.call('HDEL',k,'r:'..id) end \
redis.call('ZREM',k..':leases',id) end \
local function roll(k,start) \
if tonumber(redis.call('HGET',k,'window') or -1)<tonumber(start) then redis.call('HSET',k,'window',start,'used',0) end end \
local function sum(k) \
return tonumber(redis.call('HGET',k,'used') or 0)+tonumber(redis.call('HGET',k,'open') or 0) end \
local function keep(k,life) redis.call('EXPIRE',k,life) redis.call('EXPIRE',k..':leases',life) end ";

/// Admits a batch or none of it, and sweeps what nobody settled. What the call had put aside before is given back first.
///
/// The first key is the mark of a settled call: an admission that was on its way for so long that the call has ended puts nothing aside.
/// Arguments: the call's id, now, when its lease expires; then for each further key amount, limit, window start, key's life in
/// seconds. It answers the id, and -1 if all were put aside, -2 if the call has ended, else the place of the refusal; then what was taken
/// of each key, as far as it looked, and last what was used of the one that refuses.
pub const ADMIT: &str = "local id,now,out=ARGV[1],ARGV[2],{ARGV[1],-1} \
if redis.call('EXISTS',KEYS[1])==1 then return {id,-2} end \
for i=2,#KEYS do release(KEYS[i],id) end \
for i=2,#KEYS do \
local k,a=KEYS[i],4+(i-2)*4 \
for _,old in ipairs(redis.call('ZRANGEBYSCORE',k..':leases','-inf',now)) do release(k,old) end \
roll(k,ARGV[a+2]) \
local taken=sum(k) \
out[i+1]=string.format('%.0f',taken) \
if taken+tonumber(ARGV[a])>tonumber(ARGV[a+1]) or taken>=tonumber(ARGV[a+1]) then \
out[2]=i-2 out[i+2]=redis.call('HGET',k,'used') or '0' return out end \
end \
for i=2,#KEYS do \
local k,a=KEYS[i],4+(i-2)*4 \
redis.call('HINCRBY',k,'open',ARGV[a]) \
redis.call('HSET',k,'r:'..id,ARGV[a]) \
redis.call('ZADD',k..':leases',ARGV[3],id) \
keep(k,ARGV[a+3]) \
end \
return out";

/// Books a call once, and gives back what it reserved, if it did: an answer that was never heard may have been a yes.
///
/// The first key is the mark of a settled call. Arguments: the call's id, the mark's life; then for each further key used, or `reset`
/// where all that was used is to be forgotten, window start, key's life in seconds. It answers the id and 1, or 0 if the call was settled before.
pub const SETTLE: &str = "if redis.call('EXISTS',KEYS[1])==1 then return {ARGV[1],0} end \
for i=2,#KEYS do \
local k,a=KEYS[i],3+(i-2)*3 \
release(k,ARGV[1]) \
roll(k,ARGV[a+1]) \
if ARGV[a]=='reset' then redis.call('HSET',k,'used',0) else redis.call('HINCRBY',k,'used',ARGV[a]) end \
keep(k,ARGV[a+2]) \
end \
redis.call('SET',KEYS[1],1,'EX',ARGV[2]) \
return {ARGV[1],1}";

/// Takes in what one proxy has used of some counters in their windows, and what its open calls have reserved; both are sums, so that a
/// message that is lost, doubled or overtaken does no harm. `u:<proxy>` is what the proxy has told so far; it goes when the window rolls.
///
/// Arguments: the proxy, the message, when its reservations expire, now; then for each key used, reserved, window start, key's life in seconds. It
/// answers the message and 1, then what all others have used and reserved of each key.
pub const SYNC: &str = "local id,out=ARGV[1],{ARGV[2],1} \
for i=1,#KEYS do \
local k,a=KEYS[i],5+(i-1)*4 \
for _,old in ipairs(redis.call('ZRANGEBYSCORE',k..':leases','-inf',ARGV[4])) do release(k,old) end \
if tonumber(redis.call('HGET',k,'window') or -1)<tonumber(ARGV[a+2]) then \
for _,f in ipairs(redis.call('HKEYS',k)) do if string.sub(f,1,2)=='u:' then redis.call('HDEL',k,f) end end \
roll(k,ARGV[a+2]) end \
release(k,id) \
if redis.call('HGET',k,'window')==ARGV[a+2] then \
local told=tonumber(redis.call('HGET',k,'u:'..id) or 0) \
local more=tonumber(ARGV[a])-told \
if more>0 then \
redis.call('HINCRBY',k,'used',string.format('%.0f',more)) \
redis.call('HSET',k,'u:'..id,ARGV[a]) end end \
out[i+2]=string.format('%.0f',sum(k)-tonumber(redis.call('HGET',k,'u:'..id) or 0)) \
if ARGV[a+1]~='0' then \
redis.call('HINCRBY',k,'open',ARGV[a+1]) \
redis.call('HSET',k,'r:'..id,ARGV[a+1]) \
redis.call('ZADD',k..':leases',ARGV[3],id) end \
keep(k,ARGV[a+3]) \
end \
return out";
