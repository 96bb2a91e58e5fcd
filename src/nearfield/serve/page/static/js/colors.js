// Colours of points and plots: ten that those who see colours otherwise can tell apart, a ramp for numbers, and grey.

const LIGHT = ["#0b6fb8", "#d2600a", "#0b8a63", "#b8518f", "#a37800", "#6a51a3", "#2aa3c9", "#b5343c", "#5d7a1f", "#7d5a46"];
const DARK = ["#62b0f0", "#f0914a", "#41c79a", "#e58cc0", "#dcb73b", "#ab98e8", "#6fd3ee", "#ef7f83", "#a5c860", "#c49d86"];
const RAMP_LIGHT = ["#31226b", "#1f5f94", "#16958a", "#6fb43f", "#d9a800"];
const RAMP_DARK = ["#5c54b8", "#3b8fd0", "#2fbfae", "#96d65a", "#f7d64a"];

export const dark = () => document.documentElement.dataset.theme === "dark";
export const MOST = LIGHT.length;
export const OTHER = 10;
export const MISSING = 11;
export const STEPS = 64;

export const categories = () => [...(dark() ? DARK : LIGHT), dark() ? "#7d8794" : "#9aa1ab", dark() ? "#4a525d" : "#cfd2d6"];
export const faint = () => (dark() ? "#2e343b" : "#e3e4e2");
export const one = () => (dark() ? DARK[0] : LIGHT[0]);

/** `STEPS` colours from low to high, and the one of what is missing. */
export function ramp() {
  const stops = (dark() ? RAMP_DARK : RAMP_LIGHT).map((color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16)));
  const made = Array.from({ length: STEPS }, (_, step) => {
    const at = (step / (STEPS - 1)) * (stops.length - 1);
    const low = Math.min(Math.floor(at), stops.length - 2);
    const share = at - low;
    return `#${[0, 1, 2].map((i) => Math.round(stops[low][i] * (1 - share) + stops[low + 1][i] * share).toString(16).padStart(2, "0")).join("")}`;
  });
  return [...made, categories()[MISSING]];
}

export const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
