// What the pages share: the head with language and sound, and who may be looked at.

import { h, icon } from "/dom.js";
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

/** Fills the head; `extra` stands between the name and the switches. */
export function head(...extra) {
  const noise = h("button", { type: "button", className: "plain", onclick: () => {
    loud = !loud;
    noise.setAttribute("aria-pressed", String(loud));
    sound("notice");
  } }, icon("sound"), h("span"));
  const other = h("button", { type: "button", className: "plain", onclick: () => {
    speak(language() === "ko" ? "en" : "ko");
    // The address keeps it.
    history.replaceState(null, "", `?lang=${language()}`);
  } });
  noise.setAttribute("aria-pressed", "false");
  document.getElementById("top").append(h("span", { className: "grow" }), ...extra, noise, other);
  speak(new URL(location.href).searchParams.get("lang") === "en" ? "en" : "ko");
  spoken(() => {
    noise.lastElementChild.textContent = t().sound;
    other.textContent = t().language;
    other.lang = language() === "ko" ? "en" : "ko";
  });
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
      choice.setAttribute("aria-label", t().operator);
      people.forEach((one, i) => { choice.options[i].textContent = described(one); });
    });
    queueMicrotask(() => choose(people[choice.selectedIndex]));
    return choice;
  }
  const box = h("input", { type: "password", autocomplete: "off" });
  const go = h("button", { className: "main" });
  spoken(() => {
    box.placeholder = t().tokenLabel;
    box.setAttribute("aria-label", t().tokenLabel);
    go.textContent = t().tokenGo;
  });
  return h("form", { className: "group", onsubmit: (event) => {
    event.preventDefault();
    if (box.value) choose({ token: box.value, adminNo: null, name: "" });
  } }, box, go);
}

/** `김하늘 · 온달몰 · 운영`. */
function described(person) {
  const where = person.partner ? person.partner.partnerName : person.malls.map((mall) => mall.mallName).join("·");
  return [named(person), where, person.role[language()]].join(" · ");
}

/** Names are Korean; who reads English needs them in its letters. */
export const named = ({ name, nameEn }) => (language() === "en" && nameEn) || name;

/** Fetches a file with the operator's right and saves it; false where it is not theirs. */
export async function download(link, token) {
  const answer = await fetch(link, { headers: { Authorization: `Bearer ${token}` } }).catch(() => null);
  if (!answer?.ok) return false;
  const address = URL.createObjectURL(await answer.blob());
  const name = /filename="?([^";]+)/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1] ?? "export.csv";
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
  return true;
}
