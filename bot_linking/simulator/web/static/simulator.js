// The chat page: it polls the simulator for news and passes them to its parts.

import { byId, showTrouble } from "./dom.js";
import { askWhoFollows, drawPeople, drawStanding, listenToPeople } from "./people.js";
import { state } from "./state.js";
import { drawTalk, emptyTalk, listenToTalk } from "./talk.js";
import { drawClock, drawSwitches, listenToTools } from "./tools.js";
import { closeWebview, listenToWebview } from "./webview.js";
import { drawWire, listenToWire } from "./wire.js";

const AGAIN_AFTER_MS = 1500;
const CLOSE_AFTER_MS = 1800;
let link = document.body.dataset.link;

// --- who is shown: it stands in the address, so that a reload keeps the person

function switchTo(psid) {
  closeWebview();
  Object.assign(state, { psid, after: 0, version: -1, lastAt: 0, lastFrom: "" });
  history.replaceState(null, "", psid ? `#${psid}` : location.pathname);
  emptyTalk();
  if (state.asking) state.asking.abort();
}

function drawLinked(people) {
  const linked = Object.fromEntries(people.map((each) => [each.psid, each.linked]));
  // the login may have been finished in another tab: then the webview is closed here
  if (linked[state.psid] && state.linked[state.psid] === false) setTimeout(closeWebview, CLOSE_AFTER_MS);
  state.linked = linked;
}

function show(news) {
  if (news.psid !== state.psid) return;
  drawPeople(news, switchTo);
  drawLinked(news.people);
  drawSwitches(news.switches);
  drawClock(news);
  drawWire(news);
  byId("chat").hidden = !news.entries;
  if (news.entries) {
    drawStanding(news);
    drawTalk(news);
  } else if (news.people.length) {
    switchTo(news.people[0].psid);
    return;
  }
  state.version = news.version;
  if (link) {
    askWhoFollows(link, switchTo);
    link = "";
  }
}

async function ask() {
  state.asking = new AbortController();
  const { psid, after, version, wire } = state;
  const answer = await fetch(`/simulator/state?${new URLSearchParams({ psid, after, version, wire })}`, { signal: state.asking.signal });
  if (answer.status === 404) switchTo(""); // has been forgotten
  else if (answer.ok) show(await answer.json());
  else throw new Error(`The simulator answered ${answer.status}.`);
}

async function keepAsking() {
  let failed = false;
  for (;;) {
    try {
      await ask();
      if (failed) showTrouble("");
      failed = false;
    } catch (problem) {
      if (problem.name === "AbortError") continue;
      failed = true;
      showTrouble("The simulator does not answer. Is it still running?");
      await new Promise((resume) => setTimeout(resume, AGAIN_AFTER_MS));
    }
  }
}

listenToPeople(switchTo);
listenToTalk();
listenToTools();
listenToWebview();
listenToWire();
state.psid = location.hash.slice(1);
keepAsking();
