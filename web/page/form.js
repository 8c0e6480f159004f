// The form: what is asked, and which of its fields belong to that.
// Ids of the page itself begin with `q-`: those of tables are names of tables.
const field = (id) => document.getElementById(`q-${id}`);
const form = field('ask');
const valueOf = (id) => field(id).value;
const linesOf = (id) => valueOf(id).split('\n').map((line) => line.trim()).filter(Boolean);
const kindAsked = () => new FormData(form).get('kind');

function showFields() {
  const kind = kindAsked();
  document.querySelectorAll('[data-for]').forEach((part) => {
    part.hidden = !part.dataset.for.split(' ').includes(kind);
  });
  field('by').placeholder = { report: 'all views', whatif: 'feature', forecast: 'all calls' }[kind] || '';
}

function applySpan() {
  const span = valueOf('span');
  if (!span) return;
  const now = monthIn(valueOf('zone'), new Date());
  const month = { all: '', this: now, last: monthBefore(now) }[span];
  field('from').value = month;
  field('to').value = month;
}

// Typed text is appended to a field of lines once it is one of those suggested, or Enter was pressed.
function addTo(input, lines) {
  const text = input.value.trim();
  if (!text) return;
  lines.value = [...lines.value.split('\n').filter((line) => line.trim()), text].join('\n');
  input.value = '';
}

function suggestInto(inputId, linesId) {
  const [input, lines] = [field(inputId), field(linesId)];
  input.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter') return;
    event.preventDefault();
    addTo(input, lines);
  });
  input.addEventListener('input', (event) => {
    const chosen = event.inputType === 'insertReplacementText' || !event.inputType;
    if (chosen && [...input.list.options].some((option) => option.value === input.value)) addTo(input, lines);
  });
}

function fillList(id, values) {
  field(id).replaceChildren(...values.map((value) => new Option(value, value)));
}

function questionAsked() {
  const kind = kindAsked();
  if (kind === 'price') {
    return {
      models: linesOf('price-models'), input: valueOf('input'), cached: valueOf('cached'), written: valueOf('written'),
      output: valueOf('output'), calls: valueOf('calls'), at: Math.floor(Date.now() / 1000),
      rates: linesOf('rates'), prices: own.text,
    };
  }
  const only = (kinds, id, read) => (kinds.includes(kind) ? { [id]: read(id) } : {});
  return {
    kind, from: valueOf('from'), to: valueOf('to'), zone: zoneNamed(valueOf('zone')), choose: linesOf('choose'), line: valueOf('line'),
    ...only(['report', 'whatif', 'forecast'], 'by', valueOf),
    ...only(['whatif'], 'volume', linesOf), ...only(['whatif'], 'models', linesOf),
    ...only(['whatif'], 'rates', linesOf), ...only(['whatif'], 'prices', () => own.text),
    ...only(['compare'], 'a', linesOf), ...only(['compare'], 'b', linesOf), ...only(['compare'], 'at', valueOf),
    ...only(['forecast'], 'days', valueOf), ...only(['forecast'], 'budget', valueOf),
  };
}
