// Focuses a wrong field, shows a password, and sends a form once. Every page works without this script.
"use strict";

const wrong = document.querySelector("[aria-invalid=true]:not([autofocus])");
if (wrong && document.activeElement === document.body) wrong.focus();

for (const row of document.querySelectorAll("[data-show]")) {
  const field = row.querySelector("input");
  const label = document.createElement("label");
  const box = document.createElement("input");
  label.className = "reveal";
  label.title = row.dataset.title;
  box.type = "checkbox";
  label.append(box, row.dataset.show);
  row.append(label);
  box.addEventListener("change", () => { field.type = box.checked ? "text" : "password"; });
  field.form.addEventListener("submit", () => {
    box.checked = false;
    field.type = "password";
  });
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
