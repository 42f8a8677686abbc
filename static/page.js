// What the pages share: the head with language and sound, and who may be looked at.

import { h, icon, word } from "/dom.js";
import { language, speak, spoken, t } from "/texts.js";

/** The demo's people; null where accounts are real. */
export async function cast() {
  const answer = await fetch("/demo/cast").catch(() => null);
  return answer?.ok ? (await answer.json()).people : null;
}

/** Says something to a door of the server, with somebody's right. */
export function post(path, body, token = "") {
  const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
  return fetch(path, { method: "POST", headers, body: body && JSON.stringify(body) });
}

let loud = false;
let audio = null;

/** A short tone, made here; off until somebody wants it. */
export function sound(severity) {
  if (!loud) return;
  audio ??= new AudioContext();
  const tones = severity === "critical" ? [880, 660, 880] : [660];
  tones.forEach((pitch, i) => {
    const [tone, level] = [audio.createOscillator(), audio.createGain()];
    const from = audio.currentTime + i * 0.16;
    tone.frequency.value = pitch;
    level.gain.setValueAtTime(0.08, from);
    level.gain.exponentialRampToValueAtTime(0.001, from + 0.14);
    tone.connect(level).connect(audio.destination);
    tone.start(from);
    tone.stop(from + 0.15);
  });
}

const another = () => (language() === "ko" ? "en" : "ko");

/** Fills the head; `extra` stands between the name and the switches. */
export function head(...extra) {
  const noise = h("button", { className: "plain", ariaPressed: "false", onclick: () => {
    loud = !loud;
    noise.ariaPressed = String(loud);
    sound("notice");
  } }, icon("sound"), word("sound"));
  const other = word("language", "button", { className: "plain", onclick: () => {
    speak(another());
    // The address keeps it.
    history.replaceState(null, "", `?lang=${language()}`);
  } });
  document.getElementById("top").append(...extra, noise, other);
  speak(location.search.includes("lang=en") ? "en" : "ko");
  spoken(() => { other.lang = another(); });
}

/** A choice of the cast, or a box for a token. Calls back with `{ token, adminNo, name }`, and again in another language. */
export function who(people, first, change) {
  let lang = language();
  let chosen = null;
  const choose = (person) => change((chosen = person));
  spoken(() => {
    if (chosen && lang !== language()) change(chosen);
    lang = language();
  });
  if (people) {
    const choice = h("select", { onchange: () => choose(people[choice.selectedIndex]) },
      ...people.map((one, i) => h("option", { value: String(i), selected: one.adminNo === first })));
    spoken(() => {
      choice.ariaLabel = t().operator;
      people.forEach((one, i) => { choice.options[i].textContent = described(one); });
    });
    queueMicrotask(() => choose(people[choice.selectedIndex]));
    return choice;
  }
  const box = h("input", { type: "password", autocomplete: "off" });
  spoken(() => { box.placeholder = box.ariaLabel = t().tokenLabel; });
  return h("form", { className: "group", onsubmit: (event) => {
    event.preventDefault();
    if (box.value) choose({ token: box.value, adminNo: null, name: "" });
  } }, box, word("tokenGo", "button", { type: "submit", className: "main" }));
}

/** `김하늘 · 온달몰 · 운영`. */
function described(person) {
  const where = person.partner ? person.partner.partnerName : person.malls.map((mall) => mall.mallName).join("·");
  return [named(person), where, person.role[language()]].join(" · ");
}

/** Names are Korean; who reads English needs them in its letters. */
export const named = ({ name, nameEn }) => (language() === "en" && nameEn) || name;

/** What somebody can do besides looking; `me` tells who that is now. */
export function deeds(me) {
  const my = (path, body) => post(path, body, me().token);
  return {
    cut: () => my("/demo/cut", { seconds: 5 }),
    exports: () => my("/demo/exports", {}),
    says: (line) => my("/demo/text", line),
    download: (link) => download(link, me().token),
  };
}

/** Fetches a file with the operator's right and saves it; false where it is not theirs. */
async function download(link, token) {
  const answer = await fetch(link, { headers: { Authorization: `Bearer ${token}` } }).catch(() => null);
  if (!answer?.ok) return false;
  const address = URL.createObjectURL(await answer.blob());
  const name = /filename="?([^";]+)/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1] ?? "export.csv";
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
  return true;
}
