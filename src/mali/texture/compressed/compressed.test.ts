import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Block } from '../../../abi/blocks/bits.ts';
import { AstcDecoder } from './astc/decoder.ts';
import type { OutputKind } from './astc/output.ts';
import { decodeBc1, decodeBc2, decodeBc3, decodeBc4, decodeBc4Signed, decodeBc5 } from './bc.ts';
import { decodeBc6hSigned, decodeBc6hUnsigned } from './bc6h.ts';
import { decodeBc7 } from './bc7.ts';
import { decodeEacR11, decodeEacR11Signed, decodeEtc2Rgb8, decodeEtc2Rgb8A1, decodeEtc2Rgba8 } from './etc2.ts';

type Decode = (block: Block, out: Uint32Array) => void;

/** Decodes a block given by its bytes in hexadecimal; texels as numbers, of up to four words. */
function decode(decoder: Decode, bytes: string, texels = 16, words = 1): bigint[] {
  const data = Buffer.alloc(16);
  data.write(bytes, 'hex');
  const block = Uint32Array.from({ length: 4 }, (_, i) => data.readUInt32LE(i * 4));
  const out = new Uint32Array(texels * words);
  decoder(block, out);
  return Array.from({ length: texels }, (_, i) =>
    words === 1 ? BigInt(out[i]!) : BigInt(out[i * 2]!) | (BigInt(out[i * 2 + 1]!) << 32n),
  );
}
const hex = (decoder: Decode, bytes: string): string[] => decode(decoder, bytes).map((texel) => texel.toString(16));

/**
 * One block of random bits for each mode of each format: first texel, the one before the middle, last texel. The values are
 * those of independent decoders (Mesa's for ETC2, EAC, BC6H and BC7; Arm's astcenc for ASTC).
 */
