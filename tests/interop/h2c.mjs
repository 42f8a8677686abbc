// Speaks HTTP/2 without TLS, with Node's own module: `node h2c.mjs <url> <token>…`. On one connection it asks for this and
// that, then listens once for each token, and prints a line of JSON for each answer and each event. The first stream goes
// on a second time, from where it began. Ends when the server has closed the connection; who started it judges the lines.
import { connect } from 'node:http2';
import { createParser } from 'eventsource-parser';

const [url, ...tokens] = process.argv.slice(2);
if (!url || tokens.length === 0) {
  console.error('usage: node h2c.mjs <url> <token>…');
  process.exit(2);
}
const say = (line) => console.log(JSON.stringify(line));
const session = connect(url);
const host = new URL(url).host;
const bearer = { authorization: `Bearer ${tokens[0]}` };

/** The whole of one answer. */
const ask = (what, headers, body) =>
  new Promise((done, failed) => {
    const request = session.request({ ':path': '/livez', ...headers }, { endStream: body === undefined });
    let text = '';
    let status;
    request.on('response', (head) => (status = head[':status']));
    request.setEncoding('utf8').on('data', (piece) => (text += piece));
    request.on('end', () => done(say({ what, status, code: text.startsWith('{') ? JSON.parse(text).code : undefined })));
    request.on('error', failed);
    if (body !== undefined) request.end(body);
  });

const listen = (who, token, from) => {
  const headers = { ':path': '/notifications', authorization: `Bearer ${token}`, accept: 'text/event-stream' };
  const stream = session.request(from ? { ...headers, 'last-event-id': from } : headers);
  let began;
  const parser = createParser({
    onEvent({ event = 'message', id, data }) {
      say({ who, name: event, id, data: JSON.parse(data) });
      began ??= id;
      if (who === 0 && event === 'message') listen('again', token, began);
    },
  });
  stream.on('response', (head) => head[':status'] === 200 || say({ who, status: head[':status'] }));
  stream.setEncoding('utf8').on('data', (piece) => parser.feed(piece));
  stream.on('error', ({ code }) => say({ who, error: code }));
};

session.on('remoteSettings', ({ maxConcurrentStreams, maxHeaderListSize, enableConnectProtocol }) =>
  say({ what: 'settings', maxConcurrentStreams, maxHeaderListSize, enableConnectProtocol }),
);
session.on('error', (error) => {
  console.error(error);
  process.exit(1);
});
session.on('close', () => say({ what: 'closed' }));

await ask('page', { ':path': '/' });
await ask('host beside', { host });
await ask('other host', { ':authority': host, host: 'other.example' });
await ask('long address', { ':path': `/livez?${'x'.repeat(9_000)}` });
await ask('long head', { 'x-long': 'x'.repeat(20_000) });
await ask('websocket', { ':path': '/ws', ...bearer });
await ask('ticket', { ':path': '/tickets', ':method': 'POST', origin: url, ...bearer });
await ask('body', { ':path': '/notifications', ':method': 'POST', 'content-type': 'application/json', ...bearer }, '{}');
tokens.forEach((token, who) => listen(who, token));
