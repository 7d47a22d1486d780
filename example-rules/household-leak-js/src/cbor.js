// Reads the deterministic CBOR (RFC 8949 §4.2.1) in which settings come: one map of texts to numbers and flags, and only that.
//
// The bytes are looked at as one string of as many letters. Comparing and searching a string is the engine's own code, and a loop
// over bytes in a script costs a hundred times as much.

/** The entries of a map, one after the other. Throws a `RangeError` at what is no such map. */
export class Entries {
  constructor(bytes) {
    this.bytes = bytes;
    this.text = String.fromCharCode.apply(null, bytes);
    this.at = 0;
    const { major, argument } = this.#head();
    if (major !== 5) throw new RangeError("no map");
    this.left = argument;
  }

  /** Passes over a key if it is the next one; `key` is what `keyOf` made. */
  isNext(key) {
    if (!this.text.startsWith(key, this.at)) return false;
    this.at += key.length;
    return true;
  }

  /** The number or flag, or the text, at hand. */
  value() {
    const from = this.at + 1;
    const { major, info, argument } = this.#head();
    if (major === 0) return argument;
    if (major === 1) return -1 - argument;
    if (major === 3) return this.#take(argument);
    if (major === 7 && info === 20) return false;
    if (major === 7 && info === 21) return true;
    if (major === 7 && info === 25) return half(argument);
    if (major === 7 && info === 26) return this.#view(from).getFloat32(0);
    if (major === 7 && info === 27) return this.#view(from).getFloat64(0);
    throw new RangeError("neither a number, a flag nor a text");
  }

  isAtEnd() {
    return this.at === this.text.length;
  }

  /** An item's major type, additional information and argument. */
  #head() {
    const first = this.#byte();
    const major = first >> 5;
    const info = first & 0x1f;
    if (info < 24) return { major, info, argument: info };
    if (info > 27) throw new RangeError("an indefinite length");
    let argument = 0;
    // Exact up to 2^53, which is more than any setting may be; a float's bits are read from where they are.
    for (let width = 1 << (info - 24); width > 0; width -= 1) argument = argument * 256 + this.#byte();
    return { major, info, argument };
  }

  #byte() {
    if (this.at >= this.text.length) throw new RangeError("cut short");
    this.at += 1;
    return this.text.charCodeAt(this.at - 1);
  }

  #take(length) {
    const taken = this.text.slice(this.at, this.at + length);
    if (taken.length < length) throw new RangeError("cut short");
    this.at += length;
    return taken;
  }

  #view(from) {
    return new DataView(this.bytes.buffer, this.bytes.byteOffset + from);
  }
}

/** A key of fewer than 256 letters, all ASCII, as it stands in a map. */
export function keyOf(name) {
  const head = name.length < 24 ? [0x60 | name.length] : [0x78, name.length];
  return String.fromCharCode(...head) + name;
}

/** A half-precision float (RFC 8949 appendix D). */
function half(bits) {
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (fraction + 1024) * 2 ** (exponent - 25);
}
