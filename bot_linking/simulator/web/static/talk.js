// What was said, as bubbles, cards and buttons; and what the person can tap.

import { send } from "./api.js";
import { attempt, button, byId, clockTime, isWebAddress, make } from "./dom.js";
import { person, state } from "./state.js";
import { openWebview } from "./webview.js";

const LABELS = { account_link: "Log In", account_unlink: "Log Out" };
const PAUSE_SECONDS = 300;
const NEAR_THE_END = 80;

export function say(text) {
  if (text.trim()) attempt(send("/simulator/say", { psid: state.psid, text }));
}

async function tap(tapped) {
  const { url } = await send("/simulator/tap", { psid: state.psid, button: tapped });
  if (url) openWebview(url, { extensions: tapped.messenger_extensions === true });
}

const inWebview = (entry) => entry.type !== "web_url" || (entry.messenger_extensions === true && person()?.device === "phone");

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

function action(entry) {
  const label = LABELS[entry.type] || entry.title;
  if (inWebview(entry)) {
    const element = button(label, "action", () => attempt(tap(entry)));
    element.dataset.type = entry.type;
    return element;
  }
  const link = make("a", "action", label);
  if (isWebAddress(entry.url)) link.href = entry.url;
  link.target = "_blank";
  link.rel = "noopener noreferrer";
  return link;
}

function card(content, buttons) {
  const element = make("div", "card");
  element.append(...content);
  if (buttons && buttons.length) {
    const actions = make("div", "actions");
    actions.append(...buttons.map(action));
    element.append(actions);
  }
  return element;
}

function words(...paragraphs) {
  const element = make("div", "words");
  element.append(...paragraphs);
  return element;
}

function genericElement(element) {
  if (element.media_type) return card([picture(element.url)], element.buttons);
  const said = [make("p", "headline", element.title)];
  if (element.subtitle) said.push(make("p", "subtitle", element.subtitle));
  return card(element.image_url ? [picture(element.image_url), words(...said)] : [words(...said)], element.buttons);
}

function template(payload) {
  if (payload.template_type === "button") return card([words(make("p", "", payload.text))], payload.buttons);
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

function utility(sent) {
  const given = (sent.components || []).flatMap((part) => (part.parameters || []).map((each) => each.text ?? each.payload ?? each.type));
  return card([words(make("p", "headline", `Template ${sent.name}`), make("p", "subtitle", given.join(", ")))]);
}

function bubble(entry) {
  if (entry.from === "person") return make("div", "bubble", entry.text);
  if (entry.message.template) return utility(entry.message.template);
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
  const asked = { user_email: "Send my e-mail address", user_phone_number: "Send my phone number" };
  const title = reply.title || asked[reply.content_type] || reply.content_type;
  return button(title, "", () => attempt(tap({ payload: title, title, ...reply, type: "quick_reply" })));
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

function drawMenu(items) {
  byId("menu-toggle").hidden = items.length === 0;
  const list = byId("menu");
  const drawn = JSON.stringify([items, person()?.device]);
  if (list.dataset.drawn === drawn) return;
  list.dataset.drawn = drawn;
  list.replaceChildren(...items.map((entry) => {
    const item = make("li");
    item.append(action(entry));
    item.addEventListener("click", () => toggleMenu(false));
    return item;
  }));
  if (!items.length) toggleMenu(false);
}

function toggleMenu(open) {
  byId("menu").hidden = !open;
  byId("menu-toggle").setAttribute("aria-expanded", String(open));
}

const isAtEnd = () => {
  const log = byId("log");
  return log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_THE_END;
};

let staysAtEnd = true;

function goToEnd() {
  const log = byId("log");
  log.scrollTop = log.scrollHeight;
  staysAtEnd = true;
  byId("newer").hidden = true;
}

// Quick replies, a keyboard or a turned screen take the room where the newest message stood. What a scroll event says
// while the size changes is not what the person did.
function keepEndInSight() {
  const log = byId("log");
  const sizeNow = () => `${log.clientWidth} ${log.clientHeight}`;
  let size = sizeNow();
  log.addEventListener("scroll", () => {
    if (size === sizeNow()) staysAtEnd = isAtEnd();
    if (isAtEnd()) byId("newer").hidden = true;
  });
  new ResizeObserver(() => {
    if (staysAtEnd) goToEnd();
    size = sizeNow();
  }).observe(log);
}

export function emptyTalk() {
  byId("log").replaceChildren(byId("empty"));
  byId("empty").hidden = false;
  byId("quick-replies").hidden = true;
  goToEnd();
  toggleMenu(false);
}

export function drawTalk(news) {
  const atEnd = isAtEnd();
  const fresh = news.entries.filter((entry) => entry.seq > state.after);
  fresh.forEach(draw);
  if (fresh.length) state.after = fresh[fresh.length - 1].seq;
  byId("typing").hidden = !(news.typing || (news.busy && !news.failing));
  byId("get-started").hidden = !news.get_started;
  byId("suggestions").hidden = news.get_started;
  byId("composer").hidden = news.get_started;
  drawReceipt(news);
  drawMenu(news.menu);
  if (atEnd || fresh.some((entry) => entry.from === "person")) goToEnd();
  else if (fresh.length) byId("newer").hidden = false;
}

export function listenToTalk() {
  for (const chip of document.querySelectorAll("[data-say]")) chip.addEventListener("click", () => say(chip.dataset.say));
  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    say(byId("text").value);
    byId("text").value = "";
  });
  byId("get-started").addEventListener("click", () => attempt(send("/simulator/get-started", { psid: state.psid })));
  byId("menu-toggle").addEventListener("click", () => toggleMenu(byId("menu").hidden));
  byId("newer").addEventListener("click", goToEnd);
  keepEndInSight();
}
