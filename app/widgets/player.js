// Moves a chart with frames by keys and buttons, and keeps the frame it rests at in the address.
//
// data: chart (key of its container), parameter (of the address, or null), what (the frames are of),
//       follow (tell the server at rest), told (what it knows), autoplay

const SETTLED_MS = 600;
const WATCH_MS = 200;
const MOST_TRIES = 300;
const MOVED = "mlcnc-player-moved";
const players = new WeakMap();

const sliderOf = (chart) => chart?._fullLayout?.sliders?.[0];
const labelsOf = (slider) => slider.steps.map((step) => step.label);

function nearest(labels, wanted) {
  const exact = labels.indexOf(wanted);
  if (exact >= 0 || wanted === "" || Number.isNaN(Number(wanted))) return exact;
  const distances = labels.map((label) => Math.abs(Number(label) - Number(wanted)));
  return distances.lastIndexOf(Math.min(...distances));
}

function visibleHeight(chart) {
  const box = chart.getBoundingClientRect();
  return Math.min(box.bottom, window.innerHeight) - Math.max(box.top, 0);
}

// with several players on a page the keys belong to the one with the focus, else to the one most in view
function holdsKeys(chart) {
  const all = [...document.querySelectorAll(".js-plotly-plot")].filter(sliderOf);
  const focused = all.find((other) => other.contains(document.activeElement));
  if (focused) return focused === chart;
  const most = Math.max(...all.map(visibleHeight));
  return all.find((other) => visibleHeight(other) === most) === chart;
}

const PRESSED_BY_SPACE = "button, a, summary, [role=button]";
const USES_KEYS = "input, textarea, select, canvas, [contenteditable=true], [role=slider], [role=radio], " +
  "[role=tab], [role=option], [role=combobox], [role=grid], [role=dialog]";

// the page has no global Plotly: the slider's own rail takes a press where the step lies
function goTo(chart, index, again = false) {
  const slider = sliderOf(chart);
  const rail = chart?.querySelector(".slider-rail-touch-rect");
  if (!rail || index < 0 || index >= slider.steps.length) return;
  if (again) slider.active = -1; // the slider ignores a press on the step it is at
  if (index === slider.active) return;
  const box = rail.getBoundingClientRect();
  const inset = 10;
  const x = box.left + inset + (box.width - 2 * inset) * index / (slider.steps.length - 1);
  const place = { bubbles: true, cancelable: true, view: window, clientX: x, clientY: box.top + 1 };
  rail.dispatchEvent(new MouseEvent("mousedown", place));
  chart.dispatchEvent(new MouseEvent("mouseup", place));
}

function sameNumbers(one, other) {
  if (one === other) return true;
  if (one?.bdata !== undefined) return one.bdata === other?.bdata;
  if (!one?.length || one.length !== other?.length) return false;
  const few = Math.min(one.length, 64);
  for (let i = 0; i < few; i++) if (!Object.is(one[i] ?? NaN, other[i] ?? NaN)) return false;
  return true;
}

// whether the traces hold the numbers of a frame
function holds(chart, label) {
  const frame = chart._transitionData?._frameHash?.[label];
  if (!frame?.data) return true;
  return frame.data.every((part, place) => {
    const trace = chart.data[frame.traces?.[place] ?? place];
    return ["x", "y", "z"].every((axis) => !(axis in part) || Array.isArray(part[axis]?.[0]) ||
      sameNumbers(part[axis], trace?.[axis]));
  });
}

const PLAY = 0;
const PAUSE = 1;
// the figure's own buttons are for a downloaded chart; here they would be a second set
if (!document.getElementById("mlcnc-player-style")) {
  const style = document.createElement("style");
  style.id = "mlcnc-player-style";
  style.textContent = ".js-plotly-plot .updatemenu-container { display: none; }";
  document.head.append(style);
}
function press(chart, number) {
  const button = chart.querySelectorAll(".updatemenu-button")[number];
  button?.dispatchEvent(new MouseEvent("click", { bubbles: true, view: window }));
}

