// Pins a line of a Plotly chart: a click on it, its name at its end or in the legend dims the others.
//
// data: chart (key), names (legend groups that are lines)

const FAINT = "opacity(0.15)";
const NEAR = 30; // pixels
const charts = new WeakMap();

export default function (component) {
  const { parentElement } = component;
  let { data } = component;
  const earlier = charts.get(parentElement);
  if (earlier) {
    earlier.take(data);
    return earlier.stop;
  }
  window.mlcncPinned ??= {};
  let plot = null;
  const pinned = () => (data.names.includes(window.mlcncPinned[data.chart]) ? window.mlcncPinned[data.chart] : null);
  const groupOf = (element) => element.__data__?.[0]?.trace?.legendgroup;
  const nameOf = (element) => {
    if (element.matches(".annotation")) return plot.layout.annotations?.[element.dataset.index]?.name;
    // what belongs to a line and has an entry of its own stands for all lines
    return element.__data__?.[0]?.trace?.name === groupOf(element) ? groupOf(element) : undefined;
  };
  const labels = () => [...plot.querySelectorAll(".annotation[data-index], .legend .traces")]
    .filter((element) => data.names.includes(nameOf(element)));

  const show = () => {
    const of = pinned();
    const dim = (element, name) => {
      element.style.filter = of && data.names.includes(name) && name !== of ? FAINT : "";
    };
    plot.querySelectorAll(".scatterlayer .trace").forEach((element) => dim(element, groupOf(element)));
    labels().forEach((element) => {
      const name = nameOf(element);
      dim(element, name);
      element.setAttribute("tabindex", "0");
      element.setAttribute("role", "button");
      element.setAttribute("aria-label", `Pin ${name}`);
      element.setAttribute("aria-pressed", String(name === of));
      element.style.cursor = "pointer";
    });
  };
  const pin = (name) => {
    window.mlcncPinned[data.chart] = name === pinned() ? null : name;
    show();
  };
  const labelAt = (event) => {
    const found = event.target.closest?.(".annotation[data-index], .legend .traces");
    return found && data.names.includes(nameOf(found)) ? nameOf(found) : null;
  };
  const onClick = (event) => {
    const name = labelAt(event);
    if (name) pin(name);
  };
  const onKey = (event) => {
    const name = labelAt(event);
    if (name && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      pin(name);
    }
  };
  // after a click on a line nothing in the chart has the focus
  const onEscape = (event) => {
    if (event.key === "Escape" && plot?.isConnected && pinned()) pin(pinned());
  };
  // the cursor reads all lines at its epoch, so the nearest is looked for
  const onLine = (event) => {
    const y = event.event.clientY - plot.getBoundingClientRect().top;
    const far = (point) => Math.abs(point.yaxis._offset + point.yaxis.d2p(point.y) - y);
    const points = event.points.filter((point) => data.names.includes(point.data.legendgroup));
    const nearest = points.sort((one, other) => far(one) - far(other))[0];
    if (nearest && far(nearest) < NEAR) pin(nearest.data.legendgroup);
  };
  const leave = () => {
    plot?.removeEventListener("click", onClick);
    plot?.removeEventListener("keydown", onKey);
    plot?.removeListener?.("plotly_click", onLine);
    plot?.removeListener?.("plotly_afterplot", show);
  };
  // Streamlit draws the chart when it likes, and anew when its figure changes
  const look = () => {
    const found = document.querySelector(`.st-key-${CSS.escape(data.chart)} .js-plotly-plot`);
    if (!found?.on || found === plot) return;
    leave();
    plot = found;
    plot.addEventListener("click", onClick);
    plot.addEventListener("keydown", onKey);
    plot.on("plotly_click", onLine);
    plot.on("plotly_afterplot", show);
    show();
  };
  const turn = setInterval(look, 300);
  document.addEventListener("keydown", onEscape);
  const take = (given) => {
    data = given;
    if (plot) show();
  };
  const stop = () => {
    clearInterval(turn);
    document.removeEventListener("keydown", onEscape);
    leave();
    charts.delete(parentElement);
  };
  charts.set(parentElement, { take, stop });
  look();
  return stop;
}
