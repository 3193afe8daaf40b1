// The table of all items: sorted, filtered, paged and opened here.
// News and replies are hostile: they become text nodes and nothing else. The page's policy forbids all other ways.
(() => {
  const PAGE = 50;
  const RANKS = { Negative: 0, Neutral: 1, Positive: 2, Low: 0, Medium: 1, High: 2, right: 0, wrong: 1, unreadable: 2 };
  const MARKS = { right: "\u2713", wrong: "\u2717", unreadable: "\u2205" };
  const order = new Intl.Collator("en", { numeric: true }).compare;
  const part = (name) => document.getElementById(`page.${name}`);

  /** An element with attributes (functions become listeners) and children (strings become text). */
  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (typeof value === "function") element.addEventListener(name, value);
      else if (value !== false && value !== null) element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  }

  // --- what a row shows ---

  const labels = (said) => (said.risk ? [said.sentiment, said.risk] : [said.sentiment]);

  function mark(answer, item) {
    if (!answer) return make("span", { class: "quiet" }, "not scored");
    const shown = [make("span", { "aria-hidden": "true" }, MARKS[answer.state]), make("span", { class: "hidden" }, answer.state), " "];
    if (answer.state === "unreadable") return make("span", { class: "unreadable" }, ...shown, answer.reason);
    const asked = item.risk ? ["sentiment", "risk"] : ["sentiment"];
    const words = asked.map((name) => make("span", { class: answer[name] === item[name] ? "hit" : "off" }, answer[name]));
    return make("span", { class: answer.state }, ...shown, ...words.flatMap((word, place) => (place ? [" / ", word] : [word])));
  }

  const FLIPS = { fixed: ["right", "\u25b2 fixed"], broken: ["wrong", "\u25bc broken"] };
  const flip = (item) => (item.flip ? make("span", { class: FLIPS[item.flip][0] }, FLIPS[item.flip][1]) : "");

  /** Columns: title, the key to sort by, the cell. */
  function columnsOf(data) {
    const plain = (title, name) => ({ title, key: (item) => item[name] ?? "", cell: (item) => String(item[name] ?? "") });
    const ranked = (title, name) => ({ ...plain(title, name), key: (item) => RANKS[item[name]] ?? 9 });
    const answer = (model, place) => ({
      title: model,
      key: (item) => { const said = item.answers[place]; return said ? `${RANKS[said.state]} ${said.reason ?? labels(said).join(" / ")}` : "9"; },
      cell: (item) => mark(item.answers[place], item),
    });
    return [
      plain("item", "id"),
      plain("lang", "lang"),
      ranked("gold sentiment", "sentiment"),
      ranked("gold risk", "risk"),
      ...data.models.map(answer),
      { title: "change", key: (item) => item.flip || "~", cell: flip },
      { title: "task", key: (item) => item.task, cell: (item) => data.tasks[item.task].title },
      plain("sector", "sector"),
      plain("event", "event"),
      plain("order", "order"),
      { title: "features", key: (item) => item.features.join(", "), cell: (item) => item.features.join(", ") },
    ];
  }

  function reply(model, answer, item) {
    const head = make("h4", {}, `${model} `, mark(answer, item));
    if (!answer) return make("div", { class: "reply" }, head);
    const about = [];
    if (answer.entity !== undefined) {
      about.push("Entity: ", make("bdi", {}, answer.entity), answer.entity_right ? " (right)" : " (wrong)");
    }
    if (answer.lenient && answer.lenient.sentiment) about.push(`Leniently read as ${labels(answer.lenient).join(" / ")}`);
    const text = answer.reply === null ? "(not shown: a public set's)" : answer.reply || "(an empty reply)";
    return make("div", { class: "reply" }, head, ...(about.length ? [make("p", {}, ...about)] : []), make("pre", { tabindex: "0", lang: item.lang }, text));
  }

  function detail(data, item, width) {
    const gold = [item.entity, ...labels(item)].filter(Boolean).join(" / ");
    const aliases = item.aliases.length ? ` (also: ${item.aliases.join(", ")})` : "";
    const text = item.text ?? "The text is not shown: it belongs to a public set.";
    const link = make("a", { href: linkTo(data, item) }, "Link to this item");
    return make("tr", { class: "detail" }, make("td", { colspan: String(width) }, make("div", {},
      make("p", { class: "news", lang: item.text === null ? "en" : item.lang }, text),
      make("p", {}, make("strong", {}, "Gold: "), make("bdi", { lang: item.lang }, gold + aliases), " \u00b7 ", link),
      make("div", { class: "replies" }, ...data.models.map((model, place) => reply(model, item.answers[place], item))),
    )));
  }

  function linkTo(data, item) {
    const twice = data.items.some((one) => one !== item && one.id === item.id);
    return `#item=${encodeURIComponent(item.id)}${twice ? `&task=${encodeURIComponent(data.tasks[item.task].name)}` : ""}`;
  }

  // --- filters ---

  /** Filters: title, options (value -> words), and whether an item passes for a chosen value. */
  function filtersOf(data) {
    const values = (name) => Object.fromEntries([...new Set(data.items.map((item) => item[name]).filter(Boolean))].map((one) => [one, one]));
    const states = { right: "right", wrong: "wrong", unreadable: "unreadable" };
    return [
      { title: "task", options: Object.fromEntries(data.tasks.map((task, place) => [place, task.title])), passes: (item, value) => item.task === Number(value) },
      { title: "language", options: values("lang"), passes: (item, value) => item.lang === value },
      { title: "gold sentiment", options: values("sentiment"), passes: (item, value) => item.sentiment === value },
      { title: "gold risk", options: values("risk"), passes: (item, value) => item.risk === value },
      ...data.models.map((model, place) => ({ title: model, options: states, passes: (item, value) => item.answers[place]?.state === value })),
      { title: "adapter against base", options: { broken: "broken", fixed: "fixed", same: "neither" }, passes: (item, value) => (item.flip || "same") === value },
    ];
  }

  const lowered = new Map();
  function haystack(item) {
    if (!lowered.has(item)) {
      const said = item.answers.flatMap((answer) => (answer ? [answer.reason, answer.entity, answer.reply] : []));
      lowered.set(item, [item.id, item.sector, item.event, ...item.features, item.entity, ...item.aliases, item.text, ...said].join("\n").toLowerCase());
    }
    return lowered.get(item);
  }

  // --- the table ---

  function startTable(data) {
    const columns = columnsOf(data);
    const filters = filtersOf(data);
    const opened = new Set();
    let sorted = null; // {column, down}
    let shown = data.items;
    let page = 0;

    const body = make("tbody");
    const count = make("p", { class: "count", role: "status" });
    const previous = make("button", { type: "button", click: () => turn(-1) }, "Previous");
    const next = make("button", { type: "button", click: () => turn(1) }, "Next");
    const words = make("input", { type: "search", placeholder: "id, news, reply, sector \u2026", input: later });
    for (const filter of filters) {
      const choices = Object.entries(filter.options).map(([value, text]) => make("option", { value }, text));
      filter.select = make("select", { change: update }, make("option", { value: "" }, "any"), ...choices);
    }
    const heads = columns.map((column) => make("th", { scope: "col", "aria-sort": "none" },
      make("button", { type: "button", click: () => sort(column) }, column.title)));

    const box = make("div", { class: "scroll items", role: "region", tabindex: "0", "aria-label": "Table: all items" },
      make("table", {}, make("thead", {}, make("tr", {}, ...heads)), body));

    let timer = 0;
    function later() { clearTimeout(timer); timer = setTimeout(update, 120); }

    function update() {
      const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      const active = filters.filter((filter) => filter.select.value !== "");
      shown = data.items.filter((item) => active.every((filter) => filter.passes(item, filter.select.value))
        && wanted.every((word) => haystack(item).includes(word)));
      if (sorted) arrange();
      turn(-page);
    }

    function arrange() {
      const keys = new Map(shown.map((item) => [item, sorted.column.key(item)]));
      const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : order(String(a), String(b)));
      const sign = sorted.down ? -1 : 1;
      shown = [...shown].sort((a, b) => sign * compare(keys.get(a), keys.get(b)));
    }

    /** Upwards, downwards, and back to the order of the benchmark. */
    function sort(column) {
      if (!sorted || sorted.column !== column) sorted = { column, down: false };
      else sorted = sorted.down ? null : { column, down: true };
      columns.forEach((one, place) => {
        const state = sorted && sorted.column === one ? (sorted.down ? "descending" : "ascending") : "none";
        heads[place].setAttribute("aria-sort", state);
      });
      update();
    }

    function turn(step) {
      page += step;
      draw();
      box.scrollTop = 0;
      if (box.getBoundingClientRect().top < 0) box.scrollIntoView();
    }

    function clear() {
      for (const filter of filters) filter.select.value = "";
      words.value = "";
      update();
    }

    function row(item) {
      const toggle = () => { if (!opened.delete(item)) opened.add(item); const fresh = draw(item); fresh.focus(); };
      const button = make("button", { type: "button", "aria-expanded": String(opened.has(item)), click: (event) => { event.stopPropagation(); toggle(); } }, item.id);
      const cells = columns.map((column, place) => make("td", {}, place ? column.cell(item) : button));
      const clicked = () => { if (!String(getSelection())) toggle(); };
      return [make("tr", { class: opened.has(item) ? "item open" : "item", click: clicked }, ...cells), button];
    }

    /** Draw the rows of this page anew and return the button of `wanted` where it is among them. */
    function draw(wanted) {
      const start = page * PAGE;
      const visible = shown.slice(start, start + PAGE);
      let found = null;
      const rows = visible.flatMap((item) => {
        const [line, button] = row(item);
        if (item === wanted) found = button;
        return opened.has(item) ? [line, detail(data, item, columns.length)] : [line];
      });
      body.replaceChildren(...rows);
      const range = visible.length ? `, ${start + 1} to ${start + visible.length} shown` : "";
      count.textContent = `${shown.length.toLocaleString("en")} of ${data.items.length.toLocaleString("en")} items${range}`;
      previous.disabled = page === 0;
      next.disabled = start + PAGE >= shown.length;
      return found;
    }

    /** Show the item that the address names (#item=ID, with &task=NAME where several tasks hold it). */
    function visit() {
      const asked = new URLSearchParams(location.hash.slice(1));
      const fits = (item) => item.id === asked.get("item") && (!asked.get("task") || data.tasks[item.task].name === asked.get("task"));
      const item = asked.get("item") ? data.items.find(fits) : null;
      if (!item) return;
      if (!shown.includes(item)) clear();
      page = Math.floor(shown.indexOf(item) / PAGE);
      opened.add(item);
      const button = draw(item);
      button.scrollIntoView({ block: "center" });
      button.focus({ preventScroll: true });
    }

    part("table").append(
      make("div", { class: "filters", role: "search" },
        make("label", { class: "words" }, "search", words),
        ...filters.map((filter) => make("label", {}, filter.title, filter.select)),
        make("button", { type: "button", click: clear }, "Clear")),
      count,
      box,
      make("div", { class: "pager" }, previous, next),
    );
    part("note").hidden = true;
    part("table").hidden = false;
    draw();
    addEventListener("hashchange", visit);
    visit();
  }

  document.addEventListener("DOMContentLoaded", () => {
    startTable(JSON.parse(part("data").textContent));
  });
})();
