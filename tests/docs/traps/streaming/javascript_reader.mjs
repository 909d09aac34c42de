// A reader in JavaScript. The three sections are shown on the page of lesson 04, and test_javascript_reader.py runs it.
import assert from "node:assert/strict";

// --8<-- [start:broken]
async function readAnswer(url, show) {
  const response = await fetch(url, { method: "POST" });
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  while (true) {
    const { done, value } = await reader.read();
    if (done) break;
    show(decoder.decode(value));
  }
}
// --8<-- [end:broken]

// --8<-- [start:repaired]
async function* readTexts(url, { signal } = {}) {
  const response = await fetch(url, { method: "POST", signal }); // of an AbortController: the button "stop"
  if (!response.ok) throw new Error(`the service answered ${response.status}`);
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    while (true) {
      const { done, value } = await reader.read();
      if (done) throw new Error("the answer broke off");
      rest += decoder.decode(value, { stream: true }); // keeps half a character for the next chunk
      const events = rest.split("\n\n");
      rest = events.pop(); // keeps half an event
      for (const event of events) {
        const fields = Object.fromEntries(event.split("\n").map((line) => line.split(/: (.*)/)));
        if (fields.event === "error") throw new Error(JSON.parse(fields.data).message);
        if (fields.event === "done") return;
        if (fields.event === "delta") yield JSON.parse(fields.data).text;
      }
    }
  } finally {
    reader.cancel().catch(() => {}); // how the server learns that nobody reads any more
  }
}
// --8<-- [end:repaired]

// A service whose chunks are cut as a network cuts them: in the middle of an event, in the middle of a character.
function serve(status, chunks) {
  globalThis.fetch = async (_, { signal } = {}) =>
    new Response(
      new ReadableStream({
        start(controller) {
          chunks.forEach((chunk) => controller.enqueue(chunk));
          if (signal) signal.addEventListener("abort", () => controller.error(signal.reason));
          else controller.close();
        },
      }),
      { status },
    );
}

const answer = new TextEncoder().encode('event: delta\ndata: {"text": "né🙂"}\n\n: ping\n\nevent: done\ndata: {}\n\n');
const smile = answer.indexOf(0xf0); // the first of its four bytes
const chunks = [answer.slice(0, smile + 2), answer.slice(smile + 2)];

{
  // --8<-- [start:seen]
  const shown = [];
  serve(200, chunks); // one event, cut inside the smiley
  await readAnswer("/chat", (text) => shown.push(text));
  assert.equal(shown[0], 'event: delta\ndata: {"text": "né\ufffd'); // no event, and the smiley is lost
  assert.ok(!shown.join("").includes("🙂"));

  shown.length = 0;
  serve(429, [new TextEncoder().encode('{"detail": "slow down"}')]);
  await readAnswer("/chat", (text) => shown.push(text));
  assert.deepEqual(shown, ['{"detail": "slow down"}']); // an error, shown as the answer
  // --8<-- [end:seen]
}

async function all(texts) {
  const collected = [];
  for await (const text of texts) collected.push(text);
  return collected;
}

serve(200, chunks);
assert.deepEqual(await all(readTexts("/chat")), ["né🙂"]);
serve(200, [...answer].map((byte) => Uint8Array.of(byte)));
assert.deepEqual(await all(readTexts("/chat")), ["né🙂"]);
serve(429, []);
await assert.rejects(all(readTexts("/chat")), /answered 429/);
serve(200, [new TextEncoder().encode('event: error\ndata: {"message": "overloaded"}\n\n')]);
await assert.rejects(all(readTexts("/chat")), /overloaded/);
serve(200, [answer.slice(0, -20)]);
await assert.rejects(all(readTexts("/chat")), /broke off/);

const stop = new AbortController();
serve(200, []);
const reading = all(readTexts("/chat", { signal: stop.signal }));
setImmediate(() => stop.abort());
await assert.rejects(reading, { name: "AbortError" });
