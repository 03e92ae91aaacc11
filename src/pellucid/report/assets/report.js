"use strict";
// Without this file the page is complete. With it: strength and choice of maps, their order, values under the pointer.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const root = document.documentElement;
  root.classList.add("js");
  const spoken = document.getElementById("spoken");

  // --- light and dark -------------------------------------------------------------------------------------------------
  const themes = [["", "as the system"], ["light", "light"], ["dark", "dark"]];
  const remembered = () => { try { return localStorage.getItem("pellucid-theme") || ""; } catch { return ""; } };
  const remember = (name) => { try { localStorage.setItem("pellucid-theme", name); } catch { /* not from this file */ } };
  for (const button of all("button.theme")) {
    const show = (name) => {
      if (name) root.dataset.theme = name; else delete root.dataset.theme;
      button.textContent = `Theme: ${themes.find(([key]) => key === name)[1]}`;
    };
    let at = Math.max(0, themes.findIndex(([key]) => key === remembered()));
    show(themes[at][0]);
    button.hidden = false;
    button.addEventListener("click", () => {
      at = (at + 1) % themes.length;
      show(themes[at][0]);
      remember(themes[at][0]);
    });
  }

  // --- values: the index of a pixel's colour on the scale that is printed ------------------------------------------------
  const pixels = (image) => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.drawImage(image, 0, 0);
    return pen.getImageData(0, 0, canvas.width, canvas.height);
  };
  const colour = (data, i) => data[4 * i] * 65536 + data[4 * i + 1] * 256 + data[4 * i + 2];
  const written = (value) => {
    if (!value) return "0";
    const size = Math.abs(value);
    const text = size >= 1e-3 && size < 1e6 ? String(Number(value.toPrecision(3))) : value.toExponential(2);
    return text.replace("-", "−");
  };
  const scales = new Map();
  const scaleOf = (legend) => {
    if (!scales.has(legend)) {
      const { data, width } = pixels(legend.querySelector(".ramp"));
      const index = new Map(Array.from({ length: width }, (_, i) => [colour(data, i), i]));
      scales.set(legend, { index, last: width - 1 });
    }
    return scales.get(legend);
  };
  const valueOf = (legend, seen) => {
    const { index, last } = scaleOf(legend);
    const at = index.get(seen);
    if (at === undefined) return NaN;
    const limit = Number(legend.dataset.limit), start = Number(legend.dataset.start);
    const share = legend.dataset.signed === "1" ? (2 * at) / last - 1 : at / last;
    return { text: written(start + share * (limit - start)), beyond: at === last || (at === 0 && legend.dataset.signed === "1") };
  };
  const decoded = new WeakMap();

  const readable = (sheet, stack, legend) => {
    const image = stack.querySelector(".map"), box = stack.querySelector("svg").viewBox.baseVal;
    const output = stack.parentElement.querySelector(".value");
    const dot = document.createElement("span");
    dot.className = "point";
    stack.append(dot);
    let point = null; // a pixel of the map's file
    const size = () => [image.naturalWidth, image.naturalHeight];
    const read = (x, y, aloud) => {
      if (!image.complete || !image.naturalWidth) return;
      if (!decoded.has(image)) decoded.set(image, pixels(image));
      const { data, width, height } = decoded.get(image);
      point = [Math.min(width - 1, Math.max(0, x)), Math.min(height - 1, Math.max(0, y))];
      const { text, beyond } = valueOf(legend, colour(data, point[1] * width + point[0]));
      const place = [Math.floor(((point[0] + 0.5) * box.width) / width), Math.floor(((point[1] + 0.5) * box.height) / height)];
      output.textContent = `${text}${beyond ? " or beyond" : ""} at ${place.join(", ")}`;
      dot.style.left = `${(100 * (point[0] + 0.5)) / width}%`;
      dot.style.top = `${(100 * (point[1] + 0.5)) / height}%`;
      stack.classList.add("read");
      if (aloud) spoken.textContent = output.textContent;
    };
    const leave = () => { stack.classList.remove("read"); output.textContent = ""; };
    stack.addEventListener("pointermove", (event) => {
      const frame = stack.getBoundingClientRect(), [w, h] = size();
      read(Math.floor(((event.clientX - frame.left) / frame.width) * w), Math.floor(((event.clientY - frame.top) / frame.height) * h));
    });
    stack.addEventListener("pointerleave", () => { if (document.activeElement !== stack) leave(); });
    stack.addEventListener("blur", leave);
    stack.addEventListener("focus", () => {
      if (stack.matches(":focus-visible")) read(...(point || size().map((side) => Math.floor(side / 2))), true);
    });
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    stack.addEventListener("keydown", (event) => {
      const step = steps[event.key];
      if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      if (event.shiftKey) { neighbour(sheet, stack, step); return; }
      const [x, y] = point || size().map((side) => Math.floor(side / 2));
      const far = Math.max(1, Math.round(Math.max(...size()) / 56));
      read(x + far * step[0], y + far * step[1], true);
    });
  };
  const seen = (element) => element.offsetParent !== null;
  const stops = (sheet) => { // a row is one stop of the Tab key
    for (const row of all(".row", sheet)) {
      const maps = all("[data-stack]", row).filter(seen);
      const current = maps.find((map) => map.tabIndex === 0) || maps[0];
      for (const map of all("[data-stack]", row)) map.tabIndex = map === current ? 0 : -1;
    }
  };
  const neighbour = (sheet, stack, [dx, dy]) => {
    const rows = all(".row", sheet).map((row) => all("[data-stack]", row).filter(seen)).filter((row) => row.length);
    const y = rows.findIndex((row) => row.includes(stack)), x = rows[y].indexOf(stack);
    const row = rows[y + dy] || rows[y], next = row[Math.min(row.length - 1, Math.max(0, x + dx))];
    for (const map of row) map.tabIndex = map === next ? 0 : -1;
    next.focus();
  };

  // --- sheets ---------------------------------------------------------------------------------------------------------
  for (const sheet of all("[data-sheet]")) {
    const controls = sheet.querySelector(".controls"), list = sheet.querySelector("[data-sorted]");
    if (controls) controls.hidden = false;
    const legends = new Map(all(".legend", sheet).map((legend) => [legend.dataset.e, legend]));
    const hint = sheet.querySelector(".hint");
    for (const stack of all("[data-stack]", sheet)) {
      const image = stack.querySelector(".map");
      stack.setAttribute("role", "group");
      stack.setAttribute("aria-label", `Values of ${image.alt}`);
      if (hint) stack.setAttribute("aria-describedby", hint.id);
      readable(sheet, stack, legends.get(stack.parentElement.dataset.e));
    }
    stops(sheet);
    for (const range of all("[data-mix]", sheet)) {
      const show = () => {
        sheet.style.setProperty("--mix", String(range.value / 100));
        range.setAttribute("aria-valuetext", `${range.value} %`);
      };
      range.addEventListener("input", show);
      show();
    }
    for (const box of all("[data-outline]", sheet)) {
      box.addEventListener("change", () => sheet.classList.toggle("bare-of-outlines", !box.checked));
    }
    const boxes = (name) => all(`.controls [data-${name}]`, sheet);
    const choose = () => {
      const off = (name) => new Set(boxes(name).filter((box) => !box.checked).map((box) => box.dataset[name]));
      const [withoutE, withoutQ] = [off("e"), off("q")], hidden = new Set();
      for (const cell of all(".cell", sheet)) {
        cell.hidden = withoutE.has(cell.dataset.e) || (cell.dataset.q !== undefined && withoutQ.has(cell.dataset.q));
        if (cell.hidden) hidden.add(cell.dataset.c);
      }
      for (const [e, legend] of legends) legend.hidden = withoutE.has(e);
      for (const line of all("svg [data-c]", sheet)) line.classList.toggle("off", hidden.has(line.dataset.c));
      stops(sheet);
    };
    for (const box of [...boxes("e"), ...boxes("q")]) box.addEventListener("change", choose);

    for (const select of all("[data-order]", sheet)) {
      const before = [...list.children];
      const scored = new Map(before.map((item) => [item, JSON.parse(item.dataset.scores)]));
      select.addEventListener("change", () => {
        const which = select.value === "" ? -1 : Number(select.value);
        const option = select.selectedOptions[0], sign = option.dataset.way === "down" ? -1 : 1;
        const last = (value) => value === null || value === undefined;
        const order = which < 0 ? before : [...before].sort((a, b) => {
          const [u, v] = [scored.get(a)[which], scored.get(b)[which]];
          return last(u) || last(v) ? last(u) - last(v) : sign * (u - v);
        });
        list.append(...order);
        for (const item of list.children) {
          const key = item.querySelector(".key-score");
          if (!key) continue;
          const row = which < 0 ? null : item.querySelectorAll(".scores > div")[which];
          key.hidden = !row;
          key.textContent = row ? `${row.querySelector("dt").textContent}: ${row.querySelector("dd").textContent}` : "";
        }
        spoken.textContent = `Order: ${option.textContent}`;
      });
    }
  }

  // --- paper ------------------------------------------------------------------------------------------------------------
  const opened = [];
  addEventListener("beforeprint", () => {
    for (const details of all("details:not([open])")) { details.open = true; opened.push(details); }
  });
  addEventListener("afterprint", () => { for (const details of opened.splice(0)) details.open = false; });
})();
