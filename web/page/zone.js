// Time zones as the browser knows them: what clocks show beyond UTC at first, and the instants at which that changes.
const DAY = 86400;
const FROM_DAY = Date.UTC(2020, 0, 1) / 1000 / DAY;
const UNTIL_DAY = Date.UTC(2040, 0, 1) / 1000 / DAY;

function offsetsOf(name) {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: name, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric',
  });
  return (unix) => {
    const part = Object.fromEntries(format.formatToParts(unix * 1000).map(({ type, value }) => [type, Number(value)]));
    return Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute, part.second) / 1000 - unix;
  };
}

// The first second at which the offset is no longer that of `low`.
function changeBetween(offset, low, high) {
  const before = offset(low);
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offset(middle) === before) low = middle;
    else high = middle;
  }
  return high;
}

function zoneNamed(name) {
  if (name === 'UTC') return { name: 'UTC', first: 0, changes: [] };
  const offset = offsetsOf(name);
  const changes = [];
  const STEP = 5; // no zone changes its offset twice in five days
  for (let day = FROM_DAY; day < UNTIL_DAY; day += STEP) {
    const [low, high] = [day * DAY, (day + STEP) * DAY];
    if (offset(low) === offset(high)) continue;
    const from = changeBetween(offset, low, high);
    changes.push([from, offset(from)]);
  }
  return { name, first: offset(FROM_DAY * DAY), changes };
}

function fillZones(select) {
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const all = Intl.supportedValuesOf ? Intl.supportedValuesOf('timeZone') : [];
  const names = [here, ...all.filter((name) => name !== here)].filter((name) => name && name !== 'UTC');
  select.append(...names.map((name) => new Option(name === here ? `${name} (this computer)` : name, name)));
}

// 2026-11 of a Date, in a zone.
function monthIn(name, date) {
  const parts = new Intl.DateTimeFormat('en-US', { timeZone: name, year: 'numeric', month: '2-digit' }).formatToParts(date);
  const part = Object.fromEntries(parts.map(({ type, value }) => [type, value]));
  return `${part.year}-${part.month}`;
}

function monthBefore(month) {
  const [year, number] = month.split('-').map(Number);
  return number > 1 ? `${year}-${String(number - 1).padStart(2, '0')}` : `${year - 1}-12`;
}
