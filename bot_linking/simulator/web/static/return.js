// The page where a login ends: it closes its webview.

const CLOSE_AFTER_MS = 1200;
const outcome = document.body.dataset.outcome;

if (window.parent !== window) { // in a tab of its own the link back is enough
  const tellChat = () => window.parent.postMessage({ simulator: "close", outcome }, "*");
  document.getElementById("back").addEventListener("click", (event) => {
    event.preventDefault();
    tellChat();
  });
  if (["linked", "cancelled"].includes(outcome)) setTimeout(tellChat, CLOSE_AFTER_MS);
}