const BLOCKS = `
  etc2_rgb8 differential 036d548bd9c5f50d ff162f00 ff8ea73c ff143500
  etc2_rgb8 h-mode 7f043cbacd72c438 ff06f4ff ff06f4ff ff719371
  etc2_rgb8 individual e10b5ab08869cdf5 ff05009e ffbccd23 ff6e7f00
  etc2_rgb8 p-mode 63cafa5e1d0f8770 ff71cbc7 ff9524c8 ffbe00de
  etc2_rgb8 t-mode f3dd091b9eaab675 ff31b920 ff31b920 ff007900
  etc2_rgb8a1 holes-differential 4176da508bad7c44 00000000 ffff9f86 00000000
  etc2_rgb8a1 holes-h-mode 2af3e0b87fec78d9 ff745252 ff740ec9 ff7a5858
  etc2_rgb8a1 holes-p-mode 803c152d1a4c2eea ff493c00 ff463167 ff764eaa
  etc2_rgb8a1 holes-t-mode fb3051405c0f5ad6 00000000 ff0033ff ff0033ff
  etc2_rgb8a1 opaque-differential 61eafd0beeccf09a fffff165 fff7e75b ffcae24e
  etc2_rgb8a1 opaque-h-mode 32f20eeb9c909e8e ff546576 ff546576 ffcdcd01
  etc2_rgb8a1 opaque-p-mode 6681f29f6d8b5abb ffd700cf ffd18647 ffddf114
  etc2_rgb8a1 opaque-t-mode eb75ea3a622a2cbc ff557777 ff1c93d7 ff557777
  etc2_rgba8 any 1c5ab29b95924498934c6afcfb7cc674 2b9573c8 007b9d04 12001500
  r11 any 00ac102264034162 0000 1e83 0000
  sr11 any 8b6e18f7ed8e4a0e 8001 8001 b4ee
  bc7 mode0 0f81f2c3773c43d50aee8119f5bc5513 ffadef8c ff695356 ff6b394a
  bc7 mode1 52d054ed81118a3ee8353846acecfd72 ffd70a43 ff4788c2 ffc60c45
  bc7 mode2 fceab601b335028fc6a551fe08e02af4 ff6644bd ff572ece ff1e517c
  bc7 mode3 e8bfa785e48518d25fbb404fc7ae6908 ffb34ccc ffb66bb9 ffaf2fdf
  bc7 mode4 50e895312a9cb6bf61b4c5fd9ba3b57c 2349bb55 18adb27b 18adb77b
  bc7 mode5 e08c9c705ed13603f307620526baf558 2ac98518 2ac48518 2ac98518
  bc7 mode6 c0ebd741f5bb78da7ecce6d1bee833dd 95b25eb6 ac7394bc ac7394bc
  bc7 mode7 80fd6f6d864ccf086dd88548a1977894 b61c0cff 2c345c8b 780f8c9a
  bc7 mode8 004900a332723d0a57055b973d4ab094 00000000 00000000 00000000
  bc6u mode0 c859d8004dbccb70688aafef69ffb1ee 3c004d9c34385777 3c004da335a2558d 3c004dae34025818
  bc6u mode1 bd20ec70d06f2d814e7963dc25bedf77 3c0036bc55bc0554 3c00370152df1604 3c00378d4d263764
  bc6u mode2 a27faf50a39decc91485e684b376bce3 3c0057ba15417bbf 3c0057d9150e0074 3c0057e215767b1f
  bc6u mode3 830e11347b64bd24d3b7fa9764a9ac70 3c00330807a20e4f 3c003e4a2509100c 3c003ba41e1e0fa3
  bc6u mode6 862db2db6edc89dcef52f7cf46a365b6 3c00731234b4160b 3c00730234d21604 3c0072d3353115f0
  bc6u mode7 877f507807ee9ce1c403b2e9eff0d330 3c0039650baf3d3e 3c00367316d43a27 3c0039290c8f3d00
  bc6u mode10 6ae1703f7c13498c3590015bcecf60a5 3c0020e82ca72f32 3c0021832c3a2f32 3c0020e72c3a2eef
  bc6u mode11 ab8226c6b9dd050a350db0cc101437c4 3c0025f8028b5d57 3c00265e03745be3 3c00265e03745be3
  bc6u mode14 ee6be98945493671c51340fd007af8df 3c002f9770fb5521 3c002e616e13559d 3c002ec96e47561f
  bc6u mode15 cf494a3a3b09bc00fe7b4c56446d18b3 3c0000c83a6723ff 3c0000c83a6723fe 3c0000c83a672400
  bc6u mode18 52f99873d5b8ee03b8daf0f041169128 3c0059da17fa6216 3c005271161b6cfd 3c00521a160a6fa6
  bc6u mode22 36c4d087cf306e61eec996008cdf9f73 3c005ed44d340fbf 3c005f8747fb0d50 3c005f1a4b290ecb
  bc6u mode26 1abfee99abc44e3f1295f5e6bc985022 3c0062eb6a9b779e 3c00556667a400dc 3c00540a648200ba
  bc6u mode30 defd3a4df2da8b769eb9a33d0a9f8f3e 3c004a9867a85a18 3c0037b445df465b 3c004c80616355bc
  bc6s mode0 68d3f15c2c60f5a8ce28f6d1c020d226 3c00f17d7578d669 3c00f0507802d977 3c00f17d7578d669
  bc6s mode1 7dc4f80c3f88feeb7061ac51eae8517d 3c001f64a7d74a80 3c0081e0be363d74 3c008525ccec3801
  bc6s mode2 e2b0bbe3ca683e613e52709109a1b712 3c002cbe90a62f68 3c002c688ff42fa3 3c002d1b902a2f49
  bc6s mode3 839122c5224d445455cc2ffe9702db39 3c003e0cec9a2b90 3c00d36ff3e365d7 3c003377ed212fcd
  bc6s mode6 a63743b7efc8af1537b504789d9531bb 3c00777faddec639 3c0076ecad3ec6e1 3c0076b6ad50c6d0
  bc6s mode7 c7058457bd409482a625322198fcfa28 3c004c9862030632 3c004e7e60c90606 3c004e7e60c90606
  bc6s mode10 ca94a834246c7be3f8eb4bcfcec49a7e 3c004169d36c144c 3c00404ad34014d3 3c004183d381145d
  bc6s mode11 abb34358660559b33103f34b8304c37b 3c008cdd46341909 3c008b39454d17af 3c0089f8449d16a6
  bc6s mode14 2e3b762922bdbeebdc8db771fa0df7cf 3c00f32a71ce92dc 3c00f0226e32958e 3c00f64d6df99177
  bc6s mode15 4f7bbf9a2acf60b425ae65a6e1b7f7d2 3c0069e10d1377fc 3c0069dd0d1577fe 3c0069db0d1677ff
  bc6s mode18 f2dc9402f3896d786a0050d437d1ac20 3c00fbff283498b4 3c008f64311e9d32 3c0070dc2c14a35c
  bc6s mode22 f6e49d6a233638f186ebc1a1e3944a70 3c00c92439a42644 3c00c8523a0c27e6 3c00d03924c02789
  bc6s mode26 3a030632ca40b06f193cbe9b82bcd3ff 3c00255f0ced15d7 3c000fc10f781920 3c0036bc0e0c11ec
  bc6s mode30 7edc96507e6b065951abf49b3a7ec2be 3c00d97dc84bebc6 3c0066b01550def0 3c003d46214dabb7
  astc_wide_8x6x1 endpoint0 1d07406d8a0ded990e94cf1deb6dcb32 3c0038c2390538c2 3c00370636313706 3c00382234883822
  astc_wide_8x6x1 endpoint1 ef2318ed542858e41b0129e146796494 3c0038bf38bf38bf 3c0037b137b137b1 3c00387438743874
  astc_wide_8x6x1 endpoint4 c185e09c23032e3b06c76e3abf222854 388c370737073a76 2f0739e839e83a76 1c043a763a763a76
  astc_wide_8x6x1 endpoint5 45a02626803f24f1169814f4c6865f95 36f62c842c842c84 36c92c182c182c18 3606288428842884
  astc_wide_8x6x1 endpoint6 83c32e5bcc2bf80aa99a165fdb0a686b 3c00375d2db134d7 3c0039dd309337b3 3c003b01317b3899
  astc_wide_8x6x1 endpoint8 ee01e50af19482bcfebc127dd747f29d 3c0034ac3695378b 3c003587353a380d 3c00354d359737f4
  astc_wide_8x6x1 endpoint9 322355b90fcf77ebb7de2b451d7db56c 3c0032493b5a3011 3c0031b93b7230ce 3c0031823b7c3117
  astc_wide_8x6x1 endpoint10 11476f35eb81d92e8477f793dd7cc499 3ba0341f382638de 3ab6336d37753862 39d53454385c391d
  astc_wide_8x6x1 endpoint12 1e846563c00b4d5ab00d01acd257b77b 384038ce341c38f8 365a39bd36023a48 365a37bf36023a48
  astc_wide_8x6x1 endpoint13 13a1f1b63162656273ce0aa21d71da65 2c393972390a3962 2d7f392738be399e 2e1c3903389a39ba
  astc_hdr_6x6x1 endpoint2 0f44401ba5b8c1c076b13a763e8442ee 3c004c2d46804c2d 3c004dd04dd04dd0 3c004dd046804dd0
  astc_hdr_6x6x1 endpoint3 0163e41e7ccd2dcdcbc56ba93722c2d4 3c0007f307f307f3 3c00071607160716 3c00072907290729
  astc_hdr_6x6x1 endpoint7 5fe1b02bf06d89c6642d6d0d60b5150e 3c00286023101a40 3c002fda2a6221a2 3c0031f42cb72427
  astc_hdr_6x6x1 endpoint11 526283046965d8bfc31079d03482dae4 3c0001fa0aba0f29 3c0001c40a840ea8 3c0001da0a9a0ed9
  astc_hdr_6x6x1 endpoint14 71c15347a3fc4d4dedf6319314be8f79 393d4640556049a0 35f7429450ec476a 36de437451d04800
  astc_hdr_6x6x1 endpoint15 33e3b5bf74eac6362385718bca5e5a3a 45ac38f9394f38dc 45fc38fe3913384a 45d438fb39313890
  astc_srgb_4x4x1 partitions1 532296e029df3082e371e90b981abd7d fffefefe fff8f8f8 ffd3d3d3
  astc_srgb_4x4x1 partitions1-dual 51241461855669e4bc49e7d9195f4092 ffd2baba ffa2d2d2 ffa2d2d2
  astc_srgb_4x4x1 partitions2 016a62603d86c349d3b78d331bcc7139 ffc2c2c2 ff3a3a3a ff1c1c1c
  astc_srgb_4x4x1 partitions2-dual 3f2d2c2f9e865bfaf44089802c7a122d fff65ffd ffc1dfb3 ff92d6a7
  astc_srgb_4x4x1 partitions3 5252c2d8ec0f49879209f143dad12efe ffc1c1c1 fff1f1f1 ffff00ff
  astc_srgb_4x4x1 partitions3-dual 2d77f9dc1629e00d36d1764b9de9b3d5 ff525252 b6959595 ab8f8f8f
  astc_srgb_4x4x1 partitions4 215a8fcec0b1890e9aed8e445c10858e 00000000 a3919191 00000000
  astc_srgb_12x10x1 partitions1 eaa05255733f4cd2618f264fd9bcdd51 b2b4b4b4 b2b3b3b3 b2b4b4b4
  astc_srgb_12x10x1 partitions1-dual 6d840a410a0e1127b166237f68e7d157 05858520 8720206c 87202020
  astc_srgb_12x10x1 partitions2 2f8b5cad58385a76a7060480a1146b67 e9f2f2f2 ffd3b09b ff2c2559
  astc_srgb_12x10x1 partitions2-dual 02ae086a53a0ffd623779587878466f5 ceededed 11dfdfdf 11e0e0e0
  astc_srgb_12x10x1 partitions3 45500b2dc1a5dcfdb722b39b2c2ee685 ffd6e28a ff5300bd ffd1c5a2
  astc_srgb_12x10x1 partitions3-dual 8f75528338effd1a5542098e0740b78b ffaa1122 f3759c34 f5475e1f
  astc_srgb_12x10x1 partitions4 7179b6ca2e1a3a6a72c2048bced0465f ff000000 ff189248 ffe3e3e3
  astc_narrow_6x5x5 partitions1 374203b1f7c752f7e6ddb87efd29d0a8 beca00ca baaf00af c7ff00ff
  astc_narrow_6x5x5 partitions1-dual 61a4ffbaa1910b1c7af4677d6bdc726d 9b09755b 9e027160 9b09755b
  astc_narrow_6x5x5 partitions2 018bc3ed536ceb941080849c51cf6557 ffe188ac ffe588b0 24496d49
  astc_narrow_6x5x5 partitions2-dual 292cbab4217150b5252dd76455adec41 cad6fbfb b2e2f5f5 ffff00ff
  astc_narrow_6x5x5 partitions3 1a906f65044341d613fca76a5395620a ff322f00 c91c0090 c41d0093
  astc_narrow_6x5x5 partitions3-dual 911498fea96cf0ca02b604d08c55a60f d7000000 68532553 bf394a39
  astc_narrow_6x5x5 partitions4 34d883c6bd78eac4c7ccd6ed850319ff ffffffff ffd2d2d2 ffcccccc
  astc_narrow_6x5x5 partitions4-dual 045e9b302646a86edd1a2f6cbfe25e5a ff242424 ffadadad ffadadad
`;

