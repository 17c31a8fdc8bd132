// The chat page, and the few lines by which the return page closes the webview. No library, no inline code:
// whatever the bot sends goes into the page as text, never as markup.
"use strict";

const byId = (id) => document.getElementById(id);

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined && text !== null) element.textContent = String(text);
  return element;
}

function isWebAddress(url) {
  try {
    return ["http:", "https:"].includes(new URL(url).protocol);
  } catch {
    return false;
  }
}

const clockTime = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

// --- the page at which a login ends

const CLOSE_AFTER_MS = 1200;

function returnPage() {
  if (window.parent === window) return; // opened in a tab: the link back is enough
  const tellChat = () => window.parent.postMessage({ simulator: "webview-done", outcome: document.body.dataset.outcome }, "*");
  byId("back").addEventListener("click", (event) => {
    event.preventDefault();
    tellChat();
  });
  if (["linked", "cancelled"].includes(document.body.dataset.outcome)) setTimeout(tellChat, CLOSE_AFTER_MS);
}

// --- the chat page

const LABELS = { account_link: "Log In", account_unlink: "Log Out" };
const PAUSE_SECONDS = 300;
const state = { psid: "", after: 0, version: -1, asking: null, lastAt: 0, lastFrom: "", linked: {}, openWire: new Set() };

async function send(path, body) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Simulator": "chat" },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`The simulator answered ${answer.status}.`);
  showTrouble("");
  return answer.json();
}

function showTrouble(text) {
  byId("trouble").textContent = text;
  byId("trouble").hidden = !text;
}

const attempt = (promise) => promise.catch((problem) => showTrouble(problem.message));

function say(text) {
  if (text.trim()) attempt(send("/simulator/say", { psid: state.psid, text }));
}

async function tap(button) {
  const { url } = await send("/simulator/tap", { psid: state.psid, button });
  if (button.type === "account_link" && url) openWebview(url);
}

// --- drawing what was said

function picture(url) {
  const frame = make("div", "picture");
  if (isWebAddress(url)) {
    const image = make("img");
    image.alt = "";
    image.referrerPolicy = "no-referrer";
    image.addEventListener("error", () => image.remove());
    image.src = url;
    frame.append(image);
  }
  return frame;
}

function cardButton(button) {
  const label = LABELS[button.type] || button.title;
  if (button.type === "web_url") {
    const link = make("a", "action", label);
    if (isWebAddress(button.url)) link.href = button.url;
    link.target = "_blank";
    link.rel = "noopener noreferrer";
    return link;
  }
  const element = make("button", "action", label);
  element.type = "button";
  element.dataset.type = button.type;
  element.addEventListener("click", () => attempt(tap(button)));
  return element;
}

function card(content, buttons) {
  const element = make("div", "card");
  element.append(...content);
  if (buttons && buttons.length) {
    const actions = make("div", "actions");
    actions.append(...buttons.map(cardButton));
    element.append(actions);
  }
  return element;
}

function genericElement(element) {
  const words = make("div", "words");
  words.append(make("p", "headline", element.title));
  if (element.subtitle) words.append(make("p", "subtitle", element.subtitle));
  return card(element.image_url ? [picture(element.image_url), words] : [words], element.buttons);
}

function template(payload) {
  if (payload.template_type === "button") {
    const words = make("div", "words");
    words.append(make("p", "", payload.text));
    return card([words], payload.buttons);
  }
  const elements = payload.elements || [];
  if (elements.length === 1) return genericElement(elements[0]);
  const row = make("div", "carousel");
  row.tabIndex = 0;
  row.setAttribute("role", "group");
  row.setAttribute("aria-label", `${elements.length} cards`);
  row.append(...elements.map(genericElement));
  return row;
}

function attachment(part) {
  if (part.type === "template") return template(part.payload || {});
  const url = (part.payload || {}).url;
  if (part.type === "image" && isWebAddress(url)) {
    const element = make("div", "card");
    element.append(picture(url));
    return element;
  }
  return make("div", "bubble", `[${part.type}]`);
}

