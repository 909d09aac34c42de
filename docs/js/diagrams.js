// Bring mermaid, 3.5 MB, only to pages that have a diagram. Written into the page while it is still being read, so that
// mermaid is there before the theme looks for it: where it finds none, the theme asks another host.
if (document.querySelector("pre.mermaid")) {
  const mermaid = new URL("mermaid.min.js", document.currentScript.src);
  document.write(`<script src="${mermaid}"></` + "script>");
}
