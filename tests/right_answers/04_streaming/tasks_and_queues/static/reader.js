// Callbacks turned into an async iterator, without a generator.

export function readChat(response) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder("utf-8", { fatal: false });
  const ready = [];
  let text = "";
  let finished = false;

  function take() {
    const match = /\r?\n\r?\n/.exec(text);
    if (!match) return false;
    const frame = text.slice(0, match.index);
    text = text.slice(match.index + match[0].length);
    const name = /^event: ([^\r\n]*)/m.exec(frame)?.[1];
    const data = /^data: ([^\r\n]*)/m.exec(frame)?.[1];
    if (name === "delta") ready.push(JSON.parse(data).text);
    if (name === "error") throw new Error(JSON.parse(data).message);
    if (name === "done") finished = true;
    return true;
  }

  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      if (response.status !== 200) throw new Error(`status ${response.status}`);
      try {
        while (!ready.length && !finished) {
          if (take()) continue;
          const { done, value } = await reader.read();
          if (done) throw new Error("the stream ended early");
          text += decoder.decode(value, { stream: true });
        }
      } catch (error) {
        await this.return();
        throw error;
      }
      if (ready.length) return { done: false, value: ready.shift() };
      return this.return();
    },
    async return() {
      reader.cancel().catch(() => undefined);
      return { done: true, value: undefined };
    },
  };
}
