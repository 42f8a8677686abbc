// Listens with the npm package eventsource as a browser does, and prints each event it is given as a line of JSON:
// `node resume_eventsource.mjs <url> <token>`. When the stream breaks the package comes back by itself, with its last
// event id and after the server's `retry:`. Ends when it is killed; who started it judges the lines.
import { EventSource } from 'eventsource';

const [url, token] = process.argv.slice(2);
if (!url || !token) {
  console.error('usage: node resume_eventsource.mjs <url> <token>');
  process.exit(2);
}

// Browsers send a cookie; elsewhere a fetch of one's own carries the token.
const source = new EventSource(url, {
  fetch: (input, init) =>
    fetch(input, { ...init, headers: { ...init.headers, Authorization: `Bearer ${token}` } }),
});

// What has no name arrives as `message`.
for (const name of ['message', 'hello', 'job', 'read', 'gap', 'status', 'beat', 'bye']) {
  source.addEventListener(name, ({ type, lastEventId, data }) => {
    console.log(JSON.stringify({ name: type, id: lastEventId, data }));
  });
}

source.addEventListener('error', ({ code, message }) => {
  console.error(`broken: ${code ?? ''} ${message ?? ''}`);
  if (source.readyState === EventSource.CLOSED) process.exit(1);
});
