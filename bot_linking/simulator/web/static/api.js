// The page's calls to the simulator. Other sites cannot set the header, so the simulator refuses theirs.

import { showTrouble } from "./dom.js";

const HEADERS = { "X-Simulator": "chat" };

async function answered(answer) {
  if (!answer.ok) throw new Error((await answer.text()).trim() || `The simulator answered ${answer.status}.`);
  showTrouble("");
  return answer.json();
}

export async function send(path, body) {
  const headers = { ...HEADERS, "Content-Type": "application/json" };
  return answered(await fetch(path, { method: "POST", headers, body: JSON.stringify(body) }));
}

export const read = async (path) => answered(await fetch(path, { headers: HEADERS }));
