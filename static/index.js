// The start page: one shop, two people who see it, and whoever publishes.

import { connect } from "/allim.js";
import { h, word } from "/dom.js";
import { guide } from "/guide.js";
import { operatorPane, written } from "/operator-pane.js";
import { cast, deeds, head, post, sound, who } from "/page.js";
import { publishPanel } from "/publish-panel.js";
import { language, spoken, t } from "/texts.js";

const CODE = `import { connect } from "/allim.js";
import { Timeline } from "/timeline.js";

const me = { url: location.origin, token: async () => session.token, lang: "ko" };
const list = new Timeline({ ...me, changed: () => show(list.rows(), list.unread) });
const line = connect({ ...me, position: await list.open() });
line.on("frame", (frame) => list.frame(frame));
line.on("state", ({ state }) => paint(state));
line.on("job", (job) => progress(job.collapseKey, job.data));`;

const people = await cast();

/** A pane whose line is opened anew for each operator and language. */
function open(place, first) {
  let line = null;
  let current = null;
  let there = false;
  let turn = 0;
  const { cut, download, exports, says } = deeds(() => current);
  const pane = operatorPane({
    head: who(people, first, look),
    code: CODE,
    sound,
    cut: people && cut,
    download,
    makeOne: people && (() => panel.order()),
    retry: () => line?.retry(),
  });

  async function look(operator) {
    line?.close();
    current = operator;
    const mine = (turn += 1);
    const position = await pane.open(operator);
    if (mine !== turn) return;
    line = connect({ url: location.origin, token: async () => operator.token, lang: language(), position,
      name: operator.adminNo?.toString() });
    line.on("state", (state) => {
      const live = ["live", "caught-up"].includes(state.state);
      // A server that was started again has forgotten the shop, and nobody listened while this page was hidden.
      if (live && !there) traffic?.look();
      there = live;
      pane.handlers.state(state);
    });
    line.on("frame", (frame) => {
      const kind = frame.event === "message" ? "notification" : frame.event;
      pane.handlers.hear(kind, frame.id, JSON.parse(frame.data), written(frame));
    });
    line.on("notification", (notification) => panel?.shown(notification));
  }

  place.append(pane.element);
  return { cut, exports, says };
}

function shop() {
  const paces = ["off", "calm", "busy"];
  const buttons = paces.map((pace) => h("button", { onclick: () => run(pace) }));
  spoken(() => buttons.forEach((button, i) => { button.textContent = t().pace[paces[i]]; }));
  let open = true;
  const draw = (now) => buttons.forEach((button, i) => button.ariaPressed = String(paces[i] === now));
  const run = (pace) => {
    open = pace !== "off";
    draw(pace);
    // A rush ends by itself.
    if (pace === "busy") setTimeout(look, 11_000);
    return post("/demo/traffic", { pace });
  };
  /** How it really is; other pages have a say in it. */
  const look = async () => {
    const { pace } = await (await fetch("/demo/traffic")).json();
    if (open && pace === "off") run("calm");
    else draw(pace);
  };
  return { element: h("div", { className: "group", role: "group" }, word("shop"), ...buttons), run, look };
}

let panel = null;
let traffic = null;
const main = document.querySelector("main");
if (people) {
  traffic = shop();
  head(traffic.element);
  const left = open(document.getElementById("left"), 70001);
  open(document.getElementById("right"), 80501);
  panel = publishPanel({ people, ...left });
  main.prepend(guide([() => traffic.run("calm"), () => panel.order(), left.exports, left.cut, () => {}]), panel.element);
} else {
  head();
  main.className = "one";
  document.getElementById("right").remove();
  open(document.getElementById("left"), null);
}
