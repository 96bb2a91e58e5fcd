// The button that turns the light theme into the dark one and back.

import { fill, glyph } from "./dom.js";

export function themeButton(button) {
  const dark = () => document.documentElement.dataset.theme === "dark";
  const label = () => {
    fill(button, glyph(dark() ? "sun" : "moon"));
    button.setAttribute("aria-label", dark() ? "Use the light theme" : "Use the dark theme");
    button.title = button.getAttribute("aria-label");
  };
  button.addEventListener("click", () => {
    const next = dark() ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    try {
      localStorage.setItem("nearfield-theme", next);
    } catch {
      // Without storage the choice lasts as long as the page.
    }
    label();
    dispatchEvent(new Event("themechange"));
  });
  addEventListener("themechange", label);
  label();
}
