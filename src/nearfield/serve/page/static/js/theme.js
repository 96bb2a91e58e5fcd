// Runs before anything is drawn, so that a dark page never flashes white: what was chosen last, or what the system says.
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => {
    try {
      return localStorage.getItem("nearfield-theme");
    } catch {
      return null;
    }
  };
  const apply = () => {
    document.documentElement.dataset.theme = chosen() || (dark.matches ? "dark" : "light");
  };
  apply();
  dark.addEventListener("change", () => {
    apply();
    dispatchEvent(new Event("themechange"));
  });
})();
