/**
 * Device trees: read from their flattened form into nodes, changed there, and written back. The format's words are in
 * abi/fdt.ts. Memory reservations are not kept: QEMU's machines have none.
 */
import {
  FDT_HEADER,
  FDT_LAST_COMPATIBLE,
  FDT_MAGIC,
  FDT_RESERVATION_SIZE,
  FDT_TOKEN,
  FDT_VERSION,
} from '../../abi/fdt.ts';
import { viewOf } from '../../abi/layout.ts';

/** A property's value: text, texts, cells of 32 bits, or (empty) that it is there. */
export type Value = string | readonly string[] | readonly number[] | true | Uint8Array;

export class DeviceNode {
  readonly name: string;
  readonly properties = new Map<string, Uint8Array>();
  readonly children: DeviceNode[] = [];

  constructor(name: string, properties: Record<string, Value> = {}) {
    this.name = name;
    for (const [key, value] of Object.entries(properties)) this.set(key, value);
  }

  set(key: string, value: Value): void {
    this.properties.set(key, encode(value));
  }

  /** The first cell of a property. */
  cell(key: string): number | undefined {
    const bytes = this.properties.get(key);
    return bytes && bytes.length >= 4 ? viewOf(bytes).getUint32(0) : undefined;
  }

  /** Texts of a property. */
  texts(key: string): string[] {
    const bytes = this.properties.get(key);
    return bytes ? new TextDecoder().decode(bytes).split('\0').slice(0, -1) : [];
  }

  child(name: string): DeviceNode | undefined {
    return this.children.find((child) => child.name === name);
  }

  add(name: string, properties: Record<string, Value>): DeviceNode {
    const node = new DeviceNode(name, properties);
    this.children.push(node);
    return node;
  }

  /** This node and all below it. */
  *all(): Generator<DeviceNode> {
    yield this;
    for (const child of this.children) yield* child.all();
  }
}

function encode(value: Value): Uint8Array {
  if (value === true) return new Uint8Array();
  if (value instanceof Uint8Array) return value;
  const list = typeof value === 'string' ? [value] : value;
  if (list.every((each) => typeof each === 'string'))
    return new TextEncoder().encode(list.map((t) => `${t}\0`).join(''));
  const bytes = new Uint8Array(list.length * 4);
  for (const [i, cell] of list.entries()) viewOf(bytes).setUint32(i * 4, cell as number);
  return bytes;
}

/** Throws Error for bytes that are no device tree. */
export function readTree(bytes: Uint8Array): DeviceNode {
  const view = viewOf(bytes);
  const header = Object.fromEntries(FDT_HEADER.map((name, i) => [name, view.getUint32(i * 4)])) as Header;
  if (header.magic !== FDT_MAGIC || header.lastCompatible > FDT_VERSION)
    throw new Error('host: this is no device tree');
  const text = (from: number): string => new TextDecoder().decode(bytes.subarray(from, bytes.indexOf(0, from)));
  const aligned = (at: number): number => Math.ceil(at / 4) * 4;
  let at = header.structOffset;
  const path: DeviceNode[] = [];
  for (;;) {
    const token = view.getUint32(at);
    at += 4;
    if (token === FDT_TOKEN.BEGIN_NODE) {
      const name = text(at);
      at = aligned(at + name.length + 1);
      const node = new DeviceNode(name);
      path.at(-1)?.children.push(node);
      path.push(node);
    } else if (token === FDT_TOKEN.END_NODE) {
      const node = path.pop();
      if (!node) throw new Error('host: the device tree ends a node that it did not begin');
      if (path.length === 0) return node;
    } else if (token === FDT_TOKEN.PROP) {
      const size = view.getUint32(at);
      const name = text(header.stringsOffset + view.getUint32(at + 4));
      path.at(-1)?.properties.set(name, new Uint8Array(bytes.subarray(at + 8, at + 8 + size)));
      at = aligned(at + 8 + size);
    } else if (token !== FDT_TOKEN.NOP) throw new Error(`host: the device tree has token ${token} at ${at - 4}`);
  }
}

type Header = Record<(typeof FDT_HEADER)[number], number>;

export function writeTree(root: DeviceNode): Uint8Array {
  const parts: Uint8Array[] = [];
  const names = new Map<string, number>();
  let strings = '';
  const nameAt = (name: string): number => {
    const known = names.get(name);
    if (known !== undefined) return known;
    names.set(name, strings.length);
    strings += `${name}\0`;
    return strings.length - name.length - 1;
  };
  const padded = (bytes: Uint8Array): void => void parts.push(bytes, new Uint8Array(-bytes.length & 3));
  const node = ({ name, properties, children }: DeviceNode): void => {
    parts.push(encode([FDT_TOKEN.BEGIN_NODE]));
    padded(encode(name));
    for (const [key, value] of properties) {
      parts.push(encode([FDT_TOKEN.PROP, value.length, nameAt(key)]));
      padded(value);
    }
    for (const child of children) node(child);
    parts.push(encode([FDT_TOKEN.END_NODE]));
  };
  node(root);
  parts.push(encode([FDT_TOKEN.END]));
  const structure = Buffer.concat(parts);
  const text = new TextEncoder().encode(strings);
  const reservationsOffset = Math.ceil((FDT_HEADER.length * 4) / 8) * 8;
  const structOffset = reservationsOffset + FDT_RESERVATION_SIZE;
  const stringsOffset = structOffset + structure.length;
  const header: Header = {
    magic: FDT_MAGIC,
    totalSize: stringsOffset + text.length,
    structOffset,
    stringsOffset,
    reservationsOffset,
    version: FDT_VERSION,
    lastCompatible: FDT_LAST_COMPATIBLE,
    bootCpu: 0,
    stringsSize: text.length,
    structSize: structure.length,
  };
  const head = new Uint8Array(structOffset);
  head.set(encode(FDT_HEADER.map((name) => header[name])));
  return Buffer.concat([head, structure, text]);
}
