// People: the list, adding and forgetting one, m.me links.

import { send } from "./api.js";
import { attempt, button, byId, make } from "./dom.js";
import { person, state } from "./state.js";

const ABOUT = { desktop: "on a desktop", phone: "" };

export function drawPeople(news, switchTo) {
  state.people = news.people;
  const drawn = JSON.stringify([news.people, state.psid]);
  if (byId("people").dataset.drawn !== drawn) {
    byId("people").dataset.drawn = drawn;
    const focused = document.activeElement && document.activeElement.dataset.psid;
    byId("people").replaceChildren(...news.people.map((each, place) => personItem(each, place, switchTo)));
    if (focused) byId("people").querySelector(`[data-psid="${focused}"]`)?.focus();
    byId("people").querySelector("[aria-pressed=true]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  byId("forget").hidden = !person();
  byId("forget").textContent = `Forget ${person()?.first_name || ""}`;
  byId("follow-as").textContent = person()?.first_name || "nobody";
}

function personItem(each, place, switchTo) {
  const element = button("", `somebody tone-${place % 2}`, () => switchTo(each.psid));
  element.dataset.psid = each.psid;
  element.setAttribute("aria-pressed", String(each.psid === state.psid));
  const avatar = make("span", "avatar", each.initials);
  avatar.setAttribute("aria-hidden", "true");
  const who = make("span", "who");
  const about = [each.linked ? "linked" : "not linked", ABOUT[each.device], each.european ? "in Europe" : ""];
  const name = make("span", "name");
  name.append(make("span", "first", each.first_name), make("span", "last", ` ${each.name.slice(each.first_name.length).trim()}`));
  who.append(name, make("span", `linkstate${each.linked ? " on" : ""}`, about.filter(Boolean).join(", ")));
  element.append(avatar, who);
  const item = make("li");
  item.append(element);
  return item;
}

export function drawStanding(news) {
  const linked = Boolean(person()?.linked);
  byId("link-state").textContent = linked ? "Account linked" : "Not linked by Log In";
  byId("link-state").classList.toggle("on", linked);
  byId("window-state").textContent = windowWords(news.window);
}

function windowWords(seconds) {
  if (seconds <= 0) return "The page may not write now";
  const hours = Math.ceil(seconds / 3600);
  return `The page may write for ${hours} h`;
}

async function add(form, switchTo) {
  const { psid } = await send("/simulator/people", {
    first_name: form.first_name.value,
    last_name: form.last_name.value,
    locale: form.locale.value,
    device: form.device.value,
    european: form.european.checked,
  });
  form.reset();
  byId("more").close();
  switchTo(psid);
}

async function follow(psid, url) {
  await send("/simulator/follow", { psid, url });
  byId("more").close();
}

async function forget() {
  await send("/simulator/forget", { psid: state.psid });
  byId("more").close();
}

export function listenToPeople(switchTo) {
  const inDialog = (promise) => attempt(promise.catch((problem) => {
    byId("more-trouble").textContent = problem.message;
    byId("more-trouble").hidden = false;
  }));
  byId("more-open").addEventListener("click", () => {
    byId("more-trouble").hidden = true;
    byId("more").showModal();
  });
  byId("more-close").addEventListener("click", () => byId("more").close());
  byId("new-person").addEventListener("submit", (event) => {
    event.preventDefault();
    inDialog(add(event.target, switchTo));
  });
  byId("follow").addEventListener("submit", (event) => {
    event.preventDefault();
    inDialog(follow(state.psid, event.target.url.value));
  });
  byId("forget").addEventListener("click", () => inDialog(forget()));
}

// An m.me link was opened in this browser: ask who opens it, and only then tell the bot.
export function askWhoFollows(link, switchTo) {
  const dialog = byId("arrival");
  const open = async (psid) => {
    await send("/simulator/follow", { psid, url: link });
    history.replaceState(null, "", `/#${psid}`);
    dialog.close();
    switchTo(psid);
  };
  const known = state.people.map((each) => button(each.name, "choice", () => attempt(open(each.psid))));
  const somebodyNew = button("Somebody new", "choice", () => attempt(send("/simulator/people", {}).then(({ psid }) => open(psid))));
  byId("arrival-link").textContent = link;
  byId("arrival-people").replaceChildren(...known, somebodyNew);
  dialog.showModal();
}