function bubble(entry) {
  if (entry.from === "person") return make("div", "bubble", entry.text);
  if (entry.message.attachment) return attachment(entry.message.attachment);
  return make("div", "bubble", entry.message.text);
}

function draw(entry) {
  const log = byId("log");
  byId("empty").hidden = true;
  if (entry.at - state.lastAt > PAUSE_SECONDS) log.append(make("p", "pause", clockTime(entry.at)));
  state.lastAt = entry.at;
  if (entry.from === "note") {
    log.append(make("p", "note", entry.text));
  } else {
    const row = make("div", `row ${entry.from}${entry.from === state.lastFrom ? " next" : ""}`);
    row.title = clockTime(entry.at);
    row.append(make("span", "hidden", entry.from === "person" ? "You: " : `${document.body.dataset.pageName}: `), bubble(entry));
    log.append(row);
  }
  state.lastFrom = entry.from;
  drawQuickReplies(entry);
}

function drawQuickReplies(entry) {
  if (entry.from === "note") return;
  const group = byId("quick-replies");
  const replies = (entry.message && entry.message.quick_replies) || [];
  group.replaceChildren(...replies.map(quickReply));
  group.hidden = replies.length === 0;
}

function quickReply(reply) {
  const element = make("button", "", reply.title || reply.content_type.replace("user_", "").replace("_", " "));
  element.type = "button";
  const tapped = { ...reply, type: "quick_reply", title: element.textContent, payload: reply.payload ?? element.textContent };
  element.addEventListener("click", () => attempt(tap(tapped)));
  return element;
}

function drawReceipt(news) {
  document.querySelectorAll(".receipt").forEach((old) => old.remove());
  const own = document.querySelectorAll(".row.person");
  if (!own.length || state.lastFrom !== "person") return;
  const text = news.failing ? "Not delivered" : news.busy ? "Sending" : news.seen_at >= state.lastAt ? "Seen" : "Delivered";
  const receipt = make("p", `receipt${news.failing ? " bad" : ""}`, text);
  receipt.setAttribute("aria-hidden", "true");
  own[own.length - 1].after(receipt);
}

function drawLinks(linked) {
  // the login may have been finished in a tab of its own: then the webview has nothing left to say
  if (linked[state.psid] && state.linked[state.psid] === false) setTimeout(closeWebview, CLOSE_AFTER_MS * 1.5);
  state.linked = linked;
  byId("link-state").textContent = linked[state.psid] ? "Account linked" : "Account not linked";
  byId("link-state").classList.toggle("on", linked[state.psid]);
  for (const button of document.querySelectorAll("[data-psid]")) {
    const mark = button.querySelector("[data-linkstate]");
    mark.textContent = linked[button.dataset.psid] ? "linked" : "not linked";
    mark.classList.toggle("on", linked[button.dataset.psid]);
  }
}

// --- switches and wire

function drawSwitches(switches) {
  let on = 0;
  for (const control of document.querySelectorAll("[data-switch]")) {
    const value = switches[control.dataset.switch];
    if (value) on += 1;
    if (control.type === "checkbox") control.checked = value;
    else showDelay(control, value);
  }
  byId("fault-count").textContent = on;
  byId("fault-count").hidden = on === 0;
}

function showDelay(control, seconds) {
  const value = String(seconds);
  if (![...control.options].some((option) => option.value === value)) {
    control.append(new Option(`${value} s`, value)); // set from Python to something between
  }
  control.value = value;
}

function drawWire(lines) {
  byId("wire-empty").hidden = lines.length > 0;
  byId("wire").replaceChildren(...[...lines].reverse().map(wireLine));
}

function wireLine(line) {
  const item = make("li", line.ok ? "ok" : "bad");
  const details = make("details");
  details.open = state.openWire.has(line.id);
  details.addEventListener("toggle", () => state.openWire[details.open ? "add" : "delete"](line.id));
  const summary = make("summary");
  summary.append(
    make("span", "way", line.way === "webhook" ? "→ bot" : "→ Graph"),
    make("span", "what", line.title),
    make("span", "status", line.status === null ? "no answer" : line.status),
  );
  const note = [line.tries > 1 ? `${line.tries} tries` : "", line.problem].filter(Boolean).join(" · ");
  if (note) summary.append(make("span", "problem", note));
  const body = make("pre", "", Object.keys(line.body).length ? JSON.stringify(line.body, null, 2) : "no parameters");
  body.tabIndex = 0;
  details.append(summary, body);
  item.append(details);
  return item;
}

