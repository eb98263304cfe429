// Brings a container into view, once each turn.
//
// data: target (key of the container), turn

const SETTLES_MS = 1500;

export default function (component) {
  const { data } = component;
  window.mlcncScrolled ??= {};
  if (data.turn <= (window.mlcncScrolled[data.target] ?? 0)) return;
  window.mlcncScrolled[data.target] = data.turn;
  const started = performance.now();
  let stopped = false;
  const stop = () => { stopped = true; };
  window.addEventListener("wheel", stop, { once: true, passive: true });
  window.addEventListener("touchmove", stop, { once: true, passive: true });
  // what lies below is still arriving, and the page grows; the reader's own scrolling wins
  const look = () => {
    const target = document.querySelector(`.st-key-${CSS.escape(data.target)}`);
    const top = target?.getBoundingClientRect().top;
    if (!stopped && top !== undefined && Math.abs(top - 70) > 8) {
      target.style.scrollMarginTop = "70px";
      target.scrollIntoView({ block: "start" });
    }
    if (!stopped && performance.now() - started < SETTLES_MS) setTimeout(look, 100);
    else {
      const heading = target?.querySelector("h1, h2, h3");
      if (heading && !stopped) { heading.tabIndex = -1; heading.focus({ preventScroll: true }); }
    }
  };
  look();
}
