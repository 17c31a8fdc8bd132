// The webview: a sheet over the chat, and what a page in it may ask of Messenger.

import { send } from "./api.js";
import { attempt, byId, isWebAddress } from "./dom.js";
import { person, state } from "./state.js";

const opened = { extensions: false };

export function openWebview(url, { extensions = false } = {}) {
  if (!isWebAddress(url)) return;
  const address = new URL(url);
  const inApp = address.protocol === "https:" ? "Secure" : "Not secure, fine on this machine";
  opened.extensions = extensions;
  byId("webview-title").textContent = address.host;
  byId("webview-hint").textContent = person()?.device === "desktop" ? "A browser on the desktop" : inApp;
  byId("webview-tab").href = url;
  byId("webview-frame").src = url;
  byId("webview").hidden = false;
  byId("chat").inert = true;
  byId("webview-close").focus();
}

export function closeWebview() {
  if (byId("webview").hidden) return;
  byId("webview").hidden = true;
  byId("webview-frame").contentWindow.location.replace("about:blank");
  byId("chat").inert = false;
  byId("text").focus({ preventScroll: true });
}

const ANSWERS = {
  ready: async () => ((await send("/simulator/extensions", { psid: state.psid })).ready ? { answer: true } : null),
  features: async () => ({ answer: { supported_features: ["context", "close"] } }),
  inside: async () => ({ answer: true }),
  close: async () => {
    closeWebview();
    return { answer: true };
  },
  context: async (asked, origin) => {
    const given = { psid: state.psid, app_id: asked.app_id, url: origin, extensions: opened.extensions };
    const { context, error, message } = await send("/simulator/context", given);
    return context ? { answer: context } : { error, message };
  },
};

async function answer(event) {
  const asked = event.data;
  const found = await ANSWERS[asked.simulator](asked, event.origin);
  if (found && asked.number) event.source.postMessage({ number: asked.number, ...found }, event.origin);
}

export function listenToWebview() {
  byId("webview-close").addEventListener("click", closeWebview);
  document.addEventListener("keydown", (event) => event.key === "Escape" && closeWebview());
  window.addEventListener("message", (event) => {
    const fromWebview = event.source === byId("webview-frame").contentWindow;
    const what = fromWebview && event.data && event.data.simulator;
    if (typeof what === "string" && Object.hasOwn(ANSWERS, what)) attempt(answer(event));
  });
}
