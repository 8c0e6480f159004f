// Runs beside the page, so that it never waits: reads files in slices and hands them to the wasm module.
'use strict';

const SLICE = 4 << 20; // bytes that are fetched from a file at once
const PAUSE_MS = 60; // after this long, messages are looked at and progress is told

let answer = null;
let turn = 0; // of the reading that goes on; any other one ends

// What `Source` in bindings.rs expects.
class Source {
  constructor(file, count) {
    this.file = file;
    this.count = count;
    this.at = 0;
    this.slice = new Uint8Array(0);
    this.reader = new FileReaderSync();
  }

  read(into) {
    if (this.slice.length === 0) {
      const end = Math.min(this.at + SLICE, this.file.size);
      if (this.at >= end) return 0;
      try {
        this.slice = new Uint8Array(this.reader.readAsArrayBuffer(this.file.slice(this.at, end)));
      } catch (why) {
        // As when a file was changed or moved since it was chosen.
        throw `it cannot be read any more (${why.name}): choose it again`;
      }
      this.at = end;
    }
    const length = Math.min(into.length, this.slice.length);
    into.set(this.slice.subarray(0, length));
    this.slice = this.slice.subarray(length);
    this.count(length);
    return length;
  }
}

// Lets messages that wait be taken, without the delay that timers have.
const channel = new MessageChannel();
const breath = () => new Promise((resolve) => {
  channel.port1.onmessage = resolve;
  channel.port2.postMessage(null);
});

async function read({ question, files }, tell) {
  const reading = new wasm_bindgen.Reading(JSON.stringify(question));
  try {
    return await readAll(reading, files, tell);
  } catch (why) {
    reading.free();
    throw why;
  }
}

async function readAll(reading, files, tell) {
  let done = 0;
  const all = files.reduce((sum, file) => sum + file.size, 0);
  files.forEach((file) => reading.add(file.name, new Source(file, (bytes) => { done += bytes; })));
  const mine = ++turn;
  let last = performance.now();
  while (reading.step()) {
    if (performance.now() - last > PAUSE_MS) {
      tell({ done, all });
      await breath();
      if (mine !== turn) throw 'stopped';
      last = performance.now();
    }
  }
  return reading.finish();
}

function keep(next) {
  if (answer) answer.free();
  answer = next;
  return JSON.parse(answer.shown());
}

const TASKS = {
  start: async ({ engine }) => {
    await wasm_bindgen({ module_or_path: engine });
    return { models: JSON.parse(wasm_bindgen.models()) };
  },
  read: async (task, tell) => keep(await read(task, tell)),
  price: async ({ question }) => keep(wasm_bindgen.price(JSON.stringify(question))),
  rates: async ({ question }) => wasm_bindgen.rates(JSON.stringify(question)),
  spell: async ({ form, sheet }) => answer.spelled(form, sheet),
  stop: async () => { turn += 1; },
};

onmessage = async ({ data: { id, task, ...rest } }) => {
  const tell = (progress) => postMessage({ id, progress });
  try {
    postMessage({ id, result: await TASKS[task](rest, tell) });
  } catch (why) {
    const broken = why instanceof WebAssembly.RuntimeError;
    postMessage({ id, failed: broken ? `the reader broke off (${why.message}): please report it` : String(why), broken });
  }
};