// --- the webview

function openWebview(url) {
  if (!isWebAddress(url)) return;
  const address = new URL(url);
  byId("webview-title").textContent = address.host;
  byId("webview-hint").textContent = address.protocol === "https:" ? "Secure" : "Not secure, fine on this machine";
  byId("webview-tab").href = url;
  byId("webview-frame").src = url;
  byId("webview").hidden = false;
  byId("chat").inert = true;
  byId("webview-close").focus();
}

function closeWebview() {
  if (byId("webview").hidden) return;
  byId("webview").hidden = true;
  byId("webview-frame").contentWindow.location.replace("about:blank");
  byId("chat").inert = false;
  byId("text").focus({ preventScroll: true });
}

function onMessage(event) {
  const fromWebview = event.source === byId("webview-frame").contentWindow;
  if (fromWebview && event.data && event.data.simulator === "webview-done") closeWebview();
}

// --- asking for news

function show(news) {
  if (news.psid !== state.psid) return;
  const log = byId("log");
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  const fresh = news.entries.filter((entry) => entry.seq > state.after);
  fresh.forEach(draw);
  if (fresh.length) state.after = fresh[fresh.length - 1].seq;
  byId("typing").hidden = !(news.typing || (news.busy && !news.failing));
  drawReceipt(news);
  drawLinks(news.linked);
  drawSwitches(news.switches);
  drawWire(news.wire);
  if (atEnd || fresh.some((entry) => entry.from === "person")) log.scrollTop = log.scrollHeight;
  state.version = news.version;
}

async function ask() {
  const psid = state.psid;
  state.asking = new AbortController();
  const query = new URLSearchParams({ psid, after: state.after, version: state.version });
  const answer = await fetch(`/simulator/state?${query}`, { signal: state.asking.signal });
  if (!answer.ok) throw new Error(`The simulator answered ${answer.status}.`);
  show(await answer.json());
}

async function keepAsking() {
  for (;;) {
    try {
      await ask();
      showTrouble("");
    } catch (problem) {
      if (problem.name === "AbortError") continue;
      showTrouble("The simulator does not answer. Is it still running?");
      await new Promise((resume) => setTimeout(resume, 1500));
    }
  }
}

function switchPerson(button) {
  closeWebview();
  for (const other of document.querySelectorAll("[data-psid]")) other.setAttribute("aria-pressed", String(other === button));
  Object.assign(state, { psid: button.dataset.psid, after: 0, version: -1, lastAt: 0, lastFrom: "" });
  byId("log").replaceChildren(byId("empty"));
  byId("empty").hidden = false;
  byId("quick-replies").hidden = true;
  if (state.asking) state.asking.abort();
}

function chatPage() {
  const people = [...document.querySelectorAll("[data-psid]")];
  for (const button of people) button.addEventListener("click", () => switchPerson(button));
  for (const chip of document.querySelectorAll("[data-say]")) chip.addEventListener("click", () => say(chip.dataset.say));
  for (const control of document.querySelectorAll("[data-switch]")) {
    control.addEventListener("change", () => {
      const value = control.type === "checkbox" ? control.checked : Number(control.value);
      attempt(send("/simulator/switches", { [control.dataset.switch]: value }));
    });
  }
  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    say(byId("text").value);
    byId("text").value = "";
  });
  byId("panel-toggle").addEventListener("click", () => {
    const open = document.body.classList.toggle("panel-open");
    byId("panel-toggle").setAttribute("aria-expanded", String(open));
  });
  byId("webview-close").addEventListener("click", closeWebview);
  document.addEventListener("keydown", (event) => event.key === "Escape" && closeWebview());
  window.addEventListener("message", onMessage);
  state.psid = people[0].dataset.psid;
  keepAsking();
}

if (document.body.dataset.page === "return") returnPage();
else chatPage();
