"use strict";
// The page is complete without this script. It adds search, zoom, sorting, keys and the panel of one image.
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
  const one = (selector) => document.querySelector(selector);
  const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
  const map = one("#map"), graph = one("#graph"), find = one("#find"), panel = one("#panel");

  // ── the graph ──────────────────────────────────────────────────────────────────────────────────────────
  const nodes = new Map(), above = new Map(), below = new Map(), heirs = new Map();
  for (const node of all("a.n", graph)) {
    const box = node.querySelector("rect");
    const [x, y, width, height] = ["x", "y", "width", "height"].map((name) => Number(box.getAttribute(name)));
    nodes.set(node.dataset.n, { node, left: x, right: x + width, top: y, x: x + width / 2, y: y + height / 2 });
    above.set(node.dataset.n, []);
    below.set(node.dataset.n, []);
    heirs.set(node.dataset.n, []);
    node.setAttribute("tabindex", "-1");
  }
  const lines = all("path.l", graph), first = graph.querySelector("a.n");
  for (const line of lines) {
    above.get(line.dataset.t).push(line.dataset.f);
    below.get(line.dataset.f).push(line.dataset.t);
    // What only copies from an image has not its packages.
    if (!line.classList.contains("copies")) heirs.get(line.dataset.f).push(line.dataset.t);
  }
  const reach = (start, edges) => {
    const seen = new Set(start), waiting = [...start];
    while (waiting.length) for (const next of edges.get(waiting.pop()) || []) if (!seen.has(next)) { seen.add(next); waiting.push(next); }
    return seen;
  };
  let current = nodes.keys().next().value, selected = "";
  if (current) nodes.get(current).node.setAttribute("tabindex", "0");

  const move = (name) => {
    nodes.get(current).node.setAttribute("tabindex", "-1");
    current = name;
    const { node } = nodes.get(name);
    node.setAttribute("tabindex", "0");
    show(name);
    node.focus();
  };
  const show = (name) => {
    const { x, y } = nodes.get(name), inside = map.getBoundingClientRect();
    const covered = panel.hidden ? 0 : Math.max(0, inside.right - panel.getBoundingClientRect().left);
    const left = x * scale, down = y * scale, room = map.clientWidth - covered;
    if (left < map.scrollLeft + 60 || left > map.scrollLeft + room - 60) map.scrollLeft = left - room / 2;
    if (down < map.scrollTop + 30 || down > map.scrollTop + map.clientHeight - 30) map.scrollTop = down - map.clientHeight / 2;
  };
  const towards = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
  const neighbour = (name, [dx, dy]) => {
    const from = nodes.get(name);
    let best = "", least = Infinity;
    for (const [other, at] of nodes) {
      const along = dx ? (dx > 0 ? at.left - from.right : from.left - at.right) : (at.y - from.y) * dy;
      const aside = dx ? Math.abs(at.y - from.y) : Math.abs(at.left - from.left);
      if (other !== name && along > (dx ? -1 : 1) && along + aside * 3 < least) { least = along + aside * 3; best = other; }
    }
    return best;
  };

  // ── zoom ───────────────────────────────────────────────────────────────────────────────────────────────
  const width = Number(graph.getAttribute("width")), height = Number(graph.getAttribute("height"));
  let scale = 1;
  const zoom = (to, at) => {
    const next = Math.min(4, Math.max(.08, to)), factor = next / scale;
    const x = at ? at.x : map.clientWidth / 2, y = at ? at.y : map.clientHeight / 2;
    const left = (map.scrollLeft + x) * factor - x, top = (map.scrollTop + y) * factor - y;
    scale = next;
    graph.setAttribute("width", width * scale);
    graph.setAttribute("height", height * scale);
    map.scrollLeft = left;
    map.scrollTop = top;
  };
  // Smaller than two thirds, names cannot be read: what does not fit then is reached by scrolling.
  const fit = (least) => zoom(Math.max(least, Math.min(1.25, (map.clientWidth - 2) / width)));
  one("#larger").addEventListener("click", () => zoom(scale * 1.25));
  one("#smaller").addEventListener("click", () => zoom(scale / 1.25));
  one("#fit").addEventListener("click", () => fit(0));
  map.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const box = map.getBoundingClientRect();
    zoom(scale * Math.exp(-event.deltaY / 300), { x: event.clientX - box.left, y: event.clientY - box.top });
  }, { passive: false });
  let drag = null;
  map.addEventListener("pointerdown", (event) => {
    if (event.button === 0 && event.pointerType === "mouse") drag = { x: event.clientX, y: event.clientY, left: map.scrollLeft, top: map.scrollTop, moved: false };
  });
  addEventListener("pointermove", (event) => {
    if (!drag) return;
    const x = event.clientX - drag.x, y = event.clientY - drag.y;
    if (!drag.moved && Math.hypot(x, y) < 4) return;
    drag.moved = true;
    map.classList.add("dragging");
    map.scrollLeft = drag.left - x;
    map.scrollTop = drag.top - y;
  });
  addEventListener("pointerup", () => { setTimeout(() => { drag = null; }); map.classList.remove("dragging"); });
  map.addEventListener("dragstart", (event) => event.preventDefault());

  // ── the panel of one image ─────────────────────────────────────────────────────────────────────────────
  const select = (name) => {
    if (selected) nodes.get(selected).node.classList.remove("on");
    selected = name;
    map.classList.toggle("selecting", Boolean(name));
    const kin = name ? new Set([...reach([name], above), ...reach([name], below)]) : new Set();
    for (const [other, { node }] of nodes) node.classList.toggle("kin", kin.has(other));
    const up = name ? reach([name], above) : kin, down = name ? reach([name], below) : kin;
    for (const line of lines) {
      const { f, t } = line.dataset;
      const kin = (up.has(f) && up.has(t)) || (down.has(f) && down.has(t));
      line.classList.toggle("kin", kin);
      // Lines share trunks: the last one is on top.
      if (kin) first.before(line);
    }
    if (name) nodes.get(name).node.classList.add("on");
  };
  let before = null;
  const open = (name) => {
    const about = document.getElementById(`image-${name}`);
    if (!about || !nodes.has(name)) return;
    if (panel.hidden) before = document.activeElement;
    const copy = about.cloneNode(true);
    copy.removeAttribute("id");
    one("#panel-name").textContent = name;
    one("#panel-body").replaceChildren(copy);
    panel.hidden = false;
    panel.scrollTop = 0;
    select(name);
    show(name);
    history.replaceState(null, "", `#image-${encodeURIComponent(name)}`);
    one("#panel-name").focus({ preventScroll: true });
  };
  const close = () => {
    if (panel.hidden) return false;
    panel.hidden = true;
    select("");
    history.replaceState(null, "", location.pathname + location.search);
    if (before && before.isConnected) before.focus({ preventScroll: true });
    return true;
  };
  one("#close").addEventListener("click", close);
  document.addEventListener("click", (event) => {
    const to = event.target.closest ? event.target.closest("a[href^='#image-']") : null;
    if (!to || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (drag && drag.moved) return;
    const name = decodeURIComponent(to.getAttribute("href").slice(7));
    if (to.classList.contains("n")) { nodes.get(current).node.setAttribute("tabindex", "-1"); current = name; to.setAttribute("tabindex", "0"); }
    open(name);
  });

  // ── finding images ─────────────────────────────────────────────────────────────────────────────────────
  const profiles = new Map(), holders = new Map();
  for (const about of all(".image .about")) {
    const words = about.querySelector(".profiles");
    profiles.set(about.id.slice(6), words ? words.textContent.trim().split(/\s+/) : []);
  }
  for (const cell of all("td[data-p]")) {
    const names = all("a", cell.parentElement).map((link) => link.textContent);
    holders.set(cell.dataset.p, [...(holders.get(cell.dataset.p) || []), ...names]);
    cell.classList.add("pick");
    cell.addEventListener("click", () => {
      find.value = `package:${cell.dataset.p}`;
      search();
      one("#graph-heading").scrollIntoView();
    });
  }
  const hits = (words) => {
    if (words.startsWith("@")) return [...nodes.keys()].filter((name) => (profiles.get(name) || []).some((each) => each.toLowerCase() === words));
    if (words.startsWith("package:")) {
      const wanted = words.slice(8), found = [];
      for (const [name, images] of holders) if (name.toLowerCase() === wanted) found.push(...images);
      return [...reach(found, heirs)];
    }
    return [...nodes.keys()].filter((name) => name.toLowerCase().includes(words));
  };
  let found = [];
  const search = () => {
    const words = find.value.trim().toLowerCase();
    found = words ? hits(words) : [];
    const set = new Set(found);
    map.classList.toggle("searching", Boolean(words));
    for (const [name, { node }] of nodes) node.classList.toggle("hit", set.has(name));
    one("#found").textContent = words ? (found.length === 1 ? "1 image" : `${found.length} images`) : "";
    if (found.length) show(found[0]);
  };
  find.addEventListener("input", search);
  find.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && found.length) { event.preventDefault(); move(found[0]); }
  });

  // ── tables ─────────────────────────────────────────────────────────────────────────────────────────────
  for (const input of all("input[data-filters]")) {
    const rows = all("tbody tr", document.getElementById(input.dataset.filters));
    const texts = rows.map((row) => row.textContent.toLowerCase());
    input.addEventListener("input", () => {
      const words = input.value.trim().toLowerCase().split(/\s+/);
      let count = 0;
      rows.forEach((row, number) => {
        row.hidden = !words.every((word) => texts[number].includes(word));
        count += row.hidden ? 0 : 1;
      });
      input.closest(".tools").querySelector("output").textContent = input.value.trim() ? `${count} of ${rows.length}` : "";
    });
  }
  const order = new Intl.Collator("en", { numeric: true });
  for (const table of all("table.sortable")) {
    all("th", table).forEach((head, column) => {
      if (!head.textContent) return;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") === "descending" || (!head.hasAttribute("aria-sort") && !head.classList.contains("right"));
        for (const other of all("th", table)) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const value = (row) => { const cell = row.cells[column]; return cell.dataset.v || cell.textContent; };
        const rows = all("tbody tr", table).sort((a, b) => order.compare(value(a), value(b)) * (up ? 1 : -1));
        table.tBodies[0].append(...rows);
      });
    });
  }

  // ── keys ───────────────────────────────────────────────────────────────────────────────────────────────
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.matches && event.target.matches("input[type=search]");
    if (event.key === "Escape") {
      if (typing && event.target.value) { event.target.value = ""; event.target.dispatchEvent(new Event("input")); }
      else if (!close() && typing) event.target.blur();
      else if (find.value) { find.value = ""; search(); }
      return;
    }
    if (typing) return;
    if (event.key === "/") { event.preventDefault(); find.focus(); find.select(); one("#graph-heading").scrollIntoView(); }
    else if (event.key === "+" || event.key === "=") zoom(scale * 1.25);
    else if (event.key === "-") zoom(scale / 1.25);
    else if (event.key === "0") fit(0);
    else if (towards[event.key] && event.target.closest && event.target.closest("#graph")) {
      event.preventDefault();
      const next = neighbour(current, towards[event.key]);
      if (next) move(next);
    }
  });

  fit(.66);
  if (location.hash.startsWith("#image-")) open(decodeURIComponent(location.hash.slice(7)));
})();
