// The menu's page: Messenger's own script says who opened it; what it signed is sent with our form.
// It stands before that script, which asks for `extAsyncInit` once, as soon as it is there.
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
