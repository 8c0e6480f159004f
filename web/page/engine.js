// The worker, and questions to it.
const engine = {
  worker: null, models: null, waiting: new Map(), last: 0,

  async start() {
    const packed = Uint8Array.from(atob(document.getElementById('engine').textContent), (c) => c.charCodeAt(0));
    const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'));
    this.bytes = await new Response(unpacked).arrayBuffer();
    await this.restart();
  },

  async restart() {
    if (this.worker) this.worker.terminate();
    const script = Uint8Array.from(atob(document.getElementById('worker').textContent), (c) => c.charCodeAt(0));
    const place = URL.createObjectURL(new Blob([script], { type: 'text/javascript' }));
    this.worker = new Worker(place);
    this.worker.onmessage = ({ data }) => this.take(data);
    this.worker.onerror = (event) => this.fail(`the reader cannot run: ${event.message || 'no reason was given'}`);
    this.models = (await this.ask('start', { engine: this.bytes })).models;
    URL.revokeObjectURL(place);
  },

  ask(task, rest = {}, progress = () => {}) {
    const id = ++this.last;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject, progress });
      this.worker.postMessage({ id, task, ...rest });
    });
  },

  take({ id, result, failed, broken, progress }) {
    const asked = this.waiting.get(id);
    if (!asked) return;
    if (progress) return asked.progress(progress);
    this.waiting.delete(id);
    if (failed === undefined) return asked.resolve(result);
    asked.reject(new Error(failed));
    // A module that broke off is in no state to go on.
    if (broken) this.restart();
  },

  fail(why) {
    this.waiting.forEach(({ reject }) => reject(new Error(why)));
    this.waiting.clear();
  },
};
