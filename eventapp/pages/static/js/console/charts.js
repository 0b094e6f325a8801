// Small SVG charts of values over time. A table beside a chart has the same values, and each mark has
// a title.

import { formatNumber } from "../texts.js";

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [560, 240, 64, 28, 12];
// With more points than this, the marks of a line are small.
const MANY_POINTS = 60;
const WIDEST_BAR = 48;

function createSvg(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

// Returns the next number of the form 1, 2 or 5 times a power of ten.
function roundUp(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((n) => n * power).find((n) => n >= value);
}

// Returns an SVG element with the grid lines and their values.
function createFrame(label, maximum) {
  const chart = createSvg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label, class: "chart" });
  for (const fraction of [0, 0.5, 1]) {
    const y = TOP + (HEIGHT - TOP - BOTTOM) * (1 - fraction);
    chart.append(createSvg("line", { class: "grid", x1: LEFT, x2: WIDTH, y1: y, y2: y }));
    chart.append(createSvg("text", { x: LEFT - 8, y: y + 4, "text-anchor": "end" }, formatNumber(maximum * fraction, { notation: "compact" })));
  }
  return chart;
}

// Draws the first, middle and last date below the chart. xOf returns the x of a point's index.
function drawDates(chart, points, xOf) {
  const last = points.length - 1;
  for (const index of new Set([0, Math.floor(last / 2), last])) {
    const anchor = index === 0 ? "start" : index === last ? "end" : "middle";
    chart.append(createSvg("text", { x: xOf(index), y: HEIGHT - 6, "text-anchor": anchor }, points[index].start));
  }
}

function createMark(shape, x, y, base, step, isSmall) {
  if (shape === "line") return createSvg("circle", { class: "dot", cx: x, cy: y, r: isSmall ? 1.5 : 3 });
  const width = Math.min(step * 0.8, WIDEST_BAR);
  return createSvg("rect", { class: "bar", x: x - width / 2, width, y, height: base - y });
}

// Returns a chart of one value over time.
//   points: [{start, [name]: value}], in chronological order; one at least
//   name: the name of the value in a point
//   shape: "line" or "bars"
//   format: returns the text of a value
//   describe: returns what the whole chart shows, from its first and last start and its total
export function createTimeChart(points, { name, shape, format, describe }) {
  const maximum = roundUp(Math.max(0, ...points.map((point) => point[name])));
  const total = points.reduce((sum, point) => sum + point[name], 0);
  const label = describe({ from: points[0].start, to: points[points.length - 1].start, total: format(total) });
  const chart = createFrame(label, maximum);
  const step = (WIDTH - LEFT - 6) / points.length;
  const x = (index) => LEFT + step * (index + 0.5);
  const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - Math.max(0, value) / maximum);
  if (shape === "line") {
    const path = points.map((point, index) => `${x(index)} ${y(point[name])}`).join(" L ");
    chart.append(createSvg("path", { class: "area", d: `M ${x(0)} ${y(0)} L ${path} L ${x(points.length - 1)} ${y(0)} Z` }));
    chart.append(createSvg("path", { class: "line", d: `M ${path}` }));
  }
  points.forEach((point, index) => {
    const mark = createMark(shape, x(index), y(point[name]), y(0), step, points.length > MANY_POINTS);
    mark.append(createSvg("title", {}, `${point.start}: ${format(point[name])}`));
    chart.append(mark);
  });
  drawDates(chart, points, x);
  return chart;
}
