// The chat page. Answers from the documents are read by lesson 04's reader.js, yours when it is finished.
import { readChat } from "./reader.js";
import { readCompletion } from "./completion.js";

const byId = (id) => document.getElementById(id);
const [form, prompt, ask, stop, sourced, key] = ["chat", "prompt", "ask", "stop", "sourced", "key"].map(byId);
const [log, state, welcome] = ["log", "state", "welcome"].map(byId);
const KEPT = "capstone-key"; // in this tab alone, and gone with it
let turns = [];
let leaving = null;

const config = await (await fetch("./chat/config")).json();
key.value = sessionStorage.getItem(KEPT) ?? config.key ?? "";
byId("provider").textContent = config.provider;
byId("provider").hidden = false;
key.addEventListener("change", () => sessionStorage.setItem(KEPT, key.value));

// Talking.

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const question = prompt.value.trim();
  if (!question || leaving) return;
  prompt.value = "";
  answer(question);
});
prompt.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    form.requestSubmit();
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") leaving?.abort();
});
stop.addEventListener("click", () => leaving?.abort());

/** Ask and show the answer as it comes. Whatever happens, the page can be asked again. */
async function answer(question) {
  welcome.hidden = true;
  add("user", question);
  const turn = add("model", "");
  const mine = new AbortController();
  begin(mine, turn);
  let text = "";
  try {
    const pieces = sourced.checked ? fromDocuments(question, mine.signal, turn) : fromModel(question, mine.signal);
    for await (const piece of pieces) {
      text += piece;
      show(turn, text);
    }
    turns.push({ role: "user", content: question }, { role: "assistant", content: text });
    say(text ? "Done." : "The model said nothing.");
  } catch (error) {
    if (mine.signal.aborted) say("Stopped. Nothing more is generated or paid for.");
    else fail(turn, error, question);
  } finally {
    turn.element.classList.remove("waiting");
    stop.disabled = true;
    ask.disabled = false;
    leaving = null;
    cite(turn);
    if (document.activeElement !== key) prompt.focus();
  }
}

/** Yield an answer from the documents; where it is taken from goes to `turn.sources`. */
async function* fromDocuments(question, signal, turn) {
  const response = await post("./rag/query", { question, stream: true }, signal);
  // Two readers of one body: reader.js knows text alone, and the sources are an event that it passes over.
  const [forText, forSources] = response.body.tee();
  readSources(forSources, turn).catch(() => {});
  yield* readChat(new Response(forText, { status: response.status, headers: response.headers }));
}

/** Yield an answer of the model alone, with what was said before. */
async function* fromModel(question, signal) {
  const messages = [...turns, { role: "user", content: question }];
  yield* readCompletion(await post("./v1/chat/completions", { model: config.model, messages, stream: true }, signal));
}

/** Find the event `sources` in a stream. */
async function readSources(body, turn) {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of chunks(body)) {
    rest += decoder.decode(chunk, { stream: true });
    const found = /(?:^|\n)event: sources\r?\ndata: (.*)\r?\n/.exec(rest);
    if (found) turn.sources = JSON.parse(found[1]).citations;
  }
  cite(turn);
}

