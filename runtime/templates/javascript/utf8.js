// Text as bytes and back: there is no `TextEncoder` in a component.

export function encode(text) {
  return Uint8Array.from(unescape(encodeURIComponent(text)), (c) => c.charCodeAt(0));
}

// Throws where the bytes are no text.
export function decode(bytes) {
  const letters = Array.from(bytes, (byte) => String.fromCharCode(byte));
  return decodeURIComponent(escape(letters.join('')));
}
