// @ts-check
/** A chart as a picture to share: its title, the plot, and the names of the colours. */

import { isolated } from "../chart/dom.mjs";

/** @import { HeartbeatChart } from "../heartbeat-chart.mjs" */

/** In CSS pixels. */
const EDGE = 20;
const ROW = 22;
const SWATCH = 22;
const GAP = 18;
const TITLE = 34;

/** More names would not fit under a plot; the table has them. */
const MOST_NAMES = 24;
const NAME_LETTERS = 40;

/**
 * @param {HeartbeatChart} chart
 * @param {string} title
 * @returns {Promise<Blob | null>} null while nothing is drawn
 */
export async function pictureOf(chart, title) {
  const plot = await chart.toBlob();
  if (!plot) return null;
  const bitmap = await createImageBitmap(plot);
  const scale = devicePixelRatio;
  const { color, fontFamily } = getComputedStyle(chart);
  const canvas = new OffscreenCanvas(1, 1);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const font = (/** @type {string} */ size) => `${size} ${fontFamily}`;
  context.font = font("13px");

  const width = bitmap.width / scale;
  const names = chart.lines.filter(({ isHidden, isPrevious }) => !isHidden && !isPrevious).slice(0, MOST_NAMES).map(({ name, colour, dash }) => {
    const text = name.text.length > NAME_LETTERS ? `${name.text.slice(0, NAME_LETTERS)}…` : name.text;
    return { text: isolated(text), colour, dash, width: SWATCH + 8 + context.measureText(isolated(text)).width };
  });
  const { places, rows } = placed(names.map((one) => one.width), width);

  // A canvas forgets its font when its size changes.
  canvas.width = Math.round((width + 2 * EDGE) * scale);
  canvas.height = bitmap.height + Math.round((2 * EDGE + TITLE + rows * ROW + (rows ? 10 : 0)) * scale);
  context.scale(scale, scale);
  context.fillStyle = getComputedStyle(chart).backgroundColor;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, EDGE, EDGE + TITLE, width, bitmap.height / scale);
  context.fillStyle = color;
  context.textBaseline = "middle";
  context.font = font("600 17px");
  context.fillText(isolated(title), EDGE, EDGE + 10, width);
  context.font = font("13px");
  names.forEach(({ text, colour, dash }, i) => {
    const [x, y] = [EDGE + places[i].left, EDGE + TITLE + bitmap.height / scale + 10 + (places[i].row + 0.5) * ROW];
    context.strokeStyle = colour;
    context.lineWidth = 4;
    context.setLineDash(dash);
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(x + SWATCH, y);
    context.stroke();
    context.fillText(text, x + SWATCH + 8, y);
  });
  return canvas.convertToBlob();
}

/**
 * Places names one after another, in a new row where the next one does not fit.
 * @param {number[]} widths
 * @param {number} most
 */
function placed(widths, most) {
  let [left, row] = [0, 0];
  const places = widths.map((width) => {
    if (left > 0 && left + width > most) [left, row] = [0, row + 1];
    const place = { left, row };
    left += width + GAP;
    return place;
  });
  return { places, rows: places.length ? row + 1 : 0 };
}