const DECODERS: Readonly<Record<string, [decode: Decode, words: number]>> = {
  etc2_rgb8: [decodeEtc2Rgb8, 1],
  etc2_rgb8a1: [decodeEtc2Rgb8A1, 1],
  etc2_rgba8: [decodeEtc2Rgba8, 1],
  r11: [decodeEacR11, 1],
  sr11: [decodeEacR11Signed, 1],
  bc7: [decodeBc7, 1],
  bc6u: [decodeBc6hUnsigned, 2],
  bc6s: [decodeBc6hSigned, 2],
};

for (const line of BLOCKS.trim().split('\n')) {
  const [format, mode, bytes, ...expected] = line.trim().split(' ') as [string, string, string, ...string[]];
  test(`${format} ${mode} decodes as other decoders do`, () => {
    let texels = 16;
    let [decoder, words] = DECODERS[format] ?? [];
    const astc = /^astc_(\w+)_(\d+)x(\d+)x(\d+)$/.exec(format);
    if (astc) {
      const [width, height, depth] = astc.slice(2).map(Number) as [number, number, number];
      const instance = new AstcDecoder(width, height, depth, astc[1] as OutputKind);
      decoder = (block, out) => instance.decode(block, out);
      words = astc[1] === 'wide' || astc[1] === 'hdr' ? 2 : 1;
      texels = width * height * depth;
    }
    const got = decode(decoder!, bytes, texels, words);
    const at = [0, Math.floor(texels / 2) - 1, texels - 1];
    assert.deepEqual(
      at.map((i) => got[i]!.toString(16)),
      expected.map((texel) => BigInt(`0x${texel}`).toString(16)),
    );
  });
}

