// A page with one pane over a stream that browsers have themselves, with nothing of ours between: a ticket, the stream,
// the last position, and again after a while. Which kind of stream it is the page says.

import { operatorPane } from "/operator-pane.js";
import { cast, deeds, head, post, sound, who } from "/page.js";
import { publishPanel } from "/publish-panel.js";
import { language } from "/texts.js";

/**
 * @param {string} code the dozen lines that make it work
 * @param {(query: string, last: string, heard: { frame: (kind: string, id: string, body: any, raw: string) => void,
 *   lost: () => void, over: (state: string) => void }) => { close: () => void }} open `lost` comes again by itself
 */
export async function onePane(code, open) {
  const people = await cast();
  let stream = null;
  let again = null;
  let current = null;
  let turn = 0;
  let last = "";
  let missed = 0;
  let before = false;
  let live = false;
  let cameAt = 0;

  const { cut, download, exports, says } = deeds(() => current);
  const pane = operatorPane({ head: who(people, 70001, look), code, sound, cut: people && cut, download, retry: listen });
  const become = pane.handlers.state;

  async function look(operator) {
    leave();
    current = operator;
    before = false;
    const mine = turn;
    const position = await pane.open(operator);
    if (mine !== turn) return;
    last = position;
    listen();
  }

  async function listen() {
    leave();
    const mine = turn;
    const answer = await post("/tickets", undefined, current.token).catch(() => null);
    if (mine !== turn) return;
    if (answer?.status === 401) return over("ended");
    if (!answer?.ok) return later(answer ? "accounts" : "waiting");
    const { ticket } = await answer.json();
    if (mine !== turn) return;
    missed = 0;
    live = false;
    cameAt = performance.now();
    const wanted = (does) => (...what) => mine === turn && does(...what);
    stream = open(`ticket=${ticket}&lang=${language()}`, last,
      { frame: wanted(hear), lost: wanted(() => later("reconnecting")), over: wanted(over) });
  }

  /** What is still to come of this stream is for nobody. */
  function leave() {
    turn += 1;
    clearTimeout(again);
    stream?.close();
  }

  function over(state) {
    leave();
    become({ state });
  }

  function later(state, wait = 500 + Math.random() * 1500) {
    over(state);
    again = setTimeout(listen, wait);
  }

  function hear(kind, id, body, raw) {
    pane.handlers.hear(kind, id, body, raw);
    if (id) last = id;
    if (kind === "hello") become({ state: before ? "catching-up" : "connecting" });
    if (kind === "notification" && !live) missed += 1;
    if (kind === "status" && "live" in body) status(body);
    if (kind === "bye") {
      if (!body.reconnect) over(body.reason === "replaced" ? "replaced" : "ended");
      else later(body.reason === "accounts" ? "accounts" : "reconnecting", body.retryAfterMs);
    }
  }

  function status(body) {
    live = body.live;
    if (live && before && missed > 0) become({ state: "caught-up", missed, tookMs: performance.now() - cameAt });
    else become({ state: live ? "live" : "paused" });
    if (live) missed = 0;
    before ||= live;
  }

  head();
  document.getElementById("left").append(pane.element);
  const main = document.querySelector("main");
  if (people) {
    const { pace } = await (await fetch("/demo/traffic")).json();
    if (pace === "off") post("/demo/traffic", { pace: "calm" });
    main.append(publishPanel({ people, exports, says }).element);
  } else main.className = "one";
}
