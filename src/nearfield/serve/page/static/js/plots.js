// Plots by plotly, which is large: fetched by the first view that has one. Its styles are in plots.css, since the page's
// security policy lets no script write any.

import { address } from "./api.js";
import { token } from "./colors.js";
import { h } from "./dom.js";

let plotly = null;

function library() {
  plotly ??= new Promise((resolve, reject) => {
    const script = h("script", { src: address("page/plotly.js") });
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => {
      plotly = null;
      script.remove();
      reject(new Error("The plots could not be loaded: install the server with `pip install 'nearfield[serve]'`."));
    };
    document.head.append(script);
  });
  return plotly;
}

/** Draws into `place`, and again when the theme changes; `make()` gives traces and layout in the colours of the moment. */
export async function plot(place, make, signal) {
  const Plotly = await library();
  if (signal.aborted) return;
  const draw = () => {
    const { traces, layout } = make();
    const axis = { gridcolor: token("line"), linecolor: token("strong"), zeroline: false, automargin: true, tickfont: { size: 12 } };
    return Plotly.react(place, traces, {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: "system-ui, sans-serif", size: 13, color: token("ink") },
      margin: { l: 56, r: 16, t: 16, b: 48 },
      showlegend: false,
      hoverlabel: { bgcolor: token("card"), bordercolor: token("strong"), font: { color: token("ink"), size: 12 }, align: "left" },
      ...layout,
      xaxis: { ...axis, ...layout.xaxis },
      yaxis: { ...axis, ...layout.yaxis },
    }, { displayModeBar: false, responsive: true, scrollZoom: false, doubleClick: "reset" });
  };
  await draw();
  addEventListener("themechange", draw);
  signal.addEventListener("abort", () => {
    removeEventListener("themechange", draw);
    Plotly.purge(place);
  });
}
