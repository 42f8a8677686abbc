// One pane over the browser's own EventSource, with nothing of ours between: a ticket, a stream, the last id.

import { operatorPane } from "/operator-pane.js";
import { cast, download, head, post, sound, who } from "/page.js";
import { publishPanel } from "/publish-panel.js";
import { language } from "/texts.js";

const CODE = `let last = "";
async function listen() {
  const answer = await fetch("/tickets", { method: "POST",
    headers: { Authorization: "Bearer " + token } });
  const { ticket } = await answer.json();
  const events = new EventSource(
    "/notifications?ticket=" + ticket + "&last_event_id=" + last);
  events.onmessage = ({ data, lastEventId }) => {
    last = lastEventId;
    show(JSON.parse(data));
  };
  events.onerror = () => events.close() || setTimeout(listen, 1000);
}
listen();`;

const NAMES = ["hello", "message", "job", "status", "gap", "beat", "bye"];
const people = await cast();
let events = null;
let again = null;
let current = null;
let turn = 0;
let last = "earliest";
let missed = 0;
let before = false;
let live = false;
let cameAt = 0;

const pane = operatorPane({
  head: who(people, 70001, look),
  code: CODE,
  sound,
  cut: people && (() => post("/demo/cut", { seconds: 5 }, current.token)),
  download: (link) => download(link, current.token),
});

function look(operator) {
  current = operator;
  last = "earliest";
  before = false;
  pane.reset(operator.adminNo);
  listen();
}

async function listen() {
  clearTimeout(again);
  events?.close();
  const mine = (turn += 1);
  const answer = await post("/tickets", undefined, current.token).catch(() => null);
  if (mine !== turn) return;
  if (!answer?.ok) {
    pane.handlers.state({ state: answer?.status === 401 ? "ended" : answer ? "accounts" : "waiting" });
    if (answer?.status !== 401) later();
    return;
  }
  const { ticket } = await answer.json();
  if (mine !== turn) return;
  missed = 0;
  live = false;
  cameAt = performance.now();
  const source = new EventSource(`/notifications?ticket=${ticket}&last_event_id=${last}&lang=${language()}`);
  events = source;
  for (const name of NAMES) source.addEventListener(name, (event) => mine === turn && hear(name, event));
  source.onerror = () => {
    source.close();
    if (mine !== turn) return;
    pane.handlers.state({ state: "reconnecting", act: { word: "now", does: listen } });
    later();
  };
}

function later() {
  again = setTimeout(listen, 500 + Math.random() * 1500);
}

function hear(name, { data, lastEventId }) {
  const body = JSON.parse(data);
  pane.handlers.frame({ event: name, id: lastEventId && name !== "job" && name !== "status" ? lastEventId : "", data });
  if (lastEventId) last = lastEventId;
  if (name === "hello") pane.handlers.state({ state: before ? "catching-up" : "connecting" });
  if (name === "message") {
    if (!live) missed += 1;
    pane.handlers.notification(body);
  }
  if (name === "job") pane.handlers.job(body);
  if (name === "gap") pane.handlers.gap(body);
  if (name === "status") {
    const state = body.live ? (before && missed > 0 ? "caught-up" : "live") : "paused";
    live = body.live;
    before ||= live;
    pane.handlers.state({ state, missed, tookMs: performance.now() - cameAt });
    if (live) missed = 0;
  }
  if (name === "bye" && !body.reconnect) {
    events.close();
    pane.handlers.state({ state: body.reason === "replaced" ? "replaced" : "ended", act: { word: "useThis", does: listen } });
  }
}

head();
document.getElementById("left").append(pane.element);
if (people) {
  const { pace } = await (await fetch("/demo/traffic")).json();
  if (pace === "off") post("/demo/traffic", { pace: "calm" });
  publishPanel(document.getElementById("publish"), { key: "demo-publisher", people, exports: () => post("/demo/exports", {}, current.token),
    says: (line) => post("/demo/text", line, current.token) });
} else document.querySelector("main").className = "one";
