// Elements for every part of the page. What the bot sends becomes text, never markup.

export const byId = (id) => document.getElementById(id);

export function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined && text !== null) element.textContent = String(text);
  return element;
}

export function button(label, className, onClick) {
  const element = make("button", className, label);
  element.type = "button";
  element.addEventListener("click", onClick);
  return element;
}

export function isWebAddress(url) {
  try {
    return ["http:", "https:"].includes(new URL(url).protocol);
  } catch {
    return false;
  }
}

const MINUTES = { hour: "2-digit", minute: "2-digit" };
const SECONDS = { ...MINUTES, second: "2-digit", hourCycle: "h23" };
export const clockTime = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], MINUTES);
export const exactTime = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], SECONDS);

export function showTrouble(text) {
  byId("trouble").textContent = text;
  byId("trouble").hidden = !text;
}

// Do something, and show at the foot of the chat when it fails.
export const attempt = (promise) => promise.catch((problem) => showTrouble(problem.message));
