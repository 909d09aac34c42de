// A browser's reader of POST /v1/chat/completions with `stream`, in OpenAI's shape.

/**
 * Yield the text of a completion as it comes.
 *
 * @param {Response} response what fetch() gave, with status 200
 * @returns {AsyncGenerator<string>} throws an Error when the service reports one in mid-stream, and when the stream ends
 *   without `[DONE]`
 */
export async function* readCompletion(response) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    while (true) {
      const { done, value } = await reader.read();
      if (done) throw new Error("the answer broke off");
      rest += decoder.decode(value, { stream: true }); // a chunk may end inside a character, or inside an event
      const frames = rest.split(/\r?\n\r?\n/);
      rest = frames.pop();
      for (const frame of frames) {
        const data = frame.split(/\r?\n/).filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim());
        if (!data.length) continue; // a heartbeat
        if (data.join("") === "[DONE]") return;
        const chunk = JSON.parse(data.join("\n"));
        if (chunk.error) throw new Error(chunk.error.message);
        const text = chunk.choices?.[0]?.delta?.content;
        if (text) yield text;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
