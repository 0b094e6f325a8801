"use strict";
// Small SVG charts. Every value is also in the table beside them, and each mark has its title.

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [560, 240, 64, 28, 12];

function svg(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

// The next round number: 1, 2 or 5 with zeros.
function ceiling(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((n) => n * power).find((n) => n >= value);
}

function frame(label, most, written) {
  const chart = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label });
  for (const part of [0, 0.5, 1]) {
    const y = TOP + (HEIGHT - TOP - BOTTOM) * (1 - part);
    chart.append(svg("line", { class: "grid", x1: LEFT, x2: WIDTH, y1: y, y2: y }));
    chart.append(svg("text", { x: LEFT - 8, y: y + 4, "text-anchor": "end" }, written(most * part)));
  }
  return chart;
}

function dates(chart, points, at) {
  const last = points.length - 1;
  for (const index of new Set([0, Math.floor(last / 2), last])) {
    const anchor = index === 0 ? "start" : index === last ? "end" : "middle";
    chart.append(svg("text", { x: at(index), y: HEIGHT - 6, "text-anchor": anchor }, points[index].start));
  }
}

// points: [{start, [name]}]; kind: "line" or "bars"; written: how a value is written.
function timeChart(points, name, kind, written) {
  const most = ceiling(Math.max(0, ...points.map((point) => point[name])));
  const total = points.reduce((sum, point) => sum + point[name], 0);
  const label = `${name} from ${points[0].start} to ${points[points.length - 1].start}, ${written(total)} in all`;
  const chart = frame(label, most, written);
  const step = (WIDTH - LEFT - 6) / points.length;
  const x = (index) => LEFT + step * (index + 0.5);
  const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / most);
  if (kind === "line") {
    const path = points.map((point, index) => `${x(index)} ${y(point[name])}`).join(" L ");
    chart.append(svg("path", { class: "area", d: `M ${x(0)} ${y(0)} L ${path} L ${x(points.length - 1)} ${y(0)} Z` }));
    chart.append(svg("path", { class: "line", d: `M ${path}` }));
  }
  points.forEach((point, index) => {
    const mark = kind === "line"
      ? svg("circle", { class: "dot", cx: x(index), cy: y(point[name]), r: points.length > 60 ? 1.5 : 3 })
      : svg("rect", { class: "bar", x: x(index) - step * 0.4, width: step * 0.8, y: y(point[name]), height: y(0) - y(point[name]) });
    mark.append(svg("title", {}, `${point.start}: ${written(point[name])}`));
    chart.append(mark);
  });
  dates(chart, points, x);
  return chart;
}