export default function (component) {
  const { parentElement, data, setStateValue } = component;
  const earlier = players.get(parentElement);
  if (earlier) {
    Object.assign(earlier, { data, tell: setStateValue });
    return earlier.stop;
  }
  const self = { data, tell: setStateValue, playing: false, pressed: false, told: data.told };
  players.set(parentElement, self);
  const play = parentElement.querySelector(".play");
  // a single step is an animation too, but not one that the button could pause
  const setPlaying = (playing) => {
    self.playing = playing;
    self.pressed &&= playing;
    play.textContent = self.pressed ? "\u275a\u275a Pause" : "\u25b6 Play";
  };
  const find = () => document.querySelector(`.st-key-${CSS.escape(self.data.chart)} .js-plotly-plot`);
  const memory = () => `mlcnc.player.${self.data.parameter}`;
  // kept at once, so that a reader who leaves before the player settles comes back to the same frame
  const be = (label) => {
    self.label = label;
    if (self.data.parameter) window.sessionStorage.setItem(memory(), label);
  };

  // at rest, not while playing, the address follows and the server may be told
  const settle = () => {
    clearTimeout(self.timer);
    self.timer = setTimeout(() => {
      const slider = sliderOf(find());
      if (!slider || self.playing) return;
      const label = self.label;
      parentElement.querySelector(".said").textContent = `${self.data.what} ${label}`;
      if (self.data.parameter) {
        const address = new URL(window.location.href);
        if (label === slider.steps.at(-1).label) address.searchParams.delete(self.data.parameter);
        else address.searchParams.set(self.data.parameter, label);
        if (address.href !== window.location.href) {
          window.history.replaceState(window.history.state, "", address);
        }
      }
      if (self.data.follow && self.told !== label) {
        self.told = label;
        self.tell("label", label);
      }
    }, SETTLED_MS);
  };

  const watch = () => {
    const chart = find();
    const slider = sliderOf(chart);
    if (!slider || !chart.on) return;
    if (chart !== self.chart) {
      self.chart = chart;
      setPlaying(false);
      chart.tabIndex = 0;
      chart.on("plotly_animating", () => setPlaying(true));
      chart.on("plotly_animated", () => { setPlaying(false); settle(); });
      chart.on("plotly_sliderchange", (event) => {
        const moved = self.label !== event.step.label;
        be(event.step.label);
        settle();
        if (moved && self.data.parameter) {
          const detail = { from: self, parameter: self.data.parameter, label: self.label };
          window.dispatchEvent(new CustomEvent(MOVED, { detail }));
        }
      });
      const labels = labelsOf(slider);
      const wanted = self.label ?? (self.data.parameter &&
        (new URL(window.location.href).searchParams.get(self.data.parameter) ??
          window.sessionStorage.getItem(memory())));
      be(labels[nearest(labels, wanted ?? "")] ?? labels[slider.active]);
      settle();
      const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
      if (self.data.autoplay && !wanted && !calm) start(chart);
    }
    // a chart that is drawn anew falls back to its first shown frame, without an event
    if (self.playing || slider._dragging) return;
    const index = labelsOf(slider).indexOf(self.label);
    const right = slider.active === index && holds(chart, self.label);
    self.tries = right ? 0 : (self.tries ?? 0) + 1;
    // a chart that takes seconds to draw is not pressed again and again, which would start it anew each time
    const isTurn = self.tries < 4 || (self.tries & (self.tries - 1)) === 0;
    if (!right && isTurn && self.tries < MOST_TRIES) goTo(chart, index, true);
  };

  // players of one parameter go together: another one moved, and this one takes its nearest frame
  const onMoved = (event) => {
    const { from, parameter, label } = event.detail;
    const chart = find();
    const slider = sliderOf(chart);
    if (from === self || parameter !== self.data.parameter) return;
    if (!slider || chart !== self.chart) {
      self.label = label; // its chart is being drawn, and will begin there
      return;
    }
    if (self.playing) pause(chart);
    const index = nearest(labelsOf(slider), label);
    if (index < 0) return;
    be(slider.steps[index].label);
    goTo(chart, index);
    settle();
  };
  const start = (chart) => {
    self.pressed = true;
    press(chart, PLAY);
  };
  const pause = (chart) => {
    press(chart, PAUSE);
    setPlaying(false);
    settle();
  };
  const step = (by) => {
    const chart = find();
    const slider = sliderOf(chart);
    if (!slider) return;
    if (self.playing) pause(chart);
    goTo(chart, slider.active + by);
  };
  const toggle = () => {
    const chart = find();
    if (!chart) return;
    if (self.playing) pause(chart); else start(chart);
  };
  parentElement.querySelector(".back").onclick = () => step(-1);
  parentElement.querySelector(".on").onclick = () => step(1);
  play.onclick = toggle;

  const onKey = (event) => {
    if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by === undefined && event.key !== " ") return;
    const target = event.composedPath()[0];
    if (target.closest?.(USES_KEYS) || (!by && target.closest?.(PRESSED_BY_SPACE))) return;
    const chart = find();
    if (!chart || !(event.composedPath().includes(parentElement) || holdsKeys(chart))) return;
    event.preventDefault();
    if (by) step(by); else toggle();
  };
  // a paused animation rejects its promise without a reason, which would be an error in the console
  const onRejection = (event) => { if (event.reason === undefined) event.preventDefault(); };
  document.addEventListener("keydown", onKey);
  window.addEventListener("unhandledrejection", onRejection);
  window.addEventListener(MOVED, onMoved);
  const interval = setInterval(watch, WATCH_MS);
  self.stop = () => {
    document.removeEventListener("keydown", onKey);
    window.removeEventListener("unhandledrejection", onRejection);
    window.removeEventListener(MOVED, onMoved);
    clearInterval(interval);
    clearTimeout(self.timer);
    players.delete(parentElement);
  };
  return self.stop;
}
