/**
 * For tests: a VNC client that keeps the picture that it was sent, in Raw and Tight, and can also misbehave. What it knows of
 * RFB comes from the datasheet (abi/rfb.ts) and from RFC 6143, not from the server.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { constants, inflateSync } from 'node:zlib';
import {
  RFB_CLIENT,
  RFB_ENCODING,
  RFB_QEMU,
  RFB_SECURITY,
  RFB_SERVER,
  RFB_VERSION,
  RfbEncoding,
  RfbExtendedKey,
  RfbKey,
  RfbLength,
  RfbPixelFormat,
  type RfbPixelFormatValues,
  RfbPointer,
  RfbRectangle,
  RfbSetEncodings,
  RfbSetPixelFormat,
  RfbSize,
  RfbUpdate,
  RfbUpdateRequest,
  TIGHT,
} from '../../abi/rfb.ts';
import { ByteReader } from '../../host/screen/byte-reader.ts';
import { answerTo } from '../../host/screen/vnc-password.ts';

export interface RfbClientOptions {
  password?: string;
  version?: string;
  encodings?: readonly number[];
}

export interface Received {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly encoding: number;
}

export class RfbClient {
  width = 0;
  height = 0;
  title = '';
  /** The pixels as numbers in the client's format; in Tight's three bytes 0xRRGGBB. */
  pixels = new Uint32Array();
  /** Bytes that came in updates. */
  bytes = 0;
  format: RfbPixelFormatValues | undefined;
  readonly stream: Duplex;
  readonly #reader: ByteReader;

  constructor(stream: Duplex) {
    this.stream = stream;
    this.#reader = new ByteReader(stream);
    stream.on('error', () => {});
  }

  /** Connects by TCP, greets, and names its encodings. */
  static async connect(port: number, options: RfbClientOptions = {}): Promise<RfbClient> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    const client = new RfbClient(socket);
    await client.greet(options);
    return client;
  }

  /** The greeting up to the screen's size. Throws Error with the server's reason if it refuses. */
  async greet({ password, version = RFB_VERSION, encodings = [] }: RfbClientOptions): Promise<void> {
    assert.equal(Buffer.from(await this.#take(RFB_VERSION.length)).toString(), RFB_VERSION);
    this.stream.write(version);
    const old = version === 'RFB 003.003\n';
    const types = old ? [RfbLength.read(await this.#take(4)).length] : await this.#take((await this.#take(1))[0]!);
    const type = password === undefined ? RFB_SECURITY.NONE : RFB_SECURITY.VNC;
    assert.deepEqual([...types], [type]);
    if (!old) this.stream.write(Uint8Array.of(type));
    if (password !== undefined) this.stream.write(answerTo(await this.#take(16), password));
    if (password !== undefined || version === RFB_VERSION) {
      const { length: result } = RfbLength.read(await this.#take(4));
      if (result !== 0) throw new Error(version === RFB_VERSION ? await this.#text() : 'refused');
    }
    this.stream.write(Uint8Array.of(1));
    ({ width: this.width, height: this.height } = RfbSize.read(await this.#take(RfbSize.size)));
    this.format = RfbPixelFormat.read(await this.#take(RfbPixelFormat.size));
    this.title = await this.#text();
    this.pixels = new Uint32Array(this.width * this.height);
    const list = encodings.map((encoding) => RfbEncoding.pack({ encoding }));
    this.say(RFB_CLIENT.SET_ENCODINGS, RfbSetEncodings.pack({ count: encodings.length }), ...list);
  }

  say(type: number, ...parts: Uint8Array[]): void {
    this.stream.write(Buffer.concat([Uint8Array.of(type), ...parts]));
  }

  setFormat(format: RfbPixelFormatValues): void {
    this.format = format;
    this.say(RFB_CLIENT.SET_PIXEL_FORMAT, RfbSetPixelFormat.pack({}), RfbPixelFormat.pack(format));
  }

  key(keysym: number, down: boolean): void {
    this.say(RFB_CLIENT.KEY, RfbKey.pack({ keysym, down: down ? 1 : 0 }));
  }

  extendedKey(scanCode: number, keysym: number, down: boolean): void {
    const key = RfbExtendedKey.pack({ scanCode, keysym, down: down ? 1 : 0 });
    this.say(RFB_CLIENT.QEMU, Uint8Array.of(RFB_QEMU.EXTENDED_KEY), key);
  }

  pointer(x: number, y: number, buttons: number): void {
    this.say(RFB_CLIENT.POINTER, RfbPointer.pack({ x, y, buttons }));
  }

  ask(incremental: boolean): void {
    const { width, height } = this;
    this.say(RFB_CLIENT.UPDATE_REQUEST, RfbUpdateRequest.pack({ incremental: incremental ? 1 : 0, width, height }));
  }

  /** Asks for what is new, or for all of it, and draws what comes. */
  async update(incremental = true): Promise<Received[]> {
    this.ask(incremental);
    return this.receive();
  }

  async receive(): Promise<Received[]> {
    const { type, rectangles } = RfbUpdate.read(await this.#take(RfbUpdate.size));
    assert.equal(type, RFB_SERVER.UPDATE);
    const received: Received[] = [];
    for (let i = 0; i < rectangles; i++) received.push(await this.#rectangle());
    return received;
  }

  /** Resolves when the server has closed the connection. */
  async closed(): Promise<void> {
    if (this.stream.closed) return;
    this.stream.resume();
    await once(this.stream, 'close');
  }

  async close(): Promise<void> {
    (this.stream as Socket).destroy();
    await this.closed();
  }

  async #rectangle(): Promise<Received> {
    const { x, y, width, height, encoding } = RfbRectangle.read(await this.#take(RfbRectangle.size));
    const area = { x, y, width, height, encoding };
    if (encoding === RFB_ENCODING.RAW) {
      const size = this.format!.bitsPerPixel / 8;
      this.#draw(area, this.#numbers(await this.#take(width * height * size), size));
    } else if (encoding === RFB_ENCODING.TIGHT) await this.#tight(area);
    else if (encoding === RFB_ENCODING.DESKTOP_SIZE) {
      this.width = width;
      this.height = height;
      this.pixels = new Uint32Array(width * height);
    } else assert.ok(encoding < 0 && width === 0, `encoding ${encoding}`);
    return area;
  }

  async #tight(area: Received): Promise<void> {
    const { bitsPerPixel, depth } = this.format!;
    const size = bitsPerPixel === 32 && depth === 24 ? 3 : bitsPerPixel / 8;
    const count = area.width * area.height;
    const control = (await this.#take(1))[0]!;
    if (control === TIGHT.FILL) {
      this.#draw(area, Array(count).fill(this.#numbers(await this.#take(size), size)[0]!));
      return;
    }
    const filter = control & TIGHT.FILTER ? (await this.#take(1))[0]! : TIGHT.FILTER_COPY;
    if (filter === TIGHT.FILTER_COPY) {
      this.#draw(area, this.#numbers(await this.#compressed(count * size), size));
      return;
    }
    assert.equal(filter, TIGHT.FILTER_PALETTE);
    const colours = (await this.#take(1))[0]! + 1;
    const palette = this.#numbers(await this.#take(colours * size), size);
    const pitch = colours === 2 ? Math.ceil(area.width / 8) : area.width;
    const data = await this.#compressed(pitch * area.height);
    const index = (i: number): number => {
      const [row, column] = [Math.floor(i / area.width), i % area.width];
      if (colours > 2) return data[row * pitch + column]!;
      return (data[row * pitch + (column >> 3)]! >> (7 - (column & 7))) & 1;
    };
    this.#draw(
      area,
      Array.from({ length: count }, (_, i) => palette[index(i)]!),
    );
  }

  async #compressed(size: number): Promise<Uint8Array> {
    if (size < TIGHT.PLAIN) return this.#take(size);
    let length = 0;
    for (let shift = 0; shift <= 14; shift += 7) {
      const byte = (await this.#take(1))[0]!;
      length |= (shift === 14 ? byte : byte & 0x7f) << shift;
      if (!(byte & 0x80)) break;
    }
    const data = inflateSync(await this.#take(length), { finishFlush: constants.Z_SYNC_FLUSH });
    assert.equal(data.length, size);
    return data;
  }

  #numbers(bytes: Uint8Array, size: number): number[] {
    const big = size === 3 || this.format!.bigEndian === 1;
    return Array.from({ length: bytes.length / size }, (_, i) => {
      let value = 0;
      for (let k = 0; k < size; k++) value = value * 256 + bytes[i * size + (big ? k : size - 1 - k)]!;
      return value;
    });
  }

  #draw({ x, y, width, height }: Received, values: ArrayLike<number>): void {
    assert.ok(x + width <= this.width && y + height <= this.height, 'a rectangle leaves the screen');
    for (let row = 0; row < height; row++)
      for (let column = 0; column < width; column++)
        this.pixels[(y + row) * this.width + x + column] = values[row * width + column]!;
  }

  async #text(): Promise<string> {
    return Buffer.from(await this.#take(RfbLength.read(await this.#take(RfbLength.size)).length)).toString();
  }

  async #take(length: number): Promise<Uint8Array> {
    this.bytes += length;
    return this.#reader.take(length);
  }
}