test('ETC2 individual mode: two halves, and modifiers down the columns', () => {
  // Colours 0x8 and 0x4 in all channels, tables 0 (2, 8) and 1 (5, 17); texel 0 has index 1, texel 15 index 3, all others 0.
  const texels = hex(decodeEtc2Rgb8, '8484840480008001');
  assert.equal(texels[0], 'ff909090');
  assert.equal(texels[1], 'ff8a8a8a');
  assert.equal(texels[2], 'ff494949');
  assert.equal(texels[15], 'ff333333');
});

test('BC1 has four colours, or three and transparent black', () => {
  // White above black, then black below white; indices 0, 1, 2, 3 in the first row.
  assert.deepEqual(hex(decodeBc1, 'ffff0000e4000000').slice(0, 4), ['ffffffff', 'ff000000', 'ffaaaaaa', 'ff555555']);
  assert.deepEqual(hex(decodeBc1, '0000ffffe4000000').slice(0, 4), ['ff000000', 'ffffffff', 'ff808080', '0']);
});

test('BC2 and BC3 have alpha before a colour part that always has four colours', () => {
  assert.deepEqual(hex(decodeBc2, 'f0070000000000000000ffffe4000000').slice(0, 4), [
    '0',
    'ffffffff',
    '77555555',
    'aaaaaa',
  ]);
  // Alpha 255 and 0: index 0, 1, then 2 (six sevenths), then 7 (one seventh).
  assert.deepEqual(hex(decodeBc3, 'ff00880e00000000ffff000000000000').slice(0, 4), [
    'ffffffff',
    'ffffff',
    'dbffffff',
    '24ffffff',
  ]);
});

