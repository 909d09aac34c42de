// A browser's reader of POST /chat. EventSource cannot be used: it only sends GET.

/**
 * Yield the text of an answer as it comes.
 *
 * @param {Response} response what fetch() gave for POST /chat
 * @returns {AsyncGenerator<string>} throws an Error when the status is no success, when an `error` event comes (with its
 *   message), and when the stream ends without `done`
 */
export async function* readChat(response) {
  // TODO 04.8: read the events, however the bytes are cut; whoever stops reading closes the connection.
  // >>> solution
  if (response.status !== 200) throw new Error(`the service answered ${response.status}`);
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    while (true) {
      const { done, value } = await reader.read();
      if (done) throw new Error("the answer broke off");
      // A chunk ends anywhere: with `stream` the decoder keeps half a character, `rest` keeps half an event.
      rest += decoder.decode(value, { stream: true });
      const frames = rest.split(/\r?\n\r?\n/);
      rest = frames.pop();
      for (const frame of frames) {
        let name = "message";
        let data = "";
        for (const line of frame.split(/\r?\n/)) {
          if (line.startsWith("event: ")) name = line.slice(7);
          if (line.startsWith("data: ")) data += line.slice(6);
        }
        if (name === "delta") yield JSON.parse(data).text;
        if (name === "error") throw new Error(JSON.parse(data).message);
        if (name === "done") return;
      }
    }
  } finally {
    reader.cancel().catch(() => {}); // no-op after the end; before it, this is how the server learns that we left
  }
  // --- stub
  // throw new Error("TODO 04.8");
  // <<< solution
}
