// Shift with an arrow key turns to another step from a question's options too, whose answer stays as it is.

const BUTTONS = { ArrowLeft: "step_back", ArrowRight: "step_next" };

export default function () {
  const onKey = (event) => {
    const button = BUTTONS[event.key];
    if (!button || !event.shiftKey || event.defaultPrevented || event.target.type !== "radio") return;
    event.preventDefault();
    document.querySelector(`.st-key-${button} button`)?.click();
  };
  document.addEventListener("keydown", onKey, true);
  return () => document.removeEventListener("keydown", onKey, true);
}