test('BC4 has eight steps, or six and both ends; BC5 has two channels', () => {
  assert.deepEqual(hex(decodeBc4, 'ff00880e00000000').slice(0, 4), ['ffff', '0', 'db6d', '2492']);
  // The first endpoint is below the second: indices 6 and 7 are 0 and 1; 4 and 2 are three fifths and one of the way.
  assert.deepEqual(hex(decodeBc4, '33cc3e05000000'.padEnd(16, '0')).slice(0, 4), ['0', 'ffff', '8f5c', '51eb']);
  assert.deepEqual(hex(decodeBc4Signed, '7f81000000000000')[0], '7fff');
  assert.deepEqual(hex(decodeBc5, 'ff0000000000000000ff000000000000')[0], 'ffff');
});

test('an ASTC block of one colour fills its texels, and a broken one shows magenta', () => {
  const narrow = new AstcDecoder(4, 4, 1, 'narrow');
  const decoder: Decode = (block, out) => narrow.decode(block, out);
  assert.ok(hex(decoder, 'fcfdffffffffffff1122334455667788').every((texel) => texel === '88664422'));
  // A block mode of all zeros is reserved.
  assert.ok(hex(decoder, '00000000000000000000000000000000').every((texel) => texel === 'ffff00ff'));
  // One colour in half floats is for HDR decoders.
  assert.equal(hex(decoder, 'fcffffffffffffff1122334455667788')[0], 'ffff00ff');
  const hdr = new AstcDecoder(4, 4, 1, 'hdr');
  const [first] = decode((block, out) => hdr.decode(block, out), 'fcffffffffffffff1122334455667788', 16, 2);
  assert.equal(first, 0x8877665544332211n);
});

test('any bits decode to something', () => {
  let state = 1;
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state;
  };
  const decoders = [...Object.values(DECODERS), [decodeBc1, 1], [decodeBc3, 1], [decodeBc5, 1]] as [Decode, number][];
  const astc = [new AstcDecoder(12, 12, 1, 'wide'), new AstcDecoder(3, 3, 3, 'srgb'), new AstcDecoder(6, 6, 6, 'hdr')];
  const block = new Uint32Array(4);
  const out = new Uint32Array(6 ** 3 * 2);
  for (let i = 0; i < 2000; i++) {
    for (let w = 0; w < 4; w++) block[w] = random();
    for (const [decoder] of decoders) decoder(block, out);
    for (const decoder of astc) decoder.decode(block, out);
  }
});
