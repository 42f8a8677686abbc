// Runs the lines that docs/embed.md gives to pages, with the npm package eventsource in a browser's place, and prints each
// event and each notification that is shown as a line of JSON: `node tickets_eventsource.mjs <base url> <token> <page>`.
// When the stream breaks the lines have to get a new ticket. Ends when it is killed; who started it judges what it says.
import { readFileSync } from 'node:fs';
import { EventSource } from 'eventsource';

const [allim, token, page] = process.argv.slice(2);
if (!page) {
  console.error('usage: node tickets_eventsource.mjs <base url> <token> <page>');
  process.exit(2);
}
const blocks = [...readFileSync(page, 'utf8').matchAll(/```js\n([^]*?)```/g)].map(([, code]) => code);
const snippet = blocks.find((code) => code.includes('/tickets'));

const say = (name, id, data) => console.log(JSON.stringify({ name, id, data }));

class Told extends EventSource {
  constructor(url) {
    super(url);
    say('opens', '', '{}');
    for (const name of ['message', 'hello', 'job', 'gap', 'status', 'beat', 'bye']) {
      this.addEventListener(name, ({ type, lastEventId, data }) => say(type, lastEventId, data));
    }
    this.addEventListener('error', ({ code }) => console.error(`broken: ${code ?? ''} ${this.readyState}`));
  }
}

new Function('allim', 'token', 'EventSource', 'show', snippet)(allim, token, Told, (notification) =>
  say('shown', '', JSON.stringify(notification)),
);
