import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FW_SHARED_START, FwEntry, FwHeader } from '../../abi/gpu/firmware.ts';
import { viewOf } from '../../abi/layout.ts';
import { FirmwareError, parseFirmware } from './container.ts';
import { buildImage, type SectionSpec, tyrFirmware } from './image.ts';

const SHARED: SectionSpec = { vaStart: FW_SHARED_START, size: 0x10000, write: true, shared: true, zero: true };

const refused = (image: Uint8Array, reason: RegExp): void => {
  assert.throws(
    () => parseFirmware(image),
    (error) => error instanceof FirmwareError && reason.test(error.message),
  );
};

test('our own image reads back as it was built', () => {
  const image = parseFirmware(tyrFirmware());
  assert.equal(image.gitSha, 'tyr 0.1.0');
  assert.deepEqual(image.interface, { major: 1, minor: 1, patch: 0 });
  assert.equal(image.shared.vaStart, FW_SHARED_START);
  const [code] = image.sections;
  assert.ok(code!.execute && !code!.write && code!.data.length > 0);
  assert.deepEqual(image.warnings, []);
});

test('an image cut off anywhere is refused, and nothing else happens', () => {
  const whole = buildImage({
    gitSha: 'abc',
    sections: [SHARED, { vaStart: 0, size: 0x1000, data: new Uint8Array(100) }],
  });
  for (let size = 0; size < whole.length - 16; size++) {
    try {
      parseFirmware(whole.subarray(0, size));
      assert.fail(`${size} of ${whole.length} bytes were accepted`);
    } catch (error) {
      assert.ok(error instanceof FirmwareError, String(error));
    }
  }
});

test('an image with any bit turned round is read or refused, never more', () => {
  const whole = buildImage({
    gitSha: 'abc',
    sections: [SHARED, { vaStart: 0, size: 0x1000, data: new Uint8Array(8) }],
  });
  for (let bit = 0; bit < whole.length * 8; bit++) {
    const damaged = whole.slice();
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    try {
      parseFirmware(damaged);
    } catch (error) {
      assert.ok(error instanceof FirmwareError, String(error));
    }
  }
});

test('what is wrong with a section is told with its name', () => {
  refused(buildImage({ sections: [{ ...SHARED, shared: false }] }), /section 0x04000000-0x04010000: .*shared/);
  refused(buildImage({ sections: [{ vaStart: 0x800, size: 0x1000 }, SHARED] }), /section 0x00000800.*page aligned/);
  refused(
    buildImage({ sections: [{ vaStart: 0, size: 0x1000, data: new Uint8Array(0x1001) }, SHARED] }),
    /data exceed/,
  );
  refused(buildImage({ sections: [{ vaStart: 0, size: 0x1000 }] }), /shared interface region not found/);
  refused(
    buildImage({ sections: [{ vaStart: 0, size: 0x2000 }, { vaStart: 0x1000, size: 0x1000 }, SHARED] }),
    /overlaps section/,
  );
});

test('a foreign file is refused by its magic, a newer container by its version', () => {
  const image = tyrFirmware();
  refused(new Uint8Array(4096), /invalid magic 0x0/);
  FwHeader.write(viewOf(image), 0, { major: 1 });
  refused(image, /container version 1\.3 is not supported/);
});

test('an unknown entry is skipped if it is optional, refused if not', () => {
  const image = buildImage({ gitSha: 'abc', sections: [SHARED] });
  const at = FwHeader.size + 24;
  FwEntry.write(viewOf(image), at, { type: 99, optional: 1 });
  assert.equal(parseFirmware(image).gitSha, undefined);
  FwEntry.write(viewOf(image), at, { type: 99, optional: 0 });
  refused(image, /unsupported entry type 99/);
});

test('protected-mode sections are left out with a warning', () => {
  const image = parseFirmware(
    buildImage({ sections: [SHARED, { vaStart: 0x3000000, size: 0x1000, protected: true }] }),
  );
  assert.equal(image.sections.length, 1);
  assert.match(image.warnings[0]!, /protected mode/);
});
