// The clock and the faults.

import { send } from "./api.js";
import { attempt, byId, clockTime, make } from "./dom.js";

const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

function inWords(seconds) {
  const parts = [];
  for (const [size, unit] of UNITS) {
    const whole = Math.floor(seconds / size);
    if (whole) parts.push(`${whole} ${unit}`);
    seconds -= whole * size;
  }
  return parts.slice(0, 2).join(" ");
}

export function drawClock(news) {
  const day = new Date(news.now * 1000).toLocaleDateString([], { day: "numeric", month: "short" });
  byId("now").textContent = news.ahead >= 1 ? `${day}, ${clockTime(news.now)}` : clockTime(news.now);
  byId("ahead").textContent = news.ahead >= 1 ? `${inWords(news.ahead)} ahead` : "as it is";
}

export function drawSwitches(switches) {
  const notes = [];
  for (const control of document.querySelectorAll("[data-switch]")) {
    const value = switches[control.dataset.switch];
    if (value) notes.push(control.dataset.note);
    if (control.tagName === "SELECT") showDelay(control, value);
    else control.setAttribute("aria-checked", String(value));
  }
  byId("fault-count").textContent = notes.length;
  byId("fault-count").hidden = notes.length === 0;
  byId("fault-notes").replaceChildren(...notes.map((note) => make("li", "", note)));
}

function showDelay(control, seconds) {
  const value = String(seconds);
  if (![...control.options].some((option) => option.value === value)) {
    control.append(new Option(`${value} s`, value)); // set from Python to something between
  }
  control.value = value;
}

export function listenToTools() {
  for (const control of document.querySelectorAll("[data-switch]")) {
    const flip = (value) => attempt(send("/simulator/switches", { [control.dataset.switch]: value }));
    if (control.tagName === "SELECT") control.addEventListener("change", () => flip(Number(control.value)));
    else control.addEventListener("click", () => flip(control.getAttribute("aria-checked") !== "true"));
  }
  for (const control of document.querySelectorAll("[data-advance]")) {
    control.addEventListener("click", () => attempt(send("/simulator/clock", { seconds: Number(control.dataset.advance) })));
  }
}
