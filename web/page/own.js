// Prices of one's own: lines, and a file that goes behind them.
const own = { text: '', name: '' };

function setPrices(name, text) {
  Object.assign(own, { name, text });
  const place = field('prices-chosen');
  place.hidden = !name;
  place.querySelector('.name').textContent = name;
  place.querySelector('button').setAttribute('aria-label', `Leave out ${name}`);
}

async function takePrices(file) {
  if (!file) return;
  showFailure('');
  try {
    setPrices(file.name, await file.text());
    field('own').open = true;
  } catch (why) {
    showFailure(`Price file: it cannot be read (${why.name})`);
  }
}

// Puts a line for each model whose price is asked for, to be changed; lines that are there stay.
async function startFromListPrices() {
  showFailure('');
  const known = new Set(linesOf('rates').map((line) => line.split(/\s/)[0]));
  const models = linesOf('price-models').filter((model) => !known.has(model));
  if (models.length === 0) return field('rates').focus();
  try {
    await ready;
    const lines = await engine.ask('rates', { question: { models, at: Math.floor(Date.now() / 1000) } });
    field('rates').value = [...linesOf('rates'), lines].join('\n');
    field('rates').focus();
  } catch (why) {
    showFailure(why.message);
  }
}
