// Hands a player what the server knows of it, apart from the chart, which is then not sent again.
//
// data: chart (key of the player), label (of the frame that it rests at as far as the server knows)

export default function ({ data }) {
  window.mlcncTold = { ...window.mlcncTold, [data.chart]: data.label };
  window.dispatchEvent(new CustomEvent("mlcnc-player-told"));
}
