(function () {
  "use strict";
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const themes = read("themes");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  function draw(onPaper) {
    const theme = dark.matches && !onPaper ? themes.dark : themes.light;
    for (const box of document.querySelectorAll(".chart")) {
      const chart = read(box.id + "-data");
      chart.layout.template = theme;
      chart.layout.paper_bgcolor = theme.layout.paper_bgcolor;
      chart.layout.plot_bgcolor = theme.layout.plot_bgcolor;
      chart.config = read("mode-bar");
      Plotly.newPlot(box, chart);
    }
  }

  draw(false);
  dark.addEventListener("change", () => draw(false));
  window.addEventListener("beforeprint", () => {
    document.body.classList.add("paper");
    draw(true);
  });
  window.addEventListener("afterprint", () => {
    document.body.classList.remove("paper");
    draw(false);
  });
})();
