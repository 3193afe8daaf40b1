"use strict";
// Dark or light: as the system has it, until the reader chooses.
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");

  function remembered(theme) {
    try {
      if (theme) localStorage.setItem("finsight-theme", theme);
      return localStorage.getItem("finsight-theme");
    } catch {
      return null; // a browser may forbid storage; the choice then lasts as long as the page
    }
  }

  const chosen = remembered();
  if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;
  const theme = () => root.dataset.theme || (system.matches ? "dark" : "light");
  const other = () => (theme() === "dark" ? "light" : "dark");

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("page.theme");
    const name = () => { button.textContent = other() === "dark" ? "Dark theme" : "Light theme"; };
    button.addEventListener("click", () => { root.dataset.theme = other(); remembered(theme()); name(); });
    system.addEventListener("change", name);
    button.hidden = false;
    name();
  });
})();