/** Yield the chunks of a body. A loop, because not every browser can iterate over a stream. */
async function* chunks(body) {
  const reader = body.getReader();
  while (true) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

/** POST JSON; throw a Refusal that says what a person can do. */
async function post(url, body, signal) {
  return answered(
    await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${key.value}` },
      body: JSON.stringify(body),
      signal,
    }),
  );
}

class Refusal extends Error {
  constructor(status, words, waitSeconds) {
    super(words);
    this.status = status;
    this.waitSeconds = waitSeconds;
  }
}

async function answered(response) {
  if (response.ok) return response;
  let said = {};
  try {
    said = await response.json();
  } catch {
    // a proxy's page: the status has to do
  }
  const words = said.error?.message ?? said.error ?? response.statusText;
  throw new Refusal(response.status, String(words), Number(response.headers.get("Retry-After")) || 0);
}

// Showing.

/** Add a turn of the conversation. Text is set as text, never as HTML. */
function add(role, text) {
  const element = document.createElement("div");
  element.className = `turn ${role}`;
  element.dataset.role = role;
  element.append(text);
  log.append(element);
  window.scrollTo(0, document.documentElement.scrollHeight);
  return { element, text, sources: [] };
}

function begin(mine, turn) {
  leaving = mine;
  turn.element.classList.add("waiting");
  stop.disabled = false;
  ask.disabled = true;
  say("Waiting for the first word …");
}

function show(turn, text) {
  const page = document.documentElement;
  const follow = page.scrollHeight - window.scrollY - window.innerHeight < 120; // whoever scrolled up is reading
  turn.text = text;
  turn.element.textContent = text;
  state.textContent = "Answering …";
  if (follow) window.scrollTo(0, page.scrollHeight);
}

/** Turn [1] into a button that opens source 1, and list the sources below the answer. */
function cite(turn) {
  if (!turn.sources.length || turn.element.classList.contains("waiting")) return;
  const details = new Map(turn.sources.map((source) => [String(source.n), sourceOf(source)]));
  const notes = [...turn.element.querySelectorAll(".note")];
  turn.element.replaceChildren();
  for (const part of turn.text.split(/(\[\d+\])/)) {
    const target = details.get(part.slice(1, -1));
    if (!/^\[\d+\]$/.test(part) || !target) {
      turn.element.append(part);
      continue;
    }
    const button = Object.assign(document.createElement("button"), { className: "cite", textContent: part.slice(1, -1) });
    button.type = "button";
    button.setAttribute("aria-label", `Source ${part.slice(1, -1)}`);
    button.addEventListener("click", () => {
      target.open = true;
      target.querySelector("summary").focus();
    });
    turn.element.append(button);
  }
  const list = Object.assign(document.createElement("div"), { className: "sources" });
  list.append(...details.values());
  turn.element.append(...notes, list);
}

function sourceOf(source) {
  const details = document.createElement("details");
  const summary = document.createElement("summary");
  summary.textContent = `[${source.n}] ${source.document}, characters ${source.start} to ${source.end}`;
  const quote = document.createElement("blockquote");
  quote.textContent = source.text;
  details.append(summary, quote);
  return details;
}

function say(words, warn = false) {
  state.textContent = words;
  state.classList.toggle("warn", warn);
}

/** Say kindly what went wrong, keep what was answered so far, and give the question back. */
function fail(turn, error, question) {
  const note = Object.assign(document.createElement("span"), { className: "note" });
  turn.element.append(note);
  if (error instanceof Refusal && error.status === 429) {
    countDown(note, Math.max(1, Math.ceil(error.waitSeconds)));
    say("Too many questions at once.", true);
  } else if (error instanceof Refusal && error.status === 401) {
    note.textContent = "This key is not known. Enter another one below.";
    say("Not let in.", true);
    key.focus();
  } else {
    note.textContent = turn.text ? `The answer broke off: ${error.message}.` : `No answer: ${error.message}.`;
    say("Something went wrong; nothing of yours is lost.", true);
  }
  prompt.value ||= question;
}

function countDown(note, seconds) {
  note.textContent = seconds
    ? `That was one question too many. There is room again in ${seconds} s.`
    : "There is room again: ask once more.";
  if (seconds) setTimeout(() => countDown(note, seconds - 1), 1000);
}

// Parts and documents.

for (const name of ["parts", "documents"]) {
  const button = byId(`show-${name}`);
  button.addEventListener("click", () => {
    const panel = byId(name);
    panel.hidden = !panel.hidden;
    button.setAttribute("aria-expanded", String(!panel.hidden));
    if (!panel.hidden) (name === "parts" ? showParts : showDocuments)();
  });
}

async function showParts() {
  const parts = await (await fetch("./parts")).json();
  byId("part-rows").replaceChildren(
    ...parts.map((part) => {
      const row = document.createElement("tr");
      for (const [text, kind] of [[part.lesson, ""], [part.whose, part.whose], [part.reason, ""]]) {
        const cell = document.createElement("td");
        cell.textContent = text;
        cell.className = kind;
        row.append(cell);
      }
      return row;
    }),
  );
}

const headers = () => ({ Authorization: `Bearer ${key.value}` });
const uploadState = byId("upload-state");

/** List the documents, again while some of them cannot be found yet. */
async function showDocuments() {
  try {
    const list = await (await answered(await fetch("./rag/documents?limit=100", { headers: headers() }))).json();
    byId("document-rows").replaceChildren(...list.items.map(rowOf));
    if (list.items.some((one) => one.state === "queued") && !byId("documents").hidden) setTimeout(showDocuments, 500);
  } catch (error) {
    uploadState.textContent = `The documents cannot be listed: ${error.message}.`;
  }
}

function rowOf(one) {
  const row = document.createElement("li");
  const name = Object.assign(document.createElement("span"), { className: "name", textContent: one.name });
  const standing = Object.assign(document.createElement("span"), { className: `standing ${one.state}` });
  standing.textContent = { queued: "being read", ready: "", failed: one.error }[one.state];
  const remove = Object.assign(document.createElement("button"), { type: "button", textContent: "Delete" });
  remove.setAttribute("aria-label", `Delete ${name.textContent}`);
  remove.addEventListener("click", async () => {
    remove.disabled = true;
    try {
      await answered(await fetch(`./rag/documents/${encodeURIComponent(one.id)}`, { method: "DELETE", headers: headers() }));
      uploadState.textContent = `${name.textContent} is deleted.`;
      showDocuments();
    } catch (error) {
      uploadState.textContent = `Not deleted: ${error.message}.`;
      remove.disabled = false;
    }
  });
  row.append(name, standing, remove);
  return row;
}

byId("upload").addEventListener("submit", async (event) => {
  event.preventDefault();
  const file = byId("file").files[0];
  const form = new FormData();
  form.append("file", file);
  uploadState.textContent = `Reading ${file.name} …`;
  try {
    await answered(await fetch("./rag/documents", { method: "POST", headers: headers(), body: form }));
    uploadState.textContent = `${file.name} is kept. Once it is read, ask about it.`;
    event.target.reset();
    showDocuments();
  } catch (error) {
    uploadState.textContent = `${file.name} was not taken: ${error.message}.`;
  }
});
