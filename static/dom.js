// Makes elements. Texts become text nodes and nothing else; an address is followed only if it is http or https.

import { spoken, t } from "/texts.js";

/** @template {keyof HTMLElementTagNameMap} T @param {T} tag @param {any} [props] @param {any[]} children
 *  @returns {HTMLElementTagNameMap[T]} */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  // A button sends a form only where that is said.
  for (const [name, value] of Object.entries(tag === "button" ? { type: "button", ...props } : props)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && name !== "list") element[name] = value;
    else if (value !== undefined && value !== null) element.setAttribute(name, value);
  }
  element.append(...children.filter(Boolean));
  return element;
}

/** An element that says this word of texts.js, in the language of now.
 *  @param {string} name @param {keyof HTMLElementTagNameMap} tag */
export function word(name, tag = "span", props = {}) {
  const element = h(tag, props);
  spoken(() => { element.textContent = t()[name]; });
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** One of the drawings of icons.svg; what it means stands beside it in words. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `/icons.svg#${name}`);
  svg.append(use);
  return svg;
}

/** The address, if a browser may follow it. */
export function safe(link) {
  try {
    const url = new URL(link, location.href);
    return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
  } catch {
    return null;
  }
}

/** Makes the children of a parent these, touching only what differs: what has the focus keeps it. */
export function show(parent, children) {
  children.forEach((child, i) => {
    if (parent.children[i] !== child) parent.insertBefore(child, parent.children[i] ?? null);
  });
  while (parent.children.length > children.length) parent.lastElementChild.remove();
}

let said = 0;
let waiting = null;

/** Tells a screen reader, at most once in five seconds; of what piles up meanwhile the newest. */
export function announce(text) {
  const status = document.querySelector("[role=status]");
  if (!status) return;
  if (waiting) {
    waiting.text = text;
    return;
  }
  const wait = Math.max(0, said + 5000 - Date.now());
  waiting = { text };
  setTimeout(() => {
    status.textContent = waiting.text;
    said = Date.now();
    waiting = null;
  }, wait);
}

/** What was to be said is nobody's business any more. */
export function hush() {
  if (waiting) waiting.text = "";
  document.querySelector("[role=status]")?.replaceChildren();
}
