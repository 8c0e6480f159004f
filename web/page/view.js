// What is shown: files, progress, answers.
const sizeText = (bytes) => {
  const units = ['bytes', 'kB', 'MB', 'GB'];
  let place = 0;
  while (bytes >= 1000 && place < units.length - 1) { bytes /= 1000; place += 1; }
  return `${bytes.toLocaleString('en', { maximumFractionDigits: place ? 1 : 0 })} ${units[place]}`;
};

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
  made.append(...children);
  return made;
}

function showFiles(files, remove) {
  field('files').replaceChildren(...files.map((file) => {
    const button = element('button', { type: 'button', class: 'small', 'aria-label': `Leave out ${file.name}` }, 'Leave out');
    button.addEventListener('click', () => remove(file));
    return element('li', {}, element('span', { class: 'name' }, file.name), element('span', { class: 'size' }, sizeText(file.size)), button);
  }));
}

function showProgress({ done, all }) {
  field('progress').value = all ? Math.floor(1000 * done / all) : 0;
  const tenths = all ? Math.floor(10 * done / all) : 0;
  // A screen reader would be talking without end if each step were told.
  const text = `Read ${tenths}0 % of ${sizeText(all)}`;
  if (field('status').textContent !== text) field('status').textContent = text;
}

function showBusy(isBusy) {
  field('progress').hidden = !isBusy;
  field('progress').value = 0;
  field('cancel').hidden = !isBusy;
  document.body.setAttribute('aria-busy', String(isBusy));
}

function showFailure(text) {
  const place = field('failed');
  place.textContent = text;
  place.hidden = !text;
}

// The HTML comes out of our own module, in which every value of a log is escaped; the page's policy lets no other script run.
function showAnswer(answer) {
  field('answer-title').textContent = answer.title;
  field('tables').innerHTML = answer.html;
  answer.sheets.forEach(([name, title]) => {
    const button = element('button', { type: 'button', class: 'small csv', 'aria-label': `Keep as CSV: ${title}` }, 'CSV');
    button.addEventListener('click', () => keepAs('csv', name));
    document.getElementById(name)?.append(button);
  });
  field('read').hidden = answer.read.length === 0;
  field('read').open = answer.partial;
  field('read-lines').replaceChildren(...answer.read.map((line) => element('li', {}, line)));
  field('answer').hidden = false;
  field('answer-title').focus({ preventScroll: true });
  field('answer').scrollIntoView({ block: 'start' });
}

async function keepAs(kind, sheet) {
  const types = { csv: 'text/csv', json: 'application/json', html: 'text/html' };
  const text = await engine.ask('spell', { form: kind, sheet: sheet || '' });
  const place = URL.createObjectURL(new Blob([text], { type: types[kind] }));
  element('a', { href: place, download: `${sheet || 'report'}.${kind}` }).click();
  setTimeout(() => URL.revokeObjectURL(place), 60000);
}
