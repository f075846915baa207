"use strict";
// Reads the page's own data blocks: JSON, or JSON gzipped in base64 where it is long. Each is read once.
const scalingData = (() => {
  const found = new Map();
  const unpack = async (text) => {
    if (!text.startsWith("gzip:")) return JSON.parse(text);
    const bytes = Uint8Array.from(atob(text.slice(5)), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  };
  return (id) => {
    if (!found.has(id)) found.set(id, unpack(document.getElementById(id).textContent));
    return found.get(id);
  };
})();
