"use strict";
(() => {
  const source = document.getElementById("rows");
  if (!source) return;
  const { rows, disciplines, first } = JSON.parse(source.textContent);
  const $ = (id) => document.getElementById(id);
  const body = document.querySelector("#board tbody");
  const NONE = "\u2013";
  const STEP = 100;
  let shown = Math.max(first, STEP);
  let key = "value";
  let down = true;

  const large = (v, digits) => (Math.abs(v) < 1e6 ? v.toFixed(digits) : v.toPrecision(3));
  const signed = (v) => (v === null || v === undefined ? NONE : (v < 0 ? "\u2212" : "+") + large(Math.abs(v), 3));
  const span = (b) => (b[0] === null ? NONE : `${signed(b[0])} to ${signed(b[1])}`);
  const place = (r) => (r.rank ? `${r.rank.place} (${r.rank.low} to ${r.rank.high})` : NONE);

  const main = (r) => {
    const init = $("init").value;
    if (init !== "pretrained") return init in r.others ? r.others[init] : null;
    const d = disciplines.indexOf($("discipline").value);
    return d < 0 ? r.value : r.by[d];
  };
  const of = (r) => {
    if (key === "value") return main(r);
    if (key === "rank") return r.rank ? r.rank.place : null;
    if (key.startsWith("by:")) return r.by[Number(key.slice(3))];
    return r[key];
  };
  const plain = () => $("init").value === "pretrained" && $("discipline").value === "";

  const chosen = () => {
    const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const d = disciplines.indexOf($("discipline").value);
    return rows.filter((r) =>
      words.every((w) => `${r.checkpoint} ${r.way}`.toLowerCase().includes(w)) &&
      (!$("family").value || r.family === $("family").value) &&
      (!$("way").value || r.way === $("way").value) &&
      (!$("whole").checked || r.marks.length === 0) &&
      (d < 0 || r.by[d] !== null) &&
      main(r) !== undefined && ($("init").value === "pretrained" || main(r) !== null));
  };
  const sorted = (list) => list.slice().sort((a, b) => {
    const [x, y] = [of(a), of(b)];
    if (x === null || y === null) return (x === null) - (y === null);
    const order = typeof x === "string" ? x.localeCompare(y) : x - y;
    return (down ? -order : order) || a.checkpoint.localeCompare(b.checkpoint);
  });

  const cell = (tag, text, number) => {
    const made = document.createElement(tag);
    made.textContent = text;
    if (number) made.className = "n";
    return made;
  };
  const line = (r) => {
    const tr = document.createElement("tr");
    tr.append(cell("td", place(r)));
    const th = cell("th", "");
    th.scope = "row";
    const a = document.createElement("a");
    a.href = r.file;
    a.textContent = r.checkpoint;
    th.append(a, " ", cell("small", r.way));
    for (const mark of r.marks.concat(r.missing.length ? [`missing ${r.missing.length}`] : [])) {
      const m = cell("span", mark);
      m.className = "mark";
      th.append(" ", m);
    }
    tr.append(th);
    const value = cell("td", "", true);
    value.append(cell("strong", signed(main(r))));
    tr.append(value, cell("td", plain() ? span(r.seeds) : NONE, true), cell("td", plain() ? span(r.both) : NONE, true));
    tr.append(cell("td", String(r.n), true), ...r.by.map((g) => cell("td", signed(g), true)));
    return tr;
  };

  const FILTERS = ["search", "discipline", "init", "family", "way"];
  const START = { init: "pretrained" };
  const remember = () => {
    const state = new URLSearchParams();
    for (const id of FILTERS) if ($(id).value !== (START[id] || "")) state.set(id, $(id).value);
    if ($("whole").checked) state.set("whole", "1");
    if (key !== "value" || !down) state.set("sort", (down ? "-" : "") + key);
    const text = state.toString();
    $("permalink").href = `#${text}`;
    if (text || location.hash.includes("=")) history.replaceState(null, "", `#${text}`);
  };
  const recall = () => {
    if (location.hash && !location.hash.includes("=")) return;
    const state = new URLSearchParams(location.hash.slice(1));
    for (const id of FILTERS) {
      $(id).value = state.get(id) || START[id] || "";
      if ($(id).selectedIndex === -1) $(id).value = START[id] || "";
    }
    $("whole").checked = state.get("whole") === "1";
    const sort = state.get("sort") || "-value";
    const wanted = sort.replace(/^-/, "");
    if ([...document.querySelectorAll("#board thead button")].some((b) => b.dataset.key === wanted)) {
      key = wanted;
      down = sort.startsWith("-");
    }
    shown = Math.max(first, STEP);
    show();
  };

  const show = () => {
    remember();
    const list = sorted(chosen());
    body.replaceChildren(...list.slice(0, shown).map(line));
    $("more").hidden = list.length <= shown;
    $("count").textContent = `${list.length} of ${rows.length} rows`;
    for (const th of document.querySelectorAll("#board thead th")) {
      const button = th.querySelector("button");
      if (button) th.setAttribute("aria-sort", button.dataset.key === key ? (down ? "descending" : "ascending") : "none");
    }
  };

  for (const button of document.querySelectorAll("#board thead button")) {
    button.addEventListener("click", () => {
      down = key === button.dataset.key ? !down : !["checkpoint", "rank"].includes(button.dataset.key);
      key = button.dataset.key;
      show();
    });
  }
  $("filters").addEventListener("input", () => { shown = STEP; show(); });
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("more").addEventListener("click", () => { shown += STEP; show(); });

  const table = () => [
    ["rank", "checkpoint", "run as", "gain", "low (seeds)", "high (seeds)", "low (seeds, rows)", "high (seeds, rows)", "seeds", ...disciplines, "marks"],
    ...sorted(chosen()).map((r) => [place(r), r.checkpoint, r.way, main(r), ...r.seeds, ...r.both, r.n, ...r.by, r.marks.join(" ")].map((v) => (v === null ? "" : String(v)))),
  ];
  const csv = (t) => t.map((l) => l.map((v) => {
    const safe = /^[=+@\t\r]/.test(v) || (v.startsWith("-") && Number.isNaN(Number(v))) ? `'${v}` : v;
    return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  }).join(",")).join("\n");
  const markdown = (t) => [t[0], t[0].map(() => "---"), ...t.slice(1)].map((l) => `| ${l.map((v) => v.replaceAll("|", "\\|").replaceAll("<", "&lt;")).join(" | ")} |`).join("\n");
  for (const button of document.querySelectorAll(".copy")) {
    button.addEventListener("click", async () => {
      const text = (button.dataset.form === "csv" ? csv : markdown)(table());
      try {
        await navigator.clipboard.writeText(text);
      } catch {
        const area = document.createElement("textarea");
        area.value = text;
        document.body.append(area);
        area.select();
        document.execCommand("copy");
        area.remove();
      }
      $("copied").textContent = "copied";
      document.documentElement.dataset.copied = text;
    });
  }
  window.addEventListener("hashchange", recall);
  if (location.hash.includes("=")) recall();
})();

