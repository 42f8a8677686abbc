// The start page: one shop, two people who see it, and whoever publishes.

import { connect } from "/allim.js";
import { h } from "/dom.js";
import { guide } from "/guide.js";
import { operatorPane } from "/operator-pane.js";
import { cast, download, head, post, sound, who } from "/page.js";
import { publishPanel } from "/publish-panel.js";
import { language, spoken, t } from "/texts.js";

const CODE = `import { connect } from "/allim.js";

const line = connect({
  url: location.origin,
  token: async () => session.token,
  lang: "ko",
});
line.on("state", ({ state }) => paint(state));
line.on("notification", (notification) => show(notification));
line.on("job", (job) => progress(job.collapseKey, job.data));
line.on("gap", ({ reason }) => reload(reason));`;

const people = await cast();

/** A pane whose line is opened anew for each operator and language. */
function open(place, first) {
  let line = null;
  let current = null;
  let there = false;
  const cut = () => post("/demo/cut", { seconds: 5 }, current.token);
  const pane = operatorPane({
    head: who(people, first, look),
    code: CODE,
    sound,
    cut: people && cut,
    download: (link) => download(link, current.token),
    makeOne: people && (() => panel.order()),
  });

  function look(operator) {
    line?.close();
    current = operator;
    pane.reset(operator.adminNo);
    line = connect({ url: location.origin, token: async () => operator.token, lang: language(), name: operator.adminNo ? String(operator.adminNo) : undefined,
      position: "earliest" });
    line.on("state", (state) => {
      const live = ["live", "caught-up"].includes(state.state);
      // A server that was started again has forgotten the shop, and nobody listened while this page was hidden.
      if (live && !there) traffic?.look();
      there = live;
      pane.handlers.state(acting(state));
    });
    for (const name of ["notification", "job", "gap", "repeated", "frame"]) line.on(name, pane.handlers[name]);
    line.on("notification", (notification) => panel?.shown(notification));
  }

  /** What a person can do about a state. */
  function acting(state) {
    const does = { reconnecting: "now", waiting: "now", accounts: "now", replaced: "useThis", ended: "signIn" }[state.state];
    return does ? { ...state, act: { word: does, does: () => line.retry() } } : state;
  }

  place.append(pane.element);
  return { cut, exports: () => post("/demo/exports", {}, current.token), says: (line) => post("/demo/text", line, current.token) };
}

function shop() {
  const paces = ["off", "calm", "busy"];
  const buttons = paces.map((pace) => h("button", { type: "button", onclick: () => run(pace) }));
  const label = h("span");
  spoken(() => {
    label.textContent = t().shop;
    buttons.forEach((button, i) => { button.textContent = t().pace[paces[i]]; });
  });
  let open = true;
  const draw = (now) => buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(paces[i] === now)));
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
  return { element: h("div", { className: "group", role: "group" }, label, ...buttons), run, look };
}

let panel = null;
let traffic = null;
const main = document.getElementById("main");
if (people) {
  traffic = shop();
  head(traffic.element);
  const left = open(document.getElementById("left"), 70001);
  open(document.getElementById("right"), 80501);
  panel = publishPanel(document.getElementById("publish"), { key: "demo-publisher", people, ...left });
  guide(document.getElementById("guide"), [() => traffic.run("calm"), () => panel.order(), left.exports, left.cut, () => {}]);
} else {
  head();
  main.className = "one";
  document.getElementById("right").remove();
  open(document.getElementById("left"), null);
}
