// Streams from end to end: bytes to text, text to events.

class Frames extends TransformStream {
  constructor() {
    let rest = "";
    super({
      transform(text, controller) {
        rest += text;
        for (let at; (at = rest.search(/\r?\n\r?\n/)) >= 0; ) {
          controller.enqueue(rest.slice(0, at).split(/\r?\n/));
          rest = rest.slice(at).replace(/^\r?\n\r?\n/, "");
        }
      },
    });
  }
}

const field = (lines, name) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);

async function* read(response) {
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  for await (const lines of response.body.pipeThrough(new TextDecoderStream()).pipeThrough(new Frames())) {
    const data = field(lines, "data");
    switch (field(lines, "event")) {
      case "delta":
        yield JSON.parse(data).text;
        break;
      case "error":
        throw new Error(JSON.parse(data).message);
      case "done":
        return;
    }
  }
  throw new Error("incomplete answer");
}

export const readChat = read;
