// What makes the forms a little kinder where scripts run. Nothing here is needed.
"use strict";

for (const button of document.querySelectorAll("button.reveal")) {
  const field = document.getElementById(button.getAttribute("aria-controls"));
  button.hidden = false;
  button.addEventListener("click", () => {
    const shown = field.type === "password";
    field.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", String(shown));
    field.focus();
  });
  field.form.addEventListener("submit", () => { field.type = "password"; });
}

for (const form of document.querySelectorAll("form[data-busy]")) {
  const button = form.querySelector("button[type=submit]");
  const words = button.textContent;
  const rest = (busy) => {
    form.toggleAttribute("data-sent", busy);
    button.setAttribute("aria-disabled", String(busy));
    button.textContent = busy ? form.dataset.busy : words;
  };
  form.addEventListener("submit", (event) => {
    if (form.hasAttribute("data-sent")) event.preventDefault();
    else rest(true);
  });
  window.addEventListener("pageshow", () => rest(false));
}
