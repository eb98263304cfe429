// A button that copies the address of this view.
//
// data: key (of picked runs in the address), runs (those that are shown)

export default function (component) {
  const { parentElement, data } = component;
  const button = parentElement.querySelector("button");
  const said = parentElement.querySelector("span");
  button.onclick = async () => {
    const view = new URL(window.location.href);
    // runs that nobody picked are those of this folder today, and others tomorrow
    if (!view.searchParams.has(data.key)) {
      for (const run of data.runs) view.searchParams.append(data.key, run);
    }
    const address = view.href;
    try {
      await navigator.clipboard.writeText(address);
      said.textContent = "copied";
    } catch (error) {
      // without permission for the clipboard the address is shown to be copied by hand
      window.prompt("Address of this view", address);
    }
    setTimeout(() => { said.textContent = ""; }, 2000);
  };
}
