// One pane over the browser's own WebSocket.

import { onePane } from "/one-pane.js";

const CODE = `let last = "";
const again = () => setTimeout(() => listen().catch(again), 1000);
async function listen() {
  const headers = { Authorization: "Bearer " + token };
  const list = last ? {} : await (await fetch("/timeline", { headers })).json();
  list.items?.reverse().forEach(({ notification, read }) => show(notification, read));
  last ||= list.position ?? "";
  const { ticket } = await (await fetch("/tickets", { method: "POST", headers })).json();
  const socket = new WebSocket("/ws?ticket=" + ticket, "allim.v1");
  socket.onopen = () => socket.send(JSON.stringify({ type: "resume", position: last }));
  socket.onmessage = ({ data }) => {
    const { position = last, notification } = JSON.parse(data);
    last = position;
    if (notification) show(notification);
  };
  socket.onclose = ({ code }) => code < 4400 && again();
}
listen().catch(again);`;

/** Who is told so comes again only as somebody else, or because a person wants it. */
const OVER = { 4401: "ended", 4409: "replaced" };

onePane(CODE, (query, last, { frame, lost, over }) => {
  // Not every browser takes an address without its beginning.
  const socket = new WebSocket(`${location.origin.replace("http", "ws")}/ws?${query}`, "allim.v1");
  socket.onopen = () => socket.send(JSON.stringify({ type: "resume", position: last }));
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    frame(message.type, message.position, message[message.type], data);
  };
  socket.onclose = ({ code }) => (OVER[code] ? over(OVER[code]) : lost());
  return socket;
});
