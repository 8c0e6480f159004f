// What happens when.
let files = [];
let turn = 0;

const ready = engine.start().then(
  () => fillList('all-models', engine.models),
  (why) => { showFailure(`The reader cannot start: ${why.message || why}`); throw why; },
);

function setFiles(next) {
  files = next;
  showFiles(files, (gone) => { setFiles(files.filter((file) => file !== gone)); field('choose-files').focus(); });
}

function takeFiles(list) {
  if (list.length === 0) return;
  setFiles([...list]);
  answerIt();
}

async function answerIt() {
  const kind = kindAsked();
  const mine = ++turn;
  showFailure('');
  if (kind !== 'price' && files.length === 0) {
    field('choose-files').focus();
    return showFailure('Choose an access log first.');
  }
  // The form may change while this waits: what was asked is what stood in it.
  const question = questionAsked();
  showBusy(true);
  field('status').textContent = '';
  try {
    await ready;
    await engine.ask('stop');
    const started = performance.now();
    const task = kind === 'price' ? ['price', { question }] : ['read', { question, files }];
    const answer = await engine.ask(...task, (progress) => { if (mine === turn) showProgress(progress); });
    if (mine !== turn) return;
    showBusy(false);
    const bytes = files.reduce((sum, file) => sum + file.size, 0);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    field('status').textContent = kind === 'price' ? '' : `Read ${sizeText(bytes)} in ${seconds} s`;
    if (answer.read.length) { fillList('names', answer.names); fillList('values', answer.values); }
    showAnswer(answer);
  } catch (why) {
    if (mine !== turn) return;
    showBusy(false);
    field('status').textContent = why.message === 'stopped' ? 'Stopped' : '';
    if (why.message !== 'stopped') showFailure(why.message);
  }
}

form.addEventListener('submit', (event) => { event.preventDefault(); answerIt(); });
form.addEventListener('change', (event) => {
  if (event.target.name === 'kind') { showFields(); showFailure(''); }
  if (event.target.id === 'span' || event.target.id === 'zone') applySpan();
  if (event.target.id === 'from' || event.target.id === 'to') field('span').value = '';
});
field('cancel').addEventListener('click', () => engine.ask('stop'));
field('choose-files').addEventListener('change', (event) => { takeFiles(event.target.files); event.target.value = ''; });
field('prices-file').addEventListener('change', (event) => { takePrices(event.target.files[0]); event.target.value = ''; });
field('prices-chosen').querySelector('button').addEventListener('click', () => { setPrices('', ''); field('prices-file').focus(); });
field('list-prices').addEventListener('click', startFromListPrices);
document.querySelectorAll('[data-keep]').forEach((button) => button.addEventListener('click', () => keepAs(button.dataset.keep)));

// A file that misses the drop zone would replace the page.
['dragover', 'drop'].forEach((kind) => document.addEventListener(kind, (event) => event.preventDefault()));
// Where no logs are asked for, what is dropped anywhere is a price file.
const isForPrices = (event) => kindAsked() === 'price' || field('own').contains(event.target);
const dropZones = [field('drop'), field('own')];
document.addEventListener('dragover', (event) => dropZones.forEach((zone) => {
  zone.classList.toggle('over', (zone === field('own')) === isForPrices(event));
}));
['dragleave', 'drop'].forEach((kind) => document.addEventListener(kind, () => dropZones.forEach((zone) => zone.classList.remove('over'))));
document.addEventListener('drop', (event) => {
  if (isForPrices(event)) takePrices(event.dataTransfer.files[0]);
  else takeFiles(event.dataTransfer.files);
});

suggestInto('add-filter', 'choose');
suggestInto('add-model', 'price-models');
fillZones(field('zone'));
showFields();
