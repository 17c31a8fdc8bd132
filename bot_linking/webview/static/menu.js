// The menu's webview: Messenger's script says who opened it, and our form sends what it signed.
// Load this script before Messenger's, which calls `extAsyncInit` once, when it is ready.
(function () {
  "use strict";
  var here = document.currentScript;
  function instead() {
    var waiting = document.getElementById("waiting"), other = document.getElementById("instead");
    if (waiting && other) { waiting.hidden = true; other.hidden = false; }
  }
  var late = window.setTimeout(instead, 4000);
  window.extAsyncInit = function () {
    if (here.dataset.close) { window.MessengerExtensions.requestCloseBrowser(function () {}, function () {}); return; }
    window.MessengerExtensions.getContext(here.dataset.app, function (context) {
      window.clearTimeout(late);
      var form = document.getElementById("context");
      form.elements.signed_request.value = context.signed_request;
      form.submit();
    }, instead);
  };
}());
