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
  throw new Error("TODO 04.8");
}
