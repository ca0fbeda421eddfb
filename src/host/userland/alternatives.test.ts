/** Names that several packages have programs for: read from their installation scripts, and linked. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { alternativesOf, linkAlternatives } from './alternatives.ts';
import { mustRun } from './command.ts';

const SCRIPT = `#!/bin/sh
set -e
case "$1" in
    configure)
        update-alternatives --install /usr/bin/awk awk /usr/bin/mawk 5 \\
            --slave /usr/share/man/man1/awk.1.gz awk.1.gz /usr/share/man/man1/mawk.1.gz \\
            --slave /usr/bin/nawk nawk /usr/bin/mawk
        update-alternatives --quiet --install /usr/bin/pager pager /bin/more 50; echo done
        update-alternatives --install "$link" x /usr/bin/x 1
        update-alternatives --remove awk /usr/bin/oldawk
        ;;
esac
`;

test('calls of update-alternatives are read from a script, but for those that it works out', () => {
  const [awk, pager, ...rest] = alternativesOf(SCRIPT);
  assert.deepEqual(awk, {
    link: '/usr/bin/awk',
    path: '/usr/bin/mawk',
    priority: 5,
    slaves: [
      { link: '/usr/share/man/man1/awk.1.gz', path: '/usr/share/man/man1/mawk.1.gz' },
      { link: '/usr/bin/nawk', path: '/usr/bin/mawk' },
    ],
  });
  assert.deepEqual(pager, { link: '/usr/bin/pager', path: '/bin/more', priority: 50, slaves: [] });
  assert.deepEqual(rest, []);
});

/** A package with this program and installation script. */
async function deb(t: TestContext, name: string, path: string, postinst: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'tyr-alternatives-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const [file, text] of [
    [
      'DEBIAN/control',
      `Package: ${name}\nVersion: 1\nArchitecture: all\nMaintainer: none <none@none>\nDescription: none\n`,
    ],
    ['DEBIAN/postinst', postinst],
    [path, ''],
  ] as const) {
    mkdirSync(join(folder, 'tree', dirname(file)), { recursive: true });
    writeFileSync(join(folder, 'tree', file), text, { mode: 0o755 });
  }
  await mustRun('dpkg-deb', ['--build', join(folder, 'tree'), join(folder, `${name}.deb`)]);
  return join(folder, `${name}.deb`);
}

test('the alternative with the highest priority that is there gets the link, and what is there stays', async (t) => {
  const install = (program: string, priority: number) =>
    `#!/bin/sh\nupdate-alternatives --install /usr/bin/awk awk ${program} ${priority} --slave /usr/bin/nawk nawk ${program}\n`;
  const debs = [
    await deb(t, 'mawk', 'usr/bin/mawk', install('/usr/bin/mawk', 5)),
    await deb(t, 'gawk', 'usr/bin/gawk', install('/usr/bin/gawk', 10)),
    await deb(t, 'absent', 'usr/bin/other', install('/usr/bin/absent', 99)),
  ];
  const root = mkdtempSync(join(tmpdir(), 'tyr-alternatives-root-'));
  t.after(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, 'usr/bin'), { recursive: true });
  for (const name of ['mawk', 'gawk', 'nawk']) writeFileSync(join(root, 'usr/bin', name), name);
  await linkAlternatives(debs, root);
  assert.equal(readlinkSync(join(root, 'usr/bin/awk')), 'gawk');
  assert.throws(() => readlinkSync(join(root, 'usr/bin/nawk')), /EINVAL/);
});
