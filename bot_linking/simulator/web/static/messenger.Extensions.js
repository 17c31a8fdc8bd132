// A stand-in for Facebook's SDK of Messenger Extensions. It asks the chat page that frames it.
(function () {
  "use strict";

  const home = new URL(document.currentScript.src).origin;
  const waiting = new Map();
  let number = 0;

  function ask(what, details, success, error) {
    if (window.parent === window) return; // no Messenger around the page: the real SDK says nothing either
    number += 1;
    waiting.set(number, { success, error });
    window.parent.postMessage({ simulator: what, number, ...details }, home);
  }

  window.addEventListener("message", (event) => {
    if (event.origin !== home || event.source !== window.parent) return;
    const asked = waiting.get(event.data && event.data.number);
    if (!asked) return;
    waiting.delete(event.data.number);
    if (event.data.error === undefined) asked.success && asked.success(event.data.answer);
    else asked.error && asked.error(event.data.error, event.data.message);
  });

  window.MessengerExtensions = {
    getContext: (appId, success, error) => ask("context", { app_id: String(appId) }, success, error),
    getSupportedFeatures: (success, error) => ask("features", {}, success, error),
    requestCloseBrowser: (success, error) => ask("close", {}, success, error),
    isInExtension: (success, error) => ask("inside", {}, success, error),
  };

  // On a desktop and in Europe the SDK never calls extAsyncInit: the page must offer another way.
  ask("ready", {}, () => {
    if (typeof window.extAsyncInit === "function") window.extAsyncInit();
  });
})();
