// A chart with frames, drawn and moved by a Plotly of its own, through nothing but its documented calls.
//
// data: figure (JSON with frames, a slider and buttons, as base64 of gzip), template (JSON, with names of CSS
//       variables), config, library (address of Plotly's script), chart (key of the player), alt, parameter (of
//       the address, or null), what (the frames are of), follow (tell the server at rest), autoplay

const SETTLED_MS = 600;
const APART_MS = 100;
const MOVED = "mlcnc-player-moved";
const TOLD = "mlcnc-player-told";
const PLAY = 0;
const HALT_MS = 100;
const STILL = { mode: "immediate", frame: { duration: 0, redraw: false }, transition: { duration: 0 } };
const AT_ONCE = { mode: "immediate", frame: { duration: 0, redraw: true }, transition: { duration: 0 } };
const players = new WeakMap();

function loaded(address) {
  window.mlcncPlotly ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = address;
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => reject(new Error("Plotly's script did not arrive; reload the page"));
    document.head.append(script);
  });
  return window.mlcncPlotly;
}

async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(plain).json();
}

function nearest(labels, wanted) {
  const exact = labels.indexOf(wanted);
  if (exact >= 0 || wanted === "" || Number.isNaN(Number(wanted))) return exact;
  const distances = labels.map((label) => Math.abs(Number(label) - Number(wanted)));
  return distances.lastIndexOf(Math.min(...distances));
}

function visibleHeight(box) {
  const { top, bottom } = box.getBoundingClientRect();
  return Math.min(bottom, window.innerHeight) - Math.max(top, 0);
}

// with several players on a page the keys belong to the one with the focus, else to the one most in view
function holdsKeys(root) {
  const all = [...document.querySelectorAll(".mlcnc-player")];
  const focused = all.find((other) => other.contains(document.activeElement));
  if (focused) return focused === root;
  const most = Math.max(...all.map(visibleHeight));
  return all.find((other) => visibleHeight(other) === most) === root;
}

// another layout, for a narrow window, laid over the one of the figure
function laid(layout, over) {
  for (const [name, value] of Object.entries(over)) {
    if (value?.constructor === Object) laid(layout[name] ??= {}, value); else layout[name] = value;
  }
}

const PRESSED_BY_SPACE = "button, a, summary, [role=button]";
const USES_KEYS = "input, textarea, select, canvas, [contenteditable=true], [role=slider], [role=radio], " +
  "[role=tab], [role=option], [role=combobox], [role=grid], [role=dialog]";

