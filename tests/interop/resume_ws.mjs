// Listens with the npm package ws, and prints each message as the event that it would be in an event stream, as a line of
// JSON: `node resume_ws.mjs <url> <token>`. When the line breaks it comes back after a second with its last position.
// Ends when it is killed; who started it judges the lines.
import { WebSocket } from 'ws';

const [url, token] = process.argv.slice(2);
if (!url || !token) {
  console.error('usage: node resume_ws.mjs <url> <token>');
  process.exit(2);
}

let position;

function listen() {
  const socket = new WebSocket(url, ['allim.v1'], { headers: { Authorization: `Bearer ${token}` } });
  socket.on('open', () => socket.send(JSON.stringify({ type: 'resume', position })));
  socket.on('message', (text, isBinary) => {
    const message = JSON.parse(text);
    position = message.position ?? position;
    if (isBinary || socket.extensions) process.exit(3);
    const name = message.type === 'notification' ? 'message' : message.type;
    console.log(JSON.stringify({ name, id: message.position ?? '', data: JSON.stringify(message[message.type]) }));
  });
  socket.on('error', (error) => console.error(`broken: ${error.message}`));
  socket.on('close', (code, reason) => {
    console.error(`closed: ${code} ${reason}`);
    setTimeout(listen, 1000);
  });
}

listen();