(() => {
  const source = document.getElementById("pairs");
  if (!source) return;
  const sides = JSON.parse(source.textContent);
  const $ = (id) => document.getElementById(id);
  const NONE = "\u2013";
  const number = (v, sign) => {
    if (v === null || v === undefined) return NONE;
    const text = Math.abs(v) < 1e6 ? Math.abs(v).toFixed(3) : Math.abs(v).toPrecision(3);
    return (v < 0 ? "\u2212" : sign ? "+" : "") + text;
  };
  const span = (t) => (!t || t[3] === null ? NONE : `${number(t[3], true)} to ${number(t[4], true)}`);
  for (const select of [$("one"), $("other")]) {
    for (const side of sides) {
      const option = document.createElement("option");
      option.value = side.key;
      option.textContent = `${side.name} (${side.way})`;
      select.append(option);
    }
  }
  const cell = (tag, text) => {
    const made = document.createElement(tag);
    made.textContent = text;
    if (tag === "td") made.className = "n";
    else made.scope = "row";
    return made;
  };
  const show = () => {
    const [a, b] = [$("one").value, $("other").value].map((key) => sides.find((side) => side.key === key));
    if (!a || !b) return;
    const tasks = [...new Set([...Object.keys(a.tasks), ...Object.keys(b.tasks)])].sort();
    $("beside").tBodies[0].replaceChildren(...tasks.map((task) => {
      const [x, y] = [a.tasks[task], b.tasks[task]];
      const both = x && y && x[2] !== null && y[2] !== null;
      const tr = document.createElement("tr");
      tr.append(cell("th", task), cell("td", number(x && x[2], true)), cell("td", span(x)), cell("td", number(y && y[2], true)), cell("td", span(y)),
        cell("td", both ? number(x[2] - y[2], true) : NONE), cell("td", number(x && x[0])), cell("td", number(y && y[0])));
      return tr;
    }));
    const shared = tasks.filter((task) => a.tasks[task] && b.tasks[task]).length;
    $("alike").textContent = `${shared} of ${tasks.length} tasks on both sides; ` +
      (a.way === b.way ? "run in the same way" : `run in different ways: ${a.way}; ${b.way}`);
    const state = new URLSearchParams({ one: a.key, other: b.key });
    $("permalink").href = `#${state}`;
    history.replaceState(null, "", `#${state}`);
  };
  const recall = () => {
    const state = new URLSearchParams(location.hash.slice(1));
    const known = (key) => sides.some((side) => side.key === key);
    const one = known(state.get("one")) ? state.get("one") : sides[0] && sides[0].key;
    const like = sides.find((side) => side.key === one);
    const rival = sides.find((side) => side.key !== one && like && side.way === like.way) || sides.find((side) => side.key !== one) || like;
    $("one").value = one || "";
    $("other").value = known(state.get("other")) ? state.get("other") : rival ? rival.key : "";
    show();
  };
  $("sides").addEventListener("input", show);
  $("sides").addEventListener("submit", (event) => event.preventDefault());
  $("swap").addEventListener("click", () => {
    [$("one").value, $("other").value] = [$("other").value, $("one").value];
    show();
  });
  window.addEventListener("hashchange", recall);
  recall();
})();
