// The inspector: a line for each request over the wire, and the whole exchange when a line is opened.

import { read, send } from "./api.js";
import { attempt, button, byId, exactTime, make } from "./dom.js";
import { state } from "./state.js";

const MOST_LINES = 300;
const lines = new Map(); // id to { line, item }
const filter = { person: "", kind: "", failed: false };

export function drawWire(news) {
  for (const line of news.wire) {
    state.wire = Math.max(state.wire, line.seq);
    put(line);
  }
  if (news.wire.length) drawKinds();
  drawPeopleFilter(news.people);
  applyFilter();
}

function put(line) {
  const known = lines.get(line.id);
  if (known) {
    known.line = line;
    known.item.className = line.ok ? "ok" : "bad";
    known.item.querySelector("summary").replaceWith(summary(line));
    return;
  }
  const item = make("li", line.ok ? "ok" : "bad");
  const details = make("details");
  details.append(summary(line));
  details.addEventListener("toggle", () => details.open && attempt(openLine(line.id, details)));
  item.append(details);
  lines.set(line.id, { line, item });
  place(item, line.at);
  if (lines.size > MOST_LINES) forgetOldest();
}

// Newest first by its begin: a post to the bot ends after the calls that the bot makes meanwhile.
function place(item, at) {
  item.dataset.at = at;
  const list = byId("wire");
  const older = [...list.children].find((other) => Number(other.dataset.at) <= at);
  list.insertBefore(item, older ?? null);
}

function forgetOldest() {
  const [id, { item }] = lines.entries().next().value;
  item.remove();
  lines.delete(id);
}

function summary(line) {
  const element = make("summary");
  const arrow = make("span", "arrow", line.way === "bot" ? "→" : "←");
  arrow.title = line.way === "bot" ? "to the bot" : "from the bot";
  element.append(
    make("span", "time", exactTime(line.at)),
    arrow,
    make("span", "hidden", line.way === "bot" ? "to the bot: " : "from the bot: "),
    make("span", "what", line.words),
    make("span", "status", line.status === null ? "no answer" : line.status),
    make("span", "ms", `${line.ms} ms`),
  );
  const note = [line.tries > 1 ? `${line.tries} tries` : "", line.problem].filter(Boolean).join(" · ");
  if (note) element.append(make("span", "problem", note));
  return element;
}

// --- an open line

async function openLine(id, details) {
  const exchange = await read(`/simulator/wire/${id}`);
  details.querySelector(".exchange")?.remove();
  details.append(drawExchange(id, exchange));
}

const pretty = (text) => {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
};
const listed = (headers) => Object.entries(headers).map(([name, value]) => `${name}: ${value}`).join("\n");
const VIEWS = {
  Request: (exchange) => [`${exchange.method} ${exchange.url}`, pretty(exchange.body)].filter(Boolean).join("\n\n"),
  Response: (exchange) => [exchange.status === null ? "no answer" : exchange.status, pretty(exchange.answer)].filter(Boolean).join("\n\n"),
  Headers: (exchange) => [listed(exchange.headers), listed(exchange.answer_headers)].filter(Boolean).join("\n\n"),
};

function drawExchange(id, exchange) {
  const element = make("div", "exchange");
  const shown = make("pre");
  shown.tabIndex = 0;
  const views = make("div", "views");
  views.setAttribute("role", "group");
  views.setAttribute("aria-label", "What to show");
  const show = (name) => {
    for (const view of views.children) view.setAttribute("aria-pressed", String(view.textContent === name));
    shown.textContent = VIEWS[name](exchange);
    shown.setAttribute("aria-label", name);
    shown.setAttribute("role", "region");
  };
  views.append(...Object.keys(VIEWS).map((name) => button(name, "view", () => show(name))));
  element.append(views, shown, drawDeeds(id, exchange, element));
  show("Request");
  return element;
}

function drawDeeds(id, exchange, element) {
  const deeds = make("div", "deeds");
  const said = make("span", "said");
  said.setAttribute("role", "status");
  const copy = (text) => attempt(navigator.clipboard.writeText(text).then(() => (said.textContent = "Copied")));
  const asJson = () => JSON.stringify({ request: exchange, response: { status: exchange.status, body: exchange.answer } }, replacer, 2);
  deeds.append(button("Copy as JSON", "", () => copy(asJson())), button("Copy as curl", "", () => copy(exchange.curl)));
  if (exchange.again) {
    const again = (body) => attempt(send(`/simulator/wire/${id}/again`, body).then(() => (said.textContent = "Sent")));
    deeds.append(button("Send again", "", () => again({})));
    deeds.append(button("Edit and send", "", () => edit(element, exchange, again)));
  }
  deeds.append(said);
  return deeds;
}

// The request without what belongs to its answer, and JSON as JSON.
function replacer(key, value) {
  if (key === "request") {
    const { method, url, headers, body } = value;
    return { method, url, headers, body };
  }
  if (key === "body") {
    try {
      return JSON.parse(value);
    } catch {
      return value;
    }
  }
  return value;
}

function edit(element, exchange, again) {
  element.querySelector(".editor")?.remove();
  const editor = make("form", "editor");
  const label = make("label", "", "Body, signed anew when it is sent");
  const text = make("textarea");
  text.value = pretty(exchange.body);
  text.rows = 12;
  text.spellcheck = false;
  label.append(text);
  const deeds = make("div", "deeds");
  const submit = make("button", "", "Send");
  submit.type = "submit";
  deeds.append(submit, button("Cancel", "", () => editor.remove()));
  editor.append(label, deeds);
  editor.addEventListener("submit", (event) => {
    event.preventDefault();
    again({ body: text.value });
  });
  element.append(editor);
  text.focus();
}

// --- the filter

function fill(select, entries) {
  const drawn = JSON.stringify(entries);
  if (select.dataset.drawn === drawn) return;
  select.dataset.drawn = drawn;
  const chosen = select.value;
  select.replaceChildren(select.options[0], ...entries.map(([value, label]) => new Option(label, value)));
  select.value = entries.some(([value]) => value === chosen) ? chosen : "";
}

function drawKinds() {
  const kinds = new Set([...lines.values()].flatMap(({ line }) => line.kinds));
  fill(byId("filter-kind"), [...kinds].sort().map((kind) => [kind, kind]));
}

const drawPeopleFilter = (people) => fill(byId("filter-person"), people.map((each) => [each.psid, each.first_name || each.name]));

function matches(line) {
  if (filter.person && !line.people.includes(filter.person)) return false;
  if (filter.kind && !line.kinds.includes(filter.kind)) return false;
  return !(filter.failed && line.ok);
}

function applyFilter() {
  let shown = 0;
  for (const { line, item } of lines.values()) {
    item.hidden = !matches(line);
    if (!item.hidden) shown += 1;
  }
  byId("wire-empty").textContent = lines.size ? "Nothing that fits the filter." : "Nothing yet.";
  byId("wire-empty").hidden = shown > 0;
}

export function listenToWire() {
  const note = () => {
    filter.person = byId("filter-person").value;
    filter.kind = byId("filter-kind").value;
    filter.failed = byId("filter-failed").checked;
    applyFilter();
  };
  for (const id of ["filter-person", "filter-kind", "filter-failed"]) byId(id).addEventListener("change", note);
  byId("panel-toggle").addEventListener("click", () => {
    const open = document.body.classList.toggle("panel-open");
    byId("panel-toggle").setAttribute("aria-expanded", String(open));
  });
}