export default function (component) {
  const { parentElement, data, setStateValue } = component;
  const earlier = players.get(parentElement);
  if (earlier) {
    earlier.take(data, setStateValue);
    return earlier.stop;
  }
  const root = parentElement.querySelector(".mlcnc-player");
  const chart = root.querySelector(".chart");
  const play = root.querySelector(".play");
  const self = { data, tell: setStateValue, labels: [], playing: false, pressed: false };
  self.turn = Promise.resolve();
  players.set(parentElement, self);

  const memory = () => `mlcnc.player.${self.data.parameter}`;
  const asked = () => new URL(window.location.href).searchParams.get(self.data.parameter);
  const played = () => `${memory()}.played`;
  // kept at once, so that a reader who leaves before the player settles comes back to the same frame; one that
  // nobody chose is not, for another page or run has a last frame of its own
  const be = (label) => {
    self.label = label;
    if (!self.data.parameter || self.alone) return;
    if (label === self.labels.at(-1)) window.sessionStorage.removeItem(memory());
    else window.sessionStorage.setItem(memory(), label);
  };
  // the film that played by itself is over, or the reader took it up
  const mine = () => {
    self.alone = false;
    delete root.dataset.film;
  };
  // a single step is an animation too, but not one that the button could pause
  const setPlaying = (playing) => {
    self.playing = playing;
    self.pressed &&= playing;
    play.textContent = self.pressed ? "\u275a\u275a Pause" : "\u25b6 Play";
  };

  // at rest, not while playing, the address follows and the server may be told
  const settle = () => {
    clearTimeout(self.timer);
    self.timer = setTimeout(() => {
      if (self.playing) return;
      const label = self.label;
      root.querySelector(".said").textContent = `${self.data.what} ${label}`;
      if (self.data.parameter) {
        const address = new URL(window.location.href);
        if (label === self.labels.at(-1)) address.searchParams.delete(self.data.parameter);
        else address.searchParams.set(self.data.parameter, label);
        if (address.href !== window.location.href) {
          window.history.replaceState(window.history.state, "", address);
        }
      }
      const told = window.mlcncTold?.[self.data.chart];
      if (self.data.follow && told !== undefined && told !== label) {
        // what players tell at once is one batch to Streamlit, which hands it to the fragment of one of them
        if (performance.now() - (window.mlcncToldAt ?? -Infinity) < APART_MS) return settle();
        window.mlcncToldAt = performance.now();
        window.mlcncTold[self.data.chart] = label;
        self.tell("label", `${label}/${self.labels.at(-1)}`);
      }
    }, SETTLED_MS);
  };

  // an animation that another one breaks off rejects its promise, which is no error
  const animate = (frames, how) => self.plotly.animate(chart, frames, how).catch(() => {});
  const template = () => {
    const style = getComputedStyle(root);
    const filled = (_, value) => (value[0] === "-" ? style.getPropertyValue(value).trim() : value);
    return JSON.parse(self.data.template, filled);
  };
  // Plotly does not expect that a chart changes, or is gone, while it plays
  const halt = async () => {
    if (!self.listens) return;
    animate([null], STILL);
    await new Promise((resolve) => setTimeout(resolve, HALT_MS));
  };
  const draw = async () => {
    self.plotly = await loaded(self.data.library);
    const packed = self.data.figure;
    const figure = self.drawn === packed ? null : await unpacked(packed);
    await halt();
    if (self.stopped || !figure) return;
    self.drawn = packed;
    const rested = self.label === self.labels.at(-1) ? undefined : self.label;
    const first = !self.listens;
    self.labels = figure.frames.map((frame) => frame.name);
    const wanted = rested ?? asked() ?? (self.data.parameter && window.sessionStorage.getItem(memory()));
    const [slider] = figure.layout.sliders;
    const shown = slider.active;
    const index = nearest(self.labels, wanted ?? "");
    if (index >= 0) slider.active = index;
    // the figure's own buttons are for a downloaded chart; here they would be a second set
    self.motion = figure.layout.updatemenus[0].buttons[PLAY].args[1];
    delete figure.layout.updatemenus;
    const { narrow } = figure.layout.meta ?? {};
    if (narrow) {
      self.narrow = chart.clientWidth < narrow.below;
      if (self.narrow) laid(figure.layout, narrow.layout);
    }
    figure.layout.template = template();
    setPlaying(false);
    chart.setAttribute("aria-label", self.data.alt);
    await self.plotly.react(chart, { ...figure, config: self.data.config });
    if (self.stopped) return;
    listen();
    be(self.labels[slider.active]);
    if (slider.active !== shown) animate([self.label], AT_ONCE);
    settle();
    const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    const seen = self.data.parameter && window.sessionStorage.getItem(played());
    if (!self.data.autoplay || !first || wanted || calm || seen) return mine();
    if (self.data.parameter) window.sessionStorage.setItem(played(), "once");
    self.alone = true;
    start();
  };
  const show = () => {
    self.turn = self.turn.then(draw).catch((error) => {
      mine();
      chart.textContent = error.message;
      console.error(error);
    });
  };
  const listen = () => {
    if (self.listens) return;
    self.listens = true;
    for (const button of root.querySelectorAll(".controls button")) button.disabled = false;
    chart.on("plotly_animating", () => setPlaying(true));
    chart.on("plotly_animated", () => { mine(); setPlaying(false); settle(); });
    chart.addEventListener("pointerdown", mine, true);
    chart.on("plotly_animatingframe", ({ name }) => {
      const moved = self.label !== name;
      be(name);
      if (!moved || !self.data.parameter) return;
      const detail = { from: self, parameter: self.data.parameter, label: name };
      window.dispatchEvent(new CustomEvent(MOVED, { detail }));
    });
  };

  const goTo = (index) => {
    if (index < 0 || index >= self.labels.length || self.labels[index] === self.label) return;
    animate([self.labels[index]], AT_ONCE);
  };
  // players of one parameter go together: another one moved, and this one takes its nearest frame
  const onMoved = ({ detail: { from, parameter, label } }) => {
    if (from === self || parameter !== self.data.parameter) return;
    if (!self.listens) {
      self.label = label; // it is being drawn, and will begin there
      return;
    }
    if (self.playing) pause();
    const index = nearest(self.labels, label);
    if (index < 0 || self.labels[index] === self.label) return;
    goTo(index);
    be(self.labels[index]); // it follows, and tells nobody of it
    settle();
  };
  const start = () => {
    self.pressed = true;
    animate(null, self.motion);
  };
  const pause = () => {
    animate([null], STILL);
    setPlaying(false);
    settle();
  };
  const step = (by) => {
    mine();
    if (self.playing) pause();
    goTo(self.labels.indexOf(self.label) + by);
  };
  const toggle = () => {
    mine();
    if (self.playing) pause(); else if (self.listens) start();
  };
  root.querySelector(".back").onclick = () => step(-1);
  root.querySelector(".on").onclick = () => step(1);
  play.onclick = toggle;

  const onKey = (event) => {
    if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by === undefined && event.key !== " ") return;
    const target = event.composedPath()[0];
    if (target.closest?.(USES_KEYS) || (!by && target.closest?.(PRESSED_BY_SPACE))) return;
    if (!holdsKeys(root)) return;
    event.preventDefault();
    if (by) step(by); else toggle();
  };
  // the slider breaks animations off as well, and its promise is Plotly's own
  const onRejection = (event) => { if (event.reason === undefined) event.preventDefault(); };
  const onTheme = (event) => {
    if (event.target === root && self.listens) self.plotly.relayout(chart, { template: template() });
  };
  const onWidth = new ResizeObserver(() => {
    const { narrow } = chart.layout?.meta ?? {};
    if (!narrow || !self.listens || chart.clientWidth === 0 || self.narrow === chart.clientWidth < narrow.below) return;
    self.narrow = !self.narrow;
    self.drawn = null;
    show();
  });
  onWidth.observe(chart);
  const onTold = () => { if (self.listens) settle(); };
  document.addEventListener("keydown", onKey);
  window.addEventListener(TOLD, onTold);
  window.addEventListener("unhandledrejection", onRejection);
  window.addEventListener(MOVED, onMoved);
  root.addEventListener("transitionend", onTheme);
  self.take = (given, tell) => {
    Object.assign(self, { data: given, tell });
    if (given.figure !== self.drawn) show();
  };
  self.stop = () => {
    document.removeEventListener("keydown", onKey);
    window.removeEventListener(TOLD, onTold);
    window.removeEventListener("unhandledrejection", onRejection);
    window.removeEventListener(MOVED, onMoved);
    clearTimeout(self.timer);
    onWidth.disconnect();
    self.stopped = true;
    players.delete(parentElement);
    self.turn.then(halt).then(() => players.has(parentElement) || self.plotly?.purge(chart));
  };
  if (data.autoplay) root.dataset.film = "to come"; // what tells its end waits for it
  show();
  return self.stop;
}
