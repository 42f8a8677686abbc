// One pane over the browser's own EventSource.

import { onePane } from "/one-pane.js";
import { written } from "/operator-pane.js";

const CODE = `let last = "";
const again = () => setTimeout(() => listen().catch(again), 1000);
async function listen() {
  const headers = { Authorization: "Bearer " + token };
  const list = last ? {} : await (await fetch("/timeline", { headers })).json();
  list.items?.reverse().forEach(({ notification, read }) => show(notification, read));
  last ||= list.position ?? "";
  const { ticket } = await (await fetch("/tickets", { method: "POST", headers })).json();
  const events = new EventSource("/notifications?ticket=" + ticket + "&last_event_id=" + last);
  events.onmessage = ({ data, lastEventId }) => show(JSON.parse(data), last = lastEventId);
  events.onerror = () => events.close() || again();
}
listen().catch(again);`;

const NAMES = ["hello", "message", "job", "read", "status", "gap", "beat", "bye"];
/** For these the browser repeats the last id. */
const WITHOUT_ID = ["job", "read", "status", "bye"];

onePane(CODE, (query, last, { frame, lost }) => {
  const events = new EventSource(`/notifications?${query}&last_event_id=${last}`);
  for (const event of NAMES) {
    events.addEventListener(event, ({ data, lastEventId }) => {
      const id = WITHOUT_ID.includes(event) ? "" : lastEventId;
      frame(event === "message" ? "notification" : event, id, JSON.parse(data), written({ event, id, data }));
    });
  }
  events.onerror = lost;
  return events;
});
